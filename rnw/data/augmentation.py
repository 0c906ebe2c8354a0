"""TABLE of decoders, and the training transform from an image file's bytes to a network's input.

The transform is that of the paper's classification networks (section 4).
"""

from typing import Callable, Dict, NamedTuple, Tuple

import numpy as np

from rnw.data import opencv, readers, transforms
from rnw.data.picture_types import IMAGENET, ClassifiedSource, Normalization


class Decoder(NamedTuple):
    """How images are decoded, resampled and colored.

    decode: from the content and the name of a file to (H, W, 3) uint8 RGB; with
        `upright`, turned as its EXIF orientation says.
    resize: from an image, height, width and interpolation to (height, width, 3) uint8.
    recolor: from an image (H, W, 3) uint8 by random changes of color, a random flip and
        normalization to (3, H, W) float32, which is written to its third argument.
    """

    decode: Callable[..., np.ndarray]
    resize: transforms.Resize
    recolor: Callable[[np.ndarray, np.random.RandomState, np.ndarray, Normalization], None]


DECODERS: Dict[str, Decoder] = {
    "pillow": Decoder(readers.decode, transforms.resize, transforms.recolor),  # the original's
    "opencv": Decoder(opencv.decode, opencv.resize, opencv.recolor),  # the fast one
}


class Augmentation(NamedTuple):
    """Random crop, colors and flip for training at (size, size), by a row of `DECODERS`."""

    size: int
    decoder: str = "opencv"
    interpolation: str = "adaptive"

    def __call__(
        self,
        content: bytes,
        name: str,
        random: np.random.RandomState,
        out: np.ndarray,
        *,
        upright: bool = False,
        normalization: Normalization = IMAGENET,
    ) -> None:
        """Decode an image file's content and augment it into `out`, (3, size, size) float32.

        upright: turn it as its EXIF orientation says.

        Raises InputError, with `name`, for a file that is not an image or is too long and thin.
        """
        decoder = DECODERS[self.decoder]
        image = decoder.decode(content, name, upright=upright)
        crop = transforms.random_sized_crop(
            readers.check_aspect(image, name), self.size, random, self.interpolation, decoder.resize
        )
        decoder.recolor(crop, random, out, normalization)


class ClassifiedPictures(NamedTuple):
    """Make training samples from `images`: augmented pictures with their classes."""

    images: ClassifiedSource
    augmentation: Augmentation

    @property
    def data_shape(self) -> Tuple[int, ...]:
        return (3, self.augmentation.size, self.augmentation.size)

    @property
    def label_shape(self) -> Tuple[int, ...]:
        return ()

    def __call__(
        self, index: int, random: np.random.RandomState, data: np.ndarray, label: np.ndarray
    ) -> None:
        """Write picture `index` to `data` (3, H, W) float32, and its class to `label` ()."""
        images = self.images
        self.augmentation(
            images.read(index),
            images.name(index),
            random,
            data,
            upright=images.upright,
            normalization=images.normalization,
        )
        label[...] = self.images.labels[index]
