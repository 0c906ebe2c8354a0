"""Folding of the normalization behind the last unit of a level into the level, for inference.

What a unit adds up, the identity shortcuts of its level hand on, so that a factor on every summand
of the level is a factor on all of its sums. Where a normalization alone reads the last of them, its
factor is put on the convolutions that give the summands, the normalizations within the level divide
by it, and its own summand becomes a bias of the last convolution. oneDNN then computes that sum and
its ReLU as part of the convolution, with no further pass over the map.
"""

from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Tuple, cast

import numpy as np

from rnw.networks.layers import Bottleneck, Convolution, Layer, Normalization, ResidualUnit
from rnw.networks.layout import NetworkConfig
from rnw.weights.surgery import scale_and_shift

LEAST, LARGEST = 1e-12, 1e12  # factors with which no float32 overflows or loses digits


def fold_level_ends(
    config: NetworkConfig, parameters: Mapping[str, np.ndarray]
) -> Tuple[NetworkConfig, Dict[str, np.ndarray]]:
    """Return a network with its parameters and every such normalization folded.

    One with a factor of 0, or one so small or large that numbers could leave the range of float32,
    stays. Arrays that do not change are shared with `parameters`; the others are float32.
    """
    layers, values = list(config.layers), dict(parameters)
    for places in _levels(config):
        normalization = _reader(layers[places[-1] + 1])
        if normalization is None or normalization.folded:
            continue
        rest = dict(values)
        scale, shift = scale_and_shift(rest, normalization.bn, normalization.epsilon)
        if np.all((np.abs(scale) >= LEAST) & (np.abs(scale) <= LARGEST)):
            values = rest
            _scale_level([layers[place] for place in places], values, scale)
            _fold_end(layers, places[-1], values, shift)
    return replace(config, layers=tuple(layers)), values


def _levels(config: NetworkConfig) -> Iterator[List[int]]:
    """Yield the places of the layers whose maps are handed on by identity, the first to the last.

    These are units of one level, on level 1 behind the stem; nothing else reads their maps.
    """
    run: List[int] = []
    for place, (layer, following) in enumerate(zip(config.layers, config.layers[1:])):
        unit, after = _unit(layer), _unit(following)
        if isinstance(layer, Convolution) or (unit and unit.projection):
            run = [place]
        else:
            run = [*run, place] if unit and run else []
        goes_on = after is not None and after.projection is None
        if run and unit and not goes_on and not {*run} & {*config.outputs}:
            yield run


def _unit(layer: Layer) -> Optional[ResidualUnit]:
    """Return a unit whose normalizations are before its convolutions; None for other layers."""
    is_one = isinstance(layer, ResidualUnit) and not isinstance(layer, Bottleneck)
    return cast(ResidualUnit, layer) if is_one else None


def _reader(layer: Layer) -> Optional[Normalization]:
    """Return the normalization that alone reads the input of a layer, None where there is none."""
    unit = _unit(layer)
    if unit and unit.projection:
        return unit.stages[0].normalization
    return layer if isinstance(layer, Normalization) else None


def _scale_level(layers: List[Layer], values: Dict[str, np.ndarray], scale: np.ndarray) -> None:
    """Put a factor on everything that the layers add up."""

    def multiply(name: str, factor: np.ndarray) -> None:
        shaped = factor.reshape(-1, *[1] * (values[name].ndim - 1)).astype(np.float32)
        values[name] = values[name] * shaped

    for layer in layers:
        unit = _unit(layer)
        summands = [unit.stages[-1].convolution, unit.projection] if unit else [layer]
        for name in (name for summand in summands if summand for name in summand.parameters()):
            multiply(name, scale)
        if unit and not unit.projection:
            inner = unit.stages[0].normalization.bn
            multiply(f"{inner}_gamma", 1 / scale)
            multiply(f"{inner}_moving_mean", scale)


def _fold_end(
    layers: List[Layer], place: int, values: Dict[str, np.ndarray], shift: np.ndarray
) -> None:
    """Make a summand the bias of the last convolution of the unit at a place of `layers`."""
    unit, following = cast(ResidualUnit, layers[place]), layers[place + 1]
    *stages, last = unit.stages
    values[f"{last.convolution.name}_bias"] = shift.astype(np.float32)
    ended = replace(last, convolution=replace(last.convolution, bias=True))
    layers[place] = replace(unit, stages=(*stages, ended))
    if isinstance(following, ResidualUnit):
        first, *others = following.stages
        first = replace(first, normalization=replace(first.normalization, folded=True))
        layers[place + 1] = replace(following, stages=(first, *others))
    elif isinstance(following, Normalization):
        layers[place + 1] = replace(following, folded=True)
