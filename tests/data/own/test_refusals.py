"""What is wrong with data in any layout is refused with its place, and taken as nothing else."""

import json

import numpy as np
import pytest

from rnw.data.own.survey import survey
from rnw.data.sets.catalog import find_task_dataset, hold_out, names_of
from rnw.data.sets.reading import read_split
from rnw.errors import InputError
from tests.data.own.miniatures import (
    class_folders,
    coco,
    label_map,
    labelme,
    pairs,
    picture,
    png,
    write,
)

TWO = {"a.jpg": picture(), "b.jpg": picture(1)}
MASKS = pairs("i/{}.jpg", "l/{}.png")
SPLITS = "splits: {train: {images: i, labels: l}}\n"


def _list(text, name="train.csv", files=TWO):
    return {name: text, **files}


def _coco(change):
    content = json.loads(coco(["a.jpg", "b.jpg"]))
    change(content)
    return {
        "train/a.jpg": picture(),
        "train/b.jpg": picture(1),
        "annotations/instances_train.json": json.dumps(content),
    }


def _labelme(text):
    whole = labelme(("cat", "polygon", [[0, 0], [5, 0], [5, 5]]))
    return {"a.jpg": picture(), "a.json": whole, "b.jpg": picture(1), "b.json": text}


def _described(text, files=MASKS):
    return {"dataset.yaml": text, **files}


WRONG = {
    # class folders
    "a picture beside classes": (
        {"train/cat/a.jpg": picture(), "train/dog/a.jpg": picture(), "train/x.jpg": picture()},
        "data/train: train/x.jpg is in no folder of a class; expected data/train/CLASS/PICTURE",
    ),
    "one class": ({"train/cat/a.jpg": picture(), "val/cat/a.jpg": picture()},
                  "data: classes: found 'cat' alone, expected two at least"),
    "a class of val alone": (
        {f"{name}/a.jpg": picture() for name in ("train/cat", "train/dog", "val/cat", "val/eel")},
        "data/val/eel/a.jpg: class 'eel' is none of .*; `classes` of a description can name those",
    ),
    "classes of val alone": (
        {f"{name}/a.jpg": picture() for name in ("train/cat", "train/dog", "val/eel", "val/owl")},
        "data/val/eel/a.jpg: class 'eel' is none of the 2 classes of data, nor are 'owl'; `classes",
    ),
    "an empty picture": (
        {"cat/a.jpg": b"", "dog/a.jpg": picture()}, "1 pictures cannot be read: .*it is empty"
    ),
    # lists
    "no line below the header": (
        _list("filename,label\n"), "data/train.csv: names no picture below its first line"
    ),
    "an unknown header": (_list("picture,species\na.jpg,cat\n"),
                          "data: is in no known layout .*; data/train.csv names no labels: expec"),
    "UTF-16": (_list("filename,label\na.jpg,cat\n".encode("utf-16")),
               "data/train.csv: has zero bytes, as text in UTF-16 has; save it as UTF-8"),
    "backslashes": (_list("filename,label\nx\\a.jpg,cat\n"),
                    r"data/train.csv: names x\\a.jpg, .*; write / between folders, not \\$"),
    "two labels": (_list("filename,label\na.jpg,cat\nb.jpg,dog\na.jpg,dog\n"),
                   "data/train.csv: line 4 names a.jpg with the label dog, line 2 with cat"),
    "a label below 0": (_list("a.jpg 0\nb.jpg -1\n", "train.txt"),
                        "data/train.txt: line 2 has the class -1, expected names, or whole"),
    "half a label": (_list("a.jpg 0.5\nb.jpg 1\n", "train.txt"),
                     "data/train.txt: line 1 has the class 0.5, expected names, or whole"),
    "a label without end": (_list("a.jpg 0\nb.jpg 999999999\n", "train.txt"),
                            "data/train.txt: line 2 has the class 999999999, expected .*1,000,000"),
    "label before picture": (_list("l/a.png i/a.jpg\n", "train.txt", MASKS),
                             "data/train.txt: line 1 names i/a.jpg as the label of l/a.png, expec"),
    "two label maps": (_list("i/a.jpg l/a.png\ni/a.jpg l/b.png\n", "train.txt", MASKS),
                       "data/train.txt: line 2 names i/a.jpg with the label l/b.png, line 1 with"),
    # label maps
    "JPEG label maps": (
        {"images/train/a.jpg": picture(), "labels/train/a.jpg": picture()},
        "data: is in no known layout of a dataset: images, labels would be taken as classes. A lab",
    ),
    "label maps of Cityscapes by color alone": (
        {"leftImg8bit/train/x/a_leftImg8bit.png": picture(), "gtFine/train/x/a_color.png": png(
            np.zeros((12, 16), np.uint8))},
        "data: is in no known layout of a dataset: gtFine, leftImg8bit would be taken as classes",
    ),
    "nothing but ignored": (
        pairs("images/{}.jpg", "labels/{}.png", content=png(np.full((12, 16), 255, np.uint8))),
        "data: labels: expected classes in label maps, all pixels are ignored",
    ),
    "pictures that are turned without their label maps": (
        pairs("images/{}.jpg", "labels/{}.png", content=png(label_map().T)),
        "2 label maps have another size .* one is turned: `orientation: stored` in a",
    ),
    # annotations
    "no list of images": (_coco(lambda found: found.pop("images")),
                          "instances_train.json: .*: expected lists `images`, `annotations` and"),
    "an unknown category": (_coco(lambda found: found["annotations"][1].update(category_id=99)),
                            "instances_train.json: annotation 1: category_id 99 is not in the"),
    "an unknown image": (_coco(lambda found: found["annotations"][0].update(image_id=99)),
                         "instances_train.json: annotation 0: image_id 99 is not in the file"),
    "a point that is none": (_labelme(labelme(("cat", "rectangle", [[0, float("nan")], [5, 5]]))),
                             "1 label maps cannot be read: data/b.json: .* is not finite"),
    # descriptions
    "a field twice": (_described(f"task: segmentation\n{SPLITS}name: a\nname: b\n"),
                      "data/dataset.yaml: line 4 has 'name' for the second time"),
    "ignored numbers of colors": (
        _described(f"task: segmentation\n{SPLITS}classes: [a]\ncolors: ['#ff0000']\n"
                   "labels: colors\nignored: 0\n"),
        "data/dataset.yaml: ignored: 0 is a number, label maps have colors, such as",
    ),
    "ignored colors of numbers": (
        _described(f"task: segmentation\n{SPLITS}classes: [a, b]\nignored: ['#000002']\n"),
        r"data/dataset.yaml: ignored: \[0, 0, 2\] is a color, label maps have numbers, such as 255",
    ),
    "a number twice": (
        _described(f"task: segmentation\n{SPLITS}classes: [a, b]\nlabels: {{1: a, 0: a, 1: b}}\n"),
        "data/dataset.yaml: line 4 has '1' for the second time",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    files, message = WRONG[name]
    root = write(files)
    with pytest.raises(InputError, match=message):
        _check(root, held_out=not (root / "val").exists())


def test_a_part_without_a_picture_is_not_taken_as_names_that_differ():
    write({**pairs("images/{}.jpg", "masks/{}.png"), "images/c.jpg": picture(), "masks/d.png": b""})
    row = find_task_dataset(hold_out("data", 1e-9))
    with pytest.raises(InputError, match=r"^data/images: has no pictures with label maps of split"):
        read_split(row, "val")


def test_splits_may_begin_with_capitals():
    row = find_task_dataset(str(class_folders("Training", "Val")))
    assert names_of(row) == ("cat", "dog")
    assert row.description.split_names == ("train", "val")


def test_a_part_that_is_not_held_out_is_told(caplog):
    files = {**MASKS, **pairs("iv/{}.jpg", "lv/{}.png")}
    splits = "{train: {images: i, labels: l}, val: {images: iv, labels: lv}}"
    write(_described(f"task: segmentation\nsplits: {splits}\nval_fraction: 0.1\n", files))
    assert find_task_dataset("data/dataset.yaml").description.held_out == 0
    said = "data/dataset.yaml: val_fraction holds nothing out: there is a split 'val'"
    assert said in [record.getMessage() for record in caplog.records]


def _check(root, *, held_out):
    """Do as `rnw dataset check`; raise InputError also for what it finds."""
    row = find_task_dataset(hold_out(str(root), 0.0) if held_out else str(root))
    sources = {split: read_split(row, split) for split in row.description.split_names}
    found = survey(sources, names_of(row))
    if found.refused:
        raise InputError(found.describe(found.refused[0]))
