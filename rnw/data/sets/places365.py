"""Places365-Standard as published: large, 256 x 256 and 'easy format' archives, and file lists."""

import os
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Container, Dict, Iterator, Optional, Tuple

from rnw.data.sets.places365_names import PLACES365_NAMES
from rnw.data.sets.publication import AnnotationFiles, Annotations, Form, Publication
from rnw.data.sets.rows import Dataset, prepared
from rnw.errors import InputError

CATEGORIES = "categories_places365.txt"
TRAIN = "places365_train_standard.txt"
VAL = "places365_val.txt"


def read_file_lists(source: Path) -> Annotations:
    """Return the annotations in the file lists, an archive or a folder.

    Classes are category names. Raises InputError for files that are missing or malformed.
    """
    by_label = _categories(source)
    counts = Counter(label for _, label in _lines(source, TRAIN, by_label))
    val: Dict[str, str] = {}
    for number, (name, label) in enumerate(_lines(source, VAL, by_label), 1):
        stem = name.rpartition(".")[0]
        if stem in val:
            raise InputError(f"{source}: line {number} of {VAL} names {name} again")
        val[stem] = by_label[label]
    return Annotations(
        tuple(by_label[label] for label in sorted(by_label)),
        {name: counts[label] for label, name in by_label.items()},
        val,
    )


def _categories(source: Path) -> Dict[int, str]:
    """Return the names of the categories by label."""
    labels: Dict[str, int] = {}
    for number, (path, label) in enumerate(_lines(source, CATEGORIES), 1):
        name = class_of(path.strip("/"))
        if name in labels or label in labels.values():
            raise InputError(
                f"{source}: line {number} of {CATEGORIES} has category {name} with label {label}, "
                "one of which a line before has"
            )
        labels[name] = label
    return {label: name for name, label in labels.items()}


def _lines(
    source: Path, name: str, labels: Optional[Container[int]] = None
) -> Iterator[Tuple[str, int]]:
    """Yield path and label of each line; the label must be one of `labels`."""
    from rnw.data.archives import read_member  # imports what only a preparation needs

    for number, line in enumerate(read_member(source, name).splitlines(), 1):
        path, _, label = line.rpartition(b" ")
        if not path.strip(b"/") or not label.isdigit():
            shown = line.decode(errors="replace")
            raise InputError(f"{source}: line {number} of {name} is {shown!r}, expected path label")
        if labels is not None and int(label) not in labels:
            raise InputError(
                f"{source}: line {number} of {name} has label {int(label)}, {CATEGORIES} has no "
                f"label {int(label)}"
            )
        yield os.fsdecode(path), int(label)


def class_of(folder: str) -> str:
    """Return the category of folder `b/bow_window/indoor`, or `bow_window-indoor` (easy format)."""
    letter, _, name = folder.partition("/")
    return name if len(letter) == 1 else folder.replace("-", "/")


def _easy_format(split: str) -> Form:
    folder = f"places365_standard/{split}"
    archive = "places365standard_easyformat.tar"
    return Form(archive, None, folder, (folder, split), inside=f"{folder}/")


def _form(archive: str, md5: str, folder: str, *extracted: str, flat: bool = False) -> Form:
    return Form(archive, md5, folder, (folder, *extracted), inside=f"{folder}/", flat=flat)


PLACES365 = Publication(
    classes=365,
    images={"train": 1_803_460, "val": 36_500},
    forms={
        "train": (
            _form(
                "train_large_places365standard.tar",
                "67e186b496a84c929568076ed01a8aa1",
                "data_large",
                "data_large_standard",
            ),
            _form(
                "train_256_places365standard.tar",
                "53ca1c756c3d1e7809517cc47c5561c5",
                "data_256",
                "data_256_standard",
            ),
            _easy_format("train"),
        ),
        "val": (
            _form("val_large.tar", "9b71c4993ad89d2d8bcbdc4aef38042f", "val_large", flat=True),
            _form("val_256.tar", "e27b17d8d44f4af9a78502beb927f808", "val_256", flat=True),
            _easy_format("val"),
        ),
    },
    annotations=(
        AnnotationFiles(
            "filelist_places365-standard.tar",
            "35a0585fee1fa656440f3ab298f8479c",
            "filelist_places365-standard",
            VAL,
            read_file_lists,
        ),
    ),
    class_kind="the name of a category such as airfield",
    class_names=r".*\D.*",  # no number
    class_of=class_of,
)

DATASET = Dataset(
    "places365-cls",
    "Places365-Standard scene classification",
    Path("data/places365"),
    PLACES365.classes,
    lambda: PLACES365_NAMES,
    prepared("places365-cls"),
    "train",
    "val",
    recipe="places365_a2",
    test_scale=Fraction(10, 7),  # as ILSVRC
    publication=PLACES365,
    class_ids=PLACES365_NAMES,
)
