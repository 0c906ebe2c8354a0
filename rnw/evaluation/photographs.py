"""Photographs to predict: found in folders, turned upright, read one after another."""

from pathlib import Path
from typing import Callable, Iterator, List, Sequence, Tuple, Union

import numpy as np

from rnw.data.ahead import ahead
from rnw.data.readers import check_aspect, read_image
from rnw.errors import InputError
from rnw.files import PathLike

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"),
    *(".heic", ".heif", ".avif"),  # reported as unsupported rather than skipped
)
OnBad = Callable[[InputError], None]


def stop_at(error: InputError) -> None:
    """Raise the error that a photograph has caused."""
    raise error


def find_images(paths: Sequence[PathLike]) -> List[Path]:
    """Return the image files, with each folder replaced by the images in it, sorted by name.

    Raises InputError for a folder without any.
    """
    found: List[Path] = []
    for path in map(Path, paths):
        inside = sorted(p for p in path.glob("*") if _is_image(p))
        if path.is_dir() and not inside:
            raise InputError(f"{path}: no images in this folder ({', '.join(IMAGE_SUFFIXES)})")
        found += inside if path.is_dir() else [path]
    return found


def _is_image(path: Path) -> bool:
    """Return whether a file has the name of an image; a dead link counts, to be reported."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def read_photographs(
    paths: Sequence[Path], on_bad: OnBad = stop_at
) -> Iterator[Tuple[Path, np.ndarray]]:
    """Yield each image file and its pixels (H, W, 3) uint8, upright, while the next one is read.

    `on_bad` is called with the error of a file that is missing, not an image, or too long and thin;
    the file is then skipped. By default the error is raised.
    """
    for path, found in zip(paths, ahead(_try_to_read, paths, depth=1)):
        if isinstance(found, InputError):
            on_bad(found)
        else:
            yield path, found


def _try_to_read(path: Path) -> Union[np.ndarray, InputError]:
    try:
        return check_aspect(read_image(path, upright=True), str(path))
    except InputError as error:
        return error
