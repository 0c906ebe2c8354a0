"""Data that is prepared for a subset of the classes, and networks of all classes."""

import copy
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from rnw.data.lists import CLASSES_FILE, read_classes
from rnw.data.picture_types import Classified, Examples
from rnw.data.sets.reading import check_labels
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError


def match_labels(
    dataset: Dataset, split: str, root: Optional[Path], labels: np.ndarray, classes: int, whose: str
) -> np.ndarray:
    """Return the labels (N,) of prepared data in the numbering of a network of `classes` classes.

    For a network of all classes of the dataset, labels of a subset are matched by the names in
    `classes.txt` (WordNet ids or names of categories); any other network was trained on the subset
    and has its labels. whose: the network, for messages.

    Raises InputError for names that are not classes, and for labels beyond the classes.
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
    """Return the official label of each class in a file of class names."""
    numbers = {name: label for label, name in enumerate(dataset.class_ids)}
    unknown = next((line for line, name in enumerate(found) if name not in numbers), None)
    if unknown is not None:
        raise InputError(
            f"{path}: line {unknown + 1} is {found[unknown]!r}, none of the {dataset.classes} "
            f"classes of {dataset.title}, such as {dataset.class_ids[0]}: prepare the data again "
            "with folders of these names, or remove the file if the labels are those of all classes"
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
