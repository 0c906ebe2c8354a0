"""What a network costs, by its layout: Tables 1 and 2 of the paper, and memory by level."""

import itertools
from math import prod
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from rnw.errors import InputError
from rnw.networks.layers import (
    Convolution,
    Layer,
    Normalization,
    Pooling,
    ResidualUnit,
    SegmentationClassifier,
    parameter_kind,
)
from rnw.networks.layout import NetworkConfig, configure
from rnw.networks.liveness import Liveness, liveness
from rnw.networks.zoo import network_names

FLOAT_BYTES = 4


class Cost(NamedTuple):
    """One row of the table of networks; multiply-adds are for one image of the training size."""

    name: str
    size: int
    units: Tuple[int, ...]
    depth: int
    parameters: int
    multiply_adds: int


class LevelCost(NamedTuple):
    """The share of one level in a network's cost; `output_size` is the side of its last map."""

    level: str
    output_size: int
    parameters: int
    multiply_adds: int
    training_bytes: int
    inference_bytes: int


class DetailedCost(NamedTuple):
    """The cost of a network at one input size; multiply-adds and bytes are those of one image.

    `receptive_field` is the side, in pixels, of what a cell of the last map sees. `training_bytes`
    are the maps that the backward pass reads, by level and in all, and `gradient_bytes` the most
    gradients of maps at one time; `inference_bytes` are the most maps at one time.
    """

    name: str
    size: int
    depth: int
    receptive_field: int
    parameters: int
    multiply_adds: int
    training_bytes: int
    gradient_bytes: int
    inference_bytes: int
    levels: Tuple[LevelCost, ...]


def table() -> List[Cost]:
    """Return the cost of every network of Table 1 and section 5."""
    return [cost(configure(name)) for name in network_names()]


def cost(config: NetworkConfig) -> Cost:
    """Return the cost of a network at the input size it is trained at."""
    spec = config.spec
    return Cost(
        config.name,
        spec.size,
        spec.units,
        spec.depth,
        count_parameters(config),
        count_multiply_adds(config, spec.size),
    )


def detailed_cost(config: NetworkConfig, size: Optional[int] = None) -> DetailedCost:
    """Return the cost of a network for (3, size, size) images, in all and by level.

    size: by default that of training.

    Raises InputError for a size below 1.
    """
    if size is None:
        size = config.spec.size
    if size < 1:
        raise InputError(f"size is {size}, expected at least 1")
    rows = liveness(config, size)
    levels = tuple(_levels(config, size, rows))
    return DetailedCost(
        config.name,
        size,
        depth(config),
        receptive_field(config),
        count_parameters(config),
        count_multiply_adds(config, size),
        sum(level.training_bytes for level in levels),
        FLOAT_BYTES * max(row.backward for row in rows),
        max(level.inference_bytes for level in levels),
        levels,
    )


def _levels(config: NetworkConfig, size: int, rows: Sequence[Liveness]) -> Iterator[LevelCost]:
    pairs = zip(_level_names(config), config.layers, rows)
    for name, group in itertools.groupby(pairs, lambda pair: pair[0]):
        multiply_adds, parameters, kept, forward = 0, 0, 0, 0
        for _, layer, row in group:
            multiply_adds += layer.multiply_adds(size)
            parameters += _learnt(layer)
            kept, forward = kept + row.kept, max(forward, row.forward)
            size = layer.output_size(size)
        yield LevelCost(
            name, size, parameters, multiply_adds, FLOAT_BYTES * kept, FLOAT_BYTES * forward
        )


def _level_names(config: NetworkConfig) -> List[str]:
    """Return the level of each layer; a pooling belongs to the level that it leads to."""
    names, level = [], "classifier"
    for layer in reversed(config.layers[1:]):
        if isinstance(layer, ResidualUnit):
            level = f"B{layer.level}"
        names.append(level)
    return ["stem", *reversed(names)]


def receptive_field(config: NetworkConfig) -> int:
    """Return the side in pixels of what a cell of the last map sees, before any global pooling."""
    field, step = 1, 1
    for layer in _path(config):
        if isinstance(layer, Pooling):
            reach, stride = 2 * (layer.dilation or 1), 1 if layer.dilation else 2
        elif isinstance(layer, Convolution):
            reach, stride = layer.dilation * (layer.kernel - 1), layer.stride
        else:
            continue
        field, step = field + reach * step, step * stride
    return field


def depth(config: NetworkConfig) -> int:
    """Return the number of convolutions and linear classifiers on the longest path."""
    return sum(not isinstance(layer, Pooling) for layer in _path(config))


def _path(config: NetworkConfig) -> Iterator[Layer]:
    """Yield the convolutions, poolings and linear classifier on the longest path."""
    for layer in config.layers:
        if isinstance(layer, ResidualUnit):
            yield from (stage.convolution for stage in layer.stages)
        elif isinstance(layer, SegmentationClassifier):
            yield from layer.convolutions
        elif not isinstance(layer, Normalization):
            yield layer


def count_parameters(config: NetworkConfig) -> int:
    """Return the number of learnt values; moving averages are not counted."""
    return sum(map(_learnt, config.layers))


def _learnt(layer: Layer) -> int:
    shapes = layer.parameters().items()
    return sum(prod(shape) for name, shape in shapes if parameter_kind(name) == "arg")


def count_multiply_adds(config: NetworkConfig, size: int) -> int:
    """Return the multiply-adds of convolutions and classifier for one (3, size, size) image."""
    total = 0
    for layer in config.layers:
        total += layer.multiply_adds(size)
        size = layer.output_size(size)
    return total
