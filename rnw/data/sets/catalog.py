"""TABLE of datasets: each is a module of this folder, whose `DATASET` describes it completely.

Importing it needs none of the extras.
"""

from importlib import import_module
from pathlib import Path
from typing import Dict, List, Mapping, Tuple, Union

from rnw.data.sets.rows import Dataset, Row, SegmentationDataset
from rnw.errors import InputError, look_up
from rnw.files import YAML_SUFFIXES

MODULES = (
    "ilsvrc12",
    "places365",
    "digits",
    "shapes_cls",
    "voc",
    "cityscapes",
    "ade20k",
    "pascal_context",
    "shapes",
    "camvid",
    "cifar10",
    "cifar100",
    "imagenetv2",
    "gta5",
    "synthia",
    "mapillary_vistas",
    "pascal_context_59",
    "coco_segmentation",
    "sbd",
)

HELD_OUT = "#val-fraction="  # after a path: the part of the pictures to hold out as split val

_ROWS = [import_module(f"{__package__}.{module}").DATASET for module in MODULES]
DATASETS: Dict[str, Dataset] = {row.name: row for row in _ROWS if isinstance(row, Dataset)}
SEGMENTATION: Dict[str, SegmentationDataset] = {
    row.name: row for row in _ROWS if isinstance(row, SegmentationDataset)
}


def to_prepare() -> Tuple[str, ...]:
    """Return the names of the datasets that `rnw prepare` makes from official archives."""
    rows: List[Row] = [*DATASETS.values(), *SEGMENTATION.values()]
    return tuple(row.name for row in rows if row.publication is not None)


def find_segmentation_dataset(name: Union[str, Row]) -> SegmentationDataset:
    """Return the segmentation dataset of that name, or of a folder or description of that path.

    A row, which has been found before, is returned as it is. Raises InputError for an unknown
    dataset, and for one that is for classification.
    """
    found = find_any_dataset(name, SEGMENTATION)
    if not isinstance(found, SegmentationDataset):
        raise InputError(
            f"{_called(name)}: is a dataset for classification, expected one for segmentation"
        )
    return found


def find_dataset(name: Union[str, Row]) -> Dataset:
    """Return the classification dataset of that name or path, as `find_segmentation_dataset`.

    Raises InputError for an unknown one, and for one that is for segmentation.
    """
    found = find_any_dataset(name, DATASETS)
    if not isinstance(found, Dataset):
        raise InputError(
            f"{_called(name)}: is a dataset for segmentation, expected one for classification"
        )
    return found


def _called(dataset: Union[str, Row]) -> str:
    return dataset if isinstance(dataset, str) else dataset.name


def find_task_dataset(name: str) -> Row:
    """Return the dataset of either task of that name or path; raise InputError for neither."""
    return find_any_dataset(name, {**DATASETS, **SEGMENTATION})


def names_of(dataset: Row) -> Tuple[str, ...]:
    """Return the names of the classes of a dataset of either task."""
    names = dataset.class_names
    return tuple(names() if callable(names) else names)


def find_any_dataset(name: Union[str, Row], table: Mapping[str, Row]) -> Row:
    """Return the dataset of either task called `name` in `table`, or of a folder or a description.

    Names come first: `./voc` is a folder where `voc` is a name. Raises InputError for neither. A
    folder is walked for it each time, so whoever needs a row again hands it on.
    """
    if not isinstance(name, str):
        return name
    known: Mapping[str, Row] = {**DATASETS, **SEGMENTATION}  # one of the other task is told so
    if not is_path(name):
        return known[name] if name in known else look_up(table, name, "dataset")
    from rnw.data.sets.described import describe_own  # needs an extra

    path, mark, fraction = name.partition(HELD_OUT)
    return describe_own(Path(path), _parse_fraction(fraction) if mark else None)


def hold_out(name: str, fraction: float) -> str:
    """Return what calls the dataset of one's own `name`, with a part of it held out as split val.

    It is taken wherever a path of a dataset is. Raises InputError for a dataset of the catalog.
    """
    if not is_path(name):
        raise InputError(f"{name}: --val-fraction is for a dataset of your own")
    return f"{name.partition(HELD_OUT)[0]}{HELD_OUT}{fraction!r}"


def _parse_fraction(text: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction < 1:
        raise InputError(f"val-fraction is {text}, expected a number from 0 on and below 1")
    return fraction


def is_path(name: str) -> bool:
    """Return whether a dataset is called by a path: of a folder or a file, there or not."""
    name, _, _ = name.partition(HELD_OUT)
    if name in DATASETS or name in SEGMENTATION:
        return False
    return "/" in name or name.endswith(YAML_SUFFIXES) or (name != "" and Path(name).exists())
