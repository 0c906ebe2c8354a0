"""Stand-ins with numbered classes for unknown datasets, which some weights files are named after.

They are read from lists in the format that `rnw prepare` writes.
"""

from functools import partial
from pathlib import Path
from typing import Callable, Sequence, TypeVar, Union

from rnw.data.label_meaning import LabelMeaning
from rnw.data.labeled import read_labeled
from rnw.data.readers import read_listed
from rnw.data.sets import voc
from rnw.data.sets.catalog import DATASETS, SEGMENTATION
from rnw.data.sets.ilsvrc12 import CLASS_NUMBERS
from rnw.data.sets.rows import Dataset, SegmentationDataset
from rnw.errors import InputError
from rnw.networks.heads import IGNORED_LABEL

Pictures = TypeVar("Pictures")

TEST_SIZE = 500  # pixels of the longer side, as for most datasets of the paper
LARGEST = (2100, 2100)  # the original's bound for ADE20K


def dataset_or_numbered(name: str, classes: int) -> Dataset:
    """Return the dataset called `name`, or for an unknown one a stand-in with numbered classes."""
    if name in DATASETS:
        return DATASETS[name]
    return Dataset(
        name,
        _title(name),
        Path("data", name),
        classes,
        lambda: _numbered(classes),
        read_own_list(partial(read_listed, tool="")),
        "train",
        "val",
        recipe="",
        class_numbers=CLASS_NUMBERS,  # where a development kit is given
        known=False,
    )


def segmentation_dataset_or_numbered(name: str, classes: int) -> SegmentationDataset:
    """Return a segmentation dataset as `dataset_or_numbered` does, with the colors of VOC.

    Raises InputError for more classes than 8-bit label maps can have.
    """
    if name in SEGMENTATION:
        return SEGMENTATION[name]
    if classes > IGNORED_LABEL:
        raise InputError(
            f"{classes} classes: expected at most {IGNORED_LABEL}, label maps have 8 bits"
        )
    meaning = LabelMeaning(_title(name), tuple(range(classes)))
    return SegmentationDataset(
        name,
        meaning.title,
        Path("data", name),
        tuple(_numbered(classes)),
        voc.palette(classes),
        read_own_list(partial(read_labeled, tool="", meaning=meaning)),
        {"val": 0},
        LARGEST,
        recipe="",
        test_size=TEST_SIZE,
        meaning=meaning,
        known=False,
    )


def numbering_note(dataset: Union[Dataset, SegmentationDataset]) -> str:
    """Return a remark about an unknown dataset, or an empty string for a known one."""
    if dataset.known:
        return ""
    return f"{dataset.title} is unknown: its classes are numbered; give --dataset to name them"


def _title(name: str) -> str:
    return f"dataset {name!r}" if name else "the dataset"


def _numbered(classes: int) -> Sequence[str]:
    return [f"class {number}" for number in range(classes)]


def read_own_list(read: Callable[[Path, str], Pictures]) -> Callable[[Path, str], Pictures]:
    """Return `read`, which then raises InputError where there is no list of the dataset."""

    def read_own(root: Path, split: str) -> Pictures:
        listing = root / f"{split}.lst"
        if not listing.is_file():
            raise InputError(
                f"{listing}: no such list of the dataset that the weights are for: give --dataset, "
                "or a list of its pictures in --data-root"
            )
        return read(root, split)

    return read_own
