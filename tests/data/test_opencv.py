"""The fast path beside the reference."""

import cv2
import numpy as np
import pytest

from rnw.data import opencv, readers, transforms
from rnw.data.picture_types import IMAGENET, Normalization
from rnw.errors import InputError
from tests.data.pictures import BAD, HEIGHT, JPEG, ODD, WIDTH, colors, encode


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_decoded_as_by_pillow(name):
    found = opencv.decode(ODD[name], name)
    assert (found.shape, found.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    np.testing.assert_array_equal(found, readers.decode(ODD[name], name))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [50, 90, 100])
def test_jpegs_are_decoded_as_by_pillow(quality, subsampling):
    content = encode(colors(2, 75, 99), quality=quality, subsampling=subsampling)
    np.testing.assert_array_equal(opencv.decode(content, "a"), readers.decode(content, "a"))


@pytest.mark.parametrize("decode", [opencv.decode, readers.decode])
def test_pictures_are_near_to_what_they_show(decode):
    shown = {name: decode(content, name).astype(int) for name, content in ODD.items()}
    for name in ("cmyk.jpg", "alpha.png", "rgb16.png", "png_called.jpg", "rotated.jpg"):
        assert np.abs(shown[name] - colors(1)).mean() < 6
    assert np.abs(shown["animated.gif"] - colors(0)).mean() < 20
    assert np.abs(shown["gray16.png"] - colors(1)[:, :, :1]).max() == 0


@pytest.mark.parametrize("decode", [opencv.decode, readers.decode])
@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_named(name, decode):
    with pytest.raises(InputError, match=rf"^folder/{name}: cannot be read as an image: \S"):
        decode(BAD[name], f"folder/{name}")


@pytest.mark.parametrize("length", range(2, len(JPEG), 97))
def test_no_truncated_jpeg_passes(length):
    with pytest.raises(InputError):
        opencv.decode(JPEG[:length], "cut.jpg")


@pytest.mark.parametrize(("choice", "most"), [("adaptive", 2.0), ("cubic", 2.0)])
@pytest.mark.parametrize(
    "shape", [(375, 500), (500, 375), (300, 330), (150, 170), (200, 250), (250, 200), (900, 1200)]
)
def test_resampling_is_near_pillows(shape, choice, most):
    image = colors(3, *shape)
    found = opencv.resize(image, 224, 224, choice)
    assert (found.shape, found.dtype) == ((224, 224, 3), np.uint8)
    difference = found.astype(int) - transforms.resize(image, 224, 224, choice)
    assert np.abs(difference).mean() < most
    assert abs(difference.mean()) < 0.2


def test_shrinking_does_not_alias():
    stripes = np.zeros((448, 448, 3), np.uint8)
    stripes[:, ::2] = 255
    assert opencv.resize(stripes, 160, 160).std() < 20 < cv2.resize(stripes, (160, 160)).std()


@pytest.mark.parametrize("seed", range(12))
def test_colors_are_the_references(seed):
    image = colors(seed)
    found, expected = np.empty((2, 3, HEIGHT, WIDTH), np.float32)
    opencv.recolor(image, np.random.RandomState(seed), found)
    transforms.recolor(image, np.random.RandomState(seed), expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("module", [opencv, transforms])
def test_colors_are_normalized_as_asked(module):
    usual, asked = np.empty((2, 3, HEIGHT, WIDTH), np.float32)
    module.recolor(colors(1), np.random.RandomState(2), usual)
    own = Normalization((0.1, 0.5, 0.9), (0.25, 0.5, 1.0))
    module.recolor(colors(1), np.random.RandomState(2), asked, own)
    in_colors = [
        np.moveaxis(planes, 0, -1) * used.deviation + used.mean
        for planes, used in ((usual, IMAGENET), (asked, own))
    ]
    np.testing.assert_allclose(*in_colors, rtol=0, atol=1e-6)
    assert abs(asked - usual).max() > 1


def test_equal_use_of_random_numbers():
    left = []
    for module in (opencv, transforms):
        random = np.random.RandomState(5)
        module.recolor(colors(1), random, np.empty((3, HEIGHT, WIDTH), np.float32))
        left.append(random.uniform())
    assert left[0] == left[1]
