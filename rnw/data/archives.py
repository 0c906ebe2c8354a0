"""Extraction of archives of pictures, file by file, so that it can be resumed."""

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

OnProgress = Callable[[int, int], None]  # is given what is done, and the total


def check_md5(path: Path, expected: str, on_progress: OnProgress) -> None:
    """Raise InputError unless a file has the expected MD5 checksum (32 hexadecimal digits)."""
    size = path.stat().st_size
    found = md5(path, lambda done: on_progress(done, size))
    if found != expected:
        raise InputError(
            f"{path}: truncated, damaged or another release: expected md5 {expected}, found "
            f"{found}; download it again, or accept it as it is with --no-md5"
        )


def partial_folder(folder: Path) -> Path:
    """Return where files are extracted until `folder` is complete."""
    return folder.with_name(f".{folder.name}.part")


def _checked_file(folder: Path) -> Path:
    """Return the file that records from which verified archive a partial folder comes."""
    return folder.with_name(f".{folder.name}.checked")


def _signature(archive: Path, expected: str) -> str:
    found = archive.stat()
    return f"{expected} {found.st_size} {found.st_mtime_ns}\n"


def is_checked(archive: Path, expected: str, folder: Path) -> bool:
    """Return whether all that is extracted for `folder` so far comes from this verified archive."""
    mark = _checked_file(folder)
    return mark.is_file() and mark.read_bytes() == _signature(archive, expected).encode()


def check_before_extracting(
    archive: Path, expected: str, folder: Path, on_progress: OnProgress
) -> None:
    """Check the MD5 of an archive, and record that if nothing is extracted for `folder` yet.

    Raises InputError when it is another one.
    """
    check_md5(archive, expected, on_progress)
    if not partial_folder(folder).exists():
        write_text(_checked_file(folder), _signature(archive, expected))


def clear_dead_link(path: Path) -> None:
    """Remove a symbolic link to something deleted, which is in the way of something new."""
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
    """Extract what is under `inside` ('' or 'folder/') in an archive; keep files extracted before.

    expected: the MD5 that the archive was verified for. Files that an unverified archive left are
        compared with the contents of this one, and replaced where they differ.
    on_progress: is given the position in the archive and the archive's size, in bytes.

    `folder` appears once all files are extracted. Raises InputError as `read_members` does, and for
    an archive whose contents do not fit on the disk.
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
        raise InputError(f"{archive}: contains no {inside or 'files'}: not the official file")
    with writing(folder):
        clear_dead_link(folder)
        part.rename(folder)
        _checked_file(folder).unlink(missing_ok=True)


def _check_room(archive: Path, inside: str, part: Path) -> None:
    """Raise InputError unless what is not extracted yet fits on the disk."""
    there = next(folder for folder in (part, *part.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    needed = unpacked_size(archive, inside, free)
    if needed > free:
        needed -= sum(path.lstat().st_size for path in part.rglob("*"))
    if needed > free:
        raise InputError(
            f"{archive}: {needed:,} bytes are to be extracted, {there} has room for {free:,}: free "
            "disk space, or choose another --output"
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
    """Return the content of the file `name` in an archive, or in a directory or its `data` folder.

    In an archive it may be in any folder. Raises InputError, which lists what was found instead,
    when there is none.
    """
    if source.is_dir():
        path = next(
            (path for path in (source / name, source / "data" / name) if path.is_file()), None
        )
        if path is None:
            raise InputError(f"{source}: contains no file {name}")
        return read_bytes(path, LARGEST_READ)
    there = []
    for member in read_members(source):
        there.append(PurePosixPath(member.name).name)
        if there[-1] == name:
            if member.size > LARGEST_READ:
                raise InputError(
                    f"{source}: {name} in it has {member.size:,} bytes, expected at most "
                    f"{LARGEST_READ:,}"
                )
            return b"".join(read_chunks(source, member))
    raise InputError(f"{source}: contains no {name}, only {', '.join(there[:9]) or 'nothing'}")
