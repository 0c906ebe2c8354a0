"""A record beside kept predictions of what they are compared with, so that reports need no more."""

from pathlib import Path
from typing import Dict, List, NamedTuple

import numpy as np

from rnw.errors import InputError
from rnw.evaluation.classification.kept import read_kept
from rnw.evaluation.computing import Computing
from rnw.evaluation.origins import find_differences
from rnw.files import read_json, write_json

RECORD = "eval-cls.json"


class Record(NamedTuple):
    """What an evaluation was, the last one that kept predictions in a folder.

    files: the predictions at each scale. class_names: of all classes of the network. pictures:
    their names in the order of the split. labels: their true classes.
    """

    dataset: str
    title: str
    split: str
    protocol: str
    files: List[str]
    class_names: List[str]
    pictures: List[str]
    labels: List[int]


class KeptPredictions(NamedTuple):
    """Predictions of an evaluation: probabilities (N, classes) float32, averaged over the scales.

    weights: the name of the weights file, and its checksum; empty where it is not known. computing:
    a line that names engine and precision; empty for the reference, MXNet in float32.
    """

    record: Record
    probabilities: np.ndarray
    weights: str
    computing: str = ""


def write_record(folder: Path, record: Record) -> None:
    """Write the record of an evaluation whose predictions are all kept in a folder."""
    write_json(folder / RECORD, record._asdict())


def read_predictions(folder: Path) -> KeptPredictions:
    """Return the predictions of the last evaluation that was finished.

    Raises InputError for files that cannot be read or do not fit the record.
    """
    record = _read_record(folder / RECORD)
    shape = len(record.labels), len(record.class_names)
    by_scale: List[np.ndarray] = []
    origin: Dict[str, str] = {}
    for name in record.files:
        probabilities, found = read_kept(folder / name, shape)
        if len(probabilities) < len(record.labels):
            raise InputError(
                f"{folder / name}: has predictions for {len(probabilities)} of "
                f"{len(record.labels)} pictures; run `rnw eval-cls` again to finish them"
            )
        origin = origin or found
        if find_differences(found, origin) or find_differences(origin, found):
            raise InputError(
                f"{folder / name}: was made by other weights or another engine or provider, in "
                f"another precision or of other pictures than {record.files[0]}; run "
                "`rnw eval-cls` again with --overwrite"
            )
        by_scale.append(probabilities)
    computing = Computing.of_record(origin).note
    return KeptPredictions(record, np.mean(by_scale, axis=0), origin.get("weights", ""), computing)


def _read_record(path: Path) -> Record:
    content = read_json(path)
    try:
        record = Record(**content)
        _check(record)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: {error}; run `rnw eval-cls` again to replace it") from error
    return record


def _check(record: Record) -> None:
    """Raise ValueError unless each picture has a label that is a class, and files are named."""
    labels = np.array(record.labels, np.int64)
    if not record.files or labels.shape != (len(record.pictures),) or not len(labels):
        raise ValueError("expected files, and as many labels as pictures")
    if labels.min() < 0 or labels.max() >= len(record.class_names):
        raise ValueError(f"labels from {labels.min()} to {labels.max()} are not all classes")
