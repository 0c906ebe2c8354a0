"""Which blocks recomputing computes again. Plain Python, so that memory is known without MXNet."""

from rnw.networks.layout import NetworkConfig


def first_recorded(config: NetworkConfig, size: int) -> int:
    """The place in `config.layers` from which all is recorded as usual, for inputs of `size`.

    The peak is where the largest block is computed again, its values and their gradients at hand.
    The last blocks are kept as far as they fit below it, which saves time at no cost in memory.
    """
    sizes = [size]
    for layer in config.layers:
        sizes.append(layer.output_size(sizes[-1]))
    values = [layer.activations(side) for layer, side in zip(config.layers, sizes)]
    inputs = [0] + [b.channels * side**2 for b, side in zip(config.layers[:-2], sizes[1:])]
    last = len(inputs) - 1
    for place in range(2, last):
        kept = sum(inputs[: place + 1]) + sum(values[place:]) + max(values[place:])
        if kept <= max(sum(inputs[: i + 1]) + 2 * values[i] for i in range(1, place)):
            return place
    return last
