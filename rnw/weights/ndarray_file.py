"""The container of `.params` files: named arrays in MXNet's own binary format, with NumPy alone.

Reads every version that MXNet 0.8 to 1.9 wrote and writes that of 1.9. All numbers are little
endian::

    file    magic 0x112 (u64), reserved (u64), count (u64), arrays, count (u64), names
    name    length (u64), bytes
    array   0.8:   rank (u32), dimensions (u32 each), body
            0.11:  0xF993FAC8 (u32), rank (u32), dimensions (i64 each), body
            0.12:  0xF993FAC9 (u32), storage (i32, 0 is dense), as 0.11 from the rank
            1.5:   0xF993FACA (u32), as 0.12 from the storage: saved under `np_shape`
    body    device type and number (i32 each), element type (i32), values

An array of rank 0 has no body (it was never filled), except in version 1.5: that is a scalar.
MXNet also writes scalars as version 0.12, though it cannot read them; `list_arrays` does.
"""

import math
import mmap
import struct
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Union,
)

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike, atomic_write, open_regular, reading
from rnw.weights.recognition import START, explain

FILE_MAGIC = 0x112
MAGIC_V1, MAGIC_V2, MAGIC_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
OLDEST = "0.8"
VERSIONS = {MAGIC_V1: "0.11", MAGIC_V2: "0.12", MAGIC_V3: "1.5"}  # first release that wrote it
STORAGES = {0: "dense", 1: "row_sparse", 2: "csr"}
DENSE = 0
DEVICES = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
CPU = 1

# Far above any real file; they limit the memory that a malicious one can make us allocate.
MAX_RANK = 32  # NumPy's own
MAX_VALUES = 1 << 58
MAX_ARRAYS = 100_000
MAX_NAME = 4096

BFLOAT16 = np.dtype([("bfloat16", "<u2")])  # as MXNet's `asnumpy` gives it

# index in the file: element type (mshadow's type flags that MXNet 1.9 can hold)
ELEMENT_TYPES: Dict[int, np.dtype] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f8"),
    2: np.dtype("<f2"),
    3: np.dtype("u1"),
    4: np.dtype("<i4"),
    5: np.dtype("i1"),
    6: np.dtype("<i8"),
    7: np.dtype("?"),
    12: BFLOAT16,
}
_TYPE_FLAGS = {dtype: flag for flag, dtype in ELEMENT_TYPES.items()}
_WINDOW = 1 << 20  # values


def as_float32(array: np.ndarray) -> np.ndarray:
    """Return the values of a BFLOAT16 array, whose bits are the upper half of a float32."""
    return (array["bfloat16"].astype(np.uint32) << 16).view(np.float32)


class Entry(NamedTuple):
    """One array of a file: a read-only memory map, and how it is stored.

    version: the first MXNet that wrote this layout. device: where the array was, such as 'gpu(3)';
    None for an array that was never filled. offset: the byte where its values start. For arrays of
    other formats these are an empty text, None and 0.
    """

    name: str
    array: np.ndarray
    version: str
    device: Optional[str]
    offset: int


def open_weights(path: PathLike) -> BinaryIO:
    """Open a file for reading bytes; raise InputError where there is no regular file."""
    with reading(path):
        try:
            return open_regular(path)
        except InputError:
            raise
        except (FileNotFoundError, ValueError):  # of NUL in a name
            raise InputError(f"{path}: no such file") from None


def read_arrays(path: PathLike) -> Dict[str, np.ndarray]:
    """Return all arrays of a `.params` file by name, in the file's order, as read-only memory maps.

    Raises InputError, with the offset in bytes, for a file that is missing, truncated, of another
    format, or has sparse arrays.
    """
    return {entry.name: entry.array for entry in list_arrays(path)}


def list_arrays(path: PathLike) -> List[Entry]:
    """Return the arrays that `read_arrays` returns, each with how it is stored; read no values.

    Raises InputError as `read_arrays` does.
    """
    reader = _Reader(path)
    try:
        return reader.read()
    except InputError:
        if not reader.ambiguous:
            raise
    return _Reader(path, scalars=True).read()


def write_arrays(
    path: PathLike,
    arrays: Union[Mapping[str, np.ndarray], Sequence[np.ndarray]],
    *,
    np_shape: Optional[bool] = None,
) -> None:
    """Write arrays, named or a plain list, as MXNet 1.9 does, completely or not at all.

    np_shape: write as under `mx.util.np_shape`, which is then needed to load the file; default:
        only if there is a scalar or an array without values, which need it.

    Raises InputError for an element type that the format does not have.
    """
    with atomic_write(path) as file, naming(path):
        write_arrays_to(file, arrays, np_shape=np_shape)


class Writable(Protocol):
    """What bytes can be written to."""

    def write(self, data: Any) -> Any:
        """Take bytes, or an array of them."""


def write_arrays_to(
    file: Writable,
    arrays: Union[Mapping[str, np.ndarray], Sequence[np.ndarray]],
    *,
    np_shape: Optional[bool] = None,
) -> None:
    """Write arrays as `write_arrays` does to an open file, by its method `write` alone."""
    named = isinstance(arrays, Mapping)
    entries: Dict[Any, np.ndarray] = dict(
        arrays if isinstance(arrays, Mapping) else enumerate(arrays)
    )
    if np_shape is None:  # for all or none, since MXNet does not read a file of both kinds
        np_shape = not all(array.size and array.ndim for array in entries.values())
    for name, array in entries.items():
        if array.dtype.newbyteorder("<") not in _TYPE_FLAGS:
            raise InputError(f"{name} has type {array.dtype}, which MXNet cannot store")
        if not np_shape and not array.ndim:
            raise InputError(f"{name} is a scalar, which needs np_shape")
    file.write(struct.pack("<QQQ", FILE_MAGIC, 0, len(entries)))
    for array in entries.values():
        _write_array(file, array, MAGIC_V3 if np_shape else MAGIC_V2)
    file.write(struct.pack("<Q", len(entries) if named else 0))
    for name in entries if named else ():
        encoded = name.encode()
        file.write(struct.pack("<Q", len(encoded)) + encoded)


def _write_array(file: Writable, array: np.ndarray, magic: int) -> None:
    dtype = array.dtype.newbyteorder("<")
    file.write(struct.pack("<IiI", magic, DENSE, array.ndim))
    file.write(struct.pack(f"<{array.ndim}q", *array.shape))
    file.write(struct.pack("<iii", CPU, 0, _TYPE_FLAGS[dtype]))
    for window in windows(array):
        file.write(window.astype(dtype, copy=False).data)


def windows(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the values in C order as contiguous vectors of at most 2**20, for any memory layout.

    Pages of a memory map are released after each, so that a whole file is read in little memory.
    """
    values = array.reshape(-1) if array.flags.c_contiguous else array.flat
    mapping = _mapping(array)
    for start in range(0, array.size, _WINDOW):
        yield values[start : start + _WINDOW]
        if mapping is not None and hasattr(mapping, "madvise"):  # not on Windows
            mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: np.ndarray) -> Optional[mmap.mmap]:
    """Return the memory map of the file that `array` is in, if it is read-only."""
    if not isinstance(array, np.memmap) or array.mode != "r":
        return None
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner


class _Reader:
    """Reads a file field by field, and checks every length against the rest of the file.

    scalars: how to read version 0.12 and rank 0, which MXNet writes for a scalar but reads as an
    array that was never filled. ambiguous: whether the file has such an array.
    """

    def __init__(self, path: PathLike, scalars: bool = False):
        self.path = Path(path)
        self.scalars = scalars
        self.ambiguous = False
        with open_weights(path) as file:
            if not file.read(1):
                raise InputError(f"{path}: the file is empty; download or copy it again")
            self.buffer = np.memmap(file, np.uint8, mode="r")
        self.start = self.offset = 0  # of the field that was read last, and behind it

    def fail(self, problem: str) -> InputError:
        return InputError(f"{self.path}: {problem} at byte {self.start} of {self.buffer.size}")

    def take(self, size: int, what: str) -> np.ndarray:
        self.start = self.offset
        left = self.buffer.size - self.offset
        if size > left:
            raise self.fail(
                f"truncated file: {what} needs {size} bytes but {left} are left (interrupted "
                "download?)"
            )
        self.offset += size
        return self.buffer[self.start : self.offset]

    def number(self, kind: str, what: str) -> int:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(kind), what).data)[0]

    def read(self) -> List[Entry]:
        start = self.buffer[:START].tobytes()
        if start[:8] != struct.pack("<Q", FILE_MAGIC):
            kind = explain(start)
            raise InputError(
                f"{self.path}: not a .params file of MXNet: expected it to start with the bytes "
                f"12 01 00 00 00 00 00 00, found {start[:8].hex(' ')} at byte 0"
                + f"; this is {kind}"
                * bool(kind)
            )
        self.take(16, "the header")
        entries = [self.array(i) for i in range(self.count(4, "arrays"))]
        names = [self.name() for _ in range(self.count(8, "names"))]
        if names and len(names) != len(entries):
            raise self.fail(f"{len(entries)} arrays but {len(names)} names")
        self.start = self.offset
        if self.offset != self.buffer.size:
            raise self.fail(f"{self.buffer.size - self.offset} bytes too many after the last name")
        if len(set(names)) != len(names):
            raise self.fail("some names occur twice, before the end")
        return [entry._replace(name=name) for entry, name in zip(entries, names)] or entries

    def count(self, least_size: int, what: str) -> int:
        number = self.number("Q", f"the number of {what}")
        if number * least_size > self.buffer.size - self.offset:
            raise self.fail(f"{number} {what} announced, more than the file can hold,")
        if number > MAX_ARRAYS:
            raise self.fail(f"{number} {what} announced, at most {MAX_ARRAYS} are supported,")
        return number

    def name(self) -> str:
        length = self.number("Q", "the length of a name")
        if length > MAX_NAME:
            raise self.fail(f"a name of {length} bytes, at most {MAX_NAME} are supported,")
        try:
            return self.take(length, "a name").tobytes().decode()
        except UnicodeDecodeError:
            raise self.fail("a name that is not UTF-8") from None

    def array(self, index: int) -> Entry:
        what = f"array {index}"
        first = self.number("I", what)
        version = VERSIONS.get(first, OLDEST)
        if first in (MAGIC_V2, MAGIC_V3):
            self.storage(what)
        rank = first if version == OLDEST else self.number("I", what)
        shape = self.shape(rank, "I" if version == OLDEST else "q", what)
        if not shape and not self.is_scalar(first):
            return Entry(str(index), np.zeros((0,), np.float32), version, None, self.offset)
        device, number = self.number("i", what), self.number("i", what)
        flag = self.number("i", what)
        if flag not in ELEMENT_TYPES:
            raise self.fail(f"{what} has the unknown element type {flag}")
        dtype = ELEMENT_TYPES[flag]
        size = dtype.itemsize * math.prod(shape)
        array = self.take(size, f"{what} of shape {shape}").view(dtype).reshape(shape)
        place = f"{DEVICES.get(device, f'device type {device}')}({number})"
        return Entry(str(index), array, version, place, self.start)

    def storage(self, what: str) -> None:
        storage = self.number("i", what)
        if storage not in STORAGES:
            raise self.fail(f"{what} has the unknown storage type {storage}")
        if storage != DENSE:
            raise self.fail(f"{what} is sparse ({STORAGES[storage]}), which is not supported,")

    def is_scalar(self, first: int) -> bool:
        if first == MAGIC_V2:
            self.ambiguous = True
            return self.scalars
        return first == MAGIC_V3

    def shape(self, rank: int, kind: str, what: str) -> Sequence[int]:
        if rank > MAX_RANK:
            raise self.fail(f"{what} has {rank} dimensions, at most {MAX_RANK} are possible,")
        dimensions = self.take(rank * struct.calcsize(kind), f"the shape of {what}")
        shape = struct.unpack(f"<{rank}{kind}", dimensions.data)
        values = math.prod(dimension for dimension in shape if dimension)
        if any(dimension < 0 for dimension in shape) or values > MAX_VALUES:
            raise self.fail(f"{what} has the impossible shape {shape}")
        return shape
