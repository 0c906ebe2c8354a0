"""Validation of a segmentation network in training, against its parts taken one by one."""

from dataclasses import replace
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import LabeledImages
from rnw.data.picture_types import Pair
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.transforms import normalize, resize
from rnw.errors import InputError
from rnw.evaluation.segmentation.validate import make_validator
from rnw.networks.classifier import get_network
from tests.data.pictures import colors

SHAPES = [(40, 64), (64, 40), (20, 50), (64, 64), (30, 60)]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A dataset `pictures` of sizes up to 64, tested at 80, with what it reads."""
    pairs = []
    random = np.random.RandomState(0)
    for index, shape in enumerate(SHAPES):
        Image.fromarray(colors(index, *shape)).save(tmp_path / f"{index}.png")
        label = random.randint(0, 5, shape).astype(np.uint8)
        label[:3] = 255
        Image.fromarray(label).save(tmp_path / f"label{index}.png")
        pairs.append(Pair(f"{index}.png", f"label{index}.png"))
    images = LabeledImages(tmp_path, pairs)
    row = replace(
        SEGMENTATION["shapes"],
        read=lambda root, split: images,
        test_size=80,
        identical_sizes=False,
    )
    monkeypatch.setitem(SEGMENTATION, "pictures", row)
    return images


def _expected(net, images):
    """Loss, accuracy and mean IoU with the pictures alone in the network, pixel by pixel."""
    losses, hits, unions = [], np.zeros(5), np.zeros(5)
    for index, shape in enumerate(SHAPES):
        image = np.array(Image.open(Path(images.name(index))))
        height, width = (int(np.round(side * 80 / max(shape))) for side in shape)
        data = np.zeros((1, 3, 80, 80), np.float32)
        data[0, :, :height, :width] = normalize(resize(image, height, width))
        scores = mx.nd.softmax(net(mx.nd.array(data)), axis=1)[0].asnumpy()
        maps = []
        for plane in scores:
            large = Image.fromarray(plane).resize((80, 80), Image.BICUBIC)
            maps.append(large.crop((0, 0, width, height)).resize(shape[::-1], Image.BICUBIC))
        maps, truth = np.stack([np.array(m) for m in maps]), images.label(index)
        predicted = maps.argmax(axis=0)
        for y, x in zip(*np.nonzero(truth < 255)):
            losses.append(-np.log(max(maps[truth[y, x], y, x], np.finfo(np.float32).tiny)))
            hits[truth[y, x]] += predicted[y, x] == truth[y, x]
            unions[truth[y, x]] += 1
            unions[predicted[y, x]] += predicted[y, x] != truth[y, x]
    return np.mean(losses), hits.sum() / len(losses), np.mean(hits / unions)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("name", ["28-0-1-1-1-1-1-1", "224-0-1-1-1-1-1-1"])
def test_scores(pictures, fill, name, devices):
    options = {"classes": 5, "width": 1 / 32, "stride": 8, "classifier": "1 conv"}
    contexts = [mx.cpu(i) for i in range(devices)]
    net = fill(get_network(name, head="softmax", **options), contexts)
    net.hybridize(static_alloc=True, static_shape=True)
    net(mx.nd.zeros((2, 3, 32, 32)), mx.nd.zeros((2, 4, 4)))
    scores = make_validator("pictures", contexts)(net)
    loss, accuracy, mean_iou = _expected(fill(get_network(name, **options)), pictures)
    assert list(scores) == ["loss", "accuracy", "mean-iou"]
    assert scores["loss"] == pytest.approx(loss, rel=1e-3)
    assert scores["accuracy"] == pytest.approx(100 * accuracy, abs=0.2)
    assert scores["mean-iou"] == pytest.approx(100 * mean_iou, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "label", "wording"),
    [
        (
            (50, 20),
            1,
            r": a label map of 20 x 50, its picture \S*/2\.png is 50 x 20; one is turned",
        ),
        ((40, 100), 1, r": a label map of 100 x 40, its picture \S*/2\.png is 50 x 20; they do"),
        ((20, 50), 5, r": label 5: expected a class, 0 to 4$"),
        ((20, 50), 254, r": label 254: expected a class, 0 to 4$"),
    ],
)
def test_labels_that_do_not_fit_are_named(pictures, fill, shape, label, wording):
    Image.fromarray(np.full(shape, label, np.uint8)).save(pictures.label_name(2))
    options = {"classes": 5, "width": 1 / 32, "stride": 8, "classifier": "1 conv"}
    net = fill(get_network("28-0-1-1-1-1-1-1", head="softmax", **options))
    with pytest.raises(InputError, match=wording) as refusal:
        make_validator("pictures", [mx.cpu()])(net)
    assert str(refusal.value).startswith(pictures.label_name(2))
