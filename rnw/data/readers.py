"""Decoding: image files, lists and packs of them, and datasets that fit into memory."""

import io
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Sequence, Union

import numpy as np
from PIL import Image

from rnw.data.lists import list_file, read_list
from rnw.data.picture_types import PictureSource
from rnw.data.pictures import MAX_BYTES, open_picture, to_rgb
from rnw.data.recordio import PackedImages, check_origin, index_file, pack_file
from rnw.errors import InputError, naming
from rnw.files import PathLike, read_regular, reading

ORIENTATION = 0x0112  # the EXIF tag of how a camera was held
SIDEWAYS = (5, 6, 7, 8)  # orientations whose height and width change places
MAX_ASPECT = 200  # a picture longer than that would fill the memory, once its height is a crop's

# What makes a picture (H, W, 3) upright, by its orientation if that is another than 1.
_UPRIGHT: Dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


def read_image(path: PathLike, *, upright: bool = False) -> np.ndarray:
    """Decode an image file to (H, W, 3) uint8 RGB, as `decode`.

    Raises InputError for a file that is missing or no image.
    """
    return decode(read_file(path), str(path), upright=upright)


def read_file(path: PathLike, what: str = "an image") -> bytes:
    """A picture's file as it is; raises InputError for one that is missing or cannot be read."""
    with reading(path, what):
        try:
            return read_regular(path, MAX_BYTES)
        except FileNotFoundError:
            raise InputError(f"{path}: no such {what.partition(' ')[2]}") from None


def decode(content: bytes, name: str, *, upright: bool = False) -> np.ndarray:
    """Decode an image file's content to (H, W, 3) uint8 RGB; of an animation, the first frame.

    It is as it is stored, or with `upright` turned as its EXIF orientation says. Raises InputError,
    naming it, for what is no image, is too large, or has numbers of another range than `to_rgb`
    takes.
    """
    with open_picture(io.BytesIO(content), name) as image:
        with naming(f"{name}: cannot be read as an image"):
            pixels = to_rgb(image)
        return turn(pixels, orientation(image)) if upright else pixels


def turn(pixels: np.ndarray, held: Any) -> np.ndarray:
    """Return a picture (H, W, 3) upright; `held` is its EXIF orientation, None for none."""
    turned = _UPRIGHT.get(held)
    return pixels if turned is None else np.ascontiguousarray(turned(pixels))


def read_picture(source: PictureSource, index: int) -> np.ndarray:
    """Return a picture of a source, (H, W, 3) uint8 RGB, upright where the source says so.

    Raises InputError as `decode` does.
    """
    return decode(source.read(index), source.name(index), upright=source.upright)


def orientation(image: Image.Image) -> Any:
    """As EXIF numbers it, None where nothing is said; of a TIFF Pillow has made it 1."""
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # whatever is raised by damaged EXIF, without which a picture is whole
        return None


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


class ImageList:
    """The pictures of a list, in its order, each in its own file under `root`.

    `paths` are relative to `root`; `labels` is (N,) int64. upright: whether EXIF orientation is
    applied.
    """

    def __init__(
        self,
        root: PathLike,
        paths: Sequence[Union[str, bytes]],
        labels: np.ndarray,
        *,
        upright: bool = False,
    ):
        self.root = Path(root)
        self.upright = upright
        self.labels = labels
        self._paths = paths

    def __len__(self) -> int:
        return len(self.labels)

    def names(self) -> Iterable[Union[str, bytes]]:
        """What the list names, in its order."""
        return self._paths

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
    if index_file(pack).exists():
        check_origin(path)
        return PackedImages(pack, listing)
    return ImageList(root, *listing)
