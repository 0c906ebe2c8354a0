"""Predictions kept in files, so that an evaluation can be interrupted, repeated and extended."""

import hashlib
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from rnw.data.members import DAMAGED
from rnw.data.readers import Examples
from rnw.errors import InputError
from rnw.evaluation.origins import check_origin
from rnw.files import atomic_write

SECONDS_BETWEEN_SAVES = 60


class Kept:
    """Probabilities (N, classes) float32 of the first `done` images of a split, at one scale.

    They are kept in the .npz file `path` (None: only in memory) under `origin`, all they depend on.
    Raises InputError when there is a file of another origin, unless `overwrite` replaces it, and
    when none can be written there.
    """

    def __init__(self, path: Optional[Path], origin: Mapping[str, Any], overwrite: bool = False):
        self.path = path
        self._origin = {key: str(value) for key, value in origin.items()}
        self._parts: List[np.ndarray] = []
        self._saved_at = time.monotonic()
        if path is not None:
            _make_folder(path.parent)
        if path is not None and path.exists() and not overwrite:
            self._parts.append(_read(path, self._origin))
        self.done = self._saved = sum(map(len, self._parts))

    def append(self, probabilities: np.ndarray) -> None:
        """Add those of the next images; once a minute all are saved."""
        self._parts.append(probabilities)
        self.done += len(probabilities)
        if time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES:
            self.save()

    def all(self) -> np.ndarray:
        """All so far."""
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def save(self) -> None:
        """Write what is not written yet."""
        if self.path is not None and self.done > self._saved:
            with atomic_write(self.path) as file:
                np.savez(file, probabilities=self.all(), origin=json.dumps(self._origin))
            self._saved = self.done
        self._saved_at = time.monotonic()


def _make_folder(folder: Path) -> None:
    """Find out before anything is computed whether predictions can be kept there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: predictions cannot be kept there: {error.strerror}; choose another folder "
            "with --predictions"
        ) from error


def _read(path: Path, origin: Dict[str, str]) -> np.ndarray:
    try:
        with np.load(path) as arrays:
            probabilities, found = arrays["probabilities"], json.loads(str(arrays["origin"]))
    except (OSError, KeyError, ValueError, *DAMAGED) as error:
        raise InputError(
            f"{path}: cannot be read as kept predictions ({error}); --overwrite replaces it"
        ) from error
    check_origin(path, found, origin, "choose another folder with --predictions")
    return probabilities


def fingerprint(examples: Any) -> str:
    """A checksum of which images a split has, in which order, with which labels."""
    digest = hashlib.md5(np.asarray(examples.labels, np.int64).tobytes())
    if isinstance(examples, Examples):
        for image in examples.images:
            digest.update(image.tobytes())
    else:
        for index in range(len(examples)):
            digest.update(os.fsencode(picture_name(examples, index)) + b"\n")
    return digest.hexdigest()


def picture_name(examples: Any, index: int) -> str:
    """The file name of a picture, or its number where there is no file."""
    if isinstance(examples, Examples):
        return str(index)
    return Path(examples.name(index)).name
