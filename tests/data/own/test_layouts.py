"""Datasets found in folders: a miniature of each layout, told and read."""

from pathlib import Path

import numpy as np
import pytest

from rnw.data.own.description import Split
from rnw.data.own.layouts import LAYOUTS, describe, find_layout
from rnw.data.own.splits import held_out, read_classified, read_segmented
from rnw.errors import InputError
from tests.data.own.miniatures import (
    COLORS,
    class_folders,
    coco,
    colored,
    label_map,
    labelme,
    npy,
    pairs,
    picture,
    png,
    write,
)

SEGMENTED = {
    "lists": (
        {**pairs("train/{}.jpg", "trainannot/{}.png"), "train.txt": "".join(
            f"/SegNet/train/{name}.jpg /SegNet/trainannot/{name}.png\n" for name in "ab")},
        {"train": Split(list="train.txt")},
    ),
    "tabs": (
        {**pairs("p/{}.jpg", "l/{}.png"), "lists/val.lst": "p/a.jpg\tl/a.png\np/b.jpg\tl/b.png\n"},
        {"val": Split(list="lists/val.lst")},
    ),
    "voc": (
        {**pairs("JPEGImages/{}.jpg", "SegmentationClass/{}.png", "abc"),
         "ImageSets/Segmentation/train.txt": "a\nb\n", "ImageSets/Segmentation/val.txt": "c\n"},
        {"train": Split("JPEGImages", "SegmentationClass", "ImageSets/Segmentation/train.txt"),
         "val": Split("JPEGImages", "SegmentationClass", "ImageSets/Segmentation/val.txt")},
    ),
    "cityscapes": (
        pairs("leftImg8bit/train/x/{}_leftImg8bit.png", "gtFine/train/x/{}_gtFine_labelIds.png"),
        {"train": Split("leftImg8bit/train/*/*_leftImg8bit.*",
                        "gtFine/train/*/*_gtFine_labelIds.png")},
    ),
    "coco": (
        {"train2017/a.jpg": picture(), "train2017/b.jpg": picture(1),
         "annotations/instances_train2017.json": coco(["a.jpg", "b.jpg"])},
        {"train": Split("train2017", annotations="annotations/instances_train2017.json")},
    ),
    "roboflow": (
        {"train/a.jpg": picture(), "train/b.jpg": picture(1),
         "train/_annotations.coco.json": coco(["a.jpg", "b.jpg"])},
        {"train": Split("train", annotations="train/_annotations.coco.json")},
    ),
    "images and labels": (
        pairs("images/training/{}.jpg", "labels/training/{}.png"),
        {"train": Split("images/training", "labels/training")},
    ),
    "mmsegmentation": (
        pairs("img_dir/val/{}.jpg", "ann_dir/val/{}.png"),
        {"val": Split("img_dir/val", "ann_dir/val")},
    ),
    "split first": (
        pairs("train/images/{}.jpg", "train/masks/{}_mask.png"),
        {"train": Split("train/images", "train/masks/**/*_mask.*")},
    ),
    "no splits": (pairs("imgs/{}.jpg", "masks/{}.png"), {"train": Split("imgs", "masks")}),
    "arrays": (
        pairs("images/{}.jpg", "labels/{}.npy", content=npy(label_map())),
        {"train": Split("images", "labels")},
    ),
    "annot": (
        pairs("train/{}.jpg", "trainannot/{}.png"),
        {"train": Split("train", "trainannot")},
    ),
    "labelme": (
        pairs("{}.jpg", "{}.json", content=labelme(("cat", "rectangle", [[0, 0], [7, 5]]),
                                                   ("dog", "circle", [[12, 6], [12, 8]]))),
        {"train": Split(".", "./**/*.json")},
    ),
    "labelme in splits": (
        pairs("train/{}.jpg", "train/{}.json", content=labelme(
            ("cat", "rectangle", [[0, 0], [7, 5]]), ("dog", "circle", [[12, 6], [12, 8]]))),
        {"train": Split("train", "train/**/*.json")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", SEGMENTED)
def test_pictures_with_label_maps(layout):
    files, splits = SEGMENTED[layout]
    found = find_layout(write(files), val_fraction=0)
    assert (found.task, found.splits, found.name) == ("segmentation", splits, "data")
    pictures = read_segmented(found, found.train_split, found.root)
    assert len(found.classes) == 3
    assert [Path(pictures.name(k)).name[0] for k in range(len(pictures))] == ["a", "b"]
    for index in range(len(pictures)):
        assert Path(pictures.name(index)).is_file()
        labels = pictures.label(index)
        assert labels.shape == (12, 16)
        expected = {0, 1} if layout in ("coco", "roboflow") else {0, 1, 2}
        if found.splits[found.train_split].annotations:
            expected = {0, found.classes.index("cat")}
        assert set(labels.ravel().tolist()) == expected


CLASSIFIED = {
    "split folders": (["train", "val"], {"train": Split("train"), "val": Split("val")}),
    "test alone": (["train", "test"], {"train": Split("train"), "test": Split("test")}),
    "other names": (["training", "valid"], {"train": Split("training"), "val": Split("valid")}),
    "no splits": ([], {"train": Split(".")}),
}


@pytest.mark.parametrize("layout", CLASSIFIED)
def test_class_folders(layout):
    given, splits = CLASSIFIED[layout]
    found = find_layout(class_folders(*given), val_fraction=0)
    assert (found.task, found.splits, found.classes) == ("classification", splits, ("cat", "dog"))
    for split in splits:
        pictures = read_classified(found, split, found.root)
        assert pictures.labels.tolist() == [0, 0, 1, 1]
        assert [Path(pictures.name(k)).parent.name for k in (0, 3)] == ["cat", "dog"]


LISTED = {
    "train.csv": ("filename,label\nx/a.jpg,dog\nx/b.jpg,cat\n", ("cat", "dog"), [1, 0]),
    "train.txt": ("x/a.jpg 2\nx/b.jpg 0\n", ("0", "1", "2"), [2, 0]),
    "train.lst": ("0\t1.000\tx/a.jpg\n1\t0.000\tx/b.jpg\n", ("0", "1"), [1, 0]),
}


@pytest.mark.parametrize("name", LISTED)
def test_lists_of_classes(name):
    text, classes, labels = LISTED[name]
    root = write({name: text, "x/a.jpg": picture(), "x/b.jpg": picture(1)})
    found = find_layout(root)
    assert (found.task, found.classes) == ("classification", classes)
    assert read_classified(found, "train", root).labels.tolist() != []
    whole = find_layout(root, val_fraction=0)
    assert read_classified(whole, "train", root).labels.tolist() == labels


def test_kaggles_ilsvrc():
    data = "ILSVRC/Data/CLS-LOC"
    train = {f"{data}/train/{name}/{name}_1.JPEG": picture() for name in ("n01", "n02")}
    root = write({
        **train,
        f"{data}/val/ILSVRC2012_val_1.JPEG": picture(),
        "LOC_val_solution.csv": "ImageId,PredictionString\nILSVRC2012_val_1,n02 1 2 3 4 n02 5 6\n",
    })  # fmt: skip
    found = find_layout(root)
    assert (found.classes, found.test_split) == (("n01", "n02"), "val")
    held = read_classified(found, "val", root)
    assert (held.name(0), held.labels.tolist()) == (f"data/{data}/val/ILSVRC2012_val_1.JPEG", [1])


def test_folders_of_numbers_are_in_their_order():
    found = find_layout(class_folders(classes=tuple(map(str, range(11)))))
    assert found.classes == tuple(map(str, range(11)))


def test_names_of_classes_are_those_of_classes_txt():
    root = write({**pairs("images/{}.jpg", "labels/{}.png"), "classes.txt": "sky\nsea\nland\n"})
    assert find_layout(root).classes == ("sky", "sea", "land")


def test_colors_are_found_and_numbered_from_the_darkest():
    labels = colored(label_map(), COLORS)
    found = find_layout(write(pairs("images/{}.jpg", "labels/{}.png", content=labels)))
    assert (found.labels, found.colors) == ("colors", (COLORS[0], COLORS[2], COLORS[1]))
    assert found.classes == ("class 0", "class 1", "class 2")


def test_a_mask_is_told():
    mask = png(np.where(label_map(), np.uint8(255), np.uint8(0)))
    found = find_layout(write(pairs("images/{}.jpg", "labels/{}.png", content=mask)))
    assert (found.labels, found.ignored, found.classes) == ("mask", (), ("background", "object"))


def test_pictures_are_held_out_by_their_name_alone():
    names = [f"{number}.jpg" for number in range(2000)]
    held = [name for name in names if held_out(name, 0.1)]
    assert 150 < len(held) < 250
    assert held == [name for name in names if held_out(f"other/folder/{name}", 0.1)]
    assert set(held) < {name for name in names if held_out(name, 0.2)}
    assert held[:3] == ["11.jpg", "12.jpg", "55.jpg"]


def test_held_out_pictures_are_not_trained_on():
    root = class_folders(count=20)
    found = describe(root, 0.3)
    train, held = (read_classified(found, split, root) for split in ("train", "val"))
    assert len(train) + len(held) == 40
    assert 0 < len(held) < 20
    assert not {*train.names()} & {*held.names()}
    with pytest.raises(InputError, match="has no split 'test', expected train or val"):
        read_classified(found, "test", root)


def test_what_has_no_partner_is_named(caplog):
    files = {**pairs("images/{}.jpg", "labels/{}.png"), "images/c.jpg": picture()}
    root = write({**files, "labels/d.png": png(label_map())})
    found = find_layout(root, 0)
    caplog.clear()
    assert len(read_segmented(found, "train", root)) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "data/images: 1 pictures have no label map and are left out: images/c.jpg",
        "data/images: 1 label maps have no picture and are left out: labels/d.png",
    ]


def test_a_folder_in_no_layout():
    root = write({"notes.txt": "", "one/a.jpg": picture()})
    with pytest.raises(InputError, match=r"^data: is in no known layout of a dataset") as error:
        find_layout(root)
    assert all(layout.title in str(error.value) for layout in LAYOUTS)


def test_a_description_in_a_folder_comes_first():
    root = class_folders("train", "val")
    write({"dataset.yaml": "task: classification\nname: mine\nsplits: {train: val}\n"})
    assert describe(root) == describe(root / "dataset.yaml")
    assert describe(root).name == "mine"
    with pytest.raises(InputError, match=r"^nothing: no such folder or file"):
        describe(Path("nothing"))


def test_a_class_that_only_the_pictures_held_out_have():
    root = class_folders("train")
    class_folders("val", classes=("cat", "dgo"))
    found = describe(root)
    with pytest.raises(InputError, match=r"val/dgo/0\.jpg: class 'dgo' is none .* mean 'dog'"):
        read_classified(found, "val", root)
