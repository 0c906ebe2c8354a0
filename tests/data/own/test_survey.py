"""What a look at every picture tells of a dataset."""

import io

import numpy as np
import pytest
from PIL import Image

from rnw.data.own import survey as problems
from rnw.data.own.layouts import find_layout
from rnw.data.own.splits import read_classified, read_segmented
from rnw.data.own.survey import survey
from rnw.data.readers import ImageList
from tests.data.own.miniatures import class_folders, label_map, pairs, picture, png, write
from tests.data.pictures import ODD, colors


def _survey(description, *splits, **options):
    read = read_segmented if description.segmentation else read_classified
    sources = {split: read(description, split, description.root) for split in splits}
    return survey(sources, description.classes, **options)


def test_counts_sizes_and_colors():
    root = class_folders("train", count=5)
    Image.fromarray(np.full((20, 10, 3), (255, 0, 51), np.uint8)).save(root / "train/dog/9.png")
    steps = []
    found = _survey(find_layout(root, 0), "train", on_step=steps.append)
    train = found.splits["train"]
    assert train.counts[:2].tolist() == train.occurring[:2].tolist() == [5, 6]
    assert train.sizes == {(12, 16): 10, (20, 10): 1}
    assert (found.problems, found.refused) == ({}, [])
    assert [step.step for step in steps] == list(range(1, 12))
    images = [read for k in range(5) for read in [_pixels(picture(k))] * 2]
    pixels = np.concatenate([*images, np.tile([255, 0, 51], (200, 1))]) / 255
    assert train.mean == pytest.approx(pixels.mean(axis=0).tolist(), abs=1e-6)
    assert train.deviation == pytest.approx(pixels.std(axis=0).tolist(), abs=1e-5)


def _pixels(content):
    return np.array(Image.open(io.BytesIO(content))).reshape(-1, 3)


def test_pixels_of_each_class():
    root = write(pairs("images/train/{}.jpg", "labels/train/{}.png"))
    labels = np.stack([label_map(0), label_map(1)])
    train = _survey(find_layout(root, 0), "train").splits["train"]
    assert train.counts[:3].tolist() == np.bincount(labels.ravel()).tolist()
    assert (train.occurring[:3].tolist(), train.ignored) == ([2, 2, 2], 0)


def test_all_that_is_wrong_with_a_segmentation_dataset():
    wrong = label_map()
    wrong[2, :5] = 77
    files = {
        **pairs("images/train/{}.jpg", "labels/train/{}.png", "abcde"),
        "images/train/b.jpg": b"no picture",
        "labels/train/c.png": png(label_map()[:, :-2]),
        "labels/train/d.png": png(wrong),
        "labels/train/e.png": b"no label map",
        "images/train/f.jpg": ODD["rotated.jpg"],
        "labels/train/f.png": png(np.zeros((56, 40), np.uint8)),
    }
    root = write({**files, "classes.txt": "sky\nsea\nland\nfog\n"})
    found = _survey(find_layout(root, 0), "train")
    assert {problem: len(examples) for problem, examples in found.problems.items()} == {
        problems.UNREADABLE: 1,
        problems.SIZES_DIFFER: 1,
        problems.NO_CLASS: 1,
        problems.NO_MAP: 1,
        problems.ROTATED: 1,
        problems.ABSENT: 1,
    }
    assert found.refused == [name for name in problems.REFUSED if name != problems.NOTHING]
    assert found.unknown == {77: 5}
    assert found.describe(problems.ABSENT) == "1 classes have no picture: fog (train)"
    assert "5 pixels have the number 77, none of the 4 classes" in found.describe(problems.NO_CLASS)
    assert found.splits["train"].pictures == 5


def test_a_picture_in_two_splits_is_named():
    root = class_folders("train", "val", count=1)
    for split, seed in (("train", 8), ("val", 9)):
        Image.fromarray(colors(seed)).save(root / split / "dog/0.jpg")
    found = _survey(find_layout(root), "train", "val")
    assert found.problems == {
        problems.TWICE: ["data/val/cat/0.jpg (val) and data/train/cat/0.jpg (train)"]
    }
    assert found.refused == []


def test_more_classes_than_label_maps_can_have():
    root = write({f"{number}.jpg": picture(number) for number in range(3)}, "seen")
    source = ImageList(root, [f"{number}.jpg" for number in range(3)], np.array([255, 3, 255]))
    found = survey({"train": source}, [f"class {number}" for number in range(400)])
    split = found.splits["train"]
    assert (split.counts[255], split.counts[3], split.ignored) == (2, 1, 0)
    assert "class 399 (train)" in found.problems[problems.ABSENT]


def test_label_maps_of_which_all_is_ignored_are_refused():
    root = write(pairs("images/train/{}.jpg", "labels/train/{}.png"))
    empty = png(np.full((12, 16), 255, np.uint8))
    write(pairs("images/train/{}.jpg", "labels/train/{}.png", content=empty))
    write({"classes.txt": "sky\nsea\n"})
    found = _survey(find_layout(root, 0), "train")
    assert found.refused == [problems.NOTHING]
