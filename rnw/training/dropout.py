"""Dropout whose masks are drawn before the step (section 5, step 3).

A network takes the masks as inputs, so that they are a function of the seed, the update and the
device alone, on a CPU and under cuDNN, and the same each time that a unit is computed.
"""

from typing import List, Sequence, Tuple

import mxnet as mx
import numpy as np

from rnw.networks.layers import ResidualUnit
from rnw.networks.layout import NetworkConfig

Shape = Tuple[int, ...]


def draw_masks(
    config: NetworkConfig, data: mx.nd.NDArray, entropy: Sequence[int]
) -> List[mx.nd.NDArray]:
    """Return a factor for each unit with dropout, for images `data` (N, 3, H, W).

    They are on the device of the images.

    A factor (N, C, h, w) float32 is 0 at the unit's rate and 1 / (1 - rate) elsewhere, a function
    of `entropy` (seed, update, device) and the kind of device.
    """
    shapes = _mask_shapes(config, data.shape)
    if shapes:
        state = np.random.SeedSequence(entropy).generate_state(1)
        mx.random.seed(int(state[0] >> 1), ctx=data.context)
    return [_mask(shape, 1 - rate, data.context) for shape, rate in shapes]


def _mask_shapes(config: NetworkConfig, data: Shape) -> List[Tuple[Shape, float]]:
    images, _, height, width = data
    shapes: List[Tuple[Shape, float]] = []
    for layer in config.layers:
        height, width = layer.output_size(height), layer.output_size(width)
        if isinstance(layer, ResidualUnit) and layer.dropout:
            channels = layer.stages[-1].convolution.in_channels
            shapes.append(((images, channels, height, width), layer.dropout))
    return shapes


def _mask(shape: Shape, kept: float, context: mx.Context) -> mx.nd.NDArray:
    return (mx.nd.random.uniform(shape=shape, ctx=context) < kept) / kept
