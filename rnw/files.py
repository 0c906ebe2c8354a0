"""Files written so that a reader sees the old one or the new one, never a part; checksums."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, Union

from rnw.errors import InputError

PathLike = Union[str, "os.PathLike[str]"]
_CHUNK = 1 << 20


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` when the block ends without an exception.

    Raises InputError, leaving nothing behind, when it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        _remove(part)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    except BaseException:
        _remove(part)
        raise


def remove_parts(folder: Path, prefix: str) -> None:
    """Remove what killed processes left of files in `folder` whose names start with `prefix`."""
    for part in folder.glob(f".{prefix}*.part"):
        _remove(part)


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()


def write_text(path: PathLike, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


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
