"""Parameters and multiply-adds of a network, from its layout (Tables 1 and 2 of the paper)."""

from functools import reduce
from operator import mul
from typing import List, NamedTuple, Tuple

from rnw.networks.layout import NetworkConfig, configure
from rnw.networks.zoo import network_names


class Cost(NamedTuple):
    """One row of the table of networks; multiply-adds are for one image of the training size."""

    name: str
    size: int
    units: Tuple[int, ...]
    depth: int
    parameters: int
    multiply_adds: int


def table() -> List[Cost]:
    """The cost of every network of Table 1 and section 5."""
    return [cost(configure(name)) for name in network_names()]


def cost(config: NetworkConfig) -> Cost:
    """The cost of one network at its own input size."""
    spec = config.spec
    return Cost(
        config.name,
        spec.size,
        spec.units,
        spec.depth,
        count_parameters(config),
        count_multiply_adds(config, spec.size),
    )


def count_parameters(config: NetworkConfig) -> int:
    """Number of learnt values; moving averages are not counted."""
    return sum(_product(p.shape) for p in config.parameters() if p.kind == "arg")


def count_multiply_adds(config: NetworkConfig, size: int) -> int:
    """Multiply-adds of convolutions and classifier for one (3, size, size) image."""
    total = 0
    for layer in config.layers:
        total += layer.multiply_adds(size)
        size = layer.output_size(size)
    return total


def _product(shape: Tuple[int, ...]) -> int:
    return reduce(mul, shape, 1)
