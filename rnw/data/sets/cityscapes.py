"""Cityscapes as published, with fine labels and, for further cities, coarse ones (section 6.2)."""

from functools import partial
from pathlib import Path
from typing import List, Tuple

from rnw.data.label_meaning import LabelMeaning
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, LabeledSplit
from rnw.data.sets.rows import ZIP, SegmentationDataset, SubmissionForm, prepared_labeled

# name, id in label maps and submissions, color: rows of cityscapesScripts' helpers/labels.py that
# are trained on
_ROWS = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)
CLASSES, LABEL_IDS, PALETTE = zip(*_ROWS)
MEANING = LabelMeaning("Cityscapes", LABEL_IDS, PALETTE)


def _names(root: Path, split: str) -> List[str]:
    """Return city and name of each picture, without the common ending of names."""
    folder, end = root / "leftImg8bit" / split, "_leftImg8bit.png"
    return sorted(
        f"{path.parent.name}/{path.name[: -len(end)]}" for path in folder.glob(f"*/*{end}")
    )


def _pairs(split: str, labels: str, root: Path) -> List[Pair]:
    return [
        Pair(
            f"leftImg8bit/{split}/{name}_leftImg8bit.png",
            f"{labels}/{split}/{name}_{labels}_labelIds.png",
        )
        for name in _names(root, split)
    ]


def _test_pairs(root: Path) -> List[Pair]:
    return [Pair(f"leftImg8bit/test/{name}_leftImg8bit.png", None) for name in _names(root, "test")]


def _part(archive: str, folder: str) -> Tuple[Form, ...]:
    return (Form(archive, None, folder, (folder,), inside=f"{folder}/"),)


def _split(split: str, pictures: str, archive: str, labels: str) -> LabeledSplit:
    parts = (_part(pictures, f"leftImg8bit/{split}"), _part(archive, f"{labels}/{split}"))
    return LabeledSplit(parts, partial(_pairs, split, labels))


_PICTURES, _FINE = "leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"

PUBLISHED = {
    "train": _split("train", _PICTURES, _FINE, "gtFine"),
    "val": _split("val", _PICTURES, _FINE, "gtFine"),
    "test": LabeledSplit((_part(_PICTURES, "leftImg8bit/test"),), _test_pairs),
    "train_extra": _split("train_extra", "leftImg8bit_trainextra.zip", "gtCoarse.zip", "gtCoarse"),
}

# '+' is the original's mark of fine and coarse labels together
COMPOSED = {
    "trainval": ("train", "val"),
    "train+": ("train", "train_extra"),
    "trainval+": ("train", "val", "train_extra"),
}

DATASET = SegmentationDataset(
    "cityscapes",
    "Cityscapes",
    Path("data/cityscapes"),
    CLASSES,
    PALETTE,
    prepared_labeled("cityscapes", MEANING, COMPOSED),
    {"train": 2975, "val": 500, "test": 1525, "train_extra": 19_998},  # section 6.2
    (1024, 2048),
    recipe="cityscapes",
    test_size=2048,  # the original's README
    label_ids=LABEL_IDS,
    meaning=MEANING,
    identical_sizes=True,
    publication=PUBLISHED,
    composed=COMPOSED,
    # the official tool finds pictures by the first three fields of their names
    submission=SubmissionForm("", ZIP, palette=False, fields=3),
    official_tool="cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
)
