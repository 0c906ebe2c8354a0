"""Datasets of the catalog under Gluon's own loader."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon.data.vision import transforms
from PIL import Image

import rnw
from rnw.data.labeled import write_label
from rnw.data.sets.catalog import find_dataset, find_segmentation_dataset
from rnw.data.sets.reading import read_pictures
from rnw.data.transforms import DEVIATION, MEAN, normalize
from rnw.errors import InputError


def _picture(path, height, width, seed):
    pixels = np.random.RandomState(seed).randint(256, size=(height, width, 3), dtype=np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_digits_are_those_of_the_catalog():
    dataset = rnw.get_dataset("digits", "test")
    row = find_dataset("digits")
    expected = row.read(Path(), "test")
    assert len(dataset) == len(expected.labels)
    assert dataset.classes == tuple(row.class_names())
    for index in (0, 7, len(dataset) - 1, -1):
        picture, label = dataset[index]
        assert (picture.dtype, label) == (np.uint8, expected.labels[index])
        np.testing.assert_array_equal(picture.asnumpy(), expected.images[index])
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    assert len(rnw.get_dataset("digits")) == len(row.read(Path(), row.train_split).labels)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_gluons_loader_makes_batches(workers):
    dataset = rnw.get_dataset("digits", "test")
    change = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(tuple(MEAN), tuple(DEVIATION))]
    )
    loader = mx.gluon.data.DataLoader(
        dataset.transform_first(change), batch_size=16, num_workers=workers
    )
    batch, labels = next(iter(loader))
    pictures, expected = zip(*(dataset[index] for index in range(16)))
    assert labels.asnumpy().tolist() == list(expected)
    own = normalize(np.stack([picture.asnumpy() for picture in pictures]))
    np.testing.assert_allclose(batch.asnumpy(), own, rtol=0, atol=1e-5)


def test_pictures_of_a_list():
    pixels = [_picture(f"data/{name}.png", 4 + name, 6, name) for name in range(2)]
    Path("data/val.lst").write_text("0\t30\t1.png\n1\t2\t0.png\n")
    dataset = rnw.get_dataset("ilsvrc-cls", "val", Path("data"))
    found = [(picture.asnumpy(), label) for picture, label in dataset]
    assert [label for _, label in found] == [30, 2]
    for (picture, _), expected in zip(found, reversed(pixels)):
        np.testing.assert_array_equal(picture, expected)
    assert len(dataset.classes) == 1000
    Path("data/0.png").write_bytes(b"none")
    with pytest.raises(InputError, match=r"data/0\.png"):
        dataset[1]


def test_label_maps_of_a_list():
    pixels = _picture("data/a.png", 5, 6, 0)
    labels = np.random.RandomState(1).choice([0, 3, 20, 255], size=(5, 6)).astype(np.uint8)
    write_label("data/a_labels.png", labels)
    write_label("data/b_labels.png", labels[:, :5])
    Path("data/val.lst").write_text("a.png\ta_labels.png\na.png\tb_labels.png\n")
    dataset = rnw.get_dataset("voc", "val", Path("data"))
    picture, found = dataset[0]
    assert (picture.dtype, found.dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(picture.asnumpy(), pixels)
    np.testing.assert_array_equal(found.asnumpy(), labels)
    with pytest.raises(InputError, match="they do not belong together"):
        dataset[1]


def test_shapes_are_those_of_the_catalog():
    row = find_segmentation_dataset("shapes")
    dataset, pictures = rnw.get_dataset("shapes", "val"), read_pictures(row, "val")
    assert (len(dataset), dataset.classes) == (len(pictures), row.class_names)
    np.testing.assert_array_equal(dataset[3][1].asnumpy(), pictures.label(3))


def test_an_unknown_dataset():
    with pytest.raises(InputError, match="unknown dataset 'ilsvrc'"):
        rnw.get_dataset("ilsvrc")
    with pytest.raises(InputError, match="val"):
        rnw.get_dataset("shapes", "nothing")
