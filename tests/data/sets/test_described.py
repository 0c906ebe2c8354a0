"""Datasets of one's own as rows, and as the rest of the package finds and reads them."""

import pickle

import numpy as np
import pytest
from PIL import Image

from rnw.data.augmentation import DECODERS
from rnw.data.crops import Cropping
from rnw.data.loader import Loader, Loading
from rnw.data.own.splits import Scenes
from rnw.data.readers import read_picture
from rnw.data.sets.catalog import (
    find_dataset,
    find_segmentation_dataset,
    hold_out,
    is_path,
)
from rnw.data.sets.reading import prepared_classes, read_examples, read_pictures
from rnw.data.sets.subsets import match_labels
from rnw.errors import InputError
from rnw.evaluation.segmentation.kept import picture_size
from tests.data.own.miniatures import (
    class_folders,
    coco,
    label_map,
    pairs,
    picture,
    png,
    write,
)
from tests.data.pictures import ODD


def test_a_folder_is_a_row():
    row = find_dataset(str(class_folders("train", "val")))
    assert (row.name, row.classes, row.class_names()) == ("data", 2, ("cat", "dog"))
    examples = read_examples(row, row.train_split)
    assert examples.labels.tolist() == [0, 0, 1, 1]
    assert read_picture(examples, 0).shape == (12, 16, 3)


def test_a_path_with_a_part_to_hold_out():
    name = hold_out(str(class_folders()), 0.25)
    assert is_path(name)
    assert find_dataset(name).description.val_fraction == 0.25
    assert find_dataset(hold_out(name, 0.0)).description.split_names == ("train",)
    with pytest.raises(InputError, match=r"^digits: --val-fraction is for a dataset of your own$"):
        hold_out("digits", 0.25)
    for wrong in ("nan", "1", "-1", "half", ""):
        with pytest.raises(
            InputError, match=rf"^val-fraction is {wrong}, expected a number from 0"
        ):
            find_dataset(f"data#val-fraction={wrong}")


def test_a_file_is_a_row():
    root = write(pairs("images/{}.jpg", "labels/{}.png"))
    text = "task: segmentation\nsplits: {val: {images: images, labels: labels}}\ntest_size: 64\n"
    row = find_segmentation_dataset(str(write({"mine.yaml": text}) / "mine.yaml"))
    assert (row.name, row.classes, row.test_size, row.test_split) == ("mine", 3, 64, "val")
    assert row.palette == ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    pictures = read_pictures(row, "val", root)
    assert (pictures.label(1) == label_map(1)).all()
    with pytest.raises(InputError, match="split 'train' of mine: expected val"):
        read_pictures(row, "train", root)


def test_names_come_before_folders():
    class_folders("train", root="digits")
    assert find_dataset("digits").root is None
    assert not is_path("digits")
    assert find_dataset("./digits").name == "digits"
    assert find_dataset("./digits").root.is_dir()


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (find_dataset, "digit", "unknown dataset 'digit': .*; did you mean 'digits'"),
        (find_dataset, "./nothing", r"nothing: no such folder or file"),
        (find_dataset, "mine.yaml", r"^mine\.yaml: no such folder or file"),
        (find_segmentation_dataset, "data", "data: is a dataset for classification, expected one"),
    ],
)
def test_what_is_no_dataset(find, name, message):
    class_folders("train")
    with pytest.raises(InputError, match=message):
        find(name)


def test_a_dataset_for_the_other_task():
    write(pairs("images/{}.jpg", "labels/{}.png"))
    with pytest.raises(InputError, match="data: is a dataset for segmentation, expected one for"):
        find_dataset("data")


def test_a_network_of_other_classes():
    root = class_folders("val")
    write({"classes.txt": "cat\n"})  # of no subset: there are no classes of all
    row = find_dataset(str(class_folders("train", root="other")))
    assert prepared_classes(row, root) == ()
    labels = read_examples(row, "train").labels
    with pytest.raises(InputError, match="other has 2 classes, the network 1"):
        match_labels(row, "train", None, labels, 1, "the network")


def _rotated(orientation):
    """Orientation names are for a folder of pictures of 40 x 56 that a camera held sideways."""
    text = "task: segmentation\nsplits: {val: {images: p, labels: l}}\nclasses: [a, b, c]\n"
    upright = np.zeros((56, 40), np.uint8)
    labels = upright if orientation == "upright" else upright.T
    write({
        "p/a.jpg": ODD["rotated.jpg"], "l/a.png": png(np.ascontiguousarray(labels)),
        "dataset.yaml": text + f"orientation: {orientation}\n",
    })  # fmt: skip
    return read_pictures(find_segmentation_dataset("data/dataset.yaml"), "val")


@pytest.mark.parametrize("orientation", ["upright", "stored"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_pictures_are_turned_upright_unless_they_are_to_stay(orientation, decoder):
    pictures = _rotated(orientation)
    size = (56, 40) if orientation == "upright" else (40, 56)
    image = read_picture(pictures, 0)
    assert image.shape[:2] == pictures.label(0).shape == picture_size(pictures, 0) == size
    decode = DECODERS[decoder].decode
    assert (decode(pictures.read(0), "", upright=pictures.upright) == image).all()
    stored = decode(pictures.read(0), "")
    assert (image == (np.rot90(stored, -1) if orientation == "upright" else stored)).all()
    cropping = Cropping(32, 56, 3)  # it checks the sizes
    loader = Loader(pictures, 1, 0, cropping=cropping, loading=Loading(decoder, workers=0))
    (batch,) = loader.epoch(0)
    assert batch.data.shape == (1, 3, 32, 32)


def test_processes_read_what_is_drawn_of_annotations():
    write({"train/a.jpg": picture(), "train/_annotations.coco.json": coco(["a.jpg"])})
    pictures = read_pictures(find_segmentation_dataset("data"), "train")
    if not len(pictures):
        pytest.fail("the only picture was held out")
    again = pickle.loads(pickle.dumps(pictures))
    assert isinstance(again, Scenes)
    labels = again.label(0)
    assert labels[:6, :8].all()
    assert labels.sum() == 2 * 48  # dog is 1, cat 2: categories in the order of their ids


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in ("webp", "tif", "png") for mode in ("RGB", "L", "RGBA")]
    + [("bmp", "RGB"), ("bmp", "L"), ("gif", "P"), ("jpg", "L"), ("jpg", "CMYK")],
)
def test_formats_of_pictures(kind, mode):
    root = class_folders("val")
    for path in root.glob("val/*/*.jpg"):
        path.unlink()
        image = Image.new("RGB", (20, 30), (204, 204, 204)).convert(mode)
        image.save(path.with_suffix(f".{kind}"))
    examples = read_examples(find_dataset("data"), "val")
    for index in range(4):
        image = read_picture(examples, index)
        assert image.shape == (30, 20, 3)
        assert abs(image.astype(int) - 204).max() < 4
