"""The training transform of segmentation (section 5): a rate, a crop and a flip of both maps."""

from typing import NamedTuple, Tuple, Union

import numpy as np
from PIL import Image

from rnw.data.augmentation import DECODERS
from rnw.data.labeled import IGNORED, check_size
from rnw.data.picture_types import LabeledSource
from rnw.data.transforms import EXACT_MEAN, Box, Resize, draw_flip, normalize, resize
from rnw.errors import InputError

PADDING = (255 * EXACT_MEAN).astype(np.uint8)  # the mean color


class Cropping(NamedTuple):
    """How crops are drawn: square, (size, size) once they are resized, flipped or not.

    A picture is resized so that its longer side has `origin` pixels times a rate between `rates`.
    The crop is cut before, of the size that becomes (size, size), so that only it is resampled; it
    may reach half a stride beyond the picture, or further where the picture is smaller. Of the
    labels, which are below `classes`, cell i is that of pixel `stride * i + stride // 2`.
    """

    size: int
    origin: int
    classes: int
    rates: Tuple[float, float] = (0.7, 1.3)
    stride: int = 8

    def draw(self, height: int, width: int, random: np.random.RandomState) -> Tuple[Box, bool]:
        """A crop of a (height, width) picture, with padding where that ends, and whether to flip.

        The numbers are drawn and rounded as the original does.
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

    def image(self, image: np.ndarray, box: Box, resize: Resize = resize) -> np.ndarray:
        """The crop of (H, W, 3) uint8, resampled to (size, size, 3)."""
        return resize(_cut(image, box, PADDING), self.size, self.size, "adaptive")

    def labels(self, labels: np.ndarray, box: Box) -> np.ndarray:
        """The crop of (H, W) uint8, nearest pixels of it, (size / stride, size / stride)."""
        cut = Image.fromarray(_cut(labels, box, IGNORED))
        resized = np.asarray(cut.resize((self.size, self.size), Image.Resampling.NEAREST))
        return resized[self.stride // 2 :: self.stride, self.stride // 2 :: self.stride]


def _cut(image: np.ndarray, box: Box, padding: Union[int, np.ndarray]) -> np.ndarray:
    """A crop that may reach beyond the image, where it has the value `padding`."""
    cut = np.empty((box.height, box.width, *image.shape[2:]), image.dtype)
    cut[:] = padding
    top, bottom = np.clip((box.top, box.top + box.height), 0, image.shape[0])
    left, right = np.clip((box.left, box.left + box.width), 0, image.shape[1])
    inside = slice(top - box.top, bottom - box.top), slice(left - box.left, right - box.left)
    cut[inside] = image[top:bottom, left:right]
    return cut


class LabeledCrops(NamedTuple):
    """Makes samples of `images`: crops, and their labels at the stride."""

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
        """Crop picture `index` into `data` (3, H, W) float32 and `label` (H', W').

        Raises InputError for what cannot be read, and for labels that do not fit the picture or the
        number of classes.
        """
        name, label_name = self.images.name(index), self.images.label_name(index)
        decoder = DECODERS[self.decoder]
        image = decoder.decode(self.images.read(index), name)
        labels = self.images.label(index)
        check_size(labels, image.shape[:2], label_name, name)
        height, width = labels.shape
        box, flip = self.cropping.draw(height, width, random)
        step = -1 if flip else 1
        data[...] = normalize(self.cropping.image(image, box, decoder.resize)[:, ::step])
        label[...] = self.cropping.labels(labels, box)[:, ::step]
        self._check(label, label_name)

    def _check(self, label: np.ndarray, name: str) -> None:
        largest = label.max(initial=0, where=label != IGNORED)
        if largest >= self.cropping.classes:
            raise InputError(
                f"{name}: has label {largest:g}, expected a class, 0 to "
                f"{self.cropping.classes - 1}, or {IGNORED} for what is ignored"
            )
