"""CIFAR's pictures of 32 x 32 in both forms of www.cs.toronto.edu/~kriz/cifar.html.

A record of the binary form is a label, or for CIFAR-100 two, of which the last is the class, and
the planes of red, green and blue. The form for Python has the same in pickled arrays.
"""

import io
import pickle
from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from rnw.data.picture_types import Examples
from rnw.data.sets.publication import Form, PackedPublication
from rnw.data.sets.rows import Dataset, check_split
from rnw.errors import InputError
from rnw.files import reading

IMAGES = {"train": 50_000, "test": 10_000}
PIXELS = 3 * 32 * 32  # bytes
_NUMPY = {  # all that pickled arrays are made of
    "_reconstruct": np.zeros(0).__reduce__()[0],
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}

Pictures = Tuple[np.ndarray, np.ndarray]  # (N, PIXELS) uint8, and their classes (N,)


class Files(NamedTuple):
    """A form in which CIFAR is published: its archive, files by split, and how one is read."""

    form: Form
    files: Mapping[str, Sequence[str]]
    read: Callable[[Path], Pictures]


def binary_files(
    archive: str, md5: str, folder: str, files: Mapping[str, Sequence[str]], labels: int
) -> Files:
    """Return the binary form, with `labels` bytes before each picture."""
    return Files(_form(archive, md5, folder, files), files, partial(_read_records, labels))


def pickled_files(
    archive: str, md5: str, folder: str, files: Mapping[str, Sequence[str]], labels: bytes
) -> Files:
    """Return the form for Python, with the classes under the key `labels`."""
    return Files(_form(archive, md5, folder, files), files, partial(_read_pickled, labels))


def _form(archive: str, md5: str, folder: str, files: Mapping[str, Sequence[str]]) -> Form:
    return Form(archive, md5, folder, (folder,), inside=f"{folder}/", probe=files["test"][0])


def cifar_row(name: str, title: str, classes: Tuple[str, ...], forms: Sequence[Files]) -> Dataset:
    """Return the row of a dataset that is published in some forms, the first of which is named."""
    return Dataset(
        name,
        title,
        Path("data", name),
        len(classes),
        lambda: classes,
        partial(_read, title, forms),
        "train",
        "test",
        recipe="",
        publication=PackedPublication(tuple(files.form for files in forms), IMAGES),
        class_ids=classes,
    )


def _read(title: str, forms: Sequence[Files], root: Path, split: str) -> Examples:
    """Read a split from the folder of a form, or from files directly in the root.

    MXNet's own loader keeps them there. Raises InputError for another split, and when a file is
    missing or damaged.
    """
    check_split(title, split, tuple(IMAGES))
    places = [(files, root / files.form.folder) for files in forms]
    places += [(files, root) for files in forms]
    there = (place for place in places if (place[1] / place[0].files[split][0]).exists())
    files, folder = next(there, (forms[0], root))
    parts = [_read_file(files, folder / name) for name in files.files[split]]
    images, labels = map(np.concatenate, zip(*parts))
    return Examples(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels.astype(np.int64))


def _read_file(files: Files, path: Path) -> Pictures:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; `rnw prepare` extracts {files.form.archive} from "
            "https://www.cs.toronto.edu/~kriz/cifar.html, and --data-root takes another folder"
        )
    return files.read(path)


def _read_records(labels: int, path: Path) -> Pictures:
    from rnw.data.readers import read_file  # needs an extra

    content, record = read_file(path), labels + PIXELS
    if not content or len(content) % record:
        raise InputError(f"{path}: {len(content)} bytes, expected {record} a picture: damaged")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, labels:], records[:, labels - 1]


class _Unpickler(pickle.Unpickler):
    """An unpickler of arrays that runs nothing else than what makes them."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] != "numpy" or name not in _NUMPY:
            raise InputError(f"names {module}.{name}, which no pickled array does")
        return _NUMPY[name]


def _read_pickled(labels: bytes, path: Path) -> Pictures:
    from rnw.data.readers import read_file  # needs an extra

    content = read_file(path)
    with reading(path, "pictures of CIFAR", (Exception,)):  # of many kinds when it is damaged
        try:
            found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        images, classes = found[b"data"], np.array(found[labels], np.int64)
        if images.dtype != np.uint8 or images.shape != (len(classes), PIXELS):
            raise ValueError(f"{images.dtype} of shape {images.shape} for {len(classes)} labels")
    return images, classes
