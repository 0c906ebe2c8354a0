"""Archives of pictures: extracted file by file, so that it can stop and go on."""

import shutil
from pathlib import Path, PurePosixPath
from typing import Callable, Optional

from rnw.data.members import (
    LARGEST_READ,
    Member,
    read_chunks,
    read_members,
    reading,
    unpacked_size,
)
from rnw.errors import InputError
from rnw.files import atomic_write, md5, read_bytes, remove_parts, write_text, writing

OnProgress = Callable[[int, int], None]  # what is done, of how much


def check_md5(path: Path, expected: str, on_progress: OnProgress) -> None:
    """Raises InputError when the MD5 of a file is another one."""
    size = path.stat().st_size
    found = md5(path, lambda done: on_progress(done, size))
    if found != expected:
        raise InputError(
            f"{path}: truncated, damaged or another release: expected md5 {expected}, found "
            f"{found}; download it again, or take it as it is with --no-md5"
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

    `folder` appears when all is there. Raises InputError as `read_members`, and for an archive that
    has more in it than the disk has room for.
    """
    part = partial_folder(folder)
    compared = expected is not None and not is_checked(archive, expected, folder)
    with writing(part):
        clear_dead_link(part)
    _check_room(archive, inside, part)
    remove_parts(part, "")
    size = archive.stat().st_size
    for member in read_members(archive, inside):
        _extract(archive, member, part, compared)
        on_progress(member.position, size)
    if not part.is_dir():
        raise InputError(f"{archive}: holds no {inside or 'files'}: not the official file")
    with writing(folder):
        clear_dead_link(folder)
        part.rename(folder)
        _checked_file(folder).unlink(missing_ok=True)


def _check_room(archive: Path, inside: str, part: Path) -> None:
    """Raises InputError unless what is not extracted yet fits on the disk."""
    there = next(folder for folder in (part, *part.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    needed = unpacked_size(archive, inside, free)
    if needed > free:
        needed -= sum(path.lstat().st_size for path in part.rglob("*"))
    if needed > free:
        raise InputError(
            f"{archive}: {needed:,} bytes are to be extracted, {there} has room for {free:,}: make "
            "room, or choose another --output"
        )


def _extract(archive: Path, member: Member, part: Path, compared: bool) -> None:
    target = part / member.name
    with reading(archive):  # whose names may not suit the file system
        there = target.is_file() and target.stat().st_size == member.size
        if there and not (compared and _differs(archive, member, target)):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, parts=part, sync=False) as file:
        for chunk in read_chunks(archive, member):
            file.write(chunk)


def _differs(archive: Path, member: Member, target: Path) -> bool:
    with target.open("rb") as file:
        return any(file.read(len(chunk)) != chunk for chunk in read_chunks(archive, member))


def read_member(source: Path, name: str) -> bytes:
    """The file called `name` in any folder of an archive, or in a directory or its `data`.

    Raises InputError, which says what is there instead, when there is none.
    """
    if source.is_dir():
        path = next(
            (path for path in (source / name, source / "data" / name) if path.is_file()), None
        )
        if path is None:
            raise InputError(f"{source}: holds no file {name}")
        return read_bytes(path, LARGEST_READ)
    there = []
    for member in read_members(source):
        there.append(PurePosixPath(member.name).name)
        if there[-1] == name:
            if member.size > LARGEST_READ:
                raise InputError(f"{source}: {name} in it has {member.size:,} bytes")
            return b"".join(read_chunks(source, member))
    raise InputError(f"{source}: holds no {name}, only {', '.join(there[:9]) or 'nothing'}")
