"""Lists of pictures as they are published: with tabs or blanks, of im2rec, or tables with a header.

What a list calls a picture need not be where it is now: `locate` finds it by the end of its path.
"""

import csv
import os
from pathlib import Path, PurePosixPath
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from rnw.data.lists import quote
from rnw.data.own.paths import LABEL_MAPS, PICTURES, split_folder, split_suffix, walk_files
from rnw.errors import InputError
from rnw.files import PathLike, read_bytes

PICTURE_COLUMNS = ("filename", "file_name", "file", "image", "image_path", "path", "imageid", "id")
LABEL_COLUMNS = (
    *("label", "class", "category", "target", "mask", "labels", "label_path", "class_name"),
    "predictionstring",  # of Kaggle's LOC_val_solution.csv: the class, then boxes
)
_BOXES = "predictionstring"
DELIMITERS = "\t;,"  # of tables
SAMPLES = 8  # pictures of a folder that are looked for where it may be


class Row(NamedTuple):
    """A line of a list: its number, and the picture and label that it names (empty for none)."""

    line: int
    picture: str
    label: str


def read_rows(path: PathLike) -> List[Row]:
    """Return the lines of a list of any of the known kinds, told by its first line.

    Raises InputError for a file that cannot be read, is empty or no list, naming the line.
    """
    text = _text(path)
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InputError(f"{path}: names no picture")
    columns = _columns(lines[0][1])
    if columns is not None:
        rows = list(_read_table(path, lines, columns))
    else:
        split = _split_tabs if "\t" in lines[0][1] else _split_blanks
        rows = [Row(number, *_fields(path, number, line, split)) for number, line in lines]
    if not rows:
        raise InputError(f"{path}: names no picture below its first line")
    _check_alike(path, rows)
    return rows


def _text(path: PathLike) -> str:
    content = read_bytes(path)
    if b"\0" in content:
        raise InputError(f"{path}: has zero bytes, as text in UTF-16 has; save it as UTF-8")
    mark = b"\xef\xbb\xbf"
    return os.fsdecode(content[len(mark) :] if content.startswith(mark) else content)


def _check_alike(path: PathLike, rows: Sequence[Row]) -> None:
    """Raise InputError where only some lines have a label."""
    labeled = [bool(row.label) for row in rows]
    if any(labeled) and not all(labeled):
        row = rows[labeled.index(False)]
        raise InputError(
            f"{path}: line {row.line} names no label, which other lines do: found {row.picture!r}"
        )


class _Columns(NamedTuple):
    """Which columns of a table hold picture and label, -1 for none, and whether boxes follow it."""

    picture: int
    label: int
    boxes: bool
    delimiter: str


def _columns(line: str) -> Optional[_Columns]:
    """What the header of a table says; None where a line is no header."""
    delimiter = next((sign for sign in DELIMITERS if sign in line), ",")
    names = [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter))]
    picture = next((names.index(name) for name in PICTURE_COLUMNS if name in names), None)
    label = next((names.index(name) for name in LABEL_COLUMNS if name in names), -1)
    if picture is None or len(names) < 2:
        return None
    return _Columns(picture, label, label >= 0 and names[label] == _BOXES, delimiter)


def _read_table(
    path: PathLike, lines: Sequence[Tuple[int, str]], columns: _Columns
) -> Iterator[Row]:
    picture, label, boxes, delimiter = columns
    for number, line in lines[1:]:
        fields = next(csv.reader([line], delimiter=delimiter))
        if len(fields) <= max(picture, label):
            raise InputError(
                f"{path}: line {number} has {len(fields)} fields, the first line has more: found "
                f"{_shown(line)}"
            )
        found = fields[label].strip() if label >= 0 else ""
        yield Row(number, fields[picture].strip(), found.split()[0] if boxes and found else found)


def _fields(
    path: PathLike, number: int, line: str, split: Callable[[str], Sequence[str]]
) -> Tuple[str, str]:
    fields = split(line)
    if len(fields) == 1:
        return fields[0], ""
    if len(fields) == 2:
        return fields[0], fields[1]
    labels = fields[1:-1]
    if fields[0].isdigit() and all(map(_is_number, labels)):  # of im2rec: number, labels, path
        if len(labels) == 1:
            return fields[-1], labels[0]
        raise InputError(
            f"{path}: line {number} has {len(labels)} labels, expected one, as a picture has one "
            "class"
        )
    raise InputError(
        f"{path}: line {number} has {len(fields)} fields, expected a picture and its label, with a "
        f"tab between them where names have blanks: found {_shown(line)}"
    )


def _split_tabs(line: str) -> Sequence[str]:
    return line.split("\t")


def _split_blanks(line: str) -> Sequence[str]:
    """A picture whose name has blanks may be followed by the number of a class."""
    fields = line.split()
    if len(fields) > 2 and _is_number(fields[-1]) and not fields[0].isdigit():
        return line.rsplit(None, 1)
    return fields


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _shown(line: str) -> str:
    return quote(os.fsencode(line))


def whole_number(text: str) -> Optional[int]:
    """Return the number of a class, which im2rec writes as 3.000000; None for other text."""
    whole, _, rest = text.partition(".")
    return int(whole) if whole.isdigit() and not rest.strip("0") and len(whole) < 10 else None


class Located(NamedTuple):
    """Paths relative to the root, and what folders of the list are taken as where it has others."""

    paths: List[str]
    moved: Dict[str, str]


def locate(root: Path, listing: Path, names: Sequence[str]) -> Located:
    """Return where the files are that a list names, below `root` or the folder of the list.

    A folder of the list that is not there is looked for by the end of its path, and a name without
    suffix among the files of its folder. Raises InputError for a folder that is not found.
    """
    by_folder: Dict[str, List[str]] = {}
    for name in names:
        folder, file = split_folder(name)
        by_folder.setdefault(folder, []).append(file)
    moves, moved = {}, {}
    for folder, files in by_folder.items():
        place = _find_folder(root, listing, folder, files)
        moves[folder] = place, _full_names(root / place, files)
        if str(PurePosixPath(place or ".")) != str(PurePosixPath(folder or ".")):
            moved[folder or "."] = str(root / place)
    paths = []
    for name in names:
        folder, file = split_folder(name)
        place, full = moves[folder]
        paths.append(str(PurePosixPath(place, full.get(file, file))))
    return Located(paths, moved)


def _find_folder(root: Path, listing: Path, folder: str, files: Sequence[str]) -> str:
    """The folder, relative to the root, in which some of the files are."""
    samples = files[:SAMPLES]
    parts = PurePosixPath(folder).parts
    tails = ["/".join(parts[k:]).replace("//", "/") for k in range(len(parts) + 1)]
    for tail in tails:
        for base in dict.fromkeys((root, listing.parent)):
            if _holds(base / tail, samples):
                return os.path.relpath(base / tail, root) if base != root else tail
    for below in _folders(root):
        for tail in tails:
            if _holds(root / below / tail, samples):
                return str(PurePosixPath(below, tail))
    where = f"{folder}/{files[0]}" if folder else files[0]
    raise InputError(
        f"{listing}: names {where}, which is not in {root}, nor is the end of its path"
        + "; write / between folders, not \\" * ("\\" in where)
    )


def _folders(root: Path) -> Iterable[str]:
    """All folders below a root that hold files."""
    return dict.fromkeys(split_folder(path)[0] for path in walk_files(root))


def _holds(folder: Path, names: Sequence[str]) -> bool:
    """Whether one of the files, with or without its suffix, is in a folder."""
    if any((folder / name).is_file() for name in names):
        return True
    bare = {name for name in names if not split_suffix(name)[1]}
    return bool(bare) and folder.is_dir() and bool(bare & _full_names(folder, bare).keys())


def _full_names(folder: Path, names: Iterable[str]) -> Dict[str, str]:
    """The files in a folder by their names without suffix, for names that have none."""
    if all(split_suffix(name)[1] for name in names) or not folder.is_dir():
        return {}
    return {
        split_suffix(entry.name)[0]: entry.name
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
        if entry.name.lower().endswith((*PICTURES, *LABEL_MAPS))
    }
