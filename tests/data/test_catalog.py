"""The table of data sets."""

import re
from pathlib import Path

import numpy as np
import pytest

from rnw.data.catalog import (
    DATASETS,
    count_training_images,
    find_dataset,
    read_examples,
)
from rnw.data.lists import write_list
from rnw.errors import InputError
from rnw.training.recipes import RECIPES


@pytest.mark.parametrize("name", DATASETS)
def test_rows_are_consistent(name):
    dataset = find_dataset(name)
    assert dataset.name == name
    assert len(dataset.class_names()) == dataset.classes
    assert "_" not in name  # it stands in file names
    assert RECIPES[dataset.recipe].dataset == name
    assert RECIPES[dataset.recipe].classes == dataset.classes


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"unknown data set 'cifar': .*ilsvrc-cls.*digits"):
        find_dataset("cifar")


@pytest.mark.parametrize(("size", "crop"), [(224, 320), (112, 160), (56, 80)])
def test_ilsvrc_is_tested_at_larger_crops(size, crop):
    assert size * find_dataset("ilsvrc-cls").test_scale == crop


def test_digits_need_no_folder():
    dataset = find_dataset("digits")
    for split, count in ((dataset.train_split, 1438), (dataset.test_split, 359)):
        images, labels = read_examples(dataset, split)
        assert len(images) == len(labels) == count
        assert labels.max() == dataset.classes - 1
    assert dataset.class_names()[7] == "seven"
    np.testing.assert_array_equal(read_examples(dataset, "test", Path("x")).labels, labels)


@pytest.mark.parametrize("root", [None, Path("elsewhere")])
@pytest.mark.parametrize("split", ["train", "val"])
def test_missing_data_is_named(root, split):
    path = (root or Path("data/ilsvrc12")) / f"{split}.lst"
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: no such list"):
        read_examples(find_dataset("ilsvrc-cls"), split, root)


def test_training_images_are_counted_where_there_is_a_list(tmp_path):
    ilsvrc, places = find_dataset("ilsvrc-cls"), find_dataset("places365-cls")
    assert count_training_images(ilsvrc) == 1_281_167
    assert count_training_images(places, tmp_path) == 1_803_460
    write_list(tmp_path / "train.lst", [(0, f"{number}.JPEG") for number in range(25)])
    assert count_training_images(ilsvrc, tmp_path) == 25
    assert count_training_images(find_dataset("digits")) == 1438
