"""Datasets that are in no table, as some weights files are named after: numbered classes.

They are read from lists in the form that `rnw prepare` writes.
"""

from functools import partial
from pathlib import Path
from typing import Callable, Sequence, TypeVar, Union

from rnw.data.label_meaning import LabelMeaning
from rnw.data.labeled import IGNORED, read_labeled
from rnw.data.readers import read_listed
from rnw.data.sets import voc
from rnw.data.sets.catalog import DATASETS, SEGMENTATION
from rnw.data.sets.rows import Dataset, SegmentationDataset
from rnw.errors import InputError

Pictures = TypeVar("Pictures")

TEST_SIZE = 500  # pixels of the longer side, as for most datasets of the paper
LARGEST = (2100, 2100)  # the original's bound for ADE20K


def dataset_or_numbered(name: str, classes: int) -> Dataset:
    """The dataset called `name`; for one that is not known so many numbered classes."""
    if name in DATASETS:
        return DATASETS[name]
    return Dataset(
        name,
        _title(name),
        Path("data", name),
        classes,
        lambda: _numbered(classes),
        _reader(partial(read_listed, tool="")),
        "train",
        "val",
        recipe="",
        known=False,
    )


def segmentation_dataset_or_numbered(name: str, classes: int) -> SegmentationDataset:
    """As `dataset_or_numbered`, in the colors of VOC.

    Raises InputError for more classes than label maps can hold.
    """
    if name in SEGMENTATION:
        return SEGMENTATION[name]
    if classes > IGNORED:
        raise InputError(f"{classes} classes: expected at most {IGNORED}, label maps have 8 bits")
    meaning = LabelMeaning(_title(name), tuple(range(classes)))
    return SegmentationDataset(
        name,
        meaning.title,
        Path("data", name),
        tuple(_numbered(classes)),
        voc.palette(classes),
        _reader(partial(read_labeled, tool="", meaning=meaning)),
        {"val": 0},
        LARGEST,
        recipe="",
        test_size=TEST_SIZE,
        meaning=meaning,
        known=False,
    )


def numbering_note(dataset: Union[Dataset, SegmentationDataset]) -> str:
    """What is to be said of a dataset that is not known; nothing of one that is."""
    if dataset.known:
        return ""
    return f"{dataset.title} is not known: its classes are numbered; --dataset says whose they are"


def _title(name: str) -> str:
    return f"dataset {name!r}" if name else "the dataset"


def _numbered(classes: int) -> Sequence[str]:
    return [f"class {number}" for number in range(classes)]


def _reader(read: Callable[[Path, str], Pictures]) -> Callable[[Path, str], Pictures]:
    def read_own(root: Path, split: str) -> Pictures:
        listing = root / f"{split}.lst"
        if not listing.is_file():
            raise InputError(
                f"{listing}: no such list, and the weights are for no dataset that is known: give "
                "--dataset, or a list of its pictures in --data-root"
            )
        return read(root, split)

    return read_own
