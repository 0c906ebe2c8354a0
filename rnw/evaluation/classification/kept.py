"""Predictions kept in files, so that an evaluation can be interrupted, repeated and extended."""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from rnw.arrays import check_finite
from rnw.data.members import DAMAGED
from rnw.data.picture_types import Classified, Examples
from rnw.errors import InputError
from rnw.evaluation.origins import check_origin
from rnw.files import open_regular, parse_json
from rnw.weights.npz_file import write_npz

SECONDS_BETWEEN_SAVES = 60
# what NumPy and JSON raise for files of other formats
DAMAGED_ARRAYS = (OSError, LookupError, TypeError, AttributeError, ValueError, MemoryError)
ROUNDING = 1e-3  # by which a row of probabilities may miss a sum of 1


class KeptProbabilities:
    """Probabilities (N, classes) float32 of the first `done` images of a split, at one scale.

    shape: (images, classes) once all are done.

    They are kept in the .npz file `path` (None: only in memory) under `origin`, all they depend on.
    Raises InputError when there is a file of another origin or a damaged one, unless `overwrite`
    replaces it, and when none can be written there.
    """

    def __init__(
        self,
        path: Optional[Path],
        origin: Mapping[str, Any],
        shape: Tuple[int, int],
        overwrite: bool = False,
    ):
        self.path = path
        self._origin = {key: str(value) for key, value in origin.items()}
        self._parts: List[np.ndarray] = []
        self._saved_at = time.monotonic()
        if path is not None and path.exists() and not overwrite:
            self._parts.append(_read(path, self._origin, shape))
        self.done = self._saved = sum(map(len, self._parts))

    def append(self, probabilities: np.ndarray) -> None:
        """Add those of the next images; once a minute all are saved.

        Raises InputError for what no working network gives: NaN and infinity.
        """
        check_finite("the network's probabilities", probabilities)
        self._parts.append(probabilities)
        self.done += len(probabilities)
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES:
            self.save()

    def all(self) -> np.ndarray:
        """Return all probabilities so far, (done, classes) float32."""
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def save(self) -> None:
        """Write what has not been written yet."""
        if self.path is not None and self.done > self._saved:
            origin = np.array(json.dumps(self._origin))
            write_npz(self.path, {"probabilities": self.all(), "origin": origin})
            self._saved = self.done
        self._saved_at = time.monotonic()


def make_folder_to_keep(folder: Path) -> None:
    """Make the folder for predictions; raise InputError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: predictions cannot be kept there: {error.strerror}; choose another folder "
            "with --predictions"
        ) from error


def read_kept(path: Path, shape: Tuple[int, int]) -> Tuple[np.ndarray, Dict[str, str]]:
    """Return the probabilities (N, classes) float32 in a file, and their origin.

    shape: (images, classes) of a whole evaluation; the file may have fewer images.

    Raises InputError for a file that cannot be read or does not fit.
    """
    probabilities, origin = _load(path)
    with _reading(path):
        _check_probabilities(probabilities, *shape)
    return probabilities, origin


def _read(path: Path, origin: Dict[str, str], shape: Tuple[int, int]) -> np.ndarray:
    probabilities, found = _load(path)
    check_origin(path, found, origin, "choose another folder with --predictions")
    with _reading(path):
        _check_probabilities(probabilities, *shape)
    return probabilities


def _load(path: Path) -> Tuple[np.ndarray, Dict[str, str]]:
    with _reading(path), open_regular(path) as file, np.load(file) as arrays:
        return arrays["probabilities"], dict(parse_json(str(arrays["origin"])))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what damaged files raise into InputError, with advice."""
    try:
        yield
    except (*DAMAGED_ARRAYS, *DAMAGED) as error:
        raise InputError(
            f"{path}: cannot be read as kept predictions ({error}); "
            "`rnw eval-cls` with --overwrite replaces it"
        ) from error


def _check_probabilities(found: np.ndarray, images: int, classes: int) -> None:
    """Raise InputError for anything but probabilities of the first images, one row each."""
    fits = found.ndim == 2 and len(found) <= images and found.shape[1] == classes
    if not fits or found.dtype != np.float32:
        raise InputError(
            f"expected float32 ({images} or fewer, {classes}), found {found.dtype} {found.shape}"
        )
    check_finite("probabilities", found)
    if ((found < 0) | (found > 1 + ROUNDING)).any():
        raise InputError("probabilities are not between 0 and 1")
    if (np.abs(found.sum(axis=1) - 1) > ROUNDING).any():
        raise InputError("probabilities of an image do not sum to 1")


def pictures_digest(examples: Classified) -> str:
    """Return a digest of the pictures of a split, in order, and of their labels.

    It is of the pixels of embedded pictures and of the names of others. `list_digest`, by which
    training recognizes its data, is another one; both are in files of users.
    """
    digest = hashlib.md5(np.asarray(examples.labels, np.int64).tobytes())
    if isinstance(examples, Examples):
        for image in examples.images:
            digest.update(image.tobytes())
    else:
        for index in range(len(examples)):
            digest.update(os.fsencode(picture_name(examples, index)) + b"\n")
    return digest.hexdigest()


def picture_name(examples: Classified, index: int) -> str:
    """Return the file name of a picture, or its number where there is no file."""
    if isinstance(examples, Examples):
        return str(index)
    return Path(examples.name(index)).name
