"""Photographs that someone asks about: found in folders, upright, one after another."""

from pathlib import Path
from typing import Callable, Iterator, List, Sequence, Tuple, Union

import numpy as np

from rnw.data.readers import check_aspect, read_image
from rnw.errors import InputError
from rnw.evaluation.ahead import ahead
from rnw.files import PathLike

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"),
    *(".heic", ".heif", ".avif"),  # not read, but said so rather than passed over
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
    """By its name; a link to nothing counts, so that it is named."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def read_photographs(
    paths: Sequence[Path], on_bad: OnBad = stop_at
) -> Iterator[Tuple[Path, np.ndarray]]:
    """Yield each image file and its pixels (H, W, 3) uint8, upright, while the next one is read.

    `on_bad` is told what is wrong with one that is missing, no image, or too long and thin, which
    is then passed over; by default that is raised.
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
