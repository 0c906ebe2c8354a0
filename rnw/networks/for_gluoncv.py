"""Segmentation networks as gluoncv's evaluation uses its own."""

from typing import Tuple

import mxnet as mx

from rnw.errors import InputError
from rnw.networks.classifier import Network


class ForGluonCV(mx.gluon.Block):
    """A segmentation network with the interface of gluoncv's `SegBaseModel`.

    Its scores have the size of the input: those of the cells, interpolated linearly.
    base_size, crop_size: pixels of the longer side of pictures at scale 1, and of the squares that
    `MultiEvalModel` cuts of larger ones; the latter a multiple of the stride.

    Raises InputError for a network without scores of pixels, and for another `crop_size`.
    """

    def __init__(self, net: Network, base_size: int = 500, crop_size: int = 504):
        super().__init__()
        config = net.config
        if not config.segmentation or config.head != "logits":
            raise InputError(
                f"{config.name} with head {config.head!r}: expected 'logits' of pixels"
            )
        if crop_size % config.stride:
            raise InputError(f"crop_size is {crop_size}, expected a multiple of {config.stride}")
        self.base_size, self.crop_size = base_size, crop_size
        self.nclass, self._stride = config.classes, config.stride
        self.net = net

    def forward(self, x: mx.nd.NDArray) -> Tuple[mx.nd.NDArray]:
        """Return scores (N, classes, H, W) float32 of x (N, 3, H, W), alone in a tuple."""
        scores = self.net(x)
        rows, columns = (cells * self._stride for cells in scores.shape[2:])
        resized = mx.nd.contrib.BilinearResize2D(
            scores, height=rows, width=columns, align_corners=False
        )
        return (resized[:, :, : x.shape[2], : x.shape[3]],)

    def evaluate(self, x: mx.nd.NDArray) -> mx.nd.NDArray:
        """Return the scores alone, as `MultiEvalModel` asks for them."""
        return self(x)[0]

    predict = demo = evaluate
