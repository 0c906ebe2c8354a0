"""PASCAL Context: VOC 2010's pictures, every pixel of them labeled (section 6.2).

It has the 59 most frequent classes, in the order of the authors' 59_labels.txt, and background,
which is everything else. The splits are those of VOC 2010's detection task (ImageSets/Main), 4,998
and 5,105 pictures, all of which are labeled.
"""

from functools import partial
from pathlib import Path
from typing import Dict, List

import numpy as np

from rnw.data.label_meaning import LabelMeaning
from rnw.data.matlab import read_matlab
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, LabeledSplit, Rendering
from rnw.data.sets.rows import TAR, SegmentationDataset, SubmissionForm, prepared_labeled
from rnw.data.sets.voc import palette, read_names

# Names, and numbers in LabelMap, which has 459 (labels.txt).
_NUMBERS = """
aeroplane 2, bicycle 23, bird 25, boat 31, bottle 34, bus 45, car 59, cat 65, chair 72, cow 98,
table 397, dog 113, horse 207, motorbike 258, person 284, pottedplant 308, sheep 347, sofa 368,
train 416, tvmonitor 427, bag 9, bed 18, bench 22, book 33, building 44, cabinet 46, ceiling 68,
cloth 80, computer 85, cup 104, door 115, fence 144, floor 158, flower 159, food 162, grass 187,
ground 189, keyboard 220, light 232, mountain 259, mouse 260, curtain 105, platform 296, sign 355,
plate 295, road 324, rock 326, shelves 349, sidewalk 354, sky 360, snow 366, bedclothes 19,
track 415, tree 420, truck 424, wall 440, water 445, window 454, wood 458
"""
_ROWS = [row.split() for row in _NUMBERS.replace("\n", " ").split(",")]
CLASSES = ("background", *(name for name, _ in _ROWS))
NUMBERS = tuple(int(number) for _, number in _ROWS)
ALL_NUMBERS = 459
MEANING = LabelMeaning("PASCAL Context", tuple(range(len(CLASSES))))  # colors are not published


def _pairs(split: str, root: Path) -> List[Pair]:
    labels = RENDERED if (root / RENDERED).is_dir() else LABELS.folder
    return [
        Pair(f"{VOC2010}/JPEGImages/{name}.jpg", f"{labels}/{name}.png")
        for name in read_names(root / VOC2010 / "ImageSets" / "Main" / f"{split}.txt")
    ]


def _files(root: Path) -> Dict[str, Path]:
    return {path.stem: path for path in sorted((root / MATLAB).glob("*.mat"))}


def _draw(path: Path) -> np.ndarray:
    numbers = read_matlab(path, lambda found: found["LabelMap"], ALL_NUMBERS)
    table = np.zeros(ALL_NUMBERS + 1, np.uint8)
    table[list(NUMBERS)] = np.arange(1, len(CLASSES))
    return table[numbers]


# in the dataset's folder
VOC2010, MATLAB, RENDERED = "VOC2010", "context_trainval", "59_context_labels"
LABELS = Rendering("context_labels", MATLAB, _files, _draw)
_PICTURES = (
    Form(
        "VOCtrainval_03-May-2010.tar",
        "da459979d0c395079b5c75ee67908abb",
        VOC2010,
        ("VOCdevkit/VOC2010", "VOC2010"),
        inside="VOCdevkit/VOC2010/",
    ),
)
_LABELS = (
    Form("trainval.tar.gz", None, MATLAB, ("trainval",), inside="trainval/"),
    Form("59_context_labels.tar.gz", None, RENDERED, (RENDERED,), inside=f"{RENDERED}/"),
)

PUBLISHED = {
    split: LabeledSplit((_PICTURES, _LABELS), partial(_pairs, split), (LABELS,))
    for split in ("train", "val")
}

DATASET = SegmentationDataset(
    "pascal-context",
    "PASCAL Context",
    Path("data/pascal-context"),
    CLASSES,
    palette(len(CLASSES)),
    prepared_labeled("pascal-context", MEANING),
    {"train": 4998, "val": 5105},  # section 6.2
    (500, 500),
    recipe="pascal-context",
    test_size=500,
    meaning=MEANING,
    publication=PUBLISHED,
    submission=SubmissionForm("", TAR, palette=True),  # there is no server; VOC's form
)
