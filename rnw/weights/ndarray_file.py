"""The container of `.params` files: named arrays in MXNet's own binary format, with NumPy alone.

Reads every version that MXNet 0.8 to 1.9 wrote and writes that of 1.9. All numbers are little
endian::

    file    magic 0x112 (u64), 0 (u64), count (u64), arrays, count (u64), names
    name    length (u64), bytes
    array   0.8:   rank (u32), dimensions (u32 each), body
            0.11:  0xF993FAC8 (u32), rank (u32), dimensions (i64 each), body
            1.x:   0xF993FAC9 or 0xF993FACA (u32), storage (i32, 0 is dense), as 0.11 from the rank
    body    device type and number (i32 each), element type (i32), values

An array of rank 0 has no body (it was never filled), except under 0xF993FACA: that is a scalar.
"""

import math
import struct
from pathlib import Path
from typing import Dict, Mapping, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike, atomic_write

FILE_MAGIC = 0x112
MAGIC_V1, MAGIC_V2, MAGIC_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
MAX_RANK = 32
MAX_VALUES = 1 << 58
DENSE = 0
CPU = 1

# index in the file: element type (mshadow's type flags)
ELEMENT_TYPES = {
    0: "<f4",
    1: "<f8",
    2: "<f2",
    3: "u1",
    4: "<i4",
    5: "i1",
    6: "<i8",
    7: "?",
}
_TYPE_FLAGS = {np.dtype(name): flag for flag, name in ELEMENT_TYPES.items()}


def read_arrays(path: PathLike) -> Dict[str, np.ndarray]:
    """All arrays of a `.params` file by name, in the file's order, as read-only memory maps.

    Raises InputError, with the offset in bytes, for a file that is missing, truncated, foreign or
    holds sparse arrays.
    """
    return _Reader(path).read()


def write_arrays(path: PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as MXNet 1.9 does; the file appears whole or not at all.

    Raises InputError for an element type that the format does not have.
    """
    with atomic_write(path) as file:
        file.write(struct.pack("<QQQ", FILE_MAGIC, 0, len(arrays)))
        plain = all(array.size and array.ndim for array in arrays.values())
        magic = MAGIC_V2 if plain else MAGIC_V3  # a file of both kinds MXNet does not read
        for name, array in arrays.items():
            if array.dtype not in _TYPE_FLAGS:
                raise InputError(f"{path}: {name} has type {array.dtype}, which MXNet cannot store")
            file.write(struct.pack("<IiI", magic, DENSE, array.ndim))
            file.write(struct.pack(f"<{array.ndim}q", *array.shape))
            file.write(struct.pack("<iii", CPU, 0, _TYPE_FLAGS[array.dtype]))
            file.write(array.tobytes())
        file.write(struct.pack("<Q", len(arrays)))
        for name in arrays:
            encoded = name.encode()
            file.write(struct.pack("<Q", len(encoded)) + encoded)


class _Reader:
    """Walks through a file; every length is checked against what is left of it."""

    def __init__(self, path: PathLike):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{path}: no such file")
        if self.path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; download or copy it again")
        self.buffer = np.memmap(self.path, np.uint8, mode="r")
        self.offset = 0

    def fail(self, problem: str) -> InputError:
        return InputError(f"{self.path}: {problem} at byte {self.offset} of {self.buffer.size}")

    def take(self, size: int, what: str) -> np.ndarray:
        left = self.buffer.size - self.offset
        if size > left:
            raise self.fail(
                f"truncated file: {what} needs {size} bytes but {left} are left (interrupted "
                "download?)"
            )
        self.offset += size
        return self.buffer[self.offset - size : self.offset]

    def number(self, kind: str, what: str) -> int:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(kind), what).tobytes())[0]

    def read(self) -> Dict[str, np.ndarray]:
        start = self.buffer[:64].tobytes()
        if len(start) < 8 or struct.unpack("<Q", start[:8])[0] != FILE_MAGIC:
            raise InputError(
                f"{self.path}: not a .params file of MXNet: expected it to start with the bytes "
                f"12 01 00 00 00 00 00 00, found {start[:8].hex(' ')}{_guess(start)}"
            )
        self.offset = 8
        self.take(8, "the header")
        arrays = [self.array(i) for i in range(self.count(4, "arrays"))]
        names = [self.name() for _ in range(self.count(8, "names"))]
        if names and len(names) != len(arrays):
            raise self.fail(f"{len(arrays)} arrays but {len(names)} names")
        if self.offset != self.buffer.size:
            raise self.fail(f"{self.buffer.size - self.offset} bytes too many after the last name")
        if len(set(names)) != len(names):
            raise self.fail("some names occur twice, before the end")
        return dict(zip(names or (str(i) for i in range(len(arrays))), arrays))

    def count(self, least_size: int, what: str) -> int:
        number = self.number("Q", f"the number of {what}")
        if number * least_size > self.buffer.size - self.offset:
            raise self.fail(f"{number} {what} announced, more than the file can hold,")
        return number

    def name(self) -> str:
        length = self.number("Q", "the length of a name")
        try:
            return self.take(length, "a name").tobytes().decode()
        except UnicodeDecodeError:
            raise self.fail("a name that is not UTF-8 ends") from None

    def array(self, index: int) -> np.ndarray:
        what = f"array {index}"
        first = self.number("I", what)
        if first in (MAGIC_V2, MAGIC_V3):
            storage = self.number("i", what)
            if storage != DENSE:
                raise self.fail(f"{what} is sparse, which is not supported,")
        if first in (MAGIC_V1, MAGIC_V2, MAGIC_V3):
            shape = self.shape(self.number("I", what), "q", what)
        else:
            shape = self.shape(first, "I", what)
        if not shape and first != MAGIC_V3:
            return np.zeros((0,), np.float32)
        self.take(8, what)  # the device it was saved from
        flag = self.number("i", what)
        if flag not in ELEMENT_TYPES:
            raise self.fail(f"{what} has the unknown element type {flag}")
        dtype = np.dtype(ELEMENT_TYPES[flag])
        size = dtype.itemsize * math.prod(shape)
        return self.take(size, f"{what} of shape {shape}").view(dtype).reshape(shape)

    def shape(self, rank: int, kind: str, what: str) -> Tuple[int, ...]:
        if rank > MAX_RANK:
            raise self.fail(f"{what} has {rank} dimensions, at most {MAX_RANK} are possible,")
        shape = tuple(self.number(kind, what) for _ in range(rank))
        values = math.prod(dimension for dimension in shape if dimension)
        if any(dimension < 0 for dimension in shape) or values > MAX_VALUES:
            raise self.fail(f"{what} has the impossible shape {shape}")
        return shape


def _guess(start: bytes) -> str:
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "; this is a web page saved under that name, download the file itself"
    if text.startswith(b"version https://git-lfs"):
        return "; this is a Git LFS pointer, fetch the file itself"
    if start.startswith(b"PK\x03\x04"):
        return "; this is a zip archive or a PyTorch file"
    if start.startswith(b"\x1f\x8b"):
        return "; this is a gzip file, unpack it first"
    return ""
