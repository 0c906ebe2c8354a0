"""TABLE of data sets: where they lie, how they are read, and what their classes are."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

from rnw.data import readers
from rnw.data.ilsvrc12 import ILSVRC12
from rnw.data.places365 import PLACES365
from rnw.data.places365_names import PLACES365_NAMES
from rnw.data.readers import Examples
from rnw.errors import InputError

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLASSES_FILE = "classes.txt"  # in the folder of a prepared data set


def _imagenet_names() -> Sequence[str]:
    from gluoncv.data.imagenet.classification import ImageNet1kAttr  # starts MXNet

    return ImageNet1kAttr().classes


@dataclass(frozen=True)
class Dataset:
    """A classification data set, named as in model labels.

    `recipe` trains on it by default, `test_split` is what it is judged on, in crops `test_scale`
    times the training crop. `published` is the number of training images as published.
    """

    name: str
    title: str
    root: Optional[Path]  # None: embedded
    classes: int
    class_names: Callable[[], Sequence[str]]
    read: Callable[[Path, str], Examples]
    train_split: str
    test_split: str
    recipe: str
    test_scale: Fraction = Fraction(1)
    published: Optional[int] = None  # None: embedded, so that they can always be counted


DATASETS: Dict[str, Dataset] = {
    row.name: row
    for row in (
        Dataset(
            "ilsvrc-cls",
            "ILSVRC 2012 classification",
            Path("data/ilsvrc12"),
            1000,
            _imagenet_names,
            readers.read_ilsvrc12,
            "train",
            "val",
            recipe="model_a",
            test_scale=Fraction(10, 7),  # 224, 112 and 56 at 320, 160 and 80 (section 6)
            published=ILSVRC12.images["train"],
        ),
        Dataset(
            "places365-cls",
            "Places365-Standard scene classification",
            Path("data/places365"),
            365,
            lambda: PLACES365_NAMES,
            readers.read_places365,
            "train",
            "val",
            recipe="places365_a2",
            test_scale=Fraction(10, 7),  # as ILSVRC
            published=PLACES365.images["train"],
        ),
        Dataset(
            "digits",
            "scikit-learn's handwritten digits",
            None,
            10,
            lambda: DIGIT_NAMES,
            readers.read_digits,
            "train",
            "test",
            recipe="digits",
        ),
    )
}


def find_dataset(name: str) -> Dataset:
    """The data set called `name`; raises InputError for an unknown one."""
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}: expected one of {', '.join(DATASETS)}")
    return DATASETS[name]


def read_examples(dataset: Dataset, split: str, root: Optional[Path] = None) -> Examples:
    """The examples of a split, from `root` or where the data set is expected.

    Raises InputError that says what is missing.
    """
    return dataset.read(root or dataset.root or Path(), split)


def count_training_images(dataset: Dataset, root: Optional[Path] = None) -> int:
    """As many as the list under `root` has, or where there is none as are published.

    Raises InputError for a list that cannot be read.
    """
    listing = (root or dataset.root or Path()) / f"{dataset.train_split}.lst"
    if dataset.published is not None and not listing.is_file():
        return dataset.published
    return len(read_examples(dataset, dataset.train_split, root).labels)
