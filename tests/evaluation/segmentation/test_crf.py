"""The fully connected CRF against sums over all pairs, the authors' filter and true labels."""

from importlib.util import find_spec

import numpy as np
import pytest

from rnw.data.readers import decode
from rnw.data.sets.shapes import CLASSES, read_shapes
from rnw.errors import InputError
from rnw.evaluation.segmentation.crf import (
    DEEPLAB,
    EXACT_PIXELS,
    KRAEHENBUEHL,
    compiled_messages,
    compiled_refinement,
    exact_messages,
    mean_field,
    refine,
    sparse_messages,
    sparse_refinement,
)
from rnw.evaluation.segmentation.permutohedral import permutohedral_lattice

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="numba is not installed")
SETTINGS = pytest.mark.parametrize("parameters", [DEEPLAB, KRAEHENBUEHL], ids=["deeplab", "kk"])


def picture(index, size=96):
    """A drawn picture (size, size, 3), its labels, and probabilities that are a third wrong."""
    shapes = read_shapes(None, "val")
    start = (96 - size) // 2
    part = slice(start, start + size)
    label = shapes.label(index)[part, part]
    truth = np.arange(len(CLASSES))[:, None, None] == label
    scores = np.exp(1.5 * truth + np.random.RandomState(index).normal(0, 1, truth.shape))
    image = decode(shapes.read(index), shapes.name(index))[part, part]
    return image, label, np.float32(scores / scores.sum(axis=0))


def by_all_pairs(probabilities, image, parameters):
    """Equation 3 and algorithm 1 of the paper, with the normalization of the authors' code."""
    count, size = len(probabilities), image.shape[:2]
    places = np.array([(y, x) for y in range(size[0]) for x in range(size[1])], np.float64)
    colors = image.reshape(-1, 3).astype(np.float64)

    def distances(values):
        return np.square(values[:, None] - values[None]).sum(axis=2)

    near = distances(places) / (2 * parameters.appearance_position**2)
    alike = distances(colors) / (2 * parameters.appearance_color**2)
    close = distances(places) / (2 * parameters.smoothness_position**2)
    kernel = 0
    for weight, k in (
        (parameters.appearance_weight, np.exp(-near - alike)),
        (parameters.smoothness_weight, np.exp(-close)),
    ):
        kernel += weight * k / np.sqrt(np.outer(k.sum(axis=1), k.sum(axis=1)))
    unary = -np.log(probabilities.reshape(count, -1).astype(np.float64))
    potts = 1 - np.eye(count)
    q = np.exp(-unary)
    for _ in range(parameters.iterations):
        q = np.exp(-unary - potts @ q @ kernel)
        q /= q.sum(axis=0)
    return q.reshape(probabilities.shape)


@SETTINGS
@pytest.mark.parametrize("index", [0, 1])
def test_small_pictures_are_refined_exactly(index, parameters):
    image, _, probabilities = picture(index, 20)
    image, probabilities = image[:, :17], probabilities[:, :, :17]
    kept = probabilities.copy()
    refined = refine(probabilities, image, parameters)
    assert refined.dtype == np.float32
    expected = by_all_pairs(probabilities, image, parameters)
    np.testing.assert_allclose(refined, expected, atol=1e-4)
    assert np.abs(expected - kept).max() > 0.5
    np.testing.assert_array_equal(probabilities, kept)


# What the authors' filter of 2013 makes of three random channels: sums, some values of the second
AUTHORS = [
    (
        DEEPLAB,
        [43.256752, 51.237003, 46.155304],
        [0.44124, 0.43869, 0.06063, 1.05308, 0.36183, 0.07244],
    ),
    (
        KRAEHENBUEHL,
        [573.74554, 686.32135, 597.7454],
        [4.62082, 4.74235, 1.81108, 5.76952, 8.04907, 6.8534],
    ),
]


@pytest.mark.parametrize("parameters, sums, some", AUTHORS, ids=["deeplab", "kk"])
def test_the_lattice_filters_as_the_authors_code_does(parameters, sums, some):
    colors = np.random.RandomState(0).randint(0, 60, (12, 12, 3)).astype(np.uint8)
    y, x = np.mgrid[:12, :12]
    places = np.stack([x, y], axis=2) / parameters.appearance_position
    features = np.concatenate([places, colors / parameters.appearance_color], axis=2)
    slicing, blurs = permutohedral_lattice(features.reshape(-1, 5))
    values = slicing.T @ np.random.RandomState(1).rand(144, 3)
    for blur in blurs:
        values = blur @ values
    filtered = slicing @ values / (1 + 2**-5)  # their scale
    np.testing.assert_allclose(filtered.sum(axis=0), sums, rtol=1e-5)
    np.testing.assert_allclose(filtered[::24, 1], some, atol=2e-5)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_lattice_is_near_a_gaussian(dimension):
    features = np.random.RandomState(dimension).uniform(0, 4, (2000, dimension))
    slicing, blurs = permutohedral_lattice(features)
    impulse = slicing.T @ np.eye(2000, 1)
    for blur in blurs:
        impulse = blur @ impulse
    found = (slicing @ impulse)[:, 0]
    gaussian = np.exp(-np.square(features - features[0]).sum(axis=1) / 2)
    assert np.corrcoef(found, gaussian)[0, 1] > 0.97
    np.testing.assert_allclose(slicing.sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters, difference, disagreement",
    [(DEEPLAB, 0.015, 0.04), (KRAEHENBUEHL, 0.002, 0.005)],
    ids=["deeplab", "kk"],
)
@pytest.mark.parametrize("size", [20, 40])
def test_the_lattice_is_near_the_exact_sums(size, parameters, difference, disagreement):
    for index in range(3):
        image, _, probabilities = picture(index, size)
        exact, near = (
            mean_field(probabilities, messages(image, parameters), parameters.iterations)
            for messages in (exact_messages, sparse_messages)
        )
        assert np.abs(near - exact).mean() < difference
        assert (near.argmax(axis=0) != exact.argmax(axis=0)).mean() < disagreement


@pytest.mark.parametrize(
    "lattice_messages",
    [sparse_messages, pytest.param(compiled_messages, marks=needs_numba)],
    ids=["sparse", "compiled"],
)
@pytest.mark.parametrize("deviation", [1, 3, 200])
def test_smoothness_is_exact_on_large_pictures_too(lattice_messages, deviation):
    image, _, probabilities = picture(3, 40)
    beliefs = np.ascontiguousarray(np.moveaxis(probabilities, 0, 2)[:30])
    parameters = KRAEHENBUEHL._replace(appearance_weight=0, smoothness_position=deviation)
    exact, near = (
        messages(image[:30], parameters)(beliefs) for messages in (exact_messages, lattice_messages)
    )
    np.testing.assert_allclose(near, exact, rtol=1e-4)


@needs_numba
@SETTINGS
def test_compiled_loops_give_what_sparse_matrices_give(parameters):
    image, _, probabilities = picture(4)
    image, probabilities = image[:70], probabilities[:, :70]
    expected = sparse_refinement(probabilities, image, parameters)
    found = compiled_refinement(probabilities, image, parameters)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(refine(probabilities, image, parameters), found)


def mean_iou(predicted, label):
    pairs = len(CLASSES) * label.ravel().astype(int) + predicted.ravel()
    counts = np.bincount(pairs, minlength=len(CLASSES) ** 2)
    confusion = counts.reshape(len(CLASSES), len(CLASSES))
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - confusion.diagonal()
    return 100 * np.mean(confusion.diagonal()[union > 0] / union[union > 0])


@pytest.mark.parametrize(
    "parameters, gain", [(DEEPLAB, 20), (KRAEHENBUEHL, 70)], ids=["deeplab", "kk"]
)
def test_noisy_scores_of_drawn_shapes_get_better(parameters, gain):
    gains = []
    for index in range(6):
        image, label, probabilities = picture(index)
        assert label.size > EXACT_PIXELS
        refined = refine(probabilities, image, parameters)
        np.testing.assert_allclose(refined.sum(axis=0), 1, atol=1e-5)
        before, after = (mean_iou(maps.argmax(axis=0), label) for maps in (probabilities, refined))
        gains.append(after - before)
    assert np.mean(gains) > gain
    assert min(gains) > 0


def test_neighbors_overrule_a_pixel_that_is_sure_and_wrong():
    image = np.full((9, 11, 3), 130, np.uint8)
    probabilities = np.stack([np.full((9, 11), 0.9), np.full((9, 11), 0.1)]).astype(np.float32)
    probabilities[:, 4, 5] = 0, 1
    assert refine(probabilities, image, KRAEHENBUEHL)[0].min() > 0.5
    image[4, 5] = 255  # of another color it stands alone
    alone = refine(probabilities, image, KRAEHENBUEHL)[0] < 0.5
    assert np.argwhere(alone).tolist() == [[4, 5]]


def test_without_iterations_nothing_changes():
    image, _, probabilities = picture(0, 20)
    unchanged = refine(probabilities, image, DEEPLAB._replace(iterations=0))
    np.testing.assert_array_equal(unchanged, probabilities)


def test_deviations_that_no_lattice_can_hold_are_refused():
    image, _, probabilities = picture(0)
    tiny = DEEPLAB._replace(appearance_position=1e-4, appearance_color=1e-4)
    with pytest.raises(InputError, match="deviations are too small"):
        refine(probabilities, image, tiny)


SCORES, IMAGE = np.full((3, 4, 5), 1 / 3, np.float32), np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    "probabilities, image, parameters, message",
    [
        (SCORES, IMAGE[:3], DEEPLAB, r"\(classes, 3, 5\) .* found \(3, 4, 5\)"),
        (SCORES[0], IMAGE, DEEPLAB, r"\(classes, 4, 5\) .* found \(4, 5\)"),
        (SCORES, IMAGE[..., 0], DEEPLAB, r"\(H, W, 3\) of uint8, found \(4, 5\) of uint8"),
        (SCORES, IMAGE / 255, DEEPLAB, r"found \(4, 5, 3\) of float64"),
        (SCORES, IMAGE, DEEPLAB._replace(appearance_color=0), "appearance_color is 0"),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, image, parameters, message):
    with pytest.raises(InputError, match=message):
        refine(probabilities, image, parameters)
