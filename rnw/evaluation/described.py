"""Datasets of one's own that lie beside weights or predictions, as a training run leaves them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from rnw.data.own.description import FILE
from rnw.data.sets.catalog import DATASETS, SEGMENTATION
from rnw.data.sets.described import Row, describe_own, make_row
from rnw.data.sets.numbered import read_own_list
from rnw.data.sets.summary import CLASS_NAMES, NAME, read_summary
from rnw.evaluation.summaries import description_beside
from rnw.files import PathLike
from rnw.weights.meaning import find_clues


def dataset_beside_weights(weights: PathLike) -> Optional[Row]:
    """Return the dataset that is described beside or in a weights file; None where none is.

    Raises InputError for a description that cannot be read.
    """
    path = description_beside(weights)
    if path is not None:
        return describe_own(path)
    said = find_clues(weights).metadata
    if CLASS_NAMES not in said or said.get(NAME) in (*DATASETS, *SEGMENTATION):
        return None
    row: Any = make_row(read_summary(said, Path(weights)))  # of either task, as what it reads
    return replace(row, read=read_own_list(row.read))


def dataset_of_predictions(folder: Path) -> Optional[Row]:
    """Return the dataset that is described beside kept predictions; as `dataset_beside_weights`."""
    return describe_own(folder / FILE) if (folder / FILE).is_file() else None
