"""Descriptions of datasets: what they say, and what is said of those that are wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rnw.data.own.description import (
    Description,
    Split,
    label_name,
    make_description,
    read_description,
    write_description,
)
from rnw.errors import InputError
from tests.data.own.miniatures import write

FULL = """
name: street
task: segmentation
root: pictures
splits:
  train: {images: train, labels: trainannot}
  val: {list: val.txt}
  test: test/*.jpg
classes: [road, 'no', 3]
colors: [[128, 64, 128], '#000000', ff00FF]
labels: {7: road, 8: 'no', 9: '3'}
ignored: [0, 255]
test_size: 480
mean: [0.5, 0, 1]
deviation: [0.25, 0.125, 1]
orientation: stored
val_fraction: 0.25
"""


def _read(text, name="dataset.yaml"):
    return read_description(write({name: text}) / name)


def test_every_field_is_read():
    assert _read(FULL) == Description(
        "segmentation",
        {
            "train": Split("train", "trainannot"),
            "val": Split(list="val.txt"),
            "test": Split("test/*.jpg"),
        },
        "street",
        Path("data/pictures"),
        ("road", "no", "3"),
        ((128, 64, 128), (0, 0, 0), (255, 0, 255)),
        {7: "road", 8: "no", 9: "3"},
        (0, 255),
        480,
        (0.5, 0.0, 1.0),
        (0.25, 0.125, 1.0),
        "stored",
        0.25,
    )


@pytest.mark.parametrize(
    ("name", "called"), [("dataset.yaml", "data"), ("my_cats.yml", "my-cats"), ("x.json", "x")]
)
def test_all_but_task_and_splits_has_a_default(name, called):
    found = _read(json.dumps({"task": "classification", "splits": {"train": "train.csv"}}), name)
    train = {"train": Split(list="train.csv")}
    assert found == Description("classification", train, called, Path("data"))
    assert found.ignored == (255,)
    assert (found.train_split, found.test_split) == ("train", "train")


@pytest.mark.parametrize(
    ("splits", "fraction", "names", "test"),
    [
        ({"train": "a", "test": "b"}, 0, ("train", "test"), "test"),
        ({"train": "a", "test": "b", "val": "c"}, 0.5, ("train", "test", "val"), "val"),
        ({"train": "a"}, 0.5, ("train", "val"), "val"),
        ({"val": "a"}, 0, ("val",), "val"),
    ],
)
def test_splits(splits, fraction, names, test):
    content = {"task": "classification", "splits": splits, "val_fraction": fraction}
    found = _read(json.dumps(content))
    assert (found.split_names, found.test_split) == (names, test)


WRONG = {
    "task: [": "is no YAML: ",
    "[]": "expected fields such as `task` and `splits`",
    "task: classification": "has no field 'splits', which every description needs",
    "splits: {train: a}": "has no field 'task', which every description needs",
    "tsak: classification": "unknown field 'tsak', expected one of .*; did you mean 'task'",
    "task: clasification": "task: expected classification or segmentation, found 'clasification'; "
    "did you mean 'classification'",
    "splits: [train]": "splits: expected the name of each split and where its pictures are",
    "splits: {train: {image: a}}": "splits: train: unknown field 'image', expected one of images, "
    "labels, list, annotations; did you mean 'images'",
    "splits: {train: {labels: a}}": "splits: train: expected `images` or `list`",
    "splits: {train: 3}": "splits: train: expected a folder, a pattern, a list, or images",
    "splits: {train: {images: a, labels: b}}": "splits: train: label maps are for task "
    "segmentation",
    "name: my_data": "name: expected at most 100 letters.* found 'my_data'; 'my-data' will",
    f"name: {101 * 'a'}": f"name: expected at most 100 letters.* found .*; '{100 * 'a'}' will do",
    "ignored: other": "ignored: expected numbers, colors or others, found 'other'; did you mean",
    "classes: cat": "classes: expected a list of names",
    "classes: [cat, no]": r"classes: expected text, found false \(quote words such as 'no'",
    "classes: [cat, cat]": "classes: has 'cat' twice",
    "colors: [red]": r"colors: expected \[R, G, B\] of 0 to 255 or '#rrggbb', found 'red'",
    "colors: [[0, 0, 256]]": "colors: expected .* found ",
    "colors: [[0, 0, 0]]\nclasses: [a, b]": "colors: has 1 colors for 2 classes",
    "labels: index": "labels: expected indices or .* found 'index'; did you mean 'indices'",
    "labels: {x: cat}": "labels: expected numbers with the class of each, found 'x'",
    "labels: {1: cat}\nclasses: [cats]": "labels: 'cat' is none of the classes; did you mean",
    "test_size: 0": "test_size: expected a whole number, 1 to 65535, found 0",
    "test_size: 65536": "test_size: expected a whole number, 1 to 65535, found 65536",
    "val_fraction: 1": "val_fraction: expected a number from 0 on and below 1, found 1",
    "mean: [123, 116, 103]": "mean: expected three numbers from 0 to 1, of red, green and blue as",
    "mean: 0.5": "mean: expected three numbers .* as `rnw dataset check` prints them, found 0.5",
    "mean: [0.5, true, 0.5]": "mean: expected three numbers from 0 to 1",
    "mean: [.nan, 0, 0]": "mean: expected three numbers from 0 to 1",
    "deviation: [0.2, 0, 0.2]": "deviation: expected three numbers from 0.001 to 1",
    "orientation: up": "orientation: expected upright or stored, found 'up'",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_a_wrong_field_is_named(text, message):
    base = {"task": "task: classification\n", "splits": "splits: {train: a}\n"}
    if text not in list(WRONG)[:5]:
        text += "\n" + "".join(line for key, line in base.items() if f"{key}:" not in text)
    with pytest.raises(InputError, match=f"^data/dataset.yaml: {message}") as error:
        _read(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"splits": {"train": "a"}}, "splits: train: expected `labels`, where the label maps are"),
        ({"labels": "colors"}, "colors: expected the color of each class"),
        (
            {"labels": "colors", "classes": ["a", "b"], "colors": ["000000", "000000"]},
            "colors: two classes have the same color",
        ),
        ({"labels": "mask", "classes": ["a", "b", "c"]}, "classes: has 3 names, a mask has two"),
        ({"classes": [str(k) for k in range(256)]}, "classes: has 256 names, label maps hold 255"),
    ],
)
def test_fields_that_contradict_each_other(fields, message):
    content = {"task": "segmentation", "splits": {"train": "a.txt"}, **fields}
    with pytest.raises(InputError, match=message):
        _read(json.dumps(content))


def test_a_description_is_read_as_it_was_written():
    found = _read(FULL)
    again = replace(found, root=Path("pictures"))
    text = write_description(again, {"task": "What it is.\nIn two lines.", "classes": "In order."})
    assert "# What it is.\n# In two lines.\ntask: segmentation\n" in text
    assert read_description(write({"again.yaml": text}) / "again.yaml") == found


def test_a_name_is_part_of_file_names():
    assert label_name("Meine_Hunde & Katzen") == "Meine-Hunde-Katzen"
    assert label_name("___") == "own"


def test_a_root_may_be_below_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/of")
    content = {"task": "classification", "splits": {"train": "a"}, "root": "~/data"}
    assert make_description(content, Path("mine.yaml")).root == Path("/home/of/data")
