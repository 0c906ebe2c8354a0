"""Pictures and labels of a dataset's splits, and whether they fit its classes and a network's."""

import contextlib
import logging
from pathlib import Path
from typing import Iterator, Optional, Tuple, Union

import numpy as np

from rnw.data.lists import CLASSES_FILE, read_classes
from rnw.data.picture_types import Classified, ClassifiedSource, Examples, LabeledSource
from rnw.data.sets.rows import Dataset, Row, SegmentationDataset
from rnw.errors import InputError

Source = Union[ClassifiedSource, LabeledSource]
LOOKED_AT = 16  # label maps of a split that are checked before all are read one by one

logger = logging.getLogger(__name__)


def read_split(dataset: Row, split: str, root: Optional[Path] = None) -> Source:
    """Return the pictures of a split, whatever the task; raises InputError as `read_examples`.

    Pictures that are in memory already, such as embedded ones, are no source: they are refused.
    """
    if isinstance(dataset, SegmentationDataset):
        return read_pictures(dataset, split, root)
    found = read_examples(dataset, split, root)
    if isinstance(found, Examples):
        where = "is embedded in the package" if dataset.root is None else "is in few large files"
        raise InputError(f"{dataset.title} {where}: there are no files of single pictures")
    return found


def count_pictures(dataset: Row, split: str, root: Optional[Path] = None) -> int:
    """Return the number of pictures of a split, whatever the task; raise as `read_examples`."""
    if isinstance(dataset, SegmentationDataset):
        return len(read_pictures(dataset, split, root))
    return len(read_examples(dataset, split, root).labels)


def read_examples(dataset: Dataset, split: str, root: Optional[Path] = None) -> Classified:
    """Return the examples of a split, from `root` or from the dataset's own folder.

    Raises InputError that says what is missing, and where there is nothing to train on.
    """
    if not split:
        raise InputError(f"{dataset.title} is for tests alone: it has no split to train on")
    with _own_folder_named(dataset, root):
        return dataset.read(root or dataset.root or Path(), split)


@contextlib.contextmanager
def _own_folder_named(dataset: Row, root: Optional[Path]) -> Iterator[None]:
    """Where a dataset is not there, but a folder of its name is, tell how that folder is called."""
    try:
        yield
    except InputError as error:
        place = root or dataset.root
        if place is None or place.exists() or not Path(dataset.name).is_dir():
            raise
        name = dataset.name
        raise InputError(
            f"{error}; {name} is a name of the catalog, the folder is called ./{name}"
        ) from None


def read_pictures(
    dataset: SegmentationDataset, split: str, root: Optional[Path] = None
) -> LabeledSource:
    """Return the pictures of a split with their label maps, as `read_examples` does.

    Raises InputError also for a split that is not published and has no list.
    """
    place = root or dataset.root
    listing = place / f"{split}.lst" if place else None
    known = [*dataset.counts, *dataset.composed]
    if split not in known and not (listing and listing.exists()):
        lists = f", or a list, {listing} (see rnw/data/README.md)" if listing else ""
        raise InputError(f"split {split!r} of {dataset.title}: expected {', '.join(known)}{lists}")
    with _own_folder_named(dataset, root):
        return dataset.read(place or Path(), split)


def check_labels(
    dataset: Dataset, split: str, root: Optional[Path], labels: np.ndarray, classes: int, whose: str
) -> None:
    """Raise InputError for labels (N,) beyond the `classes` of `whose`, naming list and line."""
    beyond = np.flatnonzero(labels >= classes)
    if not len(beyond):
        return
    if dataset.root is None or dataset.description is not None:  # no list that is ours
        found = int(labels.max()) + 1
        raise InputError(f"{dataset.title} has {found} classes, {whose} {classes}")
    raise InputError(
        f"{(root or dataset.root) / f'{split}.lst'}: line {beyond[0] + 1} has label "
        f"{labels[beyond[0]]}, expected 0 to {classes - 1}, the {classes} classes of {whose}"
    )


def check_classes(dataset: Dataset, root: Optional[Path], classes: int) -> None:
    """Raise InputError for a network of more `classes` than data under `root` can test.

    Data prepared for a subset can also test a network of all classes of the dataset.
    """
    prepared = len(prepared_classes(dataset, root))
    if classes <= (prepared or dataset.classes) or classes == dataset.classes:
        return
    subset = f", and is prepared for {prepared}" if prepared else ""
    raise InputError(
        f"{dataset.title} has {dataset.classes} classes{subset}, the recipe {classes}: a network "
        f"of that many could not be tested; --set classes={prepared or dataset.classes}"
    )


def check_label_maps(dataset: SegmentationDataset, pictures: LabeledSource) -> None:
    """Check a few label maps of a split, evenly spread, before all of them are used.

    Logs a warning where their numbers seem not to stand for the dataset's classes, and raises
    InputError where they certainly do not (see `LabelMeaning`).
    """
    if dataset.meaning is None or not pictures.has_labels:
        return
    from rnw.data.labeled import read_label  # needs an extra

    counts = np.zeros(256, np.int64)
    for index in range(0, len(pictures), 1 + (len(pictures) - 1) // LOOKED_AT):
        name = pictures.label_name(index)
        counts += np.bincount(read_label(name, dataset.meaning).ravel(), minlength=256)
    warning = dataset.meaning.warning(counts)
    if warning:
        logger.warning("%s: %s", Path(name).parent, warning)


def prepared_classes(dataset: Dataset, root: Optional[Path] = None) -> Tuple[str, ...]:
    """Return the class names in label order if data was prepared for a subset, else ().

    Raises InputError when they cannot be read.
    """
    path = (root or dataset.root or Path()) / CLASSES_FILE
    if dataset.root is None or dataset.description is not None or not path.is_file():
        return ()
    names = read_classes(path)
    return names if len(names) < dataset.classes else ()


def published_images(
    dataset: Dataset, root: Optional[Path] = None, split: Optional[str] = None
) -> Optional[int]:
    """Return the published number of images of a split, None where a list under `root` has it.

    By default that is the training split.
    """
    split = split or dataset.train_split
    listing = (root or dataset.root or Path()) / f"{split}.lst"
    if listing.exists() or dataset.publication is None:
        return None
    return dataset.publication.images.get(split)


def published_pictures(
    dataset: SegmentationDataset, split: str, root: Optional[Path] = None
) -> Optional[int]:
    """Return the published number of pictures of a split, None where the dataset is found."""
    root = root or dataset.root
    return None if root is None or root.exists() else dataset.published_count(split)
