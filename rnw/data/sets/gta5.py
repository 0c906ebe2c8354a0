"""GTA5, frames of a game with Cityscapes' classes (Playing for Data, arXiv 1608.02192).

It is published in ten archives of pictures and ten of label maps, whose numbers are Cityscapes'
ids, at download.visinf.tu-darmstadt.de/data/from_games. Most are 1914 x 1052; some label maps have
another size than their picture. read_mapping.zip has the authors' splits; adaptation to Cityscapes
is usually trained on all 24,966 pictures (--set split=all).
"""

from functools import partial
from pathlib import Path
from typing import Dict, List, Tuple

from rnw.data.label_meaning import LabelMeaning
from rnw.data.matlab import read_variables
from rnw.data.picture_types import Pair
from rnw.data.sets import cityscapes
from rnw.data.sets.publication import Form, LabeledSplit
from rnw.data.sets.rows import SegmentationDataset, prepared_labeled
from rnw.errors import InputError
from rnw.files import read_bytes, reading

ALL = 24_966
MEANING = LabelMeaning("GTA5", cityscapes.LABEL_IDS)  # colors of the palettes are not published
MAPPING, SPLIT_FILE = "read_mapping", "split.mat"  # in the dataset's folder
ARCHIVES = range(1, 11)


def _files(root: Path, kind: str) -> Dict[str, str]:
    """Return the path of each picture or label map, by name; its folder depends on the archive."""
    return {
        path.name: f"{path.parent.name}/{path.name}" for path in sorted(root.glob(f"{kind}*/*.png"))
    }


def _all_names(root: Path) -> List[str]:
    return sorted(_files(root, "images"))


def _names_of(split: str, root: Path) -> List[str]:
    path = root / MAPPING / SPLIT_FILE
    content = read_bytes(path)
    with reading(path, "the splits of GTA5", (Exception,)):  # of many kinds when it is damaged
        variables = read_variables(content)
        numbers = {
            name: variables[f"{name}Ids"].numbers().ravel().astype(int).tolist()
            for name in ("train", "val", "test")
        }
    found = {number for part in numbers.values() for number in part}
    if len(found) != sum(map(len, numbers.values())):
        raise InputError(f"{path}: names pictures in two splits: not the official file")
    return [f"{number:05}.png" for number in numbers[split]]


def _pairs(split: str, root: Path) -> List[Pair]:
    names = _all_names(root) if split == "all" else _names_of(split, root)
    images, labels = _files(root, "images"), _files(root, "labels")
    return [
        Pair(images.get(name, f"images/{name}"), labels.get(name, f"labels/{name}"))
        for name in names
    ]


def _part(number: int, kind: str) -> Tuple[Form, ...]:
    """Return the forms of a tenth: its archive, or a folder in which all tenths were extracted."""
    archive = f"{number:02}_{kind}.zip"
    return (
        Form(archive, None, f"{kind}_{number:02}", (), inside=f"{kind}/"),
        Form(archive, None, kind, (kind,), inside=f"{kind}/"),
    )


_TENTHS = tuple(_part(number, kind) for kind in ("images", "labels") for number in ARCHIVES)
_SPLITS = (Form(f"{MAPPING}.zip", None, MAPPING, (MAPPING, "."), probe=SPLIT_FILE),)

DATASET = SegmentationDataset(
    "gta5",
    "GTA5",
    Path("data/gta5"),
    cityscapes.CLASSES,
    cityscapes.PALETTE,
    prepared_labeled("gta5", MEANING),
    {"train": None, "val": None, "test": None, "all": ALL},
    None,
    recipe="",
    test_size=1914,  # that of most pictures
    label_ids=cityscapes.LABEL_IDS,
    meaning=MEANING,
    publication={
        **{
            split: LabeledSplit((*_TENTHS, _SPLITS), partial(_pairs, split), misfits=True)
            for split in ("train", "val", "test")
        },
        "all": LabeledSplit(_TENTHS, partial(_pairs, "all"), misfits=True),
    },
)
