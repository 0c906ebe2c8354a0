"""SBD, the Semantic Boundaries Dataset, by itself: with its own pictures, label maps and splits.

11,355 pictures of PASCAL VOC 2011 (ICCV 2011, "Semantic contours from inverse detectors"), of VOC's
classes. Its training pictures are partly those that VOC validates on: to test on VOC, train on
split train_aug of VOC.
"""

from functools import partial
from pathlib import Path
from typing import Dict, List

from rnw.data.picture_types import Pair
from rnw.data.sets import voc
from rnw.data.sets.publication import LabeledSplit, Rendering
from rnw.data.sets.rows import SegmentationDataset, prepared_labeled

DRAWN = "SBD_labels"  # in the dataset's folder


def _pairs(split: str, root: Path) -> List[Pair]:
    names = voc.read_names(root / voc.SBD / f"{split}.txt")
    return [Pair(f"{voc.SBD}/img/{name}.jpg", f"{DRAWN}/{name}.png") for name in names]


def _files(root: Path) -> Dict[str, Path]:
    return {path.stem: path for path in sorted((root / voc.SBD / "cls").glob("*.mat"))}


LABELS = Rendering(DRAWN, f"{voc.SBD}/cls", _files, voc.draw_sbd)


DATASET = SegmentationDataset(
    "sbd",
    "SBD",
    Path("data/sbd"),
    voc.CLASSES,
    voc.palette(len(voc.CLASSES)),
    prepared_labeled("sbd", voc.MEANING),
    {"train": 8498, "val": 2857},
    (500, 500),
    recipe="",
    test_size=500,
    meaning=voc.MEANING,
    publication={
        split: LabeledSplit(((voc.BENCHMARK,),), partial(_pairs, split), (LABELS,))
        for split in ("train", "val")
    },
)
