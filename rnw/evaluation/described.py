"""Datasets of one's own that lie beside weights or predictions, as a training run leaves them."""

from pathlib import Path
from typing import Optional

from rnw.data.own.description import FILE
from rnw.data.sets.described import Row, describe_own
from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.inputs import IMAGENET, Normalization
from rnw.weights.labels import dataset_file, parse_label


def dataset_beside_weights(weights: PathLike) -> Optional[Row]:
    """Return the dataset that is described beside a weights file; None where none is.

    Raises InputError for a description that cannot be read.
    """
    try:
        path = Path(weights).parent / dataset_file(str(parse_label(weights)))
    except InputError:  # another name, which tells no file beside it
        return None
    return describe_own(path) if path.is_file() else None


def normalization_of_weights(weights: PathLike) -> Normalization:
    """Return how the dataset of a weights file is normalized; as `dataset_beside_weights`."""
    row = dataset_beside_weights(weights)
    return IMAGENET if row is None else row.normalization


def dataset_of_predictions(folder: Path) -> Optional[Row]:
    """Return the dataset that is described beside kept predictions; as `dataset_beside_weights`."""
    return describe_own(folder / FILE) if (folder / FILE).is_file() else None
