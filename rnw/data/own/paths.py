"""Pictures and label maps in folders: found by pattern, and paired by the names they share."""

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

from rnw.data.own.description import WILDCARDS
from rnw.data.picture_types import Pair
from rnw.errors import InputError

PICTURES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"),
    *(".heic", ".heif", ".avif"),  # not read, but said so rather than passed over
)
ARRAYS = (".npy", ".mat", ".json")  # label maps that are no pictures
LABEL_MAPS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm", *ARRAYS)
_ANY_SUFFIX = ".*"


class Found(NamedTuple):
    """A file below a root, and what tells it from others that the same pattern finds.

    parts: what each wildcard stands for, or the path below the folder, without suffix.
    """

    path: str
    parts: Tuple[str, ...]

    @property
    def key(self) -> str:
        """What a picture has in common with its label map."""
        return "/".join(part for part in self.parts if part)


def split_folder(path: str) -> Tuple[str, str]:
    """Return the folder and the name in a path; the folder may be empty."""
    folder, _, name = path.rpartition("/")
    return folder, name


def split_suffix(path: str) -> Tuple[str, str]:
    """Return a path without suffix, and the suffix with its dot, which may be empty."""
    start, dot, suffix = path.rpartition(".")
    return (path, "") if not start or "/" in suffix else (start, dot + suffix)


def walk_files(folder: Path) -> Iterator[str]:
    """Yield the paths below a folder of all files in it, sorted, but for hidden ones.

    Folders that are links are followed, once each.
    """
    seen: Set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        below = os.path.relpath(place, folder)
        prefix = "" if below == "." else f"{below}/"
        yield from (prefix + name for name in sorted(files) if not name.startswith("."))


def find_files(root: Path, where: str, suffixes: Sequence[str]) -> List[Found]:
    """Return the files of these suffixes in a folder, or that a pattern finds, sorted by path.

    Raises InputError for a folder that is not there.
    """
    base, pattern = _pattern(where)
    folder = root / base
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    prefix = "" if base in ("", ".") else f"{base}/"
    found = []
    for path in walk_files(folder):
        stem, suffix = split_suffix(path)
        match = pattern.fullmatch(path) if suffix.lower() in suffixes else None
        if match:
            parts = match.groups() if match.groups() else (stem,)
            found.append(Found(prefix + path, tuple(part.strip("/") for part in parts)))
    return sorted(found)


def _pattern(where: str) -> Tuple[str, "re.Pattern[str]"]:
    """The folder in which to look, and what the paths below it must match."""
    parts = where.strip("/").split("/") if where != "/" else []
    if where.startswith("/"):
        parts = ["/" + parts[0], *parts[1:]] if parts else ["/"]
    wild = next((k for k, part in enumerate(parts) if WILDCARDS.search(part)), len(parts))
    base, rest = "/".join(parts[:wild]), parts[wild:]
    if not rest:
        return base, re.compile(r"(.*)\.[^./]*", re.DOTALL)
    *folders, name = rest
    any_suffix = name.endswith(_ANY_SUFFIX)
    name = name[: -len(_ANY_SUFFIX)] if any_suffix else name
    text = "".join("((?:[^/]+/)*)" if part == "**" else _translate(part) + "/" for part in folders)
    return base, re.compile(text + _translate(name) + (r"\.[^./]*" if any_suffix else ""))


def _translate(part: str) -> str:
    signs = {"*": "([^/]*)", "?": "([^/])"}
    return "".join(signs.get(sign) or re.escape(sign) for sign in part)


class Pairing(NamedTuple):
    """Pictures with their label maps, and what has no partner."""

    pairs: List[Pair]
    without_label: List[str]
    without_picture: List[str]


def pair(pictures: Sequence[Found], labels: Sequence[Found]) -> Pairing:
    """Pair pictures with the label maps that have the same key.

    Raises InputError where two pictures, or two label maps, have the same one.
    """
    by_key, labels_by_key = _by_key(pictures), _by_key(labels)
    return Pairing(
        [Pair(path, labels_by_key[key]) for key, path in by_key.items() if key in labels_by_key],
        [path for key, path in by_key.items() if key not in labels_by_key],
        [path for key, path in labels_by_key.items() if key not in by_key],
    )


def _by_key(files: Sequence[Found]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for file in files:
        other = found.setdefault(file.key, file.path)
        if other != file.path:
            raise InputError(
                f"{other} and {file.path}: have the same name, so that it is unclear what belongs "
                "together; rename one of them"
            )
    return found
