"""TABLE of datasets: each is a module of this folder, whose `DATASET` describes it completely.

Importing it needs none of the extras. A module is imported when its row is looked up.
"""

from importlib import import_module
from pathlib import Path
from typing import (
    Any,
    ChainMap,
    Dict,
    Iterator,
    Mapping,
    MutableMapping,
    Tuple,
    Type,
    TypeVar,
    Union,
)

from rnw.data.sets.rows import Dataset, Row, SegmentationDataset
from rnw.errors import InputError, look_up
from rnw.files import YAML_SUFFIXES

TaskRow = TypeVar("TaskRow", Dataset, SegmentationDataset)


class Rows(MutableMapping[str, TaskRow]):
    """The datasets of a task by name, of a table from names to modules; rows may be added."""

    def __init__(self, modules: Mapping[str, str]):
        self._rows: Dict[str, Union[str, TaskRow]] = dict(modules)

    def __getitem__(self, name: str) -> TaskRow:
        row = self._rows[name]
        return import_module(f"{__package__}.{row}").DATASET if isinstance(row, str) else row

    def __setitem__(self, name: str, row: TaskRow) -> None:
        self._rows[name] = row

    def __delitem__(self, name: str) -> None:
        del self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


DATASETS: Rows[Dataset] = Rows(
    {
        "ilsvrc-cls": "ilsvrc12",
        "places365-cls": "places365",
        "digits": "digits",
        "shapes-cls": "shapes_cls",
        "cifar10": "cifar10",
        "cifar100": "cifar100",
        "imagenetv2": "imagenetv2",
    }
)
SEGMENTATION: Rows[SegmentationDataset] = Rows(
    {
        "voc": "voc",
        "cityscapes": "cityscapes",
        "ade20k": "ade20k",
        "pascal-context": "pascal_context",
        "shapes": "shapes",
        "camvid": "camvid",
        "gta5": "gta5",
        "synthia": "synthia",
        "mapillary-vistas": "mapillary_vistas",
        "pascal-context-59": "pascal_context_59",
        "coco": "coco_segmentation",
        "sbd": "sbd",
    }
)
# of both tasks; a ChainMap lists the last table first
ROWS: Mapping[str, Row] = ChainMap[str, Any](SEGMENTATION, DATASETS)
EMBEDDED = ("digits", "shapes-cls", "shapes")  # in the package: there is nothing to prepare

HELD_OUT = "#val-fraction="  # after a path: the part of the pictures to hold out as split val


def to_prepare() -> Tuple[str, ...]:
    """Return the names of the datasets that `rnw prepare` makes from official archives."""
    return tuple(name for name in (*DATASETS, *SEGMENTATION) if name not in EMBEDDED)


def find_segmentation_dataset(name: Union[str, Row]) -> SegmentationDataset:
    """Return the segmentation dataset of that name, or of a folder or description of that path.

    A row, which has been found before, is returned as it is. Raises InputError for an unknown
    dataset, and for one that is for classification.
    """
    return _find(name, SEGMENTATION, SegmentationDataset)


def find_dataset(name: Union[str, Row]) -> Dataset:
    """Return the classification dataset of that name or path, as `find_segmentation_dataset`.

    Raises InputError for an unknown one, and for one that is for segmentation.
    """
    return _find(name, DATASETS, Dataset)


def _find(name: Union[str, Row], table: Rows[TaskRow], kind: Type[TaskRow]) -> TaskRow:
    found = _look_up(name, table)
    if not isinstance(found, kind):
        raise InputError(
            f"{_called(name)}: is a dataset for {found.task}, expected one for {kind.task}"
        )
    return found


def _called(dataset: Union[str, Row]) -> str:
    return dataset if isinstance(dataset, str) else dataset.name


def find_task_dataset(name: str) -> Row:
    """Return the dataset of either task of that name or path; raise InputError for neither."""
    return _look_up(name, ROWS)


def names_of(dataset: Row) -> Tuple[str, ...]:
    """Return the names of the classes of a dataset of either task."""
    names = dataset.class_names
    return tuple(names() if callable(names) else names)


def _look_up(name: Union[str, Row], table: Mapping[str, Row]) -> Row:
    """Return the dataset of either task called `name`, or of a folder or a description.

    table: the datasets that the message for an unknown name lists.

    Names come first: `./voc` is a folder where `voc` is a name. Raises InputError for neither. A
    folder is walked for it each time, so whoever needs a row again hands it on.
    """
    if not isinstance(name, str):
        return name
    if not is_path(name):  # one of the other task is told so
        return ROWS[name] if name in ROWS else look_up(table, name, "dataset")
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
    if name in ROWS:
        return False
    return "/" in name or name.endswith(YAML_SUFFIXES) or (name != "" and Path(name).exists())
