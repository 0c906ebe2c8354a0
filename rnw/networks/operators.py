"""The operators of a network's graph, as MXNet names them, from its layout without MXNet.

They are those up to the scores or features, in inference: dropout and losses are left out. A graph
that another program wrote is compared with them (`rnw.weights.symbol_file`).
"""

from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple, Type

from rnw.networks import layers
from rnw.networks.layers import LOWEST
from rnw.networks.layout import NetworkConfig

INPUT = "data"


class Operator(NamedTuple):
    """A node of a graph; `inputs` are the names of operators and parameters.

    `attributes` are those that tell what it computes in inference.
    """

    kind: str
    name: str
    inputs: Tuple[str, ...]
    attributes: Dict[str, Any]


def operators(config: NetworkConfig) -> Iterator[Operator]:
    """Yield the operators of a network in order; a unit's sum has the name `res<unit>`."""
    x = INPUT
    for layer in config.layers:
        for operator in _OF_LAYER[type(layer)](layer, x):
            yield operator
            x = operator.name


def _convolution(spec: layers.Convolution, x: str) -> Iterator[Operator]:
    parameters = (f"{spec.name}_weight", f"{spec.name}_bias")[: 1 + spec.bias]
    attributes = {
        "kernel": (spec.kernel,) * 2,
        "stride": (spec.stride,) * 2,
        "dilate": (spec.dilation,) * 2,
        "pad": (spec.pad,) * 2,
        "num_filter": spec.channels,
        "num_group": 1,
        "no_bias": not spec.bias,
    }
    yield Operator("Convolution", spec.name, (x, *parameters), attributes)


def _batch_norm(spec: layers.Normalization, x: str) -> Operator:
    parameters = spec.parameters()
    attributes = {"eps": spec.epsilon, "fix_gamma": False, "axis": 1}
    return Operator("BatchNorm", spec.bn, (x, *parameters), attributes)


def _relu(name: str, x: str) -> Operator:
    return Operator("Activation", name, (x,), {"act_type": "relu"})


def _normalization(spec: layers.Normalization, x: str) -> Iterator[Operator]:
    yield _batch_norm(spec, x)
    yield _relu(spec.relu, spec.bn)


def _sum(unit: layers.ResidualUnit, shortcut: str, top: str) -> Operator:
    return Operator("elemwise_add", f"res{unit.name}", (shortcut, top), {})


def _residual_unit(unit: layers.ResidualUnit, x: str) -> Iterator[Operator]:
    shortcut = top = x
    for position, stage in enumerate(unit.stages):
        yield from _normalization(stage.normalization, top)
        if position == 0 and unit.projection is not None:
            yield from _convolution(unit.projection, stage.normalization.relu)
            shortcut = unit.projection.name
        yield from _convolution(stage.convolution, stage.normalization.relu)
        top = stage.convolution.name
    yield _sum(unit, shortcut, top)


def _bottleneck(unit: layers.Bottleneck, x: str) -> Iterator[Operator]:
    shortcut = top = x
    if unit.projection is not None:
        yield from _convolution(unit.projection, x)
        yield _batch_norm(unit.shortcut_normalization, unit.projection.name)
        shortcut = unit.shortcut_normalization.bn
    for stage in unit.stages:
        yield from _convolution(stage.convolution, top)
        yield _batch_norm(stage.normalization, stage.convolution.name)
        top = stage.normalization.bn
        if stage is not unit.stages[-1]:
            yield _relu(stage.normalization.relu, top)
            top = stage.normalization.relu
    yield _sum(unit, shortcut, top)
    yield _relu(f"res{unit.name}_relu", f"res{unit.name}")


def _pooling(spec: layers.Pooling, x: str) -> Iterator[Operator]:
    if spec.dilation is not None and spec.dilation > 1:
        yield from _dilated_pooling(spec, spec.dilation, x)
        return
    down = spec.dilation is None
    attributes = {
        "kernel": (3, 3),
        "stride": (2 if down else 1,) * 2,
        "pad": (0 if down and spec.convention != "pad" else 1,) * 2,
        "pool_type": "max",
        "global_pool": False,
        "pooling_convention": "full" if down and spec.convention == "full" else "valid",
    }
    yield Operator("Pooling", spec.name, (x,), attributes)


def _dilated_pooling(spec: layers.Pooling, edge: int, x: str) -> Iterator[Operator]:
    """Yield a maximum down the columns, then along the rows, as `rnw.networks.units` builds it."""
    for axis, result in ((2, f"{spec.name}_columns"), (3, spec.name)):
        pad, before, behind, outer = (f"{spec.name}_{end}{axis}" for end in ("pad", "a", "b", "c"))
        pad_width = (0,) * 2 * axis + (edge, edge) + (0,) * 2 * (3 - axis)
        fill = {"mode": "constant", "constant_value": LOWEST, "pad_width": pad_width}
        yield Operator("Pad", pad, (x,), fill)
        slices = ((before, 0, -2 * edge), (behind, 2 * edge, None))
        for name, begin, end in slices:
            yield Operator("slice_axis", name, (pad,), {"axis": axis, "begin": begin, "end": end})
        yield Operator("broadcast_maximum", outer, (before, behind), {})
        yield Operator("broadcast_maximum", result, (outer, x), {})
        x = result


def _linear(spec: layers.LinearClassifier, x: str) -> Iterator[Operator]:
    yield Operator("Pooling", spec.pool, (x,), {"pool_type": "avg", "global_pool": True})
    parameters = (f"{spec.name}_weight", f"{spec.name}_bias")
    attributes = {"num_hidden": spec.classes, "no_bias": False}
    yield Operator("FullyConnected", spec.name, (spec.pool, *parameters), attributes)


def _segmentation(spec: layers.SegmentationClassifier, x: str) -> Iterator[Operator]:
    *hidden, last = spec.convolutions
    for convolution in hidden:
        yield from _convolution(convolution, x)
        x = f"{convolution.name}_relu"
        yield _relu(x, convolution.name)
    yield from _convolution(last, x)


_OF_LAYER: Dict[Type[layers.Layer], Callable[..., Iterator[Operator]]] = {
    layers.Convolution: _convolution,
    layers.Pooling: _pooling,
    layers.ResidualUnit: _residual_unit,
    layers.Bottleneck: _bottleneck,
    layers.Normalization: _normalization,
    layers.LinearClassifier: _linear,
    layers.SegmentationClassifier: _segmentation,
}
