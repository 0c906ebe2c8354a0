"""Rows of datasets of one's own, which no table has: made of what a description or folders say.

They are as those of the catalog, so that whatever takes a row takes them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Optional

from rnw.data.own.description import Description, write_description
from rnw.data.own.layouts import describe
from rnw.data.own.splits import read_classified, read_segmented
from rnw.data.sets.rows import OWN_SUBMISSION, Dataset, Row, SegmentationDataset
from rnw.data.sets.voc import palette
from rnw.files import write_text

TEST_SIZE = 500  # pixels of the longer side, as for most datasets of the paper
LARGEST = (2100, 2100)  # the original's bound for ADE20K


def describe_own(path: Path, val_fraction: Optional[float] = None) -> Row:
    """Return the row of a dataset that a folder or a description is about.

    Raises InputError as `rnw.data.own.layouts.describe`.
    """
    return make_row(describe(path, val_fraction))


def save_description(dataset: Row, path: Path, root: Optional[Path] = None) -> None:
    """Write the description of a dataset of one's own; nothing for one of the catalog.

    Its root is written whole, so that it is found from wherever the file lies.
    """
    if dataset.description is not None:
        root = (root or dataset.description.root).absolute()
        write_text(path, write_description(replace(dataset.description, root=root), {}))


def make_row(description: Description) -> Row:
    """Return the row of a description whose classes are known."""
    d = description
    if d.segmentation:
        return SegmentationDataset(
            d.name,
            d.name,
            d.root,
            d.classes,
            d.colors or palette(len(d.classes)),
            lambda root, split: read_segmented(d, split, root),
            dict.fromkeys(d.split_names, 0),
            LARGEST,
            recipe="",
            test_size=d.test_size or TEST_SIZE,
            train_split=d.train_split,
            test_split=d.test_split,
            submission=OWN_SUBMISSION,
            description=d,
        )
    return Dataset(
        d.name,
        d.name,
        d.root,
        len(d.classes),
        lambda: d.classes,
        lambda root, split: read_classified(d, split, root),
        d.train_split,
        d.test_split,
        recipe="",
        description=d,
    )
