"""Numeric functions refuse what is not finite, by the name of what they were given."""

import numpy as np
import pytest

from rnw.analysis.paths import effective_depth
from rnw.arrays import check_finite
from rnw.bench.loss import plain_bootstrapped_softmax
from rnw.data.transforms import MEAN, color_jitter, lighting, normalize
from rnw.errors import InputError
from rnw.evaluation.classification.scores import (
    binomial_error,
    cross_entropy,
    top_accuracy,
    top_classes,
)
from rnw.evaluation.segmentation.crf import DEEPLAB, mean_field, refine
from rnw.evaluation.segmentation.permutohedral import permutohedral_lattice
from rnw.evaluation.segmentation.score_maps import ScoreMap
from rnw.evaluation.segmentation.upsampling import label, upsample

IMAGE = np.random.RandomState(0).randint(0, 255, (12, 14, 3)).astype(np.uint8)
LARGE = np.random.RandomState(0).randint(0, 255, (60, 70, 3)).astype(np.uint8)
MAP = ScoreMap(np.full((2, 3, 3), 0.5, np.float32), 8, (20, 20))


def test_numbers_are_counted():
    check_finite("scores", np.float32([0, 1e38]))
    check_finite("labels", np.uint8([255]))
    check_finite("names", np.array(["a"]))
    with pytest.raises(InputError, match=r"^scores are not finite: 2 of 1,003 are NaN or infin"):
        check_finite("scores", np.append(np.zeros(1001), [np.nan, -np.inf]))
    with pytest.raises(InputError, match=r"^scores are not finite: 1 of 1 are NaN or infinite$"):
        check_finite("scores", complex(0, np.inf))


def _ones(*shape):
    return np.full(shape, 1 / shape[0], np.float32)


FUNCTIONS = {
    "refine": (lambda x: refine(x, IMAGE), _ones(5, 12, 14), "probabilities"),
    "refine on a lattice": (lambda x: refine(x, LARGE), _ones(5, 60, 70), "probabilities"),
    "parameters": (
        lambda x: refine(_ones(5, 12, 14), IMAGE, DEEPLAB._replace(appearance_weight=float(x[0]))),
        _ones(1),
        "parameters of the CRF",
    ),
    "mean_field": (lambda x: mean_field(x, lambda b: b, 2), _ones(2, 3, 4), "probabilities"),
    "lattice": (permutohedral_lattice, _ones(4, 5), "features"),
    "upsample": (lambda x: upsample(MAP._replace(scores=x), (20, 20)), _ones(2, 3, 3), "scores"),
    "label": (lambda x: label([MAP, MAP._replace(scores=x)], (20, 20)), _ones(2, 3, 3), "scores"),
    "mix": (lambda x: label([MAP, MAP], (20, 20), x.tolist()), _ones(2), "weights of the maps"),
    "top_classes": (top_classes, _ones(3, 6), "probabilities"),
    "top_accuracy": (lambda x: top_accuracy(x, np.arange(3), 1), _ones(3, 6), "probabilities"),
    "cross_entropy": (lambda x: cross_entropy(x, np.arange(3)), _ones(3, 6), "probabilities"),
    "binomial_error": (lambda x: binomial_error(x[0], 9), _ones(1), "rates"),
    "normalize": (normalize, _ones(4, 4, 3), "pixels"),
    "means": (lambda x: normalize(IMAGE, x), MEAN.copy(), "means"),
    "color_jitter": (
        lambda x: color_jitter(x, np.random.RandomState(0)),
        _ones(3, 4, 4),
        "pixels",
    ),
    "lighting": (lambda x: lighting(x, np.random.RandomState(0)), _ones(3, 4, 4), "pixels"),
    "loss": (
        lambda x: plain_bootstrapped_softmax(x, np.zeros((1, 2, 2))),
        _ones(1, 3, 2, 2),
        "scores",
    ),
    "effective_depth": (effective_depth, _ones(4), "norms of gradients"),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_not_finite_is_refused_by_name(name, value):
    function, good, what = FUNCTIONS[name]
    function(good.copy())
    bad = good.copy()
    bad.flat[0] = value
    count = len(DEEPLAB) if name == "parameters" else good.size
    with pytest.raises(InputError, match=rf"^{what} are not finite: 1 of {count:,} are NaN or"):
        function(bad)
