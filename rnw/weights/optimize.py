"""Optimization of trained networks for inference: the same scores with fewer memory accesses."""

import json
from typing import Any, Dict, List, Mapping

import mxnet as mx
import numpy as np
from mxnet.contrib import amp
from mxnet.gluon import Block, SymbolBlock
from mxnet.gluon.nn import Sequential
from mxnet.ndarray.ndarray import _DTYPE_MX_TO_NP

from rnw.networks.classifier import Network
from rnw.networks.layout import NetworkConfig, fold, join
from rnw.networks.symbols import to_symbol
from rnw.weights import parameter_values
from rnw.weights.precision import FLOAT32, check_precision
from rnw.weights.surgery import fold_batch_norms, join_projections
from rnw.weights.waists import INCOMING, cut_at_waists

FUSION_BACKEND = "MKLDNN"  # MXNet's name of oneDNN


def optimize(net: Network, precision: str = FLOAT32, *, force: bool = False) -> Block:
    """Return a copy of an initialized network for inference only, on the same contexts.

    Batch normalizations that follow a convolution are folded into it, and where a projection and a
    last convolution are alike, one computes the sum of both. On CPUs where MXNet has oneDNN,
    convolutions are also fused with the ReLU or sum that follows, and other normalizations with
    their ReLU. The copy has the `config` of `net` and is called in the same way, in float32 and for
    any batch and size; later changes to `net` do not affect it.

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
) -> Block:
    """Return a network with these parameters on contexts as `optimize` makes it, and raise as it.

    Segmentation networks are given no memory beforehand, and run level by level, one operator after
    the other: what they take at one time, of pictures that may be large and of many sizes, is less.
    """
    check_precision(precision, [context.device_type for context in contexts], force=force)
    net = Network(join(fold(config)))
    values = join_projections(config, fold_batch_norms(config, parameters))
    for name, parameter in net.named_parameters.items():
        parameter.grad_req = "null"
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros")
        parameter.set_data(values.pop(name).astype(np.float32, copy=False))
    fused = _can_fuse(contexts)
    plain = precision == FLOAT32 and not fused
    fast = net if plain else _rewrite(net, precision, fused=fused)
    fast.config = config
    fixed = {"static_alloc": True, "static_shape": True}
    flags = {"forward_bulk_size": 0} if config.segmentation else fixed
    for piece in fast if isinstance(fast, Sequential) else [fast]:
        piece.hybridize(**flags)
    return fast


def _can_fuse(contexts: List[mx.Context]) -> bool:
    on_cpus = all(context.device_type == "cpu" for context in contexts)
    return on_cpus and mx.runtime.Features().is_enabled(FUSION_BACKEND)


def _rewrite(net: Network, precision: str, *, fused: bool) -> Block:
    """Return the graph of `net` in a precision, with oneDNN's fused operators if it is `fused`.

    It has the parameters of `net`, which are cast. That of a segmentation network is in pieces.
    """
    graph = json.loads(to_symbol(net).tojson())
    if fused:
        _merge_normalizations(graph["nodes"])
    symbol = mx.sym.load_json(json.dumps(graph))
    parameters = net.collect_params()
    inputs = [name for name in symbol.list_inputs() if name not in parameters]
    if not net.config.segmentation or len(inputs) > 1:
        return _finish(symbol, inputs, parameters, precision, fused=fused)
    pieces = Sequential(prefix="")
    for piece in cut_at_waists(symbol):
        pieces.add(_finish(piece, inputs, parameters, precision, fused=fused))
        inputs = [INCOMING]
    return pieces


def _finish(
    symbol: mx.sym.Symbol, inputs: List[str], parameters: Any, precision: str, *, fused: bool
) -> SymbolBlock:
    """Return a graph, or a piece of one, in a precision; cast those of the parameters it has."""
    if precision != FLOAT32:
        symbol = amp.convert_symbol(symbol, precision, data_names=inputs, cast_optional_params=True)
        _cast_parameters(parameters, symbol)
    if fused:
        symbol = symbol.get_backend_symbol(FUSION_BACKEND)
    variables = [mx.sym.var(name, dtype="float32") for name in inputs]
    return SymbolBlock(symbol, variables, params=parameters)


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
