"""Decoding: image files, lists and packs of them, and data sets that fit into memory."""

import io
import os
from pathlib import Path
from typing import NamedTuple, Sequence, Union

import numpy as np
from PIL import Image, ImageFile

from rnw.data import transforms
from rnw.data.lists import list_file, read_list
from rnw.data.recordio import PackedImages, check_origin, index_file, pack_file
from rnw.errors import InputError
from rnw.files import PathLike

MAX_ASPECT = 200  # a picture longer than that would fill the memory, once its height is a crop's
HELD_OUT_EVERY = 5  # every fifth digit is a test digit


class Examples(NamedTuple):
    """Images (N, H, W, 3) uint8 with their classes (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def read_image(path: PathLike) -> np.ndarray:
    """Decode an image file to (H, W, 3) uint8 RGB.

    Raises InputError for a file that is missing or no image.
    """
    return decode(read_file(path), str(path))


def read_file(path: PathLike) -> bytes:
    """An image file as it is; raises InputError for one that is missing or cannot be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such image") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read as an image: {error.strerror}") from error


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode an image file's content to (H, W, 3) uint8 RGB; of an animation, the first frame.

    Raises InputError, naming it, for what is no image.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # gluoncv sets it, to read the rest as grey
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode.startswith("I"):  # 16 bits, which `convert` would clip to white
                return _to_rgb(np.clip(np.array(image) >> 8, 0, 255).astype(np.uint8))
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except Image.UnidentifiedImageError:
        raise InputError(f"{name}: cannot be read as an image: {_nature(content)}") from None
    except Exception as error:  # Pillow raises whatever its parsers meet in damaged files
        raise InputError(f"{name}: cannot be read as an image: {error}") from error


def check_aspect(image: np.ndarray, name: str) -> np.ndarray:
    """An image (H, W, 3) whose shorter side can be scaled to the size of a crop.

    Raises InputError, naming it, for one that is too long and thin for that.
    """
    height, width = image.shape[:2]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise InputError(
            f"{name}: a picture of {width} x {height} is too long and thin, expected one side to "
            f"be at most {MAX_ASPECT} times the other"
        )
    return image


def _nature(content: bytes) -> str:
    return f"it starts with {content[:16]!r}" if content else "it is empty"


def check_split(dataset: str, split: str, splits: Sequence[str]) -> None:
    """Raise InputError for a split that an embedded data set does not have."""
    if split not in splits:
        raise InputError(f"{dataset} has no split {split!r}: expected {' or '.join(splits)}")


def read_digits(root: Path, split: str) -> Examples:
    """scikit-learn's 1,797 handwritten digits, white on black, enlarged from 8x8 to 28x28.

    Every fifth is in split 'test', the others in 'train'; `root` is not used.
    """
    check_split("digits", split, ("train", "test"))
    from sklearn.datasets import load_digits  # of an extra, and slow to import

    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = np.stack([transforms.resize(_to_rgb(image), 28, 28, "cubic") for image in grey])
    held_out = np.arange(len(images)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    chosen = held_out if split == "test" else ~held_out
    return Examples(images[chosen], digits.target[chosen].astype(np.int64))


def _to_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2)


class ImageList:
    """The pictures of a list, in its order, each in its own file under `root`.

    `paths` are relative to `root`; `labels` is (N,) int64.
    """

    def __init__(self, root: PathLike, paths: Sequence[Union[str, bytes]], labels: np.ndarray):
        self.root = Path(root)
        self.labels = labels
        self._paths = paths

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Path of a picture, for messages."""
        return str(self.root / os.fsdecode(self._paths[index]))

    def read(self, index: int) -> bytes:
        """A picture's file as it is; raises InputError when it cannot be read."""
        return read_file(self.name(index))


def read_listed(root: Path, split: str, tool: str) -> Union[ImageList, PackedImages]:
    """The pictures of `<split>.lst` under `root`, from the pack beside it if there is one.

    Raises InputError for a list that is missing, which names the `tool` that makes it, and for the
    pack of another list.
    """
    path = list_file(root, split, tool, embedded="digits")
    listing = read_list(path)
    pack = pack_file(path)
    if index_file(pack).is_file():
        check_origin(path)
        return PackedImages(pack, listing)
    return ImageList(root, *listing)


def read_ilsvrc12(root: Path, split: str) -> Union[ImageList, PackedImages]:
    """ILSVRC 2012 under `root`, 'train' or 'val'; raises InputError when it is not prepared."""
    return read_listed(root, split, "tools/prepare_ilsvrc12.py")


def read_places365(root: Path, split: str) -> Union[ImageList, PackedImages]:
    """Places365 under `root`, 'train' or 'val'; raises InputError when it is not prepared."""
    return read_listed(root, split, "tools/prepare_places365.py")
