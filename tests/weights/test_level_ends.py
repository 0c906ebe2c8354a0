"""Normalizations behind the last unit of a level, folded into the level."""

import mxnet as mx
import numpy as np
import pytest

from rnw.bench.weights import random_parameters
from rnw.networks.classifier import Network
from rnw.networks.layout import configure, fold
from rnw.weights.level_ends import fold_level_ends
from rnw.weights.surgery import fold_batch_norms

NARROW = 0.0625
TOLERANCE = 1e-5  # of the largest score


def parameters_of(config):
    """Random ones, whose normalizations have factors from -2 to 2, none of them small."""
    random = np.random.RandomState(0)
    found = random_parameters(config)
    for name, array in found.items():
        if name.endswith("_gamma"):
            signs = random.choice([-1, 1], array.shape)
            found[name] = (signs * random.uniform(0.1, 2, array.shape)).astype(np.float32)
    return found


def scores(config, parameters, data):
    net = Network(config)
    net.initialize()
    for name, parameter in net.named_parameters.items():
        parameter.set_data(parameters[name])
    return net(data).asnumpy()


def folded_away(config, parameters):
    """The normalizations that disappear, by name."""
    simple, values = fold_level_ends(config, parameters)
    assert {p.name: p.shape for p in simple.parameters()} == {n: v.shape for n, v in values.items()}
    return {name[: -len("_gamma")] for name in set(parameters) - set(values) if "_gamma" in name}


ENDS = [f"bn{level}a_branch2a" for level in range(2, 8)]
CASES = [
    ("model_a1", {}, {*ENDS[1:], "bn7"}),  # the second level follows the stem, which is no unit
    ("model_a", {}, {"bn7a_branch2a", "bn7"}),  # poolings between the others
    ("56-1-1-1-1-1-1-1-a1", {}, {*ENDS, "bn7"}),
    ("model_a1", {"head": "features", "levels": (3, 7)}, {*ENDS[1:2], *ENDS[3:], "bn7"}),
    ("resnet50", {}, set()),
]


@pytest.mark.parametrize(("name", "options", "expected"), CASES)
def test_those_that_alone_read_the_last_sum(name, options, expected):
    config = configure(name, width=NARROW, **options)
    assert folded_away(config, parameters_of(config)) == expected


@pytest.mark.parametrize("first", [False, True])
def test_scores_stay(first):
    config = configure("56-1-2-1-1-2-1-1-a1", classes=10, width=NARROW)
    parameters = parameters_of(config)
    data = mx.nd.array(np.random.RandomState(1).normal(size=(2, 3, 56, 56)))
    expected = scores(config, parameters, data)
    if first:
        config, parameters = fold(config), fold_batch_norms(config, parameters)
    found = scores(*fold_level_ends(config, parameters), data)
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("factor", [0.0, 1e-30])
def test_one_that_cannot_be_divided_by_stays(factor):
    config = configure("model_a1", width=NARROW)
    parameters = parameters_of(config)
    parameters["bn4a_branch2a_gamma"][0] = factor
    assert folded_away(config, parameters) == {*ENDS[1:], "bn7"} - {"bn4a_branch2a"}
    before = {name: array.copy() for name, array in parameters.items()}
    fold_level_ends(config, parameters)
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
