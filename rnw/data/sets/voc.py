"""PASCAL VOC 2012 as published, augmented with SBD and COCO (section 6.2).

The augmented list is the original's: VOC's own training pictures with VOC's labels, then those of
SBD that VOC neither trains nor validates on. SBD's labels are taken from its own archive, or as
others converted them, SegmentationClassAug, which also holds VOC's own.
"""

from functools import partial
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np

from rnw.data.label_meaning import LabelMeaning
from rnw.data.matlab import read_matlab
from rnw.data.picture_types import Pair
from rnw.data.sets import coco
from rnw.data.sets.publication import Form, LabeledSplit, Rendering
from rnw.data.sets.rows import TAR, SegmentationDataset, SubmissionForm, prepared_labeled
from rnw.errors import InputError
from rnw.files import read_regular, reading

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


def palette(classes: int) -> Tuple[Tuple[int, int, int], ...]:
    """Return the colors (R, G, B) of VOC's development kit.

    Bits 0, 3 and 6 of a class are the highest bits of red, the following ones of green and blue.
    """

    def level(number: int, channel: int) -> int:
        return sum((number >> 3 * k + channel & 1) << 7 - k for k in range(3))

    return tuple((level(n, 0), level(n, 1), level(n, 2)) for n in range(classes))


MEANING = LabelMeaning("PASCAL VOC", tuple(range(len(CLASSES))), palette(len(CLASSES)))


def read_names(path: Path) -> List[str]:
    """Return the names of pictures in a list of VOC or SBD, without suffix, each once.

    Raises InputError for a list that cannot be read, and for names that are paths.
    """
    with reading(path, "a list of pictures", (UnicodeDecodeError,)):
        names = list(dict.fromkeys(read_regular(path).decode("utf-8-sig").split()))
    odd = next((name for name in names if "/" in name or "\0" in name), None)
    if odd is not None:
        raise InputError(f"{path}: {odd!r} is expected to be a name without folders and suffix")
    return names


def _names(root: Path, split: str) -> List[str]:
    return read_names(root / f"{VOC2012}/ImageSets/Segmentation/{split}.txt")


def _pairs(split: str, root: Path) -> List[Pair]:
    return [
        Pair(f"{VOC2012}/JPEGImages/{name}.jpg", f"{VOC2012}/SegmentationClass/{name}.png")
        for name in _names(root, split)
    ]


def _test_pairs(root: Path) -> List[Pair]:
    names = read_names(root / f"{VOC2012_TEST}/ImageSets/Segmentation/test.txt")
    return [Pair(f"{VOC2012_TEST}/JPEGImages/{name}.jpg", None) for name in names]


def _of_sbd(root: Path) -> List[str]:
    """Return the names of SBD's pictures without those of VOC."""
    if (root / SBD).is_dir():
        lists = (root / SBD / f"{split}.txt" for split in ("train", "val"))
        names = {name for path in lists for name in read_names(path)}
    else:
        names = {path.stem for path in (root / CONVERTED).glob("*.png")}
    return sorted(names.difference(_names(root, "train"), _names(root, "val")))


def _augmented_pairs(root: Path) -> List[Pair]:
    labels = SBD_LABELS.folder if (root / SBD).is_dir() else CONVERTED
    of_sbd = [
        Pair(f"{VOC2012}/JPEGImages/{name}.jpg", f"{labels}/{name}.png") for name in _of_sbd(root)
    ]
    return _pairs("train", root) + of_sbd


def _coco_pairs(root: Path) -> List[Pair]:
    return _augmented_pairs(root) + coco.find_pairs(root, CLASSES)


def _sbd_files(root: Path) -> Dict[str, Path]:
    files = {name: root / SBD / "cls" / f"{name}.mat" for name in _of_sbd(root)}
    return {name: path for name, path in files.items() if path.exists()}


def draw_sbd(path: Path) -> np.ndarray:
    """Return the labels (H, W) uint8 in a file of SBD; raise InputError as `read_matlab`."""
    largest = len(CLASSES) - 1
    labels = read_matlab(path, lambda found: found["GTcls"].rows()[0]["Segmentation"], largest)
    return labels.astype(np.uint8)


VOC2012, VOC2012_TEST, SBD = "VOC2012", "VOC2012_test", "SBD"  # in the dataset's folder
CONVERTED = "SegmentationClassAug"
SBD_LABELS = Rendering("SBD_labels", f"{SBD}/cls", _sbd_files, draw_sbd)
_INSIDE = "VOCdevkit/VOC2012/"
_TRAINVAL = (
    Form(
        "VOCtrainval_11-May-2012.tar",
        "6cd6e144f989b92b3379bac3b3de84fd",
        VOC2012,
        ("VOCdevkit/VOC2012", "VOC2012"),
        inside=_INSIDE,
        probe="ImageSets/Segmentation/train.txt",
    ),
)
_TEST = (
    Form(
        "VOC2012test.tar",
        "9065beb292b6c291fad82b2725749fda",
        VOC2012_TEST,
        ("VOCdevkit/VOC2012", "VOC2012"),
        inside=_INSIDE,
        probe="ImageSets/Segmentation/test.txt",
    ),
)
BENCHMARK = Form(
    "benchmark.tgz",
    "82b4d87ceb2ed10f6038a1cba92111cb",
    SBD,
    ("benchmark_RELEASE/dataset", "dataset"),
    inside="benchmark_RELEASE/dataset/",
    probe="cls",
)
_BOUNDARIES = (
    BENCHMARK,
    Form(
        f"{CONVERTED}.zip",
        None,
        CONVERTED,
        (CONVERTED, f"VOCdevkit/VOC2012/{CONVERTED}", f"VOC2012/{CONVERTED}"),
        inside=f"{CONVERTED}/",
    ),
)

PUBLISHED = {
    "train": LabeledSplit((_TRAINVAL,), partial(_pairs, "train")),
    "val": LabeledSplit((_TRAINVAL,), partial(_pairs, "val")),
    "test": LabeledSplit((_TEST,), _test_pairs),
    "train_aug": LabeledSplit((_TRAINVAL, _BOUNDARIES), _augmented_pairs, (SBD_LABELS,)),
    "train_coco": LabeledSplit(
        (_TRAINVAL, _BOUNDARIES, *coco.PARTS),
        _coco_pairs,
        (SBD_LABELS, coco.render_labels(CLASSES)),
    ),
}

# the last two are the names of the original's lists
COMPOSED = {
    "trainval": ("train", "val"),
    "trainval_aug": ("train_aug", "val"),
    "train+": ("train_aug",),
    "train++": ("train_coco",),
}

DATASET = SegmentationDataset(
    "voc",
    "PASCAL VOC 2012",
    Path("data/voc"),
    CLASSES,
    palette(len(CLASSES)),
    prepared_labeled("voc", MEANING, COMPOSED),
    {"train": 1464, "val": 1449, "test": 1456, "train_aug": 10_582},  # section 6.2
    (640, 640),  # COCO's; VOC's own are 500 x 500 at most
    recipe="voc",
    test_size=500,  # the original's README
    train_split="train_aug",
    meaning=MEANING,
    publication=PUBLISHED,
    composed=COMPOSED,
    # of the development kit
    submission=SubmissionForm("results/VOC2012/Segmentation/comp6_test_cls", TAR, palette=True),
)
