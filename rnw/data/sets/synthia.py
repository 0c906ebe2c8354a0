"""SYNTHIA-RAND-CITYSCAPES: rendered streets with Cityscapes' classes (synthia-dataset.net).

Of its label maps, 16 bits a channel, the first channel has SYNTHIA's own class numbers; label maps
with Cityscapes' ids are drawn of them. Terrain, truck and train are numbered but never occur, so
that 16 of the 19 classes do. All 9,400 pictures of 1280 x 760 are one split.
"""

from pathlib import Path
from typing import Dict, List

import numpy as np

from rnw.data.label_meaning import LabelMeaning
from rnw.data.picture_types import Pair
from rnw.data.sets import cityscapes
from rnw.data.sets.publication import Form, LabeledSplit, Rendering
from rnw.data.sets.rows import SegmentationDataset, prepared_labeled
from rnw.errors import InputError
from rnw.files import read_bytes

# SYNTHIA's numbers of Cityscapes' classes, of the README in its archive; 0, 13, 14 and 22 are void,
# parking slot, road work and lane marking
NUMBERS = {
    "road": 3,
    "sidewalk": 4,
    "building": 2,
    "wall": 21,
    "fence": 5,
    "pole": 7,
    "traffic light": 15,
    "traffic sign": 9,
    "vegetation": 6,
    "terrain": 16,
    "sky": 1,
    "person": 10,
    "rider": 17,
    "car": 8,
    "truck": 18,
    "bus": 19,
    "train": 20,
    "motorcycle": 12,
    "bicycle": 11,
}
LARGEST = 22
MEANING = LabelMeaning("SYNTHIA", cityscapes.LABEL_IDS, cityscapes.PALETTE)
FOLDER, DRAWN = "RAND_CITYSCAPES", "Cityscapes_labels"  # in the dataset's folder
_RED = 2  # OpenCV's first channel is blue


def _pairs(root: Path) -> List[Pair]:
    names = sorted(path.name for path in (root / FOLDER / "RGB").glob("*.png"))
    return [Pair(f"{FOLDER}/RGB/{name}", f"{DRAWN}/{name}") for name in names]


def _maps(root: Path) -> Dict[str, Path]:
    return {path.stem: path for path in sorted((root / FOLDER / "GT" / "LABELS").glob("*.png"))}


def _draw(path: Path) -> np.ndarray:
    import cv2  # of an extra; Pillow gives the upper 8 bits of 16, which are 0

    content = np.frombuffer(read_bytes(path), np.uint8)
    found = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if found is None or found.ndim != 3 or found.dtype != np.uint16:
        raise InputError(f"{path}: expected a label map of SYNTHIA, a PNG file of 3 x 16 bits")
    numbers = found[:, :, _RED]
    if numbers.max() > LARGEST:
        raise InputError(f"{path}: has label {numbers.max()}, expected 0 to {LARGEST}")
    table = np.zeros(LARGEST + 1, np.uint8)
    for name, number in zip(cityscapes.CLASSES, cityscapes.LABEL_IDS):
        table[NUMBERS[name]] = number
    return table[numbers]


LABELS = Rendering(DRAWN, f"{FOLDER}/GT/LABELS", _maps, _draw)
_FILES = (
    Form(
        "SYNTHIA_RAND_CITYSCAPES.rar",
        None,
        FOLDER,
        (FOLDER, f"SYNTHIA_RAND_CITYSCAPES/{FOLDER}", "SYNTHIA_RAND_CITYSCAPES"),
        inside=f"{FOLDER}/",
        probe="GT/LABELS",
    ),
)

DATASET = SegmentationDataset(
    "synthia",
    "SYNTHIA",
    Path("data/synthia"),
    cityscapes.CLASSES,
    cityscapes.PALETTE,
    prepared_labeled("synthia", MEANING),
    {"train": 9400},
    (760, 1280),
    recipe="",
    test_size=1280,
    test_split="train",
    label_ids=cityscapes.LABEL_IDS,
    meaning=MEANING,
    identical_sizes=True,
    publication={"train": LabeledSplit((_FILES,), _pairs, (LABELS,))},
)
