"""Folded normalisations: what is computed stays right."""

import numpy as np
import pytest

from rnw.networks.layout import BN_EPSILON, configure, fold, foldable
from rnw.weights.surgery import fold_batch_norms

NAMES = ["model_a", "model_a1", "model_c", "fcn_a1"]


def random_parameters(config):
    rng = np.random.RandomState(0)
    return {p.name: rng.uniform(0.5, 2, p.shape).astype(np.float32) for p in config.parameters()}


@pytest.mark.parametrize("name", NAMES)
def test_parameters_fit_the_folded_network(name):
    config = configure(name, width=0.0625)
    folded = fold_batch_norms(config, random_parameters(config))
    expected = {p.name: p.shape for p in fold(config).parameters()}
    assert {key: array.shape for key, array in folded.items()} == expected
    assert {array.dtype for array in folded.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("name", "stem"), [("model_a", False), ("model_a1", True), ("model_c", False)]
)
def test_the_stem_is_folded_where_nothing_else_reads_it(name, stem):
    assert ("conv1a" in foldable(configure(name))) == stem


def test_all_but_the_first_normalisation_of_a_unit_are_folded():
    found = foldable(configure("224-0-1-1-1-1-1-1"))
    assert found["res2a_branch2a"] == "bn2a_branch2b1"
    assert found["res6a_branch2b1"] == "bn6a_branch2b2"
    assert len(found) == 8


def test_the_convolution_gives_what_the_normalisation_gave():
    config = configure("model_a1", width=0.0625)
    parameters = random_parameters(config)
    folded = fold_batch_norms(config, parameters)
    for convolution, bn in foldable(config).items():
        weight = parameters[f"{convolution}_weight"].astype(np.float64)
        patch = np.random.RandomState(1).normal(size=weight.shape[1:])
        gamma, beta, mean, variance = (
            parameters[f"{bn}_{suffix}"].astype(np.float64)
            for suffix in ("gamma", "beta", "moving_mean", "moving_var")
        )
        read = np.tensordot(weight, patch, 3)
        expected = gamma * (read - mean) / np.sqrt(variance + BN_EPSILON) + beta
        found = np.tensordot(folded[f"{convolution}_weight"], patch, 3)
        found = found + folded[f"{convolution}_bias"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_is_given_stays_as_it_is():
    config = configure("model_a1", width=0.0625)
    parameters = random_parameters(config)
    before = {name: array.copy() for name, array in parameters.items()}
    fold_batch_norms(config, parameters)
    assert parameters.keys() == before.keys()
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
