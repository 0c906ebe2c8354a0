"""COCO with all of its 80 categories and background, which is everything else: 81 classes.

As in the original, label maps hold the numbers of COCO's categories, 1 to 90 with gaps, and 0 for
background; they are drawn from the annotated instances, and crowds are ignored. Splits are named
after the folders of both releases (cocodataset.org): those of 2017, and of 2014, which the original
used.
"""

from functools import partial
from pathlib import Path
from typing import Dict, List

from rnw.data.instances import Scene, draw_scene
from rnw.data.label_meaning import LabelMeaning
from rnw.data.picture_types import Pair
from rnw.data.sets import coco, voc
from rnw.data.sets.publication import LabeledSplit, Rendering
from rnw.data.sets.rows import SegmentationDataset, prepared_labeled

# of `categories` in instances_*.json
_NUMBERS = """
person 1, bicycle 2, car 3, motorcycle 4, airplane 5, bus 6, train 7, truck 8, boat 9,
traffic light 10, fire hydrant 11, stop sign 13, parking meter 14, bench 15, bird 16, cat 17,
dog 18, horse 19, sheep 20, cow 21, elephant 22, bear 23, zebra 24, giraffe 25, backpack 27,
umbrella 28, handbag 31, tie 32, suitcase 33, frisbee 34, skis 35, snowboard 36, sports ball 37,
kite 38, baseball bat 39, baseball glove 40, skateboard 41, surfboard 42, tennis racket 43,
bottle 44, wine glass 46, cup 47, fork 48, knife 49, spoon 50, bowl 51, banana 52, apple 53,
sandwich 54, orange 55, broccoli 56, carrot 57, hot dog 58, pizza 59, donut 60, cake 61, chair 62,
couch 63, potted plant 64, bed 65, dining table 67, toilet 70, tv 72, laptop 73, mouse 74,
remote 75, keyboard 76, cell phone 77, microwave 78, oven 79, toaster 80, sink 81,
refrigerator 82, book 84, clock 85, vase 86, scissors 87, teddy bear 88, hair drier 89,
toothbrush 90
"""
_ROWS = [row.rpartition(" ") for row in " ".join(_NUMBERS.split()).split(", ")]
NUMBERS = {name: int(number) for name, _, number in _ROWS}
CLASSES = ("background", *NUMBERS)
LABEL_IDS = (0, *NUMBERS.values())
_COLORS = voc.palette(1 + max(LABEL_IDS))
PALETTE = tuple(_COLORS[number] for number in LABEL_IDS)
MEANING = LabelMeaning("COCO", LABEL_IDS, PALETTE)
COUNTS = {"train2017": 118_287, "val2017": 5000, "train2014": 82_783, "val2014": 40_504}


def _annotations(folder: str) -> str:
    return f"annotations{folder[-4:]}"  # of the year


def _scenes(folder: str, root: Path) -> Dict[str, Scene]:
    return coco.read_scenes(root, folder, NUMBERS, _annotations(folder))


def _drawn(folder: str, root: Path) -> Dict[str, Scene]:
    return {Path(name).name: scene for name, scene in _scenes(folder, root).items()}


def _pairs(folder: str, root: Path) -> List[Pair]:
    return [
        Pair(f"{coco.FOLDER}/{name}.jpg", f"{coco.LABELS}/{name}.png")
        for name in _scenes(folder, root)
    ]


def _split(folder: str) -> LabeledSplit:
    annotations = f"{coco.FOLDER}/{_annotations(folder)}"
    form = coco.ANNOTATIONS[int(folder[-4:])]._replace(
        folder=annotations, probe=f"instances_{folder}.json"
    )
    drawn = partial(_drawn, folder)
    labels = Rendering(f"{coco.LABELS}/{folder}", annotations, drawn, draw_scene)
    parts = ((coco.PICTURES[folder],), (form,))
    return LabeledSplit(parts, partial(_pairs, folder), (labels,))


DATASET = SegmentationDataset(
    "coco",
    "COCO",
    Path("data/coco"),
    CLASSES,
    PALETTE,
    prepared_labeled("coco", MEANING),
    COUNTS,
    (640, 640),  # the original's bound
    recipe="",
    test_size=640,
    train_split="train2017",
    test_split="val2017",
    label_ids=LABEL_IDS,
    meaning=MEANING,
    publication={folder: _split(folder) for folder in COUNTS},
)
