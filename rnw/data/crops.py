"""The training transform of segmentation (section 5): random scale, crop and flip of both maps."""

from typing import NamedTuple, Tuple, Union

import numpy as np
from PIL import Image

from rnw.data.augmentation import DECODERS
from rnw.data.labeled import check_size
from rnw.data.picture_types import IMAGENET, LabeledSource, Normalization
from rnw.data.transforms import Box, Resize, draw_flip, normalize, resize
from rnw.errors import InputError
from rnw.networks.heads import IGNORED_LABEL


class Cropping(NamedTuple):
    """How random crops of (size, size) pixels are made of pictures and label maps.

    A picture is resized so that its longer side has `origin` pixels times a scale between `rates`.
    The crop is cut out before, with the size that becomes (size, size), so that only the crop is
    resampled. It may extend half a stride beyond the picture, or further where the picture is
    smaller. Labels are less than `classes`; cell i of a label map is sampled at pixel
    `stride * i + stride // 2`.
    """

    size: int
    origin: int
    classes: int
    rates: Tuple[float, float] = (0.7, 1.3)
    stride: int = 8

    def draw(self, height: int, width: int, random: np.random.RandomState) -> Tuple[Box, bool]:
        """Draw a crop of a (height, width) picture, which may extend beyond it, and a flip.

        Returns the crop, and whether to mirror it. Numbers are drawn and rounded in the same way
        as in the original.
        """
        shortest, longest = (int(rate * self.origin) for rate in self.rates)
        rate = random.randint(shortest, longest + 1) / max(height, width)
        side, stride = max(1, int(self.size / rate)), self.stride / rate
        border = max(1, int(stride // 2))
        top, left = (
            random.randint(int(max(1, stride, border + length - side + 1))) - border
            for length in (height, width)
        )
        return Box(top, left, side, side), draw_flip(random)

    def image(
        self,
        image: np.ndarray,
        box: Box,
        resize: Resize = resize,
        normalization: Normalization = IMAGENET,
    ) -> np.ndarray:
        """Return the crop of an image (H, W, 3) uint8, resampled to (size, size, 3).

        It has the mean color beyond the image.
        """
        cut = _cut(image, box, mean_color(normalization))
        return resize(cut, self.size, self.size, "adaptive")

    def labels(self, labels: np.ndarray, box: Box) -> np.ndarray:
        """Return the crop of labels (H, W) uint8, sampled to (size / stride, size / stride)."""
        cut = Image.fromarray(_cut(labels, box, IGNORED_LABEL))
        resized = np.asarray(cut.resize((self.size, self.size), Image.Resampling.NEAREST))
        return resized[self.stride // 2 :: self.stride, self.stride // 2 :: self.stride]


def mean_color(normalization: Normalization) -> np.ndarray:
    """Return the color (3,) uint8 that becomes nearly 0."""
    return (255 * np.array(normalization.mean)).astype(np.uint8)


def _cut(image: np.ndarray, box: Box, padding: Union[int, np.ndarray]) -> np.ndarray:
    """Return a crop that may extend beyond the image, where it has the value `padding`."""
    cut = np.empty((box.height, box.width, *image.shape[2:]), image.dtype)
    cut[:] = padding
    top, bottom = np.clip((box.top, box.top + box.height), 0, image.shape[0])
    left, right = np.clip((box.left, box.left + box.width), 0, image.shape[1])
    inside = slice(top - box.top, bottom - box.top), slice(left - box.left, right - box.left)
    cut[inside] = image[top:bottom, left:right]
    return cut


class LabeledCrops(NamedTuple):
    """Make training samples from `images`: crops, and their labels at the network's stride."""

    images: LabeledSource
    cropping: Cropping
    decoder: str = "opencv"

    @property
    def data_shape(self) -> Tuple[int, ...]:
        return (3, self.cropping.size, self.cropping.size)

    @property
    def label_shape(self) -> Tuple[int, ...]:
        return (self.cropping.size // self.cropping.stride,) * 2

    def __call__(
        self, index: int, random: np.random.RandomState, data: np.ndarray, label: np.ndarray
    ) -> None:
        """Write a crop of picture `index` to `data` (3, H, W) and `label` (H', W'), both float32.

        Raises InputError for files that cannot be read, and for labels that do not fit the picture
        or the number of classes.
        """
        name, label_name = self.images.name(index), self.images.label_name(index)
        decoder = DECODERS[self.decoder]
        image = decoder.decode(self.images.read(index), name, upright=self.images.upright)
        labels = self.images.label(index)
        check_size(labels, image.shape[:2], label_name, name)
        height, width = labels.shape
        box, flip = self.cropping.draw(height, width, random)
        step = -1 if flip else 1
        normalization = self.images.normalization
        crop = self.cropping.image(image, box, decoder.resize, normalization)
        data[...] = normalize(crop[:, ::step], *normalization)
        label[...] = self.cropping.labels(labels, box)[:, ::step]
        self._check(label, label_name)

    def _check(self, label: np.ndarray, name: str) -> None:
        largest = label.max(initial=0, where=label != IGNORED_LABEL)
        if largest >= self.cropping.classes:
            raise InputError(
                f"{name}: has label {largest:g}, expected a class, 0 to "
                f"{self.cropping.classes - 1}, or {IGNORED_LABEL} for what is ignored"
            )
