"""Decoding of image files, and the datasets that fit into memory."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from rnw.data.readers import read_image
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.digits import read_digits
from rnw.errors import InputError

RGB = np.random.RandomState(0).randint(0, 256, (6, 9, 3)).astype(np.uint8)
GREY = RGB[:, :, 0]
GREY_AS_RGB = np.repeat(GREY[:, :, None], 3, axis=2)
COLORS = np.array([[255, 0, 0], [0, 128, 7], [9, 9, 9], [0, 0, 0]], np.uint8)
INDICES = np.random.RandomState(1).randint(0, 4, (6, 9)).astype(np.uint8)


def _save_palette(path):
    image = Image.fromarray(INDICES).convert("P")
    image.putpalette(COLORS.ravel().tolist())
    image.save(path)


def _save_cmyk(path):
    Image.fromarray(np.dstack([255 - RGB, np.zeros_like(GREY)]), "CMYK").save(path)


def _save_rgba(path):
    Image.fromarray(np.dstack([RGB, GREY])).save(path)


def _save_one_bit(path):
    Image.fromarray(INDICES > 1).save(path)


IMAGES = {
    "rgb.png": (lambda path: Image.fromarray(RGB).save(path), RGB),
    "rgb.bmp": (lambda path: Image.fromarray(RGB).save(path), RGB),
    "rgba.png": (_save_rgba, RGB),
    "gray.png": (lambda path: Image.fromarray(GREY).save(path), GREY_AS_RGB),
    "gray.tif": (lambda path: Image.fromarray(GREY).save(path), GREY_AS_RGB),
    "palette.png": (_save_palette, COLORS[INDICES]),
    "palette.gif": (_save_palette, COLORS[INDICES]),
    "one_bit.png": (_save_one_bit, np.repeat((INDICES > 1)[:, :, None] * np.uint8(255), 3, axis=2)),
    "cmyk.tif": (_save_cmyk, RGB),
    "rgb16.png": (lambda path: cv2.imwrite(path, RGB[:, :, ::-1] * np.uint16(257)), RGB),
    "gray16.png": (lambda path: cv2.imwrite(path, GREY * np.uint16(257)), GREY_AS_RGB),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_of_every_mode(name):
    save, expected = IMAGES[name]
    save(name)
    found = read_image(name)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
def test_jpeg(mode, channels):
    Image.new(mode, (16, 8), (0, 255, 255, 0)[:channels] if channels > 1 else 77).save("a.jpg")
    color = {"L": (77, 77, 77), "RGB": (0, 255, 255), "CMYK": (255, 0, 0)}[mode]
    found = read_image(Path("a.jpg"))
    assert found.shape == (8, 16, 3)
    assert np.abs(found.astype(int) - color).max() <= 3


def _encoded(suffix):
    buffer = io.BytesIO()
    Image.fromarray(RGB.repeat(20, axis=0)).save(buffer, suffix)
    return buffer.getvalue()


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("part", [0.9, 0.5, 0.02])
@pytest.mark.parametrize("suffix", ["jpeg", "png", "bmp", "webp"])
def test_truncated_images_are_refused(suffix, part, allowed, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", allowed)  # as gluoncv sets it
    content = _encoded(suffix)
    name = f"cut.{suffix}"
    Path(name).write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError, match=rf"^cut\.{suffix}: cannot be read as an image"):
        read_image(name)


@pytest.mark.parametrize("content", [b"", b"not an image\n", b"\x00" * 100])
def test_files_that_are_no_images_are_refused(content):
    Path("some.png").write_bytes(content)
    with pytest.raises(InputError, match=r"^some\.png: cannot be read as an image"):
        read_image("some.png")


def test_a_missing_image():
    with pytest.raises(InputError, match=r"^folder/a\.png: no such image$"):
        read_image("folder/a.png")


def test_a_directory_is_no_image(tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}: is a folder, expected a regular file$"):
        read_image(tmp_path)


@pytest.fixture(scope="module")
def digits():
    return {split: read_digits(Path(), split) for split in ("train", "test")}


@pytest.mark.parametrize(("split", "count"), [("train", 1438), ("test", 359)])
def test_digits(split, count, digits):
    images, labels = digits[split]
    assert (images.dtype, images.shape) == (np.uint8, (count, 28, 28, 3))
    assert (labels.dtype, labels.shape) == (np.int64, (count,))
    assert set(labels) == set(range(10))
    assert (images == images[..., :1]).all()
    assert images.min() == 0
    assert images.max() == 255


@pytest.fixture(scope="module")
def source():
    """The digits as scikit-learn gives them."""
    from sklearn.datasets import load_digits  # takes as long as all tests of this file

    return load_digits()


def test_every_digit_is_in_one_split(digits, source):
    everything = np.concatenate([digits["train"].images, digits["test"].images])
    assert len({image.tobytes() for image in everything}) == len(source.images) == 1797


def test_test_digits_are_every_fifth(digits, source):
    assert digits["test"].labels.tolist() == source.target[4::5].tolist()
    assert digits["train"].labels[:6].tolist() == source.target[[0, 1, 2, 3, 5, 6]].tolist()
    for index in (0, 100, 358):
        gray = np.round(source.images[5 * index + 4] * 255 / 16).astype(np.uint8)
        enlarged = np.array(Image.fromarray(gray).resize((28, 28), Image.BICUBIC))
        np.testing.assert_array_equal(digits["test"].images[index][:, :, 1], enlarged)


def test_ilsvrc_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"/val\.lst: no such list; `rnw prepare ilsvrc-cls"):
        find_dataset("ilsvrc-cls").read(tmp_path, "val")
