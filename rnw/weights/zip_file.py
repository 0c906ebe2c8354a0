"""The zip archives in which NumPy and PyTorch store arrays."""

import contextlib
import struct
import zipfile
from pathlib import Path
from typing import Iterator, Optional

from rnw.errors import InputError
from rnw.files import PathLike

ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an archive without members
ALIGNMENT = 64  # of the content of members in bytes, as in PyTorch
MOST_UNPACKED = 1 << 30  # bytes that an archive of any size may unpack to
MOST_EXPANSION = 4  # times a larger one may grow; trained weights hardly compress
_HEADER = 30 + 20  # bytes before a member's content, without its name: fixed ones, size in 64 bit


@contextlib.contextmanager
def reading_zip(path: PathLike) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive as a context, whose members may safely be read into memory.

    Raises InputError for a truncated archive, for one with impossible sizes and for one that would
    unpack to far more than weights do, and what `zipfile` raises for a damaged one.
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
    """Return a member whose bytes do not depend on the time.

    offset: the size of the archive so far; the member's content then begins at a multiple of
    ALIGNMENT bytes, if it is opened with `force_zip64`.
    """
    member = zipfile.ZipInfo(name)
    if offset is not None:
        gap = -(offset + _HEADER + len(name.encode()) + 4) % ALIGNMENT
        member.extra = struct.pack("<2sH", b"FB", gap) + bytes(gap)
    return member
