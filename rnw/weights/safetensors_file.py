"""The safetensors container, read and written with NumPy alone.

It has a header length (u64, little endian), that many bytes of JSON with each array's element type,
shape and offsets, then the values of all arrays without gaps.
"""

import json
import math
import mmap
import struct
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike, atomic_write, parse_json, reading
from rnw.weights.ndarray_file import BFLOAT16, as_float32, windows

_SHOWN = 100  # characters of an unusable entry
MAX_HEADER = 100_000_000  # the limit of the reference implementation
ELEMENT_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
_BFLOAT16 = "BF16"
_METADATA = "__metadata__"  # the only entry of the header that is no array
_TYPE_NAMES = {np.dtype(dtype): name for name, dtype in ELEMENT_TYPES.items()}


def write_safetensors(
    path: PathLike, arrays: Mapping[str, np.ndarray], metadata: Optional[Mapping[str, str]] = None
) -> None:
    """Write named arrays, and texts by name beside them, completely or not at all.

    Pages of arrays that are mapped from a file are released as soon as they are written.

    Raises InputError for an element type that the format does not have.
    """
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)  # so that all are aligned
    header = _header(path, {name: arrays[name] for name in names}, metadata or {})
    with atomic_write(path) as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for name in names:
            for window in windows(arrays[name]):
                file.write(window.data)


def _header(path: PathLike, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    entries: Dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    offset = 0
    for name, array in arrays.items():
        if array.dtype not in _TYPE_NAMES:
            raise InputError(f"{path}: {name} has type {array.dtype}, unknown to safetensors")
        entries[name] = {
            "dtype": _TYPE_NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    header = json.dumps(entries, separators=(",", ":")).encode()
    return header + b" " * (-len(header) % 8)


def release_pages(array: np.ndarray) -> None:
    """Release the memory through which a mapped file was read."""
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def read_safetensors(path: PathLike) -> Dict[str, np.ndarray]:
    """Return all arrays of the file by name, in the header's order, as read-only memory maps.

    Those of type BF16 become float32, in memory.

    Raises InputError for a file that is truncated, inconsistent or of another format.
    """
    header, values = _split(path)
    entries = _parse(path, header)
    arrays, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].offsets):
        begin, stop = entry.offsets
        if begin != end or stop - begin != entry.nbytes:
            raise InputError(
                f"{path}: {name} of shape {entry.shape} is at bytes {begin} to {stop}, expected "
                f"{end} to {end + entry.nbytes}"
            )
        if stop > values.size:
            raise InputError(
                f"{path}: truncated file: {name} ends at byte {stop} of {values.size} (interrupted "
                "download?)"
            )
        array = values[begin:stop].view(entry.dtype).reshape(entry.shape)
        arrays[name] = as_float32(array) if entry.dtype == BFLOAT16 else array
        end = stop
    if end != values.size:
        raise InputError(f"{path}: {values.size - end} bytes too many after the last array")
    return {name: arrays[name] for name in entries}


def read_safetensors_metadata(path: PathLike) -> Dict[str, str]:
    """Return the texts by name in the header of a file; raises as `read_safetensors` does."""
    header, _ = _split(path)
    metadata = _parse_header(path, header).get(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(t, str) for t in metadata.values()):
        raise InputError(f"{path}: its header's {_METADATA} is not a table of texts")
    return metadata


def _split(path: PathLike) -> Tuple[bytes, np.ndarray]:
    """Return the JSON and the values of a file, which are mapped."""
    with reading(path, damaged=(ValueError,)):
        buffer = np.memmap(Path(path), np.uint8, mode="r")
    length = struct.unpack("<Q", buffer[:8].tobytes())[0] if buffer.size >= 8 else MAX_HEADER + 1
    if length > min(MAX_HEADER, buffer.size - 8):
        raise InputError(
            f"{path}: not a safetensors file, or truncated: a header of {length} bytes is announced"
            f" in a file of {buffer.size}"
        )
    return buffer[8 : 8 + length].tobytes(), buffer[8 + length :]


class _Entry:
    """Type, shape and offsets of an array; raises an exception for malformed ones."""

    def __init__(self, dtype: str, shape: List[int], data_offsets: Tuple[int, int]):
        self.dtype = BFLOAT16 if dtype == _BFLOAT16 else np.dtype(ELEMENT_TYPES[dtype])
        self.shape = tuple(shape)
        self.offsets = begin, end = tuple(data_offsets)
        if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)) or begin > end:
            raise ValueError
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize


def _parse_header(path: PathLike, header: bytes) -> Dict[str, Any]:
    try:
        return dict(parse_json(header, object_pairs_hook=_without_repetition).items())
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a safetensors file: its header is unusable: {error}"
        ) from None


def _parse(path: PathLike, header: bytes) -> Dict[str, _Entry]:
    entries = _parse_header(path, header)
    entries.pop(_METADATA, None)
    parsed = {}
    for name, entry in entries.items():
        try:
            parsed[name] = _Entry(**entry)
        except (TypeError, ValueError, KeyError):
            raise InputError(f"{path}: {_why_unusable(name, entry)}") from None
    return parsed


def _why_unusable(name: str, entry: Any) -> str:
    found = entry.get("dtype") if isinstance(entry, dict) else None
    known = (*ELEMENT_TYPES, _BFLOAT16)
    if isinstance(found, str) and found not in known:
        return f"{name!r} has type {found}, expected one of {', '.join(known)}"
    return f"the header's entry for {name!r} cannot be used: {str(entry)[:_SHOWN]}"


def _without_repetition(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)
