"""Splits of datasets that are read, and whether they fit."""

import re
from pathlib import Path

import pytest

from rnw.data.lists import CLASSES_FILE, write_classes, write_list
from rnw.data.sets.catalog import SEGMENTATION, find_dataset, find_segmentation_dataset
from rnw.data.sets.reading import (
    check_classes,
    published_images,
    published_pictures,
    read_examples,
    read_pictures,
)
from rnw.errors import InputError


@pytest.mark.parametrize(
    ("prepared", "classes", "wording"),
    [
        (0, 4, None),  # a list of one's own may have fewer
        (0, 1000, None),
        (0, 1001, "classification has 1000 classes, the recipe 1001: .*--set classes=1000$"),
        (3, 2, None),
        (3, 3, None),
        (3, 1000, None),
        (3, 4, "1000 classes, and is prepared for 3, the recipe 4: .*--set classes=3$"),
    ],
)
def test_a_network_of_more_classes_than_the_data_is_refused(tmp_path, prepared, classes, wording):
    dataset = find_dataset("ilsvrc-cls")
    if prepared:
        write_classes(tmp_path / CLASSES_FILE, [f"n{label:08d}" for label in range(prepared)])
    if wording is None:
        check_classes(dataset, tmp_path, classes)
        return
    with pytest.raises(InputError, match=wording):
        check_classes(dataset, tmp_path, classes)


@pytest.mark.parametrize("root", [None, Path("elsewhere")])
@pytest.mark.parametrize("split", ["train", "val"])
def test_missing_data_is_named(root, split):
    path = (root or Path("data/ilsvrc12")) / f"{split}.lst"
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: no such list"):
        read_examples(find_dataset("ilsvrc-cls"), split, root)


def test_published_numbers_count_where_there_is_no_list(tmp_path):
    ilsvrc, places = find_dataset("ilsvrc-cls"), find_dataset("places365-cls")
    assert published_images(ilsvrc) == 1_281_167
    assert published_images(places, tmp_path) == 1_803_460
    write_list(tmp_path / "train.lst", [(0, "0.JPEG")])
    assert published_images(ilsvrc, tmp_path) is None
    assert published_images(find_dataset("digits")) is None


def test_published_numbers_of_a_split_count_where_there_is_no_data(tmp_path):
    voc = find_segmentation_dataset("voc")
    assert published_pictures(voc, "train_aug", tmp_path / "absent") == 10_582
    assert published_pictures(voc, "mine", tmp_path / "absent") is None
    assert published_pictures(voc, "train_aug", tmp_path) is None
    assert published_pictures(find_segmentation_dataset("shapes"), "train") is None


def test_splits_that_there_are_not_are_refused():
    with pytest.raises(InputError, match=r"^split 'test' of drawn shapes: expected train, val$"):
        read_pictures(SEGMENTATION["shapes"], "test")
    wording = r"^split 'mine' of PASCAL VOC 2012: expected train, .*, or a list, x/mine\.lst \("
    with pytest.raises(InputError, match=wording):
        read_pictures(SEGMENTATION["voc"], "mine", Path("x"))
    Path("x").mkdir()
    Path("x/mine.lst").write_text("a.jpg\ta.png\n")
    assert len(read_pictures(SEGMENTATION["voc"], "mine", Path("x"))) == 1


@pytest.mark.parametrize(
    ("dataset", "read"),
    [(find_dataset("cifar10"), read_examples), (SEGMENTATION["camvid"], read_pictures)],
)
def test_a_folder_that_has_the_name_of_a_missing_dataset_is_pointed_out(dataset, read):
    with pytest.raises(InputError, match=r"no such (file|list); .*(folder|files)$"):
        read(dataset, "train")
    Path(dataset.name).mkdir()
    wording = rf"; {dataset.name} is a name of the catalog, the folder is called \./{dataset.name}$"
    with pytest.raises(InputError, match=wording):
        read(dataset, "train")
    with pytest.raises(InputError, match=r"no such (file|list)") as refused:
        read(dataset, "train", Path(dataset.name))
    assert "catalog" not in str(refused.value)
