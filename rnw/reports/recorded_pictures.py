"""The pictures that recorded predictions are about, where their dataset is there."""

from pathlib import Path
from typing import Callable, Optional

import numpy as np

from rnw.data.picture_types import Examples
from rnw.data.readers import read_picture
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.numbered import dataset_or_numbered
from rnw.data.sets.reading import read_examples
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError
from rnw.evaluation.classification.kept import picture_name
from rnw.evaluation.classification.record import Record
from rnw.evaluation.described import dataset_of_predictions

ReadPicture = Callable[[int], np.ndarray]


def recorded_pictures(
    folder: Path,
    record: Record,
    *,
    dataset: Optional[str] = None,
    split: Optional[str] = None,
    data_root: Optional[Path] = None,
) -> ReadPicture:
    """Return a function from a picture's index to its pixels (H, W, 3) uint8.

    dataset: its name or path. Dataset and split are by default those of the record.

    Raises InputError where these are others than those of the record. The function raises it
    where the data or a picture is missing, and where the dataset has other pictures now.
    """
    row = _find_row(folder, record, dataset)
    for option, given, known in (
        ("dataset", row.name, record.dataset),
        ("split", split or record.split, record.split),
    ):
        if given != known:
            raise InputError(f"{folder}: has predictions for {known}, not for --{option} {given}")
    try:
        return _reader(row, record, data_root)
    except InputError as error:
        reason = str(error)

    def refuse(index: int) -> np.ndarray:
        raise InputError(reason)

    return refuse


def _find_row(folder: Path, record: Record, dataset: Optional[str]) -> Dataset:
    """Return the dataset that is given, else the one beside the predictions, else by its name."""
    if dataset is not None:
        return find_dataset(dataset)
    beside = dataset_of_predictions(folder)
    if isinstance(beside, Dataset) and beside.name == record.dataset:
        return beside
    return dataset_or_numbered(record.dataset, len(record.class_names))


def _reader(row: Dataset, record: Record, data_root: Optional[Path]) -> ReadPicture:
    examples = read_examples(row, record.split, data_root)
    names = [picture_name(examples, index) for index in range(len(examples.labels))]
    if names != record.pictures:
        raise InputError(f"{row.title}, {record.split}: has other pictures than were predicted")
    if isinstance(examples, Examples):
        return lambda index: examples.images[index]
    source = examples
    return lambda index: read_picture(source, index)
