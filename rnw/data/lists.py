"""Lists of pictures, as the original's: lines of index, label and path, separated by tabs."""

import os
import re
from pathlib import Path
from typing import Iterable, NamedTuple, Optional, Sequence, Tuple, Union, overload

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike, atomic_write, read_bytes

CLASSES_FILE = "classes.txt"  # in the folder of a prepared dataset
LONGEST_PATH = 4095  # bytes, the most that Linux takes
_TAB, _NEWLINE = b"\t\n"
LONGEST_LABEL = 18  # characters
_WHOLE = re.compile(rb"(?=.{1,%d}$)\d+(\.0*)?" % LONGEST_LABEL)
_MARKS = (_TAB, _TAB, _NEWLINE)
_SUSPICIOUS = (b"\t\n", b"\t/", b"..", b"\0")  # one of these is in a list with a bad path
_BLOCK = 1 << 20  # bytes of a list that are parsed at once
_SHOWN = 60  # bytes of a line, in messages


class Paths(Sequence[bytes]):
    """The paths in a list's content, which end at `ends` (N,) int32 and begin after tabs.

    They take little more memory than the content.
    """

    def __init__(self, content: bytes, ends: np.ndarray):
        self._content, self._ends = content, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[bytes, Sequence[bytes]]:
        if isinstance(index, slice):
            return Paths(self._content, self._ends[index])
        end = self._ends[index]
        return self._content[self._content.rfind(b"\t", 0, end) + 1 : end]


class Listing(NamedTuple):
    """N paths as bytes, relative to the dataset's folder, and their classes (N,) int64."""

    paths: Sequence[bytes]
    labels: np.ndarray


def read_list(path: PathLike) -> Listing:
    """Read a list; beside its content, and what is returned, that takes a few megabytes.

    Raises InputError for a file that is missing, or with the first line that is malformed.
    """
    content = read_lines(path)
    if any(part in content for part in _SUSPICIOUS):
        _check_lines(path, content)
    count = content.count(b"\n")
    ends, labels = np.empty(count, np.int32), np.empty(count, np.int64)
    place = done = 0
    while place < len(content):
        after = content.find(b"\n", place + _BLOCK) + 1 or len(content)
        found = _parse_lines(np.frombuffer(content, np.uint8, after - place, place))
        if found is None:
            _check_lines(path, content)
            break
        lines = slice(done, done + len(found[0]))
        ends[lines], labels[lines] = found[0] + place, found[1]
        place, done = after, lines.stop
    return Listing(Paths(content, ends), labels)


def _parse_lines(data: np.ndarray) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """Return where lines end, and their labels; None if one of them is malformed."""
    marks = np.flatnonzero((data == _TAB) | (data == _NEWLINE))
    if len(marks) % 3 or (data[marks].reshape(-1, 3) != _MARKS).any():
        return None
    first, second, ends = marks.reshape(-1, 3).T
    labels, right = _whole_numbers(data, first + 1, second)
    if not right or (ends - second).max() > LONGEST_PATH:
        return None
    return ends, labels


def _whole_numbers(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> Tuple[np.ndarray, bool]:
    """Parse numbers between byte positions of a list; return (N,) int64, and whether all are valid.

    All are parsed at once, digit by digit, which is quick for many lines.
    """
    lengths = ends - starts
    right = lengths.min() > 0 and lengths.max() <= LONGEST_LABEL
    numbers, ended = np.zeros(len(starts), np.int64), np.zeros(len(starts), bool)
    for place in range(min(lengths.max(), LONGEST_LABEL)):
        inside = place < lengths
        found = data[np.where(inside, starts + place, starts)]
        digits = found - np.uint8(ord("0"))  # other characters are more than 9
        point = inside & ~ended & (found == ord(".")) & (place > 0)
        right &= not (inside & ~point & (digits > np.where(ended, 0, 9))).any()
        ended |= point
        numbers = np.where(inside & ~ended, 10 * numbers + digits, numbers)
    return numbers, right


def read_lines(path: PathLike) -> bytes:
    """Return the content of a list, with a line feed at the end of each line.

    Raises InputError for a file that cannot be read or is empty.
    """
    content = read_bytes(path).replace(b"\r\n", b"\n")
    if not content:
        raise InputError(f"{path}: lists no picture")
    return content if content.endswith(b"\n") else content + b"\n"


def _check_lines(path: PathLike, content: bytes) -> None:
    """Raise InputError for the first line that is malformed, if there is one."""
    for number, line in enumerate(content[:-1].split(b"\n"), 1):
        problem = _problem(line)
        if problem:
            raise InputError(f"{path}: line {number} {problem}")


def _problem(line: bytes) -> Optional[str]:
    """Return what is wrong with a line, as it follows the number of the line, or None."""
    fields = line.split(b"\t")
    labels = fields[1:-1]
    if len(labels) == 1:
        whole = _WHOLE.fullmatch(labels[0])
        wrong = f"has label {quote(labels[0])}, expected a whole number from 0 on"
        return path_problem(fields[-1]) if whole else wrong
    if len(labels) > 1 and all(map(_WHOLE.fullmatch, labels)):
        return f"has {len(labels)} labels, expected one, as a picture has one class"
    return fields_problem(line, "index, label and path")


def fields_problem(line: bytes, expected: str) -> str:
    """Return what is wrong with a line of too many or too few fields."""
    if not line.strip():
        return "is empty; remove it"
    tabs = line.count(b"\t")
    has = f"has {tabs + 1} fields" if tabs else "has no tab"
    return f"{has}, expected {expected} with tabs between them, found {quote(line)}"


def path_problem(path: bytes) -> Optional[str]:
    """Return what is wrong with the path of a picture, or None."""
    if not path:
        return "has an empty path, expected that of a picture"
    if b"\0" in path:
        return f"has a NUL byte in the path {quote(path)}"
    if len(path) > LONGEST_PATH:
        return f"has a path of {len(path):,} bytes, expected at most {LONGEST_PATH:,}"
    if path.startswith(b"/") or b".." in path.split(b"/"):
        return (
            f"has the path {quote(path)}, which leaves the dataset's folder; expected one "
            "relative to it, without '..'"
        )
    return None


def quote(text: bytes) -> str:
    """Return the beginning of bytes from a list, quoted for a message."""
    return repr(os.fsdecode(text[:_SHOWN])) + "..." * (len(text) > _SHOWN)


def list_file(root: Path, split: str, tool: str, embedded: str) -> Path:
    """Return the path of the list `<split>.lst` under `root`.

    Raises InputError when it is missing; the message names the `tool` that makes it and an
    `embedded` dataset that needs no files.
    """
    path = root / f"{split}.lst"
    if not path.exists():
        raise InputError(
            f"{path}: no such list; {tool} makes it from the official files (see "
            f"rnw/data/README.md); `--dataset {embedded}` needs no files"
        )
    return path


def write_list(path: PathLike, pictures: Iterable[Tuple[int, str]]) -> None:
    """Write (label, path) pairs as a list, completely or not at all.

    Raises InputError for a path with a tab or line break.
    """
    with atomic_write(path) as file:
        for index, (label, name) in enumerate(pictures):
            if set(name) & set("\t\r\n"):
                raise InputError(f"{name!r}: rename it, a list cannot hold tabs and line breaks")
            file.write(b"%d\t%d\t%s\n" % (index, label, os.fsencode(name)))


def read_classes(path: PathLike) -> Tuple[str, ...]:
    """Read the names of classes, one a line in label order, that `write_classes` wrote.

    Raises InputError for a file that cannot be read.
    """
    return tuple(os.fsdecode(line) for line in read_bytes(path).splitlines())


def write_classes(path: PathLike, names: Iterable[str]) -> None:
    """Write the names of classes, one a line in label order, completely or not at all."""
    with atomic_write(path) as file:
        file.writelines(os.fsencode(name) + b"\n" for name in names)
