"""The archives of `numpy.savez`: zip archives with a `.npy` file for each array."""

import io
import math
import zipfile
from typing import Dict, Mapping

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike, atomic_write
from rnw.weights.ndarray_file import BFLOAT16
from rnw.weights.safetensors_file import release_pages
from rnw.weights.zip_file import new_member, reading_zip

SUFFIX = ".npy"
KINDS = "biuf"  # booleans, integers, floating-point numbers; no text, no Python objects
LARGEST_ITEM = 8  # bytes
_LONGEST_HEADER = 10_000  # as NumPy's own limit
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: PathLike) -> Dict[str, np.ndarray]:
    """Return all arrays of a NumPy archive by name.

    Raises InputError for members that are not arrays of numbers, and what `zipfile` and NumPy raise
    for a damaged archive.
    """
    with reading_zip(path) as archive, naming(path):
        return {_array_name(name): _array(archive, name) for name in archive.namelist()}


def _array_name(member: str) -> str:
    if not member.endswith(SUFFIX):
        raise InputError(f"not a NumPy archive: {member!r} in it is not a {SUFFIX} file")
    return member[: -len(SUFFIX)]


def _array(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    content = archive.read(member)  # checks its checksum
    header = io.BytesIO(content[:_LONGEST_HEADER])
    version = np.lib.format.read_magic(header)
    if version not in _HEADERS:
        raise InputError(f"{member!r} has .npy version {version}, expected 1.0 or 2.0")
    shape, in_columns, dtype = _HEADERS[version](header)
    if dtype != BFLOAT16 and (dtype.kind not in KINDS or dtype.itemsize > LARGEST_ITEM):
        raise InputError(f"{member!r} has type {dtype}, expected numbers of at most 64 bits")
    begin, size = header.tell(), math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or len(content) - begin != size:
        raise InputError(f"{member!r} of shape {shape} has {len(content) - begin} bytes of values")
    values = np.frombuffer(content, dtype, offset=begin)
    return values.reshape(shape, order="F" if in_columns else "C")


def write_npz(path: PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a NumPy archive completely or not at all; its bytes do not depend on the time.

    In contrast to `numpy.savez`, a full disk leads to an InputError alone.
    """
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(new_member(name + SUFFIX), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
            release_pages(array)
