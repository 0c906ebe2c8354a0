"""TABLE of decoders, and the training transform from an image file's bytes to a network's input."""

from typing import Callable, Dict, NamedTuple, Tuple

import numpy as np

from rnw.data import opencv, readers, transforms
from rnw.data.picture_types import ClassifiedSource


class Decoder(NamedTuple):
    """How images are decoded, resampled and colored.

    decode: content and name of a file to (H, W, 3) uint8 RGB, with `upright` as EXIF data say.
    resize: an image, height, width and choice of interpolation to (height, width, 3) uint8.
    recolor: the random changes of color, flip and normalization, into (3, H, W) float32.
    """

    decode: Callable[..., np.ndarray]
    resize: transforms.Resize
    recolor: Callable[[np.ndarray, np.random.RandomState, np.ndarray], None]


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
    ) -> None:
        """Make an image file's content into `out`, (3, size, size) float32.

        upright: turn it as its EXIF orientation says. Raises InputError, naming it, for what is no
        image, or too long and thin a one.
        """
        decoder = DECODERS[self.decoder]
        image = decoder.decode(content, name, upright=upright)
        crop = transforms.random_sized_crop(
            readers.check_aspect(image, name), self.size, random, self.interpolation, decoder.resize
        )
        decoder.recolor(crop, random, out)


class ClassifiedPictures(NamedTuple):
    """Makes samples of `images`: augmented pictures with their classes."""

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
        """Make picture `index` into `data` (3, H, W) float32, and its class into `label` ()."""
        images = self.images
        content, name = images.read(index), images.name(index)
        self.augmentation(content, name, random, data, upright=images.upright)
        label[...] = self.images.labels[index]
