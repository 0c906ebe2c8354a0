"""Predictions as files: an .npz of all probabilities, and the text that ILSVRC's server takes."""

from pathlib import Path
from typing import NamedTuple, Optional, Sequence

import numpy as np

from rnw.data.picture_types import Classified, Examples
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError
from rnw.evaluation.classification.kept import picture_name
from rnw.evaluation.classification.scores import top_classes
from rnw.files import check_free, write_text
from rnw.weights.npz_file import write_npz


class Numbering(NamedTuple):
    """The number (classes,) that a submission gives to each class, and where it is from.

    Names of classes may stand in the place of numbers.
    """

    numbers: np.ndarray
    description: str


def find_numbering(
    dataset: Dataset,
    root: Path,
    devkit: Optional[Path] = None,
    labels: Optional[Sequence[str]] = None,
) -> Numbering:
    """Return the official number of each class (ILSVRC2012_ID), from a development kit.

    labels: ids of a network's classes (WordNet ids); None: all of the dataset's, sorted; an empty
        sequence: unknown.

    Without `devkit` one is looked for in `root`. Where there is none, or it is for other classes,
    classes are numbered from 1 in label order. No server takes predictions on data of one's own:
    these are of class names. Raises InputError for a `devkit` that does not fit,
    or for a dataset that has no official numbers.
    """
    official = dataset.class_numbers
    if official is None and devkit is not None:
        raise InputError(f"{devkit}: {dataset.title} has no official class numbers to look up")
    if dataset.description is not None:
        names = np.array(dataset.class_names())
        return Numbering(names, "none, but the names of pictures and classes")
    source = official.find(devkit or root) or devkit if official else None
    if official is not None and source is not None:
        numbers = official.read(source)
        wnids = labels
        if labels is None:
            wnids = sorted(numbers) if len(numbers) == dataset.classes else ()
        if wnids and numbers.keys() >= set(wnids):
            by_label = [numbers[wnid] for wnid in wnids]
            return Numbering(np.array(by_label), f"{official.name} of {source}")
        if devkit is not None:
            whose = f"{dataset.title} has {dataset.classes}"
            if labels is not None:
                whose = "the network is for a subset whose classes are not known as such"
            raise InputError(f"{devkit}: is for {len(numbers)} classes, {whose}")
    count = len(labels or ()) or dataset.classes
    return Numbering(np.arange(count) + 1, "labels from 1, not ILSVRC2012_ID")


def submission_file(path: Path) -> Path:
    """Return the submission beside an .npz file of predictions."""
    return path.with_suffix(".txt")


def check_predictions_file(path: Path, overwrite: bool) -> None:
    """Raise InputError when predictions cannot be written to `path` and beside it."""
    if path.suffix != ".npz":
        raise InputError(f"{path}: expected a name that ends in .npz")
    check_free(path, submission_file(path), overwrite=overwrite)


def write_predictions(
    path: Path,
    probabilities: np.ndarray,
    examples: Classified,
    numbering: Numbering,
) -> None:
    """Write `path` and the submission beside it.

    The .npz has `probabilities` (N, classes) float32, `labels` (N,) and `images` (N,), file names.
    The text has a line for each image, in order: the numbers of its five most probable classes,
    best first. For data of one's own, it has the path of the image and names of classes, between
    tabs.
    """
    images = np.array([picture_name(examples, index) for index in range(len(probabilities))])
    labels = np.asarray(examples.labels)
    write_npz(path, {"probabilities": probabilities, "labels": labels, "images": images})
    best = numbering.numbers[top_classes(probabilities)].tolist()
    if isinstance(examples, Examples) or numbering.numbers.dtype.kind != "U":
        lines = [" ".join(map(str, row)) for row in best]
    else:
        lines = ["\t".join((examples.name(index), *row)) for index, row in enumerate(best)]
    write_text(submission_file(path), "".join(f"{line}\n" for line in lines))
