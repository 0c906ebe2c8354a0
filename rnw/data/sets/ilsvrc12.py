"""ILSVRC 2012 as published: archives, counts, and the development kit of tasks 1 and 2.

Kaggle has the same pictures in one archive, with the classes of validation pictures in a table.
"""

import re
from fractions import Fraction
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from rnw.data.matlab import read_variables
from rnw.data.sets.ilsvrc12_ids import WORDNET_IDS
from rnw.data.sets.ilsvrc12_names import NAMES
from rnw.data.sets.publication import (
    AnnotationFiles,
    Annotations,
    ClassNumbers,
    Form,
    Publication,
)
from rnw.data.sets.rows import Dataset, prepared
from rnw.errors import InputError

META = "meta.mat"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
KAGGLE = "imagenet-object-localization-challenge"
KAGGLE_VAL = "LOC_val_solution.csv"
_KAGGLE_ROW = re.compile(rb"(ILSVRC2012_val_\d{8}),(n\d{8})( \d+){4}( n\d{8}( \d+){4})* ?")


def read_devkit(source: Path) -> Annotations:
    """Return the annotations in the development kit, an archive or a folder.

    Classes are WordNet ids. The ground truth has the numbers of meta.mat (ILSVRC2012_ID), whose
    order is not that of the WordNet ids. Raises InputError for files that are missing or malformed.
    """
    synsets = _read_synsets(source)
    words = {synset.number: synset.wnid for synset in synsets}
    images = {synset.wnid: synset.images for synset in synsets}
    val = {}
    for number, line in enumerate(_read(source, GROUND_TRUTH).splitlines(), 1):
        name = words.get(int(line)) if line.strip().isdigit() else None
        if name is None:
            raise InputError(
                f"{source}: line {number} of {GROUND_TRUTH} is {line.decode(errors='replace')!r}, "
                f"expected a class of {META}: 1 to {len(words)}"
            )
        val[f"ILSVRC2012_val_{number:08d}"] = name
    return Annotations(tuple(sorted(images)), images, val)


def read_kaggle(source: Path) -> Annotations:
    """Return the annotations in Kaggle's archive or folder, which do not count training pictures.

    A row of its table has the name of a picture and its objects, each a class, which is that of the
    picture, and a box. Raises InputError for a table that is missing or malformed.
    """
    val = {}
    lines = _read(source, KAGGLE_VAL).splitlines()
    for number, line in enumerate(lines[1:], 2):
        row = _KAGGLE_ROW.fullmatch(line)
        if row is None:
            raise InputError(
                f"{source}: line {number} of {KAGGLE_VAL} is {line[:60].decode(errors='replace')!r}"
                ", expected such as ILSVRC2012_val_00048981,n03995372 85 1 499 272"
            )
        val[row[1].decode()] = row[2].decode()
    return Annotations(tuple(sorted(set(val.values()))), None, val)


def read_class_numbers(source: Path) -> Dict[str, int]:
    """Return the ILSVRC2012_ID of each class, by WordNet id, from the development kit.

    Raises InputError for files that are missing or malformed.
    """
    return {synset.wnid: synset.number for synset in _read_synsets(source)}


def find_devkit(root: Path) -> Optional[Path]:
    """Return the development kit in a folder, its archive or extracted; None if there is none."""
    files = DEVKIT
    if (root / files.archive).is_file():
        return root / files.archive
    folders = (root / files.extracted, root)
    return next((folder for folder in folders if (folder / files.probe).is_file()), None)


class _Synset(NamedTuple):
    """A class: ILSVRC2012_ID, WordNet id and the number of its training pictures."""

    number: int
    wnid: str
    images: int


def _read(source: Path, name: str) -> bytes:
    """Return the content of a file in an archive or folder."""
    from rnw.data.archives import read_member  # imports what only a preparation needs

    return read_member(source, name)


def _read_synsets(source: Path) -> List[_Synset]:
    """Return the low-level synsets of meta.mat, which are the classes of pictures."""
    content = _read(source, META)
    try:
        return [
            _Synset(
                row["ILSVRC2012_ID"].number(), row["WNID"].text(), row["num_train_images"].number()
            )
            for row in read_variables(content)["synsets"].rows()
            if not row["num_children"].number()
        ]
    except Exception as error:  # of many kinds when the file is damaged
        raise InputError(
            f"{source}: {META} cannot be read ({error}); expected that of ILSVRC 2012"
        ) from error


def _of_kaggle(split: str) -> Tuple[str, ...]:
    """Return the folders with the pictures of a split in Kaggle's release."""
    folders = (f"{KAGGLE}/ILSVRC/Data/CLS-LOC", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
    return tuple(f"{folder}/{split}" for folder in folders)


def _kaggle_form(split: str) -> Form:
    inside = f"ILSVRC/Data/CLS-LOC/{split}/"
    return Form(
        f"{KAGGLE}.zip", None, f"ILSVRC2012_{split}", (), inside=inside, flat=split == "val"
    )


DEVKIT = AnnotationFiles(
    "ILSVRC2012_devkit_t12.tar.gz",
    "fa75699e90414af021442c21a62c3abf",
    "ILSVRC2012_devkit_t12",
    "data/meta.mat",
    read_devkit,
    kept=(GROUND_TRUTH, META),  # for the numbers of classes in submissions
)
ILSVRC12 = Publication(
    classes=1000,
    images={"train": 1_281_167, "val": 50_000},
    forms={
        "train": (
            Form(
                "ILSVRC2012_img_train.tar",
                "1d675b47d978889d74fa0da5fadfb00e",
                "ILSVRC2012_train",
                ("ILSVRC2012_train", "ILSVRC2012_img_train", "train", *_of_kaggle("train")),
            ),
            _kaggle_form("train"),
        ),
        "val": (
            Form(
                "ILSVRC2012_img_val.tar",
                "29b22e2961454d5413ddabcf34fc5622",
                "ILSVRC2012_val",
                ("ILSVRC2012_val", "ILSVRC2012_img_val", "val", *_of_kaggle("val")),
                flat=True,
            ),
            _kaggle_form("val"),
        ),
    },
    annotations=(DEVKIT, AnnotationFiles(f"{KAGGLE}.zip", None, KAGGLE, KAGGLE_VAL, read_kaggle)),
    class_kind="a WordNet id such as n01440764",
    class_names=r"n\d{8}",
)


CLASS_NUMBERS = ClassNumbers("ILSVRC2012_ID", find_devkit, read_class_numbers)


DATASET = Dataset(
    "ilsvrc-cls",
    "ILSVRC 2012 classification",
    Path("data/ilsvrc12"),
    ILSVRC12.classes,
    lambda: NAMES,
    prepared("ilsvrc-cls"),
    "train",
    "val",
    recipe="model_a",
    test_scale=Fraction(10, 7),  # 224, 112 and 56 at 320, 160 and 80 (section 6)
    publication=ILSVRC12,
    class_ids=WORDNET_IDS,
    class_numbers=CLASS_NUMBERS,
)
