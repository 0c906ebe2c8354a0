"""Arrays in one file, in the container of `.params` files, under a checksum of the whole file.

The first array is the BLAKE2b digest of all bytes of the file, its own taken as zeros.
"""

import hashlib
from typing import Any, BinaryIO, Dict, Mapping, Optional

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike, atomic_write
from rnw.weights.ndarray_file import Entry, list_arrays, windows, write_arrays_to

SEAL = "checksum"
_BYTES = 32
_OFFSET = 56  # of the first array's values, in a file without scalars


def _new_digest() -> Any:
    return hashlib.blake2b(digest_size=_BYTES)


class _Digesting:
    """An open file that is written to and digested."""

    def __init__(self, file: BinaryIO):
        self._file, self.digest = file, _new_digest()

    def write(self, data: Any) -> None:
        self.digest.update(data)
        self._file.write(data)


def write_sealed(
    path: PathLike, arrays: Mapping[str, np.ndarray], previous: Optional[PathLike] = None
) -> None:
    """Write arrays of one or more dimensions; the file appears whole or not at all.

    previous: the name that the file which was there before takes, in place of being replaced.

    Raises InputError when it cannot be written, and as `write_arrays` does.
    """
    with atomic_write(path, previous=previous) as file, naming(path):
        digesting = _Digesting(file)
        write_arrays_to(digesting, {SEAL: np.zeros(_BYTES, np.uint8), **arrays}, np_shape=False)
        file.seek(_OFFSET)
        file.write(digesting.digest.digest())


def read_sealed(path: PathLike) -> Dict[str, np.ndarray]:
    """Return the arrays of an undamaged file by name, in its order, as read-only memory maps.

    Raises InputError for another one, and as `read_arrays` does.
    """
    entries = list_arrays(path)
    seal = next((entry for entry in entries if entry.name == SEAL), None)
    if seal is None:
        raise InputError(f"{path}: has no checksum, as those of earlier versions")
    if seal.array.tobytes() != _digest(path, seal):
        raise InputError(f"{path}: its content is not that of its checksum")
    return {entry.name: entry.array for entry in entries if entry is not seal}


def _digest(path: PathLike, seal: Entry) -> bytes:
    content, digest = np.memmap(path, np.uint8, mode="r"), _new_digest()
    end = seal.offset + _BYTES
    for part in (content[: seal.offset], np.zeros(_BYTES, np.uint8), content[end:]):
        for window in windows(part):
            digest.update(window)
    return digest.digest()
