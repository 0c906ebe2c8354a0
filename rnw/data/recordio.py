"""Packs of pictures in MXNet's RecordIO format, read and written without starting MXNet.

A record is a magic number, a word of flag and length, the content, and zeros up to a multiple of
four bytes. Content that contains the magic number is cut there into parts with flags of their own,
without the number. The content for a picture is a header (flag, label, index, 0) and the bytes of
its file. The index beside a pack has a line of number and offset for each picture, and a file in
the format of `md5sum` has the checksum of the list that was packed.
"""

import struct
from pathlib import Path
from typing import BinaryIO, Callable, Iterable, Iterator, List, Optional, Protocol

import numpy as np

from rnw.data.lists import Listing
from rnw.data.picture_types import IMAGENET
from rnw.errors import InputError
from rnw.files import (
    PathLike,
    atomic_write,
    md5,
    open_regular,
    read_bytes,
    remove,
    remove_parts,
    write_text,
)

MAGIC = struct.pack("<I", 0xCED7230A)
_WORD = struct.Struct("<I")
_PICTURE = struct.Struct("<IfQQ")  # IRHeader of mxnet.recordio
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_LENGTH_BITS = 29


class Packable(Protocol):
    """Pictures in files of their own, with `labels` (N,) int64."""

    labels: np.ndarray

    def read(self, index: int) -> bytes:
        """Return the content of a picture's file."""


def write_record(file: BinaryIO, content: bytes) -> None:
    """Append one record; raise InputError for content of 512 MB or more."""
    if len(content) >> _LENGTH_BITS:
        raise InputError(f"{len(content)} bytes are too many for a record, at most 2^29 - 1")
    start = 0
    for cut in _aligned_magic(content):
        _write_part(file, _MIDDLE if start else _FIRST, content[start:cut])
        start = cut + len(MAGIC)
    _write_part(file, _LAST if start else _WHOLE, content[start:])
    file.write(bytes(-len(content) % 4))


def _aligned_magic(content: bytes) -> Iterator[int]:
    place = content.find(MAGIC)
    while place >= 0:
        if place % 4 == 0:
            yield place
        place = content.find(MAGIC, place + 1)


def _write_part(file: BinaryIO, flag: int, part: bytes) -> None:
    file.write(MAGIC + _WORD.pack(flag << _LENGTH_BITS | len(part)) + part)


def read_record(file: BinaryIO) -> bytes:
    """Read the record at the file's position; raise InputError if there is none."""
    parts: List[bytes] = []
    total, flag = -len(MAGIC), _FIRST
    while flag in (_FIRST, _MIDDLE):
        head = file.read(8)
        if len(head) < 8 or not head.startswith(MAGIC):
            raise InputError("no record starts there")
        (word,) = _WORD.unpack_from(head, 4)
        flag, length = word >> _LENGTH_BITS, word % (1 << _LENGTH_BITS)
        total += len(MAGIC) + length
        if total >> _LENGTH_BITS:
            raise InputError("the record has more bytes than one may have, 2^29 - 1")
        part = file.read(length + -length % 4)[:length]
        if len(part) < length:
            raise InputError("the record is cut off")
        parts.append(part)
    return MAGIC.join(parts)


class PackedImages:
    """The pictures of a list, in its order, packed in one file.

    `labels` is (N,) int64. Raises InputError when pack, index and list do not belong together.
    """

    upright = False
    normalization = IMAGENET

    def __init__(self, path: PathLike, listing: Listing):
        self.path = Path(path)
        self.labels = listing.labels
        self._listing = listing
        self._offsets = _read_index(index_file(self.path))
        if len(self._offsets) != len(self.labels):
            raise InputError(
                f"{self.path}: has {len(self._offsets)} pictures, the list {len(self.labels)}; "
                "pack them again"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def names(self) -> Iterable[bytes]:
        """Return the paths in the list, in order."""
        return self._listing.paths

    def name(self, index: int) -> str:
        """Return the paths of the pack and of a picture, for messages."""
        return f"{self.path}: {self._listing.paths[index].decode(errors='replace')}"

    def read(self, index: int) -> bytes:
        """Return the content of a picture's file; raise InputError for a damaged pack."""
        try:
            with open_regular(self.path) as file:
                file.seek(self._offsets[index])
                content = read_record(file)
            _, label, number, _ = _PICTURE.unpack_from(content)
        except (InputError, OSError, struct.error) as error:
            raise InputError(f"{self.name(index)}: cannot be read: {error}") from error
        listed = self._listing.labels[index]
        if (number, label) != (index, listed):
            raise InputError(
                f"{self.name(index)}: the pack has picture {number} of class {label:g} here, "
                f"expected {index} of {listed}; pack them again"
            )
        return content[_PICTURE.size :]


def pack_file(listing: Path) -> Path:
    """Return the path of a list's pack."""
    return listing.with_suffix(".rec")


def index_file(pack: Path) -> Path:
    """Return the path of a pack's index, as `mx.recordio.MXIndexedRecordIO` names it."""
    return pack.with_suffix(".idx")


def origin_file(pack: Path) -> Path:
    """Return the path of the file with the MD5 and the name of a pack's list."""
    return pack.with_suffix(".md5")


def _origin(listing: Path) -> str:
    return f"{md5(listing)}  {listing.name}\n"


def is_packed(listing: Path) -> bool:
    """Return whether the pack of a list is complete and was made from the list as it is now."""
    return _is_of(listing) and _is_whole(pack_file(listing))


def _is_of(listing: Path) -> bool:
    pack = pack_file(listing)
    files = (listing, pack, index_file(pack), origin_file(pack))
    if not all(path.is_file() for path in files):
        return False
    return origin_file(pack).read_bytes() == _origin(listing).encode()


def _is_whole(pack: Path) -> bool:
    """Return whether a pack ends with the last record of its index."""
    try:
        last = _read_index(index_file(pack))[-1]
        with open_regular(pack) as file:
            file.seek(last)
            read_record(file)
            return not file.read(1)
    except (InputError, OSError, IndexError):
        return False


def check_origin(listing: Path) -> None:
    """Raise InputError when the pack of a list was made from another list."""
    pack = pack_file(listing)
    if origin_file(pack).is_file() and not _is_of(listing):
        raise InputError(
            f"{pack}: was not made from {listing} as it is now; pack the pictures again "
            "(rnw prepare --pack), or remove the pack"
        )


def _read_index(path: Path) -> np.ndarray:
    try:
        found = np.array(read_bytes(path).split(), np.int64).reshape(-1, 2)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.min(initial=0) < 0:
        raise InputError(f"{path}: is not the index of a pack; pack the pictures again")
    return found[:, 1]


def write_pack(
    images: Packable,
    path: PathLike,
    on_picture: Callable[[int], None] = lambda done: None,
    *,
    listing: Optional[Path] = None,
) -> None:
    """Pack images (`labels`, `read(index)`) in order, then write the index.

    on_picture: called with the number of pictures packed so far.
    listing: the list of the images, whose checksum is written beside the pack.

    Raises InputError for pictures that cannot be read and when nothing can be written; an earlier
    pack is kept then.
    """
    path = Path(path)
    index, origin = index_file(path), listing and _origin(listing)
    remove_parts(path.parent, path.name)
    offsets = []
    with atomic_write(path) as file:
        for number, label in enumerate(images.labels.tolist()):
            offsets.append(file.tell())
            write_record(file, _PICTURE.pack(0, label, number, 0) + images.read(number))
            on_picture(number + 1)
        remove(index)  # without its index a pack is not used
        remove(origin_file(path))
    if origin:
        write_text(origin_file(path), origin)
    with atomic_write(index) as file:
        file.writelines(b"%d\t%d\n" % line for line in enumerate(offsets))
