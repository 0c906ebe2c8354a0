"""What is known of the dataset that weights were trained on, in texts that files can carry."""

from pathlib import Path
from typing import Dict, Optional

from rnw.data.own.description import read_description
from rnw.data.sets.catalog import ROWS
from rnw.data.sets.summary import CLASS_NAMES, KEYS, NAME, describe_row, summarize
from rnw.files import PathLike
from rnw.weights.containers import container_of
from rnw.weights.labels import dataset_file, label_text
from rnw.weights.meaning import find_clues


def dataset_of_weights(path: PathLike) -> Dict[str, str]:
    """Return a summary of the dataset of a weights file, as `rnw.data.sets.summary` makes it.

    It is that which is described beside the file, else what the file says itself, else the one of
    the catalog that its name tells; empty where nothing does.

    Raises InputError for a file or a description that cannot be read.
    """
    container_of(path)  # raises for what is no file
    clues = find_clues(path)
    beside = description_beside(path)
    if beside is not None:
        return summarize(read_description(beside))
    said = {key: clues.metadata[key] for key in KEYS if key in clues.metadata}
    return said or _of_catalog(clues.dataset)


def dataset_within(path: PathLike) -> Optional[Dict[str, str]]:
    """Return what a weights file says of a dataset that is none of the catalog, None for others."""
    metadata = find_clues(path).metadata
    said = {key: metadata[key] for key in KEYS if key in metadata}
    if CLASS_NAMES not in said or said == _of_catalog(said.get(NAME, "")):
        return None
    return said


def _of_catalog(name: str) -> Dict[str, str]:
    row = ROWS.get(name)
    return {} if row is None else summarize(describe_row(row))


def description_beside(path: PathLike) -> Optional[Path]:
    """Return the description of its dataset beside a weights file of any format, or None.

    That is `X.dataset.yaml` beside `X_ep-0001.params`, or beside another `X.params`.
    """
    found = Path(path).with_name(dataset_file(label_text(path)))
    return found if found.is_file() else None
