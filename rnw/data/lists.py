"""Lists of pictures: a line each of index, label and path, tab-separated, as the original's."""

import os
from array import array
from pathlib import Path
from typing import Iterable, NamedTuple, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike, atomic_write

CLASSES_FILE = "classes.txt"  # in the folder of a prepared data set


class Listing(NamedTuple):
    """Paths (N,) as bytes, relative to the data set's folder, and their classes (N,) int64."""

    paths: np.ndarray
    labels: np.ndarray


def read_list(path: PathLike) -> Listing:
    """The pictures that a list names.

    Raises InputError for a file that is missing or no list.
    """
    labels, paths = array("q"), []
    try:
        with Path(path).open("rb") as file:
            for line in file:
                _, label, name = line.rstrip(b"\r\n").split(b"\t")
                if not name or b"\0" in name:
                    _refuse(path, len(paths))
                labels.append(int(label))
                paths.append(name)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, OverflowError):
        _refuse(path, len(paths))
    if not paths:
        raise InputError(f"{path}: names no picture")
    found = Listing(np.array(paths, np.bytes_), np.array(labels, np.int64))
    if found.labels.min() < 0:
        _refuse(path, int(found.labels.argmin()))
    return found


def list_file(root: Path, split: str, tool: str, embedded: str) -> Path:
    """`<split>.lst` under `root`.

    Raises InputError when it is missing, which names the `tool` that makes it and an `embedded`
    data set that needs none.
    """
    path = root / f"{split}.lst"
    if not path.is_file():
        raise InputError(
            f"{path}: no such list; {tool} makes it of the official files (see README.md); "
            f"`--dataset {embedded}` needs no data"
        )
    return path


def _refuse(path: PathLike, index: int) -> None:
    raise InputError(
        f"{path}: line {index + 1} is not index, label and path with tabs between them"
    )


def write_list(path: PathLike, pictures: Iterable[Tuple[int, str]]) -> None:
    """Write (label, path) pairs as a list, whole or not at all.

    Raises InputError for a path that a line cannot hold.
    """
    with atomic_write(path) as file:
        for index, (label, name) in enumerate(pictures):
            if "\t" in name or "\n" in name:
                raise InputError(f"{name!r}: rename it, a list cannot hold tabs and line breaks")
            file.write(b"%d\t%d\t%s\n" % (index, label, os.fsencode(name)))


def read_classes(path: PathLike) -> Tuple[str, ...]:
    """The names of classes in label order, a line each, as `write_classes` wrote them.

    Raises InputError for a file that cannot be read.
    """
    try:
        return tuple(os.fsdecode(line) for line in Path(path).read_bytes().splitlines())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def write_classes(path: PathLike, names: Iterable[str]) -> None:
    """Write the names of classes, whole or not at all."""
    with atomic_write(path) as file:
        file.writelines(os.fsencode(name) + b"\n" for name in names)
