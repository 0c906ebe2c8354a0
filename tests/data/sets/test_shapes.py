"""Drawn shapes."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION, find_dataset
from rnw.data.sets.reading import read_examples
from rnw.data.sets.shapes import CLASSES, Shapes, read_shapes
from rnw.data.sets.shapes_cls import read_shape_crops
from rnw.errors import InputError


def _decode(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)


def test_a_picture_is_a_function_of_seed_and_index():
    one, two, other = Shapes(9, seed=0), Shapes(400, seed=0), Shapes(9, seed=1)
    two.read(3)  # in another order
    for index in (5, 3):
        assert one.read(index) == two.read(index)
        np.testing.assert_array_equal(one.label(index), two.label(index))
        assert one.read(index) != other.read(index)
    assert (one.name(5), other.name(5)) == ("shapes/0-0005.png", "shapes/1-0005.png")


@pytest.mark.parametrize("split", ["train", "val"])
def test_splits_are_those_of_the_table(split):
    pictures = read_shapes(Path(), split)
    assert len(pictures) == SEGMENTATION["shapes"].counts[split]
    labels = [pictures.label(index) for index in range(30)]
    assert {label.shape for label in labels} == {_decode(pictures.read(0)).shape[:2]} == {(96, 96)}
    assert set(np.unique(labels)) == set(range(len(CLASSES)))


@pytest.mark.parametrize("split", ["test", "", "Train"])
def test_other_splits_are_refused(split):
    wording = f"^shapes has no split '{split}': expected train or val$"
    with pytest.raises(InputError, match=wording):
        read_shapes(Path(), split)


def test_what_was_drawn_is_kept_as_it_was():
    pictures = read_shapes(Path(), "val")
    before = pictures.label(0)
    pictures.label(0)[:] = 9
    np.testing.assert_array_equal(pictures.label(0), before)
    start = time.process_time()
    for _ in range(300):
        pictures.read(0)
        pictures.label(0)
    assert time.process_time() - start < 0.1  # drawn anew it would be two seconds


def test_edges_are_where_labels_change():
    """Within a shape or the ground two colors alternate, with little noise."""
    pictures = read_shapes(Path(), "train")
    for index in range(5):
        image, label = _decode(pictures.read(index)), pictures.label(index)
        for kind in np.unique(label):
            pixels = image[label == kind].astype(float)
            # of a single shape two colors; two shapes of a class may have four
            assert np.unique(pixels // 64, axis=0).shape[0] < 40


@pytest.fixture(scope="module")
def crops():
    return read_shape_crops(Path(), "test")


def test_crops_have_one_shape_each(crops):
    images, labels = crops
    assert images.shape == (400, 64, 64, 3)
    assert np.bincount(labels).tolist() == [100] * 4
    dataset = find_dataset("shapes-cls")
    np.testing.assert_array_equal(read_examples(dataset, dataset.test_split).images, images)
    assert dataset.class_names() == ("disc", "square", "triangle", "ring")


@pytest.mark.slow
def test_crops_to_train_on_are_others(crops):
    images, labels = read_shape_crops(Path(), "train")
    assert np.bincount(labels).tolist() == [2500] * 4
    assert not (images[:400] == crops.images).all((1, 2, 3)).any()
    drawn, turned = images[:2500], images[2500:5000]
    np.testing.assert_array_equal(labels[:2500], labels[2500:5000])
    # a quarter turn to the left, red to green to blue to red, and dark for bright
    np.testing.assert_array_equal(turned[:, 0, 0, 1], 255 - drawn[:, 0, -1, 0])
    np.testing.assert_array_equal(turned[:, -1, 0, 0], 255 - drawn[:, 0, 0, 2])


def test_a_disc_has_no_hole_and_a_ring_has(crops):
    """The middle of a ring is as the ground around, on average over pictures."""
    spread = {}
    for kind in (0, 3):
        chosen = crops.images[crops.labels == kind].astype(float)
        middle, corner = chosen[:, 28:36, 28:36].mean((1, 2)), chosen[:, :6, :6].mean((1, 2))
        spread[kind] = np.abs(middle - corner).mean()
    assert spread[0] > 1.2 * spread[3]
