"""Files written so that a reader sees the old one or the new one, never a part.

What is read is a regular file: a pipe or a device, which may never answer or never end, is refused
before a byte is asked of it.
"""

import contextlib
import hashlib
import json
import os
import secrets
import stat
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    Type,
    Union,
)

from rnw.errors import InputError

PathLike = Union[str, "os.PathLike[str]"]
YAML_SUFFIXES = (".yaml", ".yml", ".json")  # JSON is YAML
LARGEST = 1 << 30  # bytes of a file that is read whole, unless a reader says otherwise
_CHUNK = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_open_parts: Set[Path] = set()


def open_regular(path: PathLike) -> BinaryIO:
    """Open a regular file, or a link to one, for reading bytes.

    Raises OSError as `open` does, and InputError that names what else `path` is: a folder, a named
    pipe, a socket or a device, which is never waited for.
    """
    return open(path, "rb", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    _check_regular(path, Path(path).stat().st_mode)
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    try:
        _check_regular(path, os.fstat(descriptor).st_mode)  # it may be another one by now
    except InputError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: PathLike, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise InputError(f"{path}: is {kind}, expected a regular file")


def read_regular(path: PathLike, limit: int = LARGEST) -> bytes:
    """Read a regular file whole.

    Raises OSError and InputError as `open_regular`, and InputError, before anything is read, for a
    file of more than `limit` bytes.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise InputError(f"{path}: has {size:,} bytes, expected at most {limit:,}")
        return file.read()


def read_bytes(path: PathLike, limit: int = LARGEST) -> bytes:
    """Read a regular file whole; raises InputError, naming it, whatever prevents that."""
    with reading(path):
        return read_regular(path, limit)


def read_yaml(path: PathLike, what: str, limit: int = LARGEST) -> Any:
    """Return what a file of YAML, or of JSON, says; `what` it is expected to be, with its article.

    Raises InputError for a file that cannot be read, is no YAML, or has a key twice, of which YAML
    would take the last.
    """
    import yaml  # takes time that most commands need not spend

    with reading(path, what, (ValueError, RecursionError)):
        text = read_regular(path, limit).decode("utf-8-sig")
        try:
            return yaml.load(text, _loader(path))
        except yaml.YAMLError as error:
            raise InputError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None


def _loader(path: PathLike) -> Any:
    """Return a loader of YAML that raises InputError for a key that is there twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            known = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if (key.tag, key.value) in known:
                    line = key.start_mark.line + 1
                    raise InputError(f"{path}: line {line} has {key.value!r} for the second time")
                known.add((key.tag, key.value))
            return super().construct_mapping(node, deep)

    return Loader


@contextlib.contextmanager
def reading(
    path: PathLike, what: str = "", damaged: Tuple[Type[Exception], ...] = ()
) -> Iterator[None]:
    """Raise InputError that names `path` where the block cannot read it.

    what: what is expected there, with its article, such as "a label map".
    damaged: exceptions, besides OSError, that a file of another content makes the block raise;
        where that is any Exception, the message names its kind.
    """
    kinds: Tuple[Type[Exception], ...] = (OSError, *damaged)
    try:
        yield
    except InputError:
        raise
    except kinds as error:
        reason = getattr(error, "strerror", None) or (
            repr(error) if Exception in damaged else str(error)
        )
        kind = f" as {what}" if what else ""
        raise InputError(f"{path}: cannot be read{kind}: {reason}") from error


@contextlib.contextmanager
def atomic_write(
    path: PathLike,
    *,
    parts: Optional[Path] = None,
    sync: bool = True,
    previous: Optional[PathLike] = None,
) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` when the block ends without an exception.

    parts: the folder where it is written before, on the same disk; default: its own. sync: have it
    on the disk by then, for what cannot be made again. previous: a name that what was at `path`
    before takes then, in place of going; between the two, nothing is at `path`.

    Raises InputError, leaving nothing behind, when it cannot be written.
    """
    path = Path(path)
    part = (parts or path.parent) / f".{path.name}.{secrets.token_hex(4)}.part"  # no one else's
    with writing(path):
        if path.is_dir():
            raise InputError(f"{path}: cannot be written: Is a directory")
        _open_parts.add(part)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            if previous is not None and path.exists():
                path.replace(previous)
            part.replace(path)
        except BaseException:
            _remove(part)
            raise
        finally:
            _open_parts.discard(part)


def open_parts() -> List[Path]:
    """The unfinished files that this process is writing, for one that ends without unwinding."""
    return list(_open_parts)


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
    """Make a folder and those above it where they are missing; raises InputError if that fails.

    Another process may remove empty ones of them at the same moment: they are made again.
    """
    for attempts_left in reversed(range(100)):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            return
        except OSError as error:
            raced = isinstance(error, (FileExistsError, FileNotFoundError))
            if not (raced and attempts_left):
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


def parse_json(text: Union[str, bytes], **options: Any) -> Any:
    """What JSON text stands for; `options` are those of `json.loads`.

    Raises ValueError for what is no JSON, or is nested more deeply than Python can follow.
    """
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: PathLike) -> Dict[str, Any]:
    """The object in a JSON file; raises InputError for one that cannot be read or holds another."""
    with reading(path, damaged=(ValueError,)):
        found = parse_json(read_regular(path).decode())
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object")
    return found


def read_json_lines(path: PathLike) -> List[Dict[str, Any]]:
    """The objects of a file with one JSON object per line.

    A last line without its end is not counted: whoever wrote it was killed, or still writes.
    Raises InputError for a file that cannot be read, and for a line that is no JSON object.
    """
    *lines, _ = read_bytes(path).split(b"\n")
    return [_parse_line(path, number, line) for number, line in enumerate(lines, 1)]


def _parse_line(path: PathLike, number: int, line: bytes) -> Dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = parse_json(line)
        if isinstance(value, dict):
            return value
    raise InputError(f"{path}, line {number}: expected a JSON object; remove the line to go on")


def md5(path: PathLike, on_bytes: Callable[[int], None] = lambda done: None) -> str:
    """The MD5 of a file, in hexadecimal; `on_bytes` is given the number of bytes read so far.

    Raises InputError when it cannot be read.
    """
    digest = hashlib.md5()
    with reading(path), open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            on_bytes(file.tell())
    return digest.hexdigest()
