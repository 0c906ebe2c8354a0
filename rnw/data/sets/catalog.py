"""TABLE of datasets: where they lie, how they are read, and what their classes are."""

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from rnw.data import readers
from rnw.data.label_meaning import LabelMeaning
from rnw.data.labeled import read_label
from rnw.data.lists import CLASSES_FILE, read_classes
from rnw.data.readers import Examples
from rnw.data.sets import ade20k, cityscapes, pascal_context, shapes, voc
from rnw.data.sets.ilsvrc12 import ILSVRC12
from rnw.data.sets.ilsvrc12_ids import WORDNET_IDS
from rnw.data.sets.places365 import PLACES365
from rnw.data.sets.places365_names import PLACES365_NAMES
from rnw.errors import InputError, look_up

LOOKED_AT = 16  # label maps of a split, before all of them are read one by one
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

logger = logging.getLogger(__name__)


def _imagenet_names() -> Sequence[str]:
    from gluoncv.data.imagenet.classification import ImageNet1kAttr  # starts MXNet

    return ImageNet1kAttr().classes


@dataclass(frozen=True)
class Dataset:
    """A classification dataset, named as in model labels.

    `recipe` trains on it by default, `test_split` is what it is judged on, in crops `test_scale`
    times the training crop. `published` is the number of training images as published, `class_ids`
    what names the classes, by label, where data is prepared. One that is not `known` stands for a
    name that is in no table.
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
    class_ids: Tuple[str, ...] = ()
    known: bool = True


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
            class_ids=WORDNET_IDS,
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
            class_ids=PLACES365_NAMES,
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
        Dataset(
            "shapes-cls",
            "drawn shapes, one a picture",
            None,
            len(shapes.CLASSES) - 1,
            lambda: shapes.CLASSES[1:],
            shapes.read_shape_crops,
            "train",
            "test",
            recipe="shapes-cls",
            test_scale=Fraction(8, 7),  # whole pictures
        ),
    )
}


@dataclass(frozen=True)
class SegmentationDataset:
    """A segmentation dataset, named as in model labels.

    read: root and split to the pictures, with the interface of `labeled.LabeledImages`.
    counts: pictures by split, where they are published. palette: (R, G, B) of each class in
    predictions. label_ids: of the classes in the published label maps and in submissions, None
    where these are the classes themselves. meaning: what published label maps are checked for.
    largest: (height, width) that no picture exceeds. recipe: trains on it by default; test_split:
    what it is judged on; test_size: longer side there, in pixels.
    identical_sizes: all pictures have the size `largest`, so that tests need no square inputs.
    known: not a stand-in for a name that is in no table.
    """

    name: str
    title: str
    root: Optional[Path]  # None: embedded
    class_names: Tuple[str, ...]
    palette: Tuple[Tuple[int, int, int], ...]
    read: Callable[[Path, str], Any]
    counts: Mapping[str, int]
    largest: Tuple[int, int]
    recipe: str
    test_size: int
    train_split: str = "train"
    test_split: str = "val"
    label_ids: Optional[Tuple[int, ...]] = None
    meaning: Optional[LabelMeaning] = None  # None: embedded
    identical_sizes: bool = False
    known: bool = True

    @property
    def classes(self) -> int:
        return len(self.class_names)


SEGMENTATION: Dict[str, SegmentationDataset] = {
    row.name: row
    for row in (  # counts of section 6.2; sizes of tests from the original's README
        SegmentationDataset(
            "voc",
            "PASCAL VOC 2012",
            Path("data/voc"),
            voc.CLASSES,
            voc.palette(len(voc.CLASSES)),
            voc.read_voc,
            {"train": 1464, "val": 1449, "test": 1456, "train_aug": 10_582},
            (640, 640),  # COCO's; VOC's own are 500 x 500 at most
            recipe="voc",
            test_size=500,
            train_split="train_aug",
            meaning=voc.MEANING,
        ),
        SegmentationDataset(
            "cityscapes",
            "Cityscapes",
            Path("data/cityscapes"),
            cityscapes.CLASSES,
            cityscapes.PALETTE,
            cityscapes.read_cityscapes,
            {"train": 2975, "val": 500, "test": 1525, "train_extra": 19_998},
            (1024, 2048),
            recipe="cityscapes",
            test_size=2048,
            label_ids=cityscapes.LABEL_IDS,
            meaning=cityscapes.MEANING,
            identical_sizes=True,
        ),
        SegmentationDataset(
            "ade20k",
            "ADE20K scene parsing",
            Path("data/ade20k"),
            ade20k.CLASSES,
            ade20k.PALETTE,
            ade20k.read_ade20k,
            {"train": 20_210, "val": 2000, "test": 3352},
            (2100, 2100),  # the original's bound
            recipe="ade20k",
            test_size=500,
            label_ids=ade20k.LABEL_IDS,
            meaning=ade20k.MEANING,
        ),
        SegmentationDataset(
            "pascal-context",
            "PASCAL Context",
            Path("data/pascal-context"),
            pascal_context.CLASSES,
            voc.palette(len(pascal_context.CLASSES)),
            pascal_context.read_pascal_context,
            {"train": 4998, "val": 5105},
            (500, 500),
            recipe="pascal-context",
            test_size=500,
            meaning=pascal_context.MEANING,
        ),
        SegmentationDataset(
            "shapes",
            "drawn shapes",
            None,
            shapes.CLASSES,
            ((128, 128, 128), (230, 80, 60), (70, 130, 230), (90, 190, 90), (240, 190, 60)),
            shapes.read_shapes,
            {"train": shapes.TRAINING, "val": shapes.HELD_OUT},
            (shapes.SIZE, shapes.SIZE),
            recipe="shapes",
            test_size=128,  # enlarged: a shape is then several cells wide at stride 8
            identical_sizes=True,
        ),
    )
}


def find_segmentation_dataset(name: str) -> SegmentationDataset:
    """The segmentation dataset called `name`; raises InputError for an unknown one."""
    return look_up(SEGMENTATION, name, "dataset")


def find_dataset(name: str) -> Dataset:
    """The dataset called `name`; raises InputError for an unknown one."""
    return look_up(DATASETS, name, "dataset")


def read_examples(dataset: Dataset, split: str, root: Optional[Path] = None) -> Examples:
    """The examples of a split, from `root` or where the dataset is expected.

    Raises InputError that says what is missing.
    """
    return dataset.read(root or dataset.root or Path(), split)


def read_pictures(dataset: SegmentationDataset, split: str, root: Optional[Path] = None) -> Any:
    """The pictures of a split with their label maps, as `read_examples`.

    Raises InputError also for a split that is not published and has no list.
    """
    root = root or dataset.root
    listing = root / f"{split}.lst" if root else None
    if split not in dataset.counts and not (listing and listing.exists()):
        lists = f", or a list, {listing} (see rnw/data/README.md)" if listing else ""
        raise InputError(
            f"split {split!r} of {dataset.title}: expected {', '.join(dataset.counts)}{lists}"
        )
    return dataset.read(root or Path(), split)


def check_labels(
    dataset: Dataset, split: str, root: Optional[Path], labels: np.ndarray, classes: int, whose: str
) -> None:
    """Raises InputError for labels (N,) beyond the `classes` of `whose`, naming list and line."""
    beyond = np.flatnonzero(labels >= classes)
    if not len(beyond):
        return
    if dataset.root is None:
        found = int(labels.max()) + 1
        raise InputError(f"{dataset.title} has {found} classes, {whose} {classes}")
    raise InputError(
        f"{(root or dataset.root) / f'{split}.lst'}: line {beyond[0] + 1} has label "
        f"{labels[beyond[0]]}, expected 0 to {classes - 1}, the {classes} classes of {whose}"
    )


def check_classes(dataset: Dataset, root: Optional[Path], classes: int) -> None:
    """Raise InputError for more `classes` than data under `root` has: none could be tested there.

    Data prepared for a subset is also for a network of all classes of the dataset.
    """
    prepared = len(prepared_classes(dataset, root))
    if classes <= (prepared or dataset.classes) or classes == dataset.classes:
        return
    subset = f", and is prepared for {prepared}" if prepared else ""
    raise InputError(
        f"{dataset.title} has {dataset.classes} classes{subset}, the recipe {classes}: a network "
        f"of so many could not be tested; --set classes={prepared or dataset.classes}"
    )


def check_label_maps(dataset: SegmentationDataset, pictures: Any) -> None:
    """Look at a few label maps of a split, evenly spread, before all of them are used.

    Logs a warning where their numbers look as if they meant something else, and raises InputError
    where they do (see `LabelMeaning`).
    """
    if dataset.meaning is None or not pictures.has_labels:
        return
    counts = np.zeros(256, np.int64)
    for index in range(0, len(pictures), 1 + (len(pictures) - 1) // LOOKED_AT):
        name = pictures.label_name(index)
        counts += np.bincount(read_label(name, dataset.meaning).ravel(), minlength=256)
    warning = dataset.meaning.warning(counts)
    if warning:
        logger.warning("%s: %s", Path(name).parent, warning)


def prepared_classes(dataset: Dataset, root: Optional[Path] = None) -> Tuple[str, ...]:
    """Names by label if data was prepared for a subset of the classes, else none.

    Raises InputError when they cannot be read.
    """
    path = (root or dataset.root or Path()) / CLASSES_FILE
    if dataset.root is None or not path.is_file():
        return ()
    names = read_classes(path)
    return names if len(names) < dataset.classes else ()


def published_images(dataset: Dataset, root: Optional[Path] = None) -> Optional[int]:
    """The published number of training images, None where a list under `root` tells the number."""
    listing = (root or dataset.root or Path()) / f"{dataset.train_split}.lst"
    return None if listing.exists() else dataset.published


def published_pictures(
    dataset: SegmentationDataset, split: str, root: Optional[Path] = None
) -> Optional[int]:
    """The published number of pictures of a split, None where the dataset is there to be read."""
    root = root or dataset.root
    return None if root is None or root.exists() else dataset.counts.get(split)
