"""A dataset in a few texts by name, which files of weights in other formats carry along."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from rnw.data.own.description import (
    CLASSIFICATION,
    INDICES,
    OTHERS,
    SEGMENTATION,
    STORED,
    Description,
    make_description,
)
from rnw.data.sets.catalog import names_of
from rnw.data.sets.rows import Row, SegmentationDataset
from rnw.data.sets.voc import palette
from rnw.errors import InputError
from rnw.networks.heads import IGNORED_LABEL

Summary = Mapping[str, str]

NAME, CLASS_NAMES, COLORS = "dataset", "class_names", "colors"
LABELS, IGNORED = "label_coding", "ignored"
# what a text is called, with the field of a description; all but words are JSON
_FIELDS = {
    NAME: "name",
    CLASS_NAMES: "classes",
    COLORS: "colors",
    LABELS: "labels",
    IGNORED: "ignored",
    "test_size": "test_size",
    "mean": "mean",
    "deviation": "deviation",
    "orientation": "orientation",
    "val_fraction": "val_fraction",
}
KEYS = tuple(_FIELDS)
_WORDS = (NAME, "orientation")
_MAY_BE_WORDS = (LABELS, IGNORED)  # such as indices and others


def summarize(description: Description) -> Dict[str, str]:
    """Return the name, the classes and all else about a dataset that a network's users need.

    Colors, the coding of label maps, ignored values and the size in tests are those of datasets for
    segmentation. Where the data are is left out.
    """
    d = description
    fields: Dict[str, Any] = {
        "name": d.name,
        "classes": d.classes,
        "mean": d.normalization.mean,
        "deviation": d.normalization.deviation,
        "orientation": d.orientation,
        **({"val_fraction": d.val_fraction} if d.holds_out else {}),
    }
    if d.segmentation:
        fields.update(
            colors=d.colors or palette(len(d.classes)), labels=d.labels, ignored=d.ignored
        )
        fields.update({"test_size": d.test_size} if d.test_size else {})
    values = ((key, fields[field]) for key, field in _FIELDS.items() if field in fields)
    return {key: v if isinstance(v, str) else json.dumps(v) for key, v in values}


def describe_row(row: Row) -> Description:
    """Return the description of any dataset; one of the catalog has no splits in it.

    The classes of ILSVRC are its WordNet ids, since their names are part of an extra.
    """
    if row.description is not None:
        return row.description
    if not isinstance(row, SegmentationDataset):
        classes = row.class_ids or names_of(row)
        return Description(CLASSIFICATION, {}, row.name, classes=classes, orientation=STORED)
    names = row.class_names
    coding = INDICES if row.label_ids is None else dict(zip(row.label_ids, names))
    return Description(
        SEGMENTATION,
        {},
        row.name,
        classes=names,
        colors=row.palette,
        labels=coding,
        ignored=(IGNORED_LABEL,) if row.label_ids is None else OTHERS,
        test_size=row.test_size,
        orientation=STORED,
    )


def read_summary(summary: Summary, path: Path) -> Description:
    """Return the dataset that `summarize` told of, with lists in `data/NAME`.

    Raises InputError, which names the file `path` that it is from, for what is no summary.
    """
    task = SEGMENTATION if COLORS in summary else CLASSIFICATION
    fields = {
        field: _value(key, summary[key], path) for key, field in _FIELDS.items() if key in summary
    }
    lists = ["train"] if "val_fraction" in fields else ["train", "val"]
    place = {
        "splits": {name: f"{name}.lst" for name in lists},
        "root": str(Path("data", fields.get("name", "")).absolute()),
    }
    return make_description({"task": task, **place, **fields}, path)


def _value(key: str, text: str, path: Path) -> Any:
    if key in _WORDS or (key in _MAY_BE_WORDS and text.isalpha()):
        return text
    try:
        value = json.loads(text)
        return {int(number): name for number, name in value.items()} if key == LABELS else value
    except (ValueError, RecursionError):
        raise InputError(f"{path}: its metadata {key} is {text[:60]!r}, expected JSON") from None
