"""Tar and zip files of pictures: extracted member by member, so that it can stop and go on."""

import contextlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Callable, Iterator, Optional, Tuple

from rnw.errors import InputError
from rnw.files import md5, write_text

DAMAGED = (  # what the readers of tar and zip files raise beside OSError
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError),
    RuntimeError,  # of a zip that is encrypted, or compressed in a way that is not supported
)
OnProgress = Callable[[int, int], None]  # what is done, of how much
_BLOCK = 512  # of a tar file
_CHUNK = 1 << 20


def check_md5(path: Path, expected: str, on_progress: OnProgress) -> None:
    """Raises InputError when the MD5 of a file is another one."""
    size = path.stat().st_size
    found = md5(path, lambda done: on_progress(done, size))
    if found != expected:
        raise InputError(
            f"{path}: damaged or not the official file: expected md5 {expected}, found {found}; "
            "download it again"
        )


def partial_folder(folder: Path) -> Path:
    """Where files are extracted until `folder` is complete."""
    return folder.with_name(f".{folder.name}.part")


def _checked_file(folder: Path) -> Path:
    """Tells of which checked archive all files in a partial folder are."""
    return folder.with_name(f".{folder.name}.checked")


def _signature(archive: Path, expected: str) -> str:
    found = archive.stat()
    return f"{expected} {found.st_size} {found.st_mtime_ns}\n"


def is_checked(archive: Path, expected: str, folder: Path) -> bool:
    """Whether what is extracted for `folder` so far is all of this archive, and that checked."""
    mark = _checked_file(folder)
    return mark.is_file() and mark.read_bytes() == _signature(archive, expected).encode()


def check_before_extracting(
    archive: Path, expected: str, folder: Path, on_progress: OnProgress
) -> None:
    """Check the MD5 of an archive, and note that if nothing is extracted for `folder` so far.

    Raises InputError when it is another one.
    """
    check_md5(archive, expected, on_progress)
    if not partial_folder(folder).exists():
        write_text(_checked_file(folder), _signature(archive, expected))


def clear_dead_link(path: Path) -> None:
    """Remove a symbolic link to what is gone, which is in the way of something new."""
    if path.is_symlink() and not path.exists():
        path.unlink()


def extract(
    archive: Path,
    inside: str,
    folder: Path,
    on_progress: OnProgress,
    *,
    expected: Optional[str] = None,
) -> None:
    """Extract what is under `inside` ('' or 'folder/') in an archive; what is there already stays.

    expected: the MD5 that the archive was checked for; what is there of an archive that nobody
    checked is compared with this one, and replaced where it is not the same.

    It is a tar file, compressed or not, or a zip file; tar files in a tar file (`n01440764.tar`)
    become folders. `folder` appears when all is there. Raises InputError for an archive that is
    damaged and for members that would lie elsewhere.
    """
    part = partial_folder(folder)
    compared = expected is not None and not is_checked(archive, expected, folder)
    with _reading(archive):
        clear_dead_link(part)
        members = _zip_members if archive.suffix == ".zip" else _tar_members
        size = archive.stat().st_size
        for name, length, open_member, position in members(archive):
            if name.startswith(inside):
                _extract(open_member, length, part / name[len(inside) :], compared)
            on_progress(position, size)
    if not part.is_dir():
        raise InputError(f"{archive}: holds no {inside or 'files'}: not the official file")
    with _reading(archive):
        clear_dead_link(folder)
        part.rename(folder)
        _checked_file(folder).unlink(missing_ok=True)


def read_member(source: Path, name: str) -> bytes:
    """The file called `name` in any folder of a tar file, or in a directory or its `data`.

    Raises InputError, which says what is there instead, when there is none.
    """
    with _reading(source):
        if source.is_dir():
            folder = source if (source / name).exists() else source / "data"
            return (folder / name).read_bytes()
        there = []
        with tarfile.open(source) as tar:
            for member in tar:
                there.append(PurePosixPath(member.name).name)
                if there[-1] == name and member.isfile():
                    return tar.extractfile(member).read()
    raise InputError(f"{source}: holds no {name}, only {', '.join(there[:9]) or 'nothing'}")


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise InputError(
            f"{archive}: truncated, or not the official file: {error}; download it again"
        ) from error
    except FileExistsError as error:
        raise InputError(
            f"{error.filename}: a file or a dead link is in the place of a folder; remove it"
        ) from error
    except OSError as error:
        raise InputError(f"{error.filename or archive}: {error.strerror or error}") from error


# Of each plain file its name, its length, what opens it, and where it lies in the archive.
_Members = Iterator[Tuple[str, int, Callable[[], IO[bytes]], int]]


def _tar_members(archive: Path) -> _Members:
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as outer:
        for tar, member, name in _files(outer):
            yield name, member.size, partial(tar.extractfile, member), file.tell()


def _zip_members(archive: Path) -> _Members:
    with zipfile.ZipFile(archive) as outer:
        for member in outer.infolist():
            if not member.is_dir():
                position = member.header_offset + member.compress_size
                name = _below(member.filename)
                yield name, member.file_size, partial(outer.open, member), position


def _files(tar: tarfile.TarFile) -> Iterator[Tuple[tarfile.TarFile, tarfile.TarInfo, str]]:
    """The plain files of a tar file and of those in it, each with its name."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # millions of them
        name = _safe_name(member)
        if name.endswith(".tar"):
            with tarfile.open(fileobj=tar.extractfile(member), mode="r:") as inner:
                folder = name[: -len(".tar")]
                yield from ((*found, f"{folder}/{file}") for *found, file in _files(inner))
        elif member.isfile():
            yield tar, member, name
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(_BLOCK).strip(b"\0"):
        raise tarfile.ReadError(f"neither a file nor the end at byte {tar.offset}")


def _safe_name(member: tarfile.TarInfo) -> str:
    if not (member.isfile() or member.isdir()):
        raise tarfile.ReadError(f"{member.name} is no file below the archive's folder")
    return _below(member.name)


def _below(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.ReadError(f"{name} is no file below the archive's folder")
    return str(path)


def _extract(
    open_member: Callable[[], IO[bytes]], length: int, target: Path, compared: bool
) -> None:
    with contextlib.suppress(FileNotFoundError):
        if target.stat().st_size == length and not (compared and _differs(open_member, target)):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(".part")
    with open_member() as source, part.open("wb") as file:
        shutil.copyfileobj(source, file)
    part.replace(target)


def _differs(open_member: Callable[[], IO[bytes]], target: Path) -> bool:
    with open_member() as source, target.open("rb") as file:
        while chunk := source.read(_CHUNK):
            if file.read(len(chunk)) != chunk:
                return True
    return False
