"""Data that is prepared for some of the classes: what its labels are to a network of all."""

import copy
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from rnw.data.lists import CLASSES_FILE, read_classes
from rnw.data.picture_types import Classified, Examples
from rnw.data.sets.catalog import check_labels
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError


def match_labels(
    dataset: Dataset, split: str, root: Optional[Path], labels: np.ndarray, classes: int, whose: str
) -> np.ndarray:
    """Labels (N,) of prepared data as a network of `classes` classes, `whose`, has them.

    A network of all classes of the dataset gets those of a subset by the names in `classes.txt`
    (WordNet ids or names of categories); another one was trained on the subset and has its labels.

    Raises InputError for names of no class, and for labels beyond the classes.
    """
    names = (root or dataset.root or Path()) / CLASSES_FILE
    found = dataset.class_ids
    if classes == dataset.classes and found and names.is_file():
        found = read_classes(names)
    if found == dataset.class_ids:
        check_labels(dataset, split, root, labels, classes, whose)
        return labels
    check_labels(dataset, split, root, labels, len(found), str(names))
    return _numbers(dataset, found, names)[labels]


def _numbers(dataset: Dataset, found: Sequence[str], path: Path) -> np.ndarray:
    """The official label of each class that is found in a file."""
    numbers = {name: label for label, name in enumerate(dataset.class_ids)}
    unknown = next((line for line, name in enumerate(found) if name not in numbers), None)
    if unknown is not None:
        raise InputError(
            f"{path}: line {unknown + 1} is {found[unknown]!r}, none of the {dataset.classes} "
            f"classes of {dataset.title}, such as {dataset.class_ids[0]}: prepare the data anew in "
            "folders of these names, or remove the file where the labels are those of all classes"
        )
    return np.array([numbers[name] for name in found])


def with_labels(examples: Classified, labels: np.ndarray) -> Classified:
    """Return the same pictures with other labels (N,)."""
    if labels is examples.labels:
        return examples
    if isinstance(examples, Examples):
        return examples._replace(labels=labels)
    changed = copy.copy(examples)
    changed.labels = labels
    return changed
