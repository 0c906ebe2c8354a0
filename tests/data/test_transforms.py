"""Image transforms against the original's arrays and by hand."""

import re

import numpy as np
import pytest
from PIL import Image

from rnw.data import transforms
from tests.golden_cases import each_case, golden_arrays, golden_folder, golden_json

GOLDEN = golden_json("transforms", {"pictures": []})
CASES = golden_arrays("transforms") if (golden_folder() / "transforms.npz").exists() else {}
CASE = re.compile(
    r"(?P<choice>adaptive|cubic)_(?P<index>\d+)_(?P<kind>[a-z_]+?)(_seed(?P<seed>\d+))?"
)


def _train(image, size, random, choice):
    out = np.empty((3, size, size), np.float32)
    transforms.recolor(transforms.random_sized_crop(image, size, random, choice), random, out)
    return np.moveaxis(out, 0, -1)


KINDS = {
    "scale_shorter": lambda image, size, _, choice: transforms.scale_shorter_side(
        image, size, choice
    ),
    "scale_longer": lambda image, size, _, choice: transforms.scale_longer_side(
        image, size, choice
    ),
    "center": lambda image, size, _, choice: transforms.center_crop(
        transforms.scale_shorter_side(image, size, choice), size
    ),
    "three": lambda image, size, _, choice: transforms.three_crops(
        transforms.scale_shorter_side(image, size, choice), size
    ),
    "crop": transforms.random_sized_crop,
    "train": _train,
}


def picture(height, width, seed):
    """The picture that the reference data was made from, (height, width, 3) uint8."""
    stream = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.zeros((height, width, 3))
    for channel in range(3):
        a, b, c, d = stream.uniform(0.01, 0.15, 4)
        p, q = stream.uniform(0, 6.28, 2)
        waves = 60 * np.sin(a * x + b * y + p) + 50 * np.sin(c * x - d * y + q)
        image[:, :, channel] = 127 + waves
    image += stream.standard_normal((height, width, 3)) * 6
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


@each_case("index", "transforms.json", range(len(GOLDEN["pictures"])))
def test_pictures_are_those_of_the_reference_data(index):
    image = picture(**GOLDEN["pictures"][index])
    expected = CASES[f"picture{index}_sum"]
    assert [image.sum(), *image[0, ::5].ravel()[:20]] == expected.tolist()


@each_case("case", "transforms.npz", [name for name in CASES if not name.endswith("_sum")])
def test_transforms_are_the_originals(case):
    match = CASE.fullmatch(case)
    image = picture(**GOLDEN["pictures"][int(match["index"])])
    random = np.random.RandomState(int(match["seed"])) if match["seed"] else None
    found = KINDS[match["kind"]](image, GOLDEN["size"], random, match["choice"])
    if CASES[case].dtype == np.uint8:
        np.testing.assert_array_equal(found, CASES[case])
    else:
        np.testing.assert_allclose(found, CASES[case], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "choice", "expected"),
    [
        ((10, 15), "adaptive", Image.LANCZOS),
        ((40, 60), "adaptive", Image.BICUBIC),
        ((10, 60), "adaptive", Image.BILINEAR),
        ((40, 15), "adaptive", Image.BILINEAR),
        ((20, 60), "adaptive", Image.BILINEAR),
        ((10, 30), "adaptive", Image.BILINEAR),
        ((10, 15), "cubic", Image.BICUBIC),
        ((10, 60), "cubic", Image.BICUBIC),
    ],
)
def test_interpolation(target, choice, expected):
    assert transforms.interpolation((20, 30), target, choice) == expected
    image = picture(20, 30, 1)
    found = transforms.resize(image, *target, choice)
    across = Image.fromarray(image).resize((target[1], 20), expected)
    by_hand = np.array(across.resize(target[::-1], expected))
    np.testing.assert_array_equal(found, by_hand)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((60, 80), 30, (30, 40)),
        ((80, 60), 30, (40, 30)),
        ((60, 81), 30, (30, 40)),  # 40.5 is rounded to even
        ((60, 83), 30, (30, 42)),  # 41.5
        ((375, 500), 320, (320, 427)),
        ((20, 20), 30, (30, 30)),
    ],
)
def test_scaled_shapes(shape, size, expected):
    found = transforms.scale_shorter_side(np.zeros((*shape, 3), np.uint8), size)
    assert found.shape == (*expected, 3)


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 900), (1, 30)), ((900, 2), (30, 1)), ((1, 1), (30, 30))]
)
def test_thin_images_keep_a_pixel(shape, expected):
    found = transforms.scale_longer_side(np.full((*shape, 3), 77, np.uint8), 30)
    assert found.shape == (*expected, 3)
    assert (found == 77).all()


def test_an_image_of_the_right_size_is_left_as_it_is():
    image = picture(30, 41, 1)
    np.testing.assert_array_equal(transforms.scale_shorter_side(image, 30, "cubic"), image)


@pytest.mark.parametrize(
    ("shape", "top", "left"), [((4, 8), 0, 2), ((9, 4), 3, 0), ((7, 4), 2, 0), ((5, 6), 1, 1)]
)
def test_center_crop(shape, top, left):
    image = picture(*shape, 1)
    found = transforms.center_crop(image, 4)
    np.testing.assert_array_equal(found, image[top : top + 4, left : left + 4])


def test_normalized_values():
    image = np.array([[[0, 51, 255], [255, 102, 0]]], np.uint8)
    found = transforms.normalize(image)
    expected = [
        [[(0 - 0.485) / 0.229, (1 - 0.485) / 0.229]],
        [[(0.2 - 0.456) / 0.224, (0.4 - 0.456) / 0.224]],
        [[(1 - 0.406) / 0.225, (0 - 0.406) / 0.225]],
    ]
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_batches_are_normalized_image_by_image():
    images = np.stack([picture(5, 7, 1), picture(5, 7, 2)])
    found = transforms.normalize(images)
    assert found.shape == (2, 3, 5, 7)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found[1], transforms.normalize(images[1]))


@pytest.mark.parametrize(("shape", "size"), [((60, 60), 30), ((58, 51), 48), ((300, 250), 224)])
def test_rows_are_resampled_first(shape, size):
    image = picture(*shape, 1)
    across = transforms.resize(image, shape[0], size, "cubic")
    found = transforms.resize(image, size, size, "cubic")
    np.testing.assert_array_equal(found, transforms.resize(across, size, size, "cubic"))


def test_the_middle_is_taken_when_no_crop_fits():
    image = picture(8, 100, 1)
    random = np.random.RandomState(0)
    assert transforms.draw_box(8, 100, np.random.RandomState(0)) is None
    found = transforms.random_sized_crop(image, 4, random)
    expected = transforms.center_crop(transforms.scale_shorter_side(image, 4), 4)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (375, 500)])
def test_boxes_lie_within_the_image(height, width):
    random = np.random.RandomState(0)
    boxes = [transforms.draw_box(height, width, random) for _ in range(300)]
    for box in filter(None, boxes):
        assert 0 <= box.top < box.top + box.height <= height
        assert 0 <= box.left < box.left + box.width <= width
    assert any(boxes)


def test_crops_cover_between_8_and_100_per_cent():
    random = np.random.RandomState(0)
    boxes = [box for box in (transforms.draw_box(375, 500, random) for _ in range(2000)) if box]
    areas = np.array([box.height * box.width / (375 * 500) for box in boxes])
    aspects = np.array([box.width / box.height for box in boxes])
    assert 0.079 < areas.min() < 0.09
    assert 0.9 < areas.max() <= 1
    assert 0.74 < aspects.min() < 0.8
    assert 1.25 < aspects.max() < 1.35


def test_recoloring_stays_within_black_and_white():
    low = (0 - transforms.EXACT_MEAN) / transforms.EXACT_DEVIATION
    high = (1 - transforms.EXACT_MEAN) / transforms.EXACT_DEVIATION
    out = np.empty((3, 20, 30), np.float32)
    for seed in range(20):
        transforms.recolor(picture(20, 30, seed), np.random.RandomState(seed), out)
        assert (out >= low[:, None, None] - 1e-6).all()
        assert (out <= high[:, None, None] + 1e-6).all()
