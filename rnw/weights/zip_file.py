"""Zip archives as NumPy and PyTorch keep arrays in them."""

import contextlib
import struct
import zipfile
from pathlib import Path
from typing import Iterator, Optional

from rnw.errors import InputError
from rnw.files import PathLike

ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second is that of an archive without members
ALIGNMENT = 64  # of the content of members, as PyTorch has it
MOST_UNPACKED = 1 << 30  # bytes that an archive of any size may unpack to
MOST_EXPANSION = 4  # times a larger one may grow; numbers that were learnt hardly shrink
_HEADER = 30 + 20  # bytes before a member's content, without its name: fixed ones, size in 64 bit


@contextlib.contextmanager
def reading_zip(path: PathLike) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members may be read into memory, if they are all that it announces.

    Raises InputError for a truncated one and for one that announces more than it can hold, or so
    much that it can only be meant to harm, and what `zipfile` raises for a damaged one.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: truncated file: its end is missing; download or copy it again")
    there = Path(path).stat().st_size
    with zipfile.ZipFile(path) as archive:
        if sum(member.compress_size for member in archive.infolist()) > there:
            raise InputError(f"{path}: damaged: its members are larger than the {there:,} bytes")
        size = sum(member.file_size for member in archive.infolist())
        if size > max(MOST_UNPACKED, MOST_EXPANSION * there):
            raise InputError(f"{path}: would unpack to {size:,} bytes, which no weights do")
        names = archive.namelist()
        if len(set(names)) != len(names):
            raise InputError(f"{path}: two members of the archive have the same name")
        yield archive


def new_member(name: str, offset: Optional[int] = None) -> zipfile.ZipInfo:
    """A member that is the same bytes at any time.

    Where the end of the archive so far, `offset`, is given, its content will begin at a multiple of
    ALIGNMENT bytes: it must be opened with `force_zip64`.
    """
    member = zipfile.ZipInfo(name)
    if offset is not None:
        gap = -(offset + _HEADER + len(name.encode()) + 4) % ALIGNMENT
        member.extra = struct.pack("<2sH", b"FB", gap) + bytes(gap)
    return member
