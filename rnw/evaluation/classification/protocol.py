"""Test protocols of a classifier: scales, crops and flips whose softmax outputs are averaged."""

import math
from fractions import Fraction
from typing import Callable, Dict, NamedTuple, Sequence, Tuple

import numpy as np

from rnw.data import transforms
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError
from rnw.weights.released import ReleasedFile


class Crops(NamedTuple):
    """How crops are cut from an image whose shorter side is `enlarged` times the crop.

    `cut` takes (H, W, 3) and the crop's size, and gives (`number`, size, size, 3). `flip`: their
    mirror images always count as well.
    """

    number: int
    cut: Callable[[np.ndarray, int], np.ndarray]
    enlarged: Fraction = Fraction(1)
    flip: bool = False


CROPS: Dict[str, Crops] = {
    "center": Crops(1, lambda image, size: transforms.center_crop(image, size)[None]),
    "three": Crops(3, transforms.three_crops),  # the original's
    "ten": Crops(5, transforms.five_crops, Fraction(8, 7), flip=True),  # VGG's: 224 out of 256
}


class Protocol(NamedTuple):
    """Crop sizes, kind of crops (a key of CROPS), flips, and how images are resampled."""

    scales: Tuple[int, ...]
    crops: str = "center"
    flip: bool = False
    interpolation: str = "adaptive"

    @property
    def flipped(self) -> bool:
        """Whether mirror images count."""
        return self.flip or CROPS[self.crops].flip

    def __str__(self) -> str:
        scales = ", ".join(map(str, self.scales))
        plural = "" if self.crops == "center" else "s"
        flip = ", flip" * self.flip
        return f"{self.crops} crop{plural} of {scales}{flip}, {self.interpolation} interpolation"

    def with_scales(self, scales: Sequence[int]) -> "Protocol":
        """Return the protocol at other crop sizes, the largest first."""
        if not scales or min(scales) < 1:
            raise InputError(f"crop sizes {scales}: expected at least one, each at least 1")
        return self._replace(scales=tuple(sorted(set(scales), reverse=True)))

    def cut(self, image: np.ndarray, scale: int) -> np.ndarray:
        """Return the crops (C, scale, scale, 3) uint8 of an image (H, W, 3) uint8."""
        kind = CROPS[self.crops]
        shorter_side = math.ceil(scale * kind.enlarged)
        scaled = transforms.scale_shorter_side(image, shorter_side, self.interpolation)
        return kind.cut(scaled, scale)


def own_protocol(dataset: Dataset, size: int) -> Protocol:
    """Return how a network is tested that is trained on crops of `size` pixels a side.

    It is one crop in the middle, larger by the dataset's `test_scale`.
    """
    return Protocol((int(size * dataset.test_scale),))


def released_protocol(released: ReleasedFile) -> Protocol:
    """Return the protocol that gives a released file's published scores."""
    return Protocol((released.test_size,), interpolation=released.interpolation)
