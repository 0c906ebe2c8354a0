"""Which feature maps are alive at one time: what training keeps, and what a pass needs at its peak.

The operations of each layer are those of the exported graph, and maps take each other's place as
MXNet plans it: a ReLU that of the normalized map, a sum that of its last term.
"""

from typing import Callable, Dict, Iterator, List, NamedTuple, Set, Tuple, Type

from rnw.networks.layers import (
    Bottleneck,
    Convolution,
    Layer,
    LinearClassifier,
    Normalization,
    Pooling,
    ResidualUnit,
    SegmentationClassifier,
    Stage,
)
from rnw.networks.layout import NetworkConfig

INPUT = "input"


class Operation(NamedTuple):
    """A node of the graph, by the names of the maps that it reads and writes.

    values: the number of values of its output for one image. read: the maps that its backward pass
    reads. mask: the number of values that the backward pass needs beside them. in_place: whether
    the output may take the place of the last input.
    """

    output: str
    inputs: Tuple[str, ...]
    values: int
    read: Tuple[str, ...]
    mask: int = 0
    in_place: bool = False


class Liveness(NamedTuple):
    """The numbers of values that one image has in a layer.

    input: those of the map on entry. kept: what the backward pass reads, and the output, without
    the input. forward: the most values of maps at one time when nothing is kept; backward: the most
    of their gradients; both with input and output. replaced: those of the output if its gradient
    may take its place, since the layer's backward pass does not read it, otherwise 0.
    """

    input: int
    kept: int
    forward: int
    backward: int
    replaced: int


def reads_output(layer: Layer) -> bool:
    """Return whether the backward pass of a layer reads the output of its forward pass."""
    operations = list(_OPERATIONS[type(layer)](layer, INPUT, 1))
    return operations[-1].output in _read(operations)


def liveness(config: NetworkConfig, size: int) -> List[Liveness]:
    """Return one row for each layer of a network on (channels, size, size) images."""
    rows, values = [], config.channels * size**2
    for layer in config.layers:
        operations = list(_OPERATIONS[type(layer)](layer, INPUT, size))
        rows.append(_of_layer(operations, values))
        size, values = layer.output_size(size), operations[-1].values
    return rows


def _unit(unit: ResidualUnit, source: str, size: int) -> Iterator[Operation]:
    shortcut = top = source
    for position, stage in enumerate(unit.stages):
        yield from _normalization(stage.normalization, top, size)
        top = stage.normalization.relu
        if position == 0 and unit.projection is not None:
            yield from _convolution(unit.projection, top, size)
            shortcut = unit.projection.name
        yield from _dropped_convolution(stage, top, size)
        top, size = stage.convolution.name, stage.convolution.output_size(size)
    values = unit.channels * size**2
    yield Operation(unit.name, (shortcut, top), values, (), in_place=True)


def _bottleneck(unit: Bottleneck, source: str, size: int) -> Iterator[Operation]:
    """Normalizations follow the convolutions, and the last ReLU takes the place of the sum."""
    values = unit.channels * unit.output_size(size) ** 2
    shortcut = top = source
    if unit.projection is not None:
        yield from _convolution(unit.projection, source, size)
        shortcut = unit.shortcut_normalization.bn
        yield Operation(shortcut, (unit.projection.name,), values, (unit.projection.name,))
    for stage in unit.stages:
        yield from _dropped_convolution(stage, top, size)
        top, size = stage.convolution.name, stage.convolution.output_size(size)
        if stage is unit.stages[-1]:
            yield Operation(stage.normalization.bn, (top,), values, (top,))
            top = stage.normalization.bn
        else:
            yield from _normalization(stage.normalization, top, size)
            top = stage.normalization.relu
    yield Operation(unit.name, (shortcut, top), values, (unit.name,), in_place=True)


def _dropped_convolution(stage: Stage, top: str, size: int) -> Iterator[Operation]:
    """Yield the convolution of a stage that reads `top`, and before it the dropout if any."""
    if stage.dropout:
        values, name = stage.convolution.in_channels * size**2, stage.dropout_name
        yield Operation(name, (top,), values, (), mask=values, in_place=True)
        top = name
    yield from _convolution(stage.convolution, top, size)


def _convolution(layer: Convolution, source: str, size: int) -> Iterator[Operation]:
    values = layer.channels * layer.output_size(size) ** 2
    yield Operation(layer.name, (source,), values, (source,))


def _normalization(layer: Normalization, source: str, size: int) -> Iterator[Operation]:
    yield Operation(layer.relu, (source,), layer.channels * size**2, (source, layer.relu))


def _pooling(layer: Pooling, source: str, size: int) -> Iterator[Operation]:
    values, dilation = layer.channels * layer.output_size(size) ** 2, layer.dilation or 1
    if dilation == 1:
        yield Operation(layer.name, (source,), values, (source, layer.name))
        return
    top = source
    for axis in ("columns", "rows"):
        padded, before, behind, outer = (f"{axis}_{part}" for part in ("pad", "a", "b", "c"))
        yield Operation(padded, (top,), layer.channels * size * (size + 2 * dilation), ())
        yield Operation(before, (padded,), values, ())
        yield Operation(behind, (padded,), values, ())
        yield Operation(outer, (before, behind), values, (before, behind))
        yield Operation(axis, (outer, top), values, (outer, top))
        top = axis


def _linear_classifier(layer: LinearClassifier, source: str, size: int) -> Iterator[Operation]:
    yield Operation(layer.pool, (source,), layer.in_channels, (source,))
    yield Operation(layer.name, (layer.pool,), layer.classes, (layer.pool,))


def _segmentation_classifier(
    layer: SegmentationClassifier, source: str, size: int
) -> Iterator[Operation]:
    for convolution in layer.convolutions:
        yield from _convolution(convolution, source, size)
        source = convolution.name


# The graph of a layer from the map `source`, of `size` cells a side, to its output.
_OPERATIONS: Dict[Type[Layer], Callable[..., Iterator[Operation]]] = {
    Convolution: _convolution,
    Normalization: _normalization,
    Pooling: _pooling,
    ResidualUnit: _unit,
    Bottleneck: _bottleneck,
    LinearClassifier: _linear_classifier,
    SegmentationClassifier: _segmentation_classifier,
}


def _of_layer(operations: List[Operation], values: int) -> Liveness:
    sizes = {INPUT: values, **{operation.output: operation.values for operation in operations}}
    last, read = operations[-1], _read(operations)
    kept = (read | {last.output}) - {INPUT}
    masks = sum(operation.mask for operation in operations)
    return Liveness(
        values,
        masks + sum(sizes[name] for name in kept),
        _forward_peak(operations, values),
        _backward_peak(operations, sizes),
        0 if last.output in read else last.values,
    )


def _read(operations: List[Operation]) -> Set[str]:
    return {name for operation in operations for name in operation.read}


def _forward_peak(operations: List[Operation], values: int) -> int:
    last_use = {name: o for o in operations for name in o.inputs}
    live, peak = {INPUT: values}, values
    for operation in operations:
        dead = [name for name in operation.inputs if last_use[name] is operation]
        if operation.in_place and operation.inputs[-1] in dead:
            del live[dead.pop()]
        live[operation.output] = operation.values
        peak = max(peak, sum(live.values()))
        for name in dead:
            del live[name]
    return peak


def _backward_peak(operations: List[Operation], sizes: Dict[str, int]) -> int:
    """Return the most gradients at one time.

    Where a map is read several times, its gradient is there beside the part that is to be added.
    """
    output = operations[-1].output
    live = {output: sizes[output]}
    peak = live[output]
    for operation in reversed(operations):
        if operation.in_place:  # all inputs share the gradient; the first is done with it last
            gradient = live.pop(operation.output)
            live.update(dict.fromkeys(operation.inputs, 0))
            live[operation.inputs[0]] = gradient
            continue
        parts = sum(sizes[name] for name in operation.inputs)
        peak = max(peak, sum(live.values()) + parts)
        del live[operation.output]
        live.update({name: sizes[name] for name in operation.inputs})
    return peak
