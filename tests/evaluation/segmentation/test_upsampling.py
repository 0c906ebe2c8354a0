"""Score maps at the size of their picture, and the labels that they give at once."""

import numpy as np
import pytest
from PIL import Image

from rnw.evaluation.segmentation.score_maps import ScoreMap
from rnw.evaluation.segmentation.upsampling import label, resize_matrix, upsample
from tests.golden_cases import each_case, golden_arrays, golden_json

CASES = golden_json("upsampled_scores", [])
FILTERS = (Image.BILINEAR, Image.BICUBIC, Image.LANCZOS)


def _map(seed, classes, cells, stride, scaled):
    scores = np.random.RandomState(seed).uniform(size=(classes, *cells)).astype(np.float32)
    return ScoreMap(scores, stride, tuple(scaled))


def assert_labels_of(scores, labels):
    """Each pixel's label has the largest score but for rounding."""
    chosen = np.take_along_axis(scores, labels[None].astype(int), axis=0)[0]
    assert (scores.max(axis=0) - chosen).max() < 1e-5
    assert len(np.unique(labels)) == len(scores)


@each_case("number", "upsampled_scores.json", range(len(CASES)))
def test_scores_are_the_originals(number):
    case = CASES[number]
    found = _map(case["seed"], case["classes"], case["map"], case["stride"], case["scaled"])
    size = tuple(case["image"])
    scores = upsample(found, size)
    np.testing.assert_allclose(scores, golden_arrays("upsampled_scores")[str(number)], atol=1e-5)
    assert_labels_of(scores, label([found], size))


@pytest.mark.parametrize(
    ("scaled", "size"),
    [
        ((200, 300), (200, 300)),
        ((200, 300), (333, 500)),  # cubic
        ((200, 300), (100, 150)),  # Lanczos
        ((200, 300), (210, 299)),  # linear
        ((1, 300), (1, 280)),
    ],
)
def test_labels_are_those_of_the_scores(scaled, size):
    cells = tuple(-(-side // 8) for side in scaled)
    found = _map(1, 6, cells, 8, scaled)
    assert_labels_of(upsample(found, size), label([found], size))


def test_several_maps_are_mixed():
    size = (150, 170)
    maps = [_map(1, 4, (20, 23), 8, (150, 180)), _map(2, 4, (25, 30), 4, (100, 113))]
    scores = 0.3 * upsample(maps[0], size) + 0.7 * upsample(maps[1], size)
    assert_labels_of(scores, label(maps, size, [0.3, 0.7]))
    assert (
        label(maps, size) == (upsample(maps[0], size) + upsample(maps[1], size)).argmax(0)
    ).all()


def test_ties_go_to_the_first_class():
    found = ScoreMap(np.ones((5, 2, 2), np.float32), 8, (16, 16))
    assert not label([found], (16, 16)).any()


@pytest.mark.parametrize("filter_number", FILTERS)
@pytest.mark.parametrize(("source", "target"), [(7, 56), (56, 7), (30, 31), (31, 30), (1, 9)])
def test_matrices_are_pillows_resampling(source, target, filter_number):
    line = np.random.RandomState(0).uniform(size=(1, source)).astype(np.float32)
    expected = Image.fromarray(line).resize((target, 1), filter_number)
    found = resize_matrix(source, target, filter_number) @ line[0]
    np.testing.assert_allclose(found, np.asarray(expected)[0], atol=1e-6)
