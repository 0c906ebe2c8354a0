"""Members of tar and zip files, restricted to plain files below the archive's folder."""

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Callable, Iterator, List, NamedTuple, Optional, Protocol, Tuple

from rnw.errors import InputError
from rnw.files import open_regular

DAMAGED = (  # what the readers of tar and zip files raise, other than OSError
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError),
    RuntimeError,  # of a zip that is encrypted, or compressed in a way that is not supported
)
LARGEST_READ = 1 << 28  # bytes at once: a damaged header may give any size
UNPACK = "unpack it with another tool (7z) and give the folder"
_BLOCK = 512  # of a tar file
_CHUNK = 1 << 20
_ZIP = b"PK"
_COMPRESSED_TARS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
_OTHERS = (
    (b"Rar!", f"a RAR archive: {UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"a Zstandard archive: {UNPACK}"),
    (b"<", "a web page, perhaps of a site that asks to sign in: sign in and download the archive"),
)
_ZIP_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
)
_METHOD_NAMES = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "xz", 98: "PPMd"}
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
}


class Member(NamedTuple):
    """A plain file in an archive: name, size in bytes, position in the archive, how to open it."""

    name: str
    size: int
    position: int
    open: Callable[[], IO[bytes]]


def read_members(archive: Path, inside: str = "") -> Iterator[Member]:
    """Yield the plain files under `inside` ('' or 'folder/'), with names relative to it.

    The archive is a tar file, compressed or not, or a zip file, recognized by content. Tar files
    inside a tar file (`n01440764.tar`) are treated as folders. Raises InputError for a file that is
    not an archive, is damaged or cannot be read, and for members that are links or devices or that
    would be extracted elsewhere.
    """
    with reading(archive):
        with open_regular(archive) as file:
            start = file.read(_BLOCK)
        kind = next(
            (text for signature, text in _OTHERS if start.lstrip().startswith(signature)), ""
        )
        if kind:
            raise InputError(f"{archive}: is {kind}")
        members = _zip_members if start.startswith(_ZIP) else _tar_members
        yield from members(archive, inside)


def read_chunks(archive: Path, member: Member) -> Iterator[bytes]:
    """Yield the content of a member in chunks; raise InputError where the archive is damaged."""
    with reading(archive), member.open() as source:
        while chunk := source.read(_CHUNK):
            yield chunk


def unpacked_size(archive: Path, inside: str = "", enough: int = 0) -> int:
    """Return how many bytes the files under `inside` take when they are extracted.

    For an uncompressed tar file of at most `enough` bytes, return its own size as an upper bound,
    since it may contain millions of files. Raises InputError as `read_members` does.
    """
    with reading(archive), open_regular(archive) as file:
        start = file.read(_BLOCK)
    packed = start.startswith((_ZIP, *(signature for signature, _ in _COMPRESSED_TARS)))
    size = archive.stat().st_size
    if size <= enough and not packed:
        return size
    return sum(member.size for member in read_members(archive, inside))


@contextlib.contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Turn whatever reading an archive raises into InputError, with its name and advice."""
    try:
        yield
    except InputError:
        raise
    except NotImplementedError as error:
        raise InputError(f"{archive}: {error}; {UNPACK}") from error
    except FileExistsError as error:
        raise InputError(
            f"{error.filename}: a file or a dead link is where a folder must be; remove it"
        ) from error
    except (OSError, *DAMAGED) as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{error.filename or archive}: {error.strerror}") from error
        raise InputError(f"{archive}: truncated or damaged: {error}; download it again") from error
    except Exception as error:  # whatever the parsers meet in files that were made by hand
        raise InputError(f"{archive}: cannot be read as an archive: {error!r}; {UNPACK}") from error


def _zip_members(archive: Path, inside: str) -> Iterator[Member]:
    with open_regular(archive) as file, zipfile.ZipFile(file) as outer:
        for info in outer.infolist():
            if info.is_dir():
                continue
            name = _below(archive, info.filename)
            if name.startswith(inside):
                _check_zipped(archive, info)
                position = info.header_offset + info.compress_size
                opened = partial(outer.open, info)
                yield Member(name[len(inside) :], info.file_size, position, opened)


def _check_zipped(archive: Path, info: zipfile.ZipInfo) -> None:
    """Raise InputError for a member that is not a plain file or cannot be decompressed."""
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode not in (0, stat.S_IFREG):
        kind = "a symbolic link" if mode == stat.S_IFLNK else "not a plain file"
        raise InputError(f"{archive}: contains {info.filename!r}, {kind}; {UNPACK}")
    if info.flag_bits & 1:
        raise InputError(f"{archive}: {info.filename!r} in it is encrypted; {UNPACK}")
    if info.compress_type not in _ZIP_METHODS:
        name = _METHOD_NAMES.get(info.compress_type, "unknown")
        raise InputError(
            f"{archive}: {info.filename!r} in it is compressed by method {info.compress_type} "
            f"({name}), which is not supported; {UNPACK}"
        )


def _tar_members(archive: Path, inside: str) -> Iterator[Member]:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open_regular(archive))
        stream = _Bounded(stack.enter_context(_uncompressed(file)))
        outer = stack.enter_context(_Tar.open(fileobj=stream, mode="r:"))
        for tar, member, name in _files(archive, outer):
            if name.startswith(inside):
                opened = partial(_open_in_tar, tar, member)
                yield Member(name[len(inside) :], member.size, file.tell(), opened)


class _Stream(Protocol):
    """What is read of a tar file, whether it is compressed or not."""

    def read(self, size: int = ..., /) -> bytes: ...

    def seek(self, offset: int, whence: int = ..., /) -> int: ...

    def tell(self) -> int: ...


@contextlib.contextmanager
def _uncompressed(file: IO[bytes]) -> Iterator[_Stream]:
    start = file.read(_BLOCK)
    file.seek(0)
    for signature, open_compressed in _COMPRESSED_TARS:
        if start.startswith(signature):
            with open_compressed(file) as stream:
                yield stream
                while stream.read(_CHUNK):  # up to the checksum at its end
                    pass
            return
    yield file


class _Bounded(io.BufferedIOBase):
    """A file for `tarfile` that reads no more than LARGEST_READ bytes at once."""

    def __init__(self, stream: _Stream):
        self._stream = stream

    def read(self, size: Optional[int] = -1, /) -> bytes:
        wanted = -1 if size is None else size
        if not 0 <= wanted <= LARGEST_READ:
            raise tarfile.ReadError(f"a header or a file of {wanted:,} bytes")
        return self._stream.read(wanted)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


class _Tar(tarfile.TarFile):
    """A tar file whose list of the members read so far can be cleared."""

    members: List[tarfile.TarInfo]


_Found = Tuple[_Tar, tarfile.TarInfo, str]


def _open_in_tar(tar: _Tar, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{member.name!r} is not a file")
    return file


def _files(archive: Path, tar: _Tar) -> Iterator[_Found]:
    """Yield the plain files of a tar file and of tar files inside it, each with its name."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # there may be millions of them
        if member.isdir():
            continue
        name = _below(archive, member.name)
        if not member.isfile() or member.issparse():
            kind = _KINDS.get(member.type, "not a plain file")
            raise InputError(f"{archive}: contains {member.name!r}, {kind}; {UNPACK}")
        if name.endswith(".tar"):
            with _Tar.open(fileobj=_open_in_tar(tar, member), mode="r:") as inner:
                folder = name[: -len(".tar")]
                for innermost, found, file in _files(archive, inner):
                    yield innermost, found, f"{folder}/{file}"
        else:
            yield tar, member, name
    _check_end(tar)


def _check_end(tar: tarfile.TarFile) -> None:
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(_BLOCK).strip(b"\0"):
        raise tarfile.ReadError(f"neither a file nor the end at byte {tar.offset}")


def _below(archive: Path, name: str) -> str:
    """Return a normalized name; raise InputError for one that leaves the archive's folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
        raise InputError(
            f"{archive}: contains {name!r}, which is not a file below its folder; {UNPACK}"
        )
    return str(path)
