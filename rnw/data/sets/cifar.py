"""Reader of CIFAR's binary form, of www.cs.toronto.edu/~kriz/cifar.html.

A record is one label, or for CIFAR-100 two, of which the last is the class; then the planes of red,
green and blue of a picture of 32 x 32.
"""

from pathlib import Path
from typing import Callable, Mapping, Sequence

import numpy as np

from rnw.data.picture_types import Examples
from rnw.data.sets.publication import Form
from rnw.data.sets.rows import check_split
from rnw.errors import InputError

IMAGES = {"train": 50_000, "test": 10_000}
PIXELS = 3 * 32 * 32  # bytes


def cifar_reader(
    title: str, form: Form, files: Mapping[str, Sequence[str]], labels: int
) -> Callable[[Path, str], Examples]:
    """Return a function that reads a split from `files`, with `labels` bytes before each picture.

    The files are in the folder of `form`, or directly in the root, as MXNet's own loader keeps
    them. Raises InputError for another split, and when a file is missing or damaged.
    """

    def read(root: Path, split: str) -> Examples:
        check_split(title, split, tuple(files))
        folder = root / form.folder if (root / form.folder).is_dir() else root
        records = np.concatenate([_records(folder / name, form, labels) for name in files[split]])
        images = records[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return Examples(images, records[:, labels - 1].astype(np.int64))

    return read


def _records(path: Path, form: Form, labels: int) -> np.ndarray:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; `rnw prepare` extracts {form.archive} from "
            "https://www.cs.toronto.edu/~kriz/cifar.html, and --data-root takes another folder"
        )
    from rnw.data.readers import read_file  # needs an extra

    content, record = read_file(path), labels + PIXELS
    if not content or len(content) % record:
        raise InputError(f"{path}: {len(content)} bytes, expected {record} a picture: damaged")
    return np.frombuffer(content, np.uint8).reshape(-1, record)
