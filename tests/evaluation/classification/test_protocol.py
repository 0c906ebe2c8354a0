"""Crops, flips and scales, one picture at a time."""

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import DATASETS
from rnw.data.transforms import five_crops, normalize, three_crops
from rnw.errors import InputError
from rnw.evaluation.classification.model import Model, predict_batches
from rnw.evaluation.classification.protocol import Protocol
from rnw.evaluation.engines.mxnet import classify
from tests.data.test_transforms import picture


def _cut(image, corners, size):
    return np.stack([image[y : y + size, x : x + size] for y, x in corners])


@pytest.mark.parametrize(
    ("height", "width", "corners"),
    [
        (9, 6, [(0, 1), (3, 1), (5, 1)]),  # an odd rest goes to the top
        (4, 11, [(0, 0), (0, 4), (0, 7)]),
        (4, 4, [(0, 0)] * 3),
        (7, 7, [(2, 0), (2, 2), (2, 3)]),
    ],
)
def test_three_crops(height, width, corners):
    image = picture(height, width, 1)
    np.testing.assert_array_equal(three_crops(image, 4), _cut(image, corners, 4))


@pytest.mark.parametrize(
    ("height", "width", "corners"),
    [(9, 6, [(0, 0), (0, 2), (5, 0), (5, 2), (3, 1)]), (4, 4, [(0, 0)] * 5)],
)
def test_five_crops(height, width, corners):
    image = picture(height, width, 1)
    np.testing.assert_array_equal(five_crops(image, 4), _cut(image, corners, 4))


def test_ten_crops_are_cut_out_of_a_larger_picture():
    image = picture(512, 300, 1)
    scaled = np.array(Image.fromarray(image).resize((256, 437), Image.LANCZOS))
    corners = [(0, 0), (0, 32), (213, 0), (213, 32), (107, 16)]
    found = Protocol((224,), "ten").cut(image, 224)
    np.testing.assert_array_equal(found, _cut(scaled, corners, 224))


def _first_pixel(data):
    """A network of two classes whose score is the first pixel's red."""
    red = data[:, 0, 0, 0]
    return mx.nd.stack(red, -red, axis=1)


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("crops", ["center", "three", "ten"])
@pytest.mark.parametrize("flip", [False, True])
def test_probabilities_are_averaged_over_the_views(flip, crops, batch):
    images = [picture(40 + 3 * k, 70 - 4 * k, k) for k in range(9)]
    protocol = Protocol((32,), crops, flip)
    forward = classify(_first_pixel, [mx.cpu(0), mx.cpu(1)])
    model = Model(forward, DATASETS["digits"], protocol)
    found = predict_batches(model, images.__getitem__, range(2, 9), 32, batch)
    for row, image in zip(np.concatenate(list(found)), images[2:]):
        views = list(normalize(protocol.cut(image, 32)))
        if flip or crops == "ten":
            views += [view[:, :, ::-1] for view in views]
        expected = np.mean([1 / (1 + np.exp(-2.0 * view[0, 0, 0])) for view in views])
        np.testing.assert_allclose(row, [expected, 1 - expected], rtol=1e-5)


def test_scales_come_largest_first_and_once():
    assert Protocol(()).with_scales([224, 320, 224]).scales == (320, 224)


@pytest.mark.parametrize("scales", [(), (0,), (224, -1)])
def test_impossible_scales_are_refused(scales):
    with pytest.raises(InputError, match="expected at least one, each at least 1"):
        Protocol(()).with_scales(scales)


def test_networks_of_a_fixed_size_are():
    model = Model(None, None, Protocol((224,), "ten"), fixed_size=True)
    assert model.tested_by([224], "center").protocol == Protocol((224,), "center")
    with pytest.raises(InputError, match="takes crops of 224 only"):
        model.tested_by([224, 320])
