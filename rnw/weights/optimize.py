"""Optimization of trained networks for inference: the same scores with fewer memory accesses."""

import json
from typing import Any, Dict, List

import mxnet as mx
from mxnet.gluon import HybridBlock, SymbolBlock

from rnw.networks.classifier import Network
from rnw.networks.layout import fold
from rnw.networks.symbols import to_symbol
from rnw.weights import parameter_values
from rnw.weights.surgery import fold_batch_norms

FUSION_BACKEND = "MKLDNN"  # MXNet's name of oneDNN


def optimize(net: Network) -> HybridBlock:
    """Return a copy of an initialized network for inference only, on the same contexts.

    Batch normalizations that follow a convolution are folded into it. On CPUs where MXNet has
    oneDNN, convolutions are also fused with the ReLU or sum that follows, and other normalizations
    with their ReLU. The copy has the `config` of `net` and is called in the same way, in float32
    and for any batch and size; later changes to `net` do not affect it.
    """
    contexts = next(iter(net.collect_params().values())).list_ctx()
    folded = Network(fold(net.config))
    values = fold_batch_norms(net.config, parameter_values(net))
    for name, parameter in folded.named_parameters.items():
        parameter.grad_req = "null"
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros")
        parameter.set_data(values.pop(name))
    fast = _fuse(folded) if _can_fuse(contexts) else folded
    fast.config = net.config
    fast.hybridize(static_alloc=True, static_shape=True)
    return fast


def _can_fuse(contexts: List[mx.Context]) -> bool:
    on_cpus = all(context.device_type == "cpu" for context in contexts)
    return on_cpus and mx.runtime.Features().is_enabled(FUSION_BACKEND)


def _fuse(net: Network) -> SymbolBlock:
    """Return the graph of `net` with oneDNN's fused operators, on its parameters."""
    graph = json.loads(to_symbol(net).tojson())
    _merge_normalizations(graph["nodes"])
    symbol = mx.sym.load_json(json.dumps(graph)).get_backend_symbol(FUSION_BACKEND)
    parameters = net.collect_params()
    inputs = [name for name in symbol.list_inputs() if name not in parameters]
    variables = [mx.sym.var(name, dtype="float32") for name in inputs]
    return SymbolBlock(symbol, variables, params=parameters)


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
