"""Optimization of trained networks for inference: the same scores with fewer memory accesses."""

import json
from dataclasses import replace
from typing import Any, Dict, List, Mapping

import mxnet as mx
import numpy as np
from mxnet.contrib import amp
from mxnet.gluon import HybridBlock, SymbolBlock
from mxnet.ndarray.ndarray import _DTYPE_MX_TO_NP

from rnw.networks.classifier import Network
from rnw.networks.layout import NetworkConfig, fold
from rnw.networks.symbols import to_symbol
from rnw.weights import parameter_values
from rnw.weights.level_ends import fold_level_ends
from rnw.weights.precision import BFLOAT16, FLOAT16, FLOAT32, check_precision
from rnw.weights.surgery import fold_batch_norms

FUSION_BACKEND = "MKLDNN"  # MXNet's name of oneDNN
INPUT = "data"
# With AMX a first convolution that reads 3 channels takes 3 to 4 times as long as one that reads 4.
CHANNELS = 4


def optimize(net: Network, precision: str = FLOAT32, *, force: bool = False) -> HybridBlock:
    """Return a copy of an initialized network for inference only, on the same contexts.

    Batch normalizations that follow a convolution are folded into it, and those that follow the
    last unit of a level, where no pooling comes between, into the level (but in float16). On CPUs
    where MXNet has oneDNN, convolutions are also fused with the ReLU or sum that follows, and other
    normalizations with their ReLU; in bfloat16 the input gets channels whose weights are 0. The
    copy has the `config` of `net` and is called in the same way, in float32 and for any batch and
    size; later changes to `net` do not affect it.

    precision: 'float32', 'bfloat16' on CPUs or 'float16' on GPUs. Feature maps and the weights of
        convolutions and classifiers are then of that type, those of normalizations float32; inputs
        and outputs stay float32. float16 has never been run on a GPU.
    force: use bfloat16 also on a CPU that only emulates it, slower than float32.

    Raises InputError for a precision that is unknown or that the contexts do not compute in.
    """
    contexts = next(iter(net.collect_params().values())).list_ctx()
    return optimized(net.config, parameter_values(net), contexts, precision, force=force)


def optimized(
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    contexts: List[mx.Context],
    precision: str = FLOAT32,
    *,
    force: bool = False,
) -> HybridBlock:
    """Return a network with these parameters on contexts as `optimize` makes it, and raise as it.

    Segmentation networks are given no memory beforehand: what they take at one time, of pictures
    that may be large and of many sizes, is half as much.
    """
    check_precision(precision, [context.device_type for context in contexts], force=force)
    simple, values = fold(config), fold_batch_norms(config, parameters)
    if precision != FLOAT16:  # whose range is too narrow for maps times a factor
        simple, values = fold_level_ends(simple, values)
    if precision == BFLOAT16:
        simple = _widen_input(simple, values)
    folded = Network(simple)
    for name, parameter in folded.named_parameters.items():
        parameter.grad_req = "null"
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros")
        parameter.set_data(values.pop(name).astype(np.float32, copy=False))
    fused = _can_fuse(contexts)
    plain = precision == FLOAT32 and not fused
    fast = folded if plain else _rewrite(folded, config.channels, precision, fused=fused)
    fast.config = config
    beforehand = not config.segmentation
    fast.hybridize(static_alloc=beforehand, static_shape=beforehand)
    return fast


def _widen_input(config: NetworkConfig, values: Dict[str, np.ndarray]) -> NetworkConfig:
    """Return a network that reads more channels, a multiple of `CHANNELS`, with weights of 0."""
    more = -config.channels % CHANNELS
    name = f"{config.stem.name}_weight"
    values[name] = np.pad(values[name], ((0, 0), (0, more), (0, 0), (0, 0)))
    stem = replace(config.stem, in_channels=config.channels + more)
    return replace(config, channels=stem.in_channels, layers=(stem, *config.layers[1:]))


def _can_fuse(contexts: List[mx.Context]) -> bool:
    on_cpus = all(context.device_type == "cpu" for context in contexts)
    return on_cpus and mx.runtime.Features().is_enabled(FUSION_BACKEND)


def _rewrite(net: Network, channels: int, precision: str, *, fused: bool) -> SymbolBlock:
    """Return the graph of `net` in a precision, with oneDNN's fused operators if it is `fused`.

    It reads inputs of `channels`, and has the parameters of `net`, which are cast.
    """
    graph = json.loads(to_symbol(net).tojson())
    if fused:
        _merge_normalizations(graph["nodes"])
    symbol = _repeat_channels(mx.sym.load_json(json.dumps(graph)), channels, net.config.channels)
    parameters = net.collect_params()
    inputs = [name for name in symbol.list_inputs() if name not in parameters]
    if precision != FLOAT32:
        symbol = amp.convert_symbol(symbol, precision, data_names=inputs, cast_optional_params=True)
        _cast_parameters(parameters, symbol)
    if fused:
        symbol = symbol.get_backend_symbol(FUSION_BACKEND)
    variables = [mx.sym.var(name, dtype="float32") for name in inputs]
    return SymbolBlock(symbol, variables, params=parameters)


def _repeat_channels(symbol: mx.sym.Symbol, channels: int, wanted: int) -> mx.sym.Symbol:
    """Return a graph that reads `channels` and repeats them for one that reads `wanted`."""
    if channels == wanted:
        return symbol
    whole, rest = divmod(wanted, channels)
    data = mx.sym.var(INPUT)
    parts = [data] * whole
    if rest:
        parts.append(mx.sym.slice_axis(data, axis=1, begin=0, end=rest, name=f"{INPUT}_rest"))
    return symbol(**{INPUT: mx.sym.concat(*parts, dim=1, name=f"{INPUT}_repeated")})


def _cast_parameters(parameters: Mapping[str, mx.gluon.Parameter], symbol: mx.sym.Symbol) -> None:
    """Cast parameters to the types that a graph notes on them, by MXNet's numbers of types."""
    for name, attributes in symbol.attr_dict().items():
        if name in parameters and "__dtype__" in attributes:
            parameters[name].cast(_DTYPE_MX_TO_NP[int(attributes["__dtype__"])])


def _merge_normalizations(nodes: List[Dict[str, Any]]) -> None:
    """Replace a batch normalization and its ReLU by one operator.

    It also keeps MXNet from fusing the stem with the first normalization of a unit on level 1,
    though the shortcut reads it too, which gives a graph that cannot be run.
    """
    activations = (node for node in nodes if node["op"] == "Activation")
    for node in activations:
        source = nodes[node["inputs"][0][0]]
        if source["op"] == "BatchNorm":
            node.update(source, op="_contrib_BatchNormWithReLU", name=node["name"])
