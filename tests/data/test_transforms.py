"""Image transforms against the original's arrays and by hand."""

import numpy as np
import pytest
from PIL import Image

from rnw.data import transforms
from tests.golden_cases import golden_arrays, golden_json

GOLDEN = golden_json("transforms", {"pictures": []})
KINDS = {
    "scale_shorter": transforms.scale_shorter_side,
    "center": lambda image, size, choice: transforms.center_crop(
        transforms.scale_shorter_side(image, size, choice), size
    ),
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


@pytest.mark.parametrize("index", range(len(GOLDEN["pictures"])))
def test_pictures_are_those_of_the_reference_data(index):
    image = picture(**GOLDEN["pictures"][index])
    expected = golden_arrays("transforms")[f"picture{index}_sum"]
    assert [image.sum(), *image[0, ::5].ravel()[:20]] == expected.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("choice", ["adaptive", "cubic"])
@pytest.mark.parametrize("index", range(len(GOLDEN["pictures"])))
def test_transforms_are_the_originals(index, choice, kind):
    image = picture(**GOLDEN["pictures"][index])
    expected = golden_arrays("transforms")[f"{choice}_{index}_{kind}"]
    np.testing.assert_array_equal(KINDS[kind](image, GOLDEN["size"], choice), expected)


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
    by_hand = np.array(Image.fromarray(image).resize(target[::-1], expected))
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
