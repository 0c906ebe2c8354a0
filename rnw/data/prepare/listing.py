"""Pictures for the lists of a dataset: found in folders, and checked against what is published.

Labels follow the order of the classes: WordNet ids or category names, sorted. Training pictures are
listed by label and name, validation pictures by name, as in the original's `val.lst`.
"""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from rnw.data.sets.publication import Annotations, Publication
from rnw.errors import InputError

SUFFIXES = (".jpeg", ".jpg")
ADVICE = "complete the folder, or accept it as it is with --subset"


class Picture(NamedTuple):
    """A picture: its class, and its folder ('' or 'folder/') and name under the split's folder."""

    category: str
    folder: str
    name: str


def find_pictures(
    folder: Path, publication: Publication, known: Optional[Annotations]
) -> List[Picture]:
    """Find the pictures under `folder`, in class folders or with a class in the annotations.

    Raises InputError for a picture whose class is unknown, for files that are not pictures, and
    where there is no picture.
    """
    labeled = known.val if known else {}
    classes = set(known.classes) if known else None
    pictures = []
    for inside, name in _walk(folder):
        stem = name.rpartition(".")[0]
        category = _class_of_folder(folder, inside, publication) if inside else labeled.get(stem)
        if category is None or (classes is not None and category not in classes):
            raise InputError(
                f"{folder}/{inside}{name}: no class is known for it; expected a class folder of "
                f"{archives_of(publication)}, or a picture named there"
            )
        if labeled.get(stem, category) != category:
            raise InputError(
                f"{folder}/{inside}{name}: is in the wrong folder, its class is {labeled[stem]}"
            )
        pictures.append(Picture(category, inside, name))
    if not pictures:
        raise InputError(f"{folder}: contains no pictures; complete or remove it")
    return pictures


def archives_of(publication: Publication) -> str:
    """Return the names of the archives any of which has the annotations, for messages."""
    return " or ".join(files.archive for files in publication.annotations)


def _class_of_folder(folder: Path, inside: str, publication: Publication) -> str:
    """Return the class that a folder is named after; raise InputError for another name."""
    category = publication.class_of(inside.rstrip("/"))
    if not re.fullmatch(publication.class_names, category, re.DOTALL):
        raise InputError(
            f"{folder}/{inside}: {category!r} names no class, expected "
            f"{publication.class_kind}; rename the folders, or where they are labels write the "
            "list yourself (see rnw/data/README.md)"
        )
    return category


def _walk(folder: Path, inside: str = "") -> Iterator[Tuple[str, str]]:
    """Yield folder and name of each file; skip hidden ones, others must be pictures."""
    try:
        with os.scandir(folder / inside) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    yield from _walk(folder, f"{inside}{entry.name}/")
                    continue
                if not entry.name.lower().endswith(SUFFIXES) or not entry.stat().st_size:
                    raise InputError(f"{entry.path}: empty or no JPEG file; remove or replace it")
                yield inside, entry.name
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error


def label_order(
    pictures: Mapping[str, Sequence[Picture]], known: Optional[Annotations], subset: bool
) -> Tuple[str, ...]:
    """Return the published classes, or for a subset those that have (training) pictures."""
    if known and not subset:
        return known.classes
    chosen = pictures.get("train") or next(iter(pictures.values()))
    found = {picture.category for picture in chosen}
    return tuple(name for name in (known.classes if known else sorted(found)) if name in found)


def check_annotations(
    source: Path, split: str, known: Annotations, publication: Publication
) -> None:
    """Raise InputError when annotations have another number of pictures than published."""
    expected = publication.images[split], publication.classes
    images = known.images(split)
    if images is None:
        return
    found = sum(images.values()), len(known.classes)
    if found != expected:
        raise InputError(
            f"{source}: has {found[0]} pictures of {found[1]} classes for {split}, expected "
            f"{expected[0]} of {expected[1]}: not the official files (--subset accepts them)"
        )


def check_counts(
    where: Path,
    split: str,
    pictures: Sequence[Picture],
    publication: Publication,
    known: Optional[Annotations],
) -> None:
    """Raise InputError when the number of pictures is not the published one, naming a class."""
    images, classes = publication.images[split], publication.classes
    found = Counter(picture.category for picture in pictures)
    expected = known.images(split) if known else None
    if known and expected is not None:
        wrong = [name for name in known.classes if expected[name] != found[name]]
        if wrong:
            raise InputError(
                f"{where}: {len(wrong)} classes are not complete, first {wrong[0]}: expected "
                f"{expected[wrong[0]]} pictures, found {found[wrong[0]]}; {ADVICE}"
            )
    if (len(pictures), len(found)) != (images, classes):
        raise InputError(
            f"{where}: expected {images} pictures of {classes} classes, found {len(pictures)} of "
            f"{len(found)}; {ADVICE}"
        )
