"""Readers of image files, and of the pictures in a list or in its RecordIO pack."""

import io
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Sequence, Union

import numpy as np
from PIL import Image

from rnw.data.lists import list_file, read_list
from rnw.data.picture_types import IMAGENET, Normalization, PictureSource
from rnw.data.pictures import MAX_BYTES, open_picture, to_rgb
from rnw.data.recordio import PackedImages, check_origin, index_file, pack_file
from rnw.errors import InputError, naming
from rnw.files import PathLike, read_regular, reading

ORIENTATION = 0x0112  # the EXIF tag of how a camera was held
SIDEWAYS = (5, 6, 7, 8)  # orientations whose height and width change places
MAX_ASPECT = 200  # a longer picture would fill the memory once its height is that of a crop

# How a picture (H, W, 3) is turned upright, by its EXIF orientation.
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
    """Read an image file as (H, W, 3) uint8 RGB, as `decode` does.

    Raises InputError for a file that is missing or not an image.
    """
    return decode(read_file(path), str(path), upright=upright)


def read_file(path: PathLike, what: str = "an image") -> bytes:
    """Return a file's content; raise InputError, as for `what`, if it cannot be read."""
    with reading(path, what):
        try:
            return read_regular(path, MAX_BYTES)
        except FileNotFoundError:
            raise InputError(f"{path}: no such {what.partition(' ')[2]}") from None


def decode(content: bytes, name: str, *, upright: bool = False) -> np.ndarray:
    """Decode an image file's content to (H, W, 3) uint8 RGB; of an animation, the first frame.

    name: the file, for messages. upright: turn the picture as its EXIF orientation says.

    Raises InputError for a file that is not an image, is too large, or has values of another range
    than `to_rgb` takes.
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
    """Return the EXIF orientation, None if there is none; Pillow turns a TIFF file upright."""
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # whatever damaged EXIF data raises, which the picture does not need
        return None


def check_aspect(image: np.ndarray, name: str) -> np.ndarray:
    """Return an image (H, W, 3) as it is; raise InputError for one that is too long and thin.

    Scaled to a shorter side as long as a crop, it would take too much memory.
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
    applied. normalization: that of a `PictureSource`.
    """

    def __init__(
        self,
        root: PathLike,
        paths: Sequence[Union[str, bytes]],
        labels: np.ndarray,
        *,
        upright: bool = False,
        normalization: Normalization = IMAGENET,
    ):
        self.root = Path(root)
        self.upright, self.normalization = upright, normalization
        self.labels = labels
        self._paths = paths

    def __len__(self) -> int:
        return len(self.labels)

    def names(self) -> Iterable[Union[str, bytes]]:
        """Return the paths in the list, in order."""
        return self._paths

    def name(self, index: int) -> str:
        """Return the path of a picture, for messages."""
        return str(self.root / os.fsdecode(self._paths[index]))

    def read(self, index: int) -> bytes:
        """Return the content of a picture's file; raise InputError when it cannot be read."""
        return read_file(self.name(index))


def read_listed(root: Path, split: str, tool: str) -> Union[ImageList, PackedImages]:
    """Return the pictures in the list `<split>.lst` under `root`, from its pack if there is one.

    tool: the command that makes the list, for the message when it is missing.

    Raises InputError for a list that is missing, and for a pack that was made from another list.
    """
    path = list_file(root, split, tool, embedded="digits")
    listing = read_list(path)
    pack = pack_file(path)
    if index_file(pack).exists():
        check_origin(path)
        return PackedImages(pack, listing)
    return ImageList(root, *listing)
