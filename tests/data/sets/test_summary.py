"""Datasets in a few texts by name, and what these are read back as."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rnw.data.own.description import Description, Split
from rnw.data.sets.catalog import DATASETS, SEGMENTATION
from rnw.data.sets.summary import describe_row, read_summary, summarize
from rnw.errors import InputError

FILE = Path("x.safetensors")
STREET = Description(
    "segmentation",
    {"train": Split(images="images", labels="labels")},
    name="street",
    classes=("road", "car"),
    colors=((128, 64, 128), (0, 0, 142)),
    labels={7: "road", 26: "car"},
    ignored="others",
    test_size=640,
    mean=(0.41, 0.43, 0.45),
    deviation=(0.29, 0.3, 0.31),
)


def test_all_but_the_data_is_read_back():
    found = read_summary(summarize(STREET), FILE)
    for field in ("task", "name", "classes", "colors", "labels", "ignored", "test_size"):
        assert getattr(found, field) == getattr(STREET, field)
    assert found.normalization == STREET.normalization
    assert found.root == Path("data/street").absolute()
    assert (found.holds_out, found.note_on_tests) == (False, "")


def test_the_part_that_was_held_out_is_told():
    found = read_summary(summarize(replace(STREET, val_fraction=0.2)), FILE)
    assert (found.held_out, found.test_split) == (0.2, "val")


def test_what_a_description_leaves_out_is_told():
    found = summarize(Description("segmentation", {}, "x", classes=("a", "b")))
    assert found["colors"] == "[[0, 0, 0], [128, 0, 0]]"
    assert found["mean"] == "[0.485, 0.456, 0.406]"
    assert (found["label_coding"], found["ignored"], "test_size" in found) == (
        "indices",
        "[255]",
        False,
    )


@pytest.mark.parametrize("row", [*DATASETS.values(), *SEGMENTATION.values()], ids=lambda r: r.name)
def test_each_dataset_of_the_catalog_is_told(row):
    told = summarize(describe_row(row))
    assert (told["dataset"], len(json.loads(told["class_names"]))) == (row.name, row.classes)
    assert ("colors" in told) == (row.name in SEGMENTATION)


@pytest.mark.parametrize(
    ("key", "text", "wording"),
    [
        ("colors", "red", "its metadata colors is 'red', expected JSON"),
        ("class_names", "[]", "classes: expected a list of names"),
        ("label_coding", '{"x": "road"}', "its metadata label_coding is "),
        ("mean", "[1, 2]", "mean: expected three numbers"),
    ],
)
def test_what_is_no_summary_is_refused(key, text, wording):
    with pytest.raises(InputError, match=f"^x.safetensors: {wording}"):
        read_summary({**summarize(STREET), key: text}, FILE)
