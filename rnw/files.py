"""Files written so that a reader sees the old one or the new one, never a part; checksums."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Mapping, Union

from rnw.errors import InputError

PathLike = Union[str, "os.PathLike[str]"]
_CHUNK = 1 << 20


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` when the block ends without an exception.

    Raises InputError, leaving nothing behind, when it cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: cannot be written: Is a directory")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            _remove(part)
            raise


@contextlib.contextmanager
def writing(path: PathLike) -> Iterator[None]:
    """Raise InputError that names `path` where the system refuses to write it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


class GrowingFile:
    """UTF-8 text that is appended to a file, at once visible to readers.

    What UTF-8 cannot hold, as in some names of files, is escaped. Raises InputError where it cannot
    be written.
    """

    def __init__(self, path: PathLike):
        self._path = Path(path)
        with writing(path):
            self._file = self._path.open("ab", buffering=0)

    def write(self, text: str) -> None:
        """Append `text`, of which a disk that is nearly full takes a part."""
        left = memoryview(text.encode(errors="backslashreplace"))
        with writing(self._path):
            while left:
                left = left[self._file.write(left) :]

    def sync(self) -> None:
        """Have all that was written on the disk."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def make_folder(folder: PathLike) -> None:
    """Make a folder and those above it where they are missing; raises InputError if that fails."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}") from error


def remove_parts(folder: Path, prefix: str) -> None:
    """Remove what killed processes left of files in `folder` whose names start with `prefix`."""
    for part in folder.glob(f".{prefix}*.part"):
        _remove(part)


def remove(path: Path) -> None:
    """Remove a file if it is there; raises InputError when it cannot be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be removed: {error.strerror}") from error


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()


def check_free(*paths: PathLike, overwrite: bool) -> None:
    """Raise InputError for the first of `paths` that exists, unless `overwrite` is set.

    Also for one that has a file where its folder must be.
    """
    for path in map(Path, paths):
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists already; choose another name, or pass --overwrite")
        there = next((folder for folder in path.parents if folder.exists()), path.parent)
        if there.exists() and not there.is_dir():
            raise InputError(f"{path}: cannot be written: {there} is no folder")


def write_text(path: PathLike, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: PathLike, value: Mapping[str, Any]) -> None:
    """Write one object as a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: PathLike) -> Dict[str, Any]:
    """The object in a JSON file; raises InputError for one that cannot be read or holds another."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object")
    return found


def read_json_lines(path: PathLike) -> List[Dict[str, Any]]:
    """The objects of a file with one JSON object per line.

    A last line without its end is not counted: whoever wrote it was killed, or still writes.
    Raises InputError for a file that cannot be read, and for a line that is no JSON object.
    """
    try:
        *lines, _ = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return [_parse_line(path, number, line) for number, line in enumerate(lines, 1)]


def _parse_line(path: PathLike, number: int, line: bytes) -> Dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = json.loads(line)
        if isinstance(value, dict):
            return value
    raise InputError(f"{path}, line {number}: expected a JSON object; remove the line to go on")


def md5(path: PathLike, on_bytes: Callable[[int], None] = lambda done: None) -> str:
    """The MD5 of a file, in hexadecimal; `on_bytes` is given the number of bytes read so far.

    Raises InputError when it cannot be read.
    """
    digest = hashlib.md5()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                on_bytes(file.tell())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
