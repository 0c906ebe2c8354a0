"""Changed classifiers, half precision and folded normalizations: what is computed stays right."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layers import BN_EPSILON, is_classifier
from rnw.networks.layout import configure, fold, foldable, join, joinable
from rnw.weights.fit import structure_of
from rnw.weights.surgery import (
    Surgery,
    classifier_to_fcn,
    features_only,
    fold_batch_norms,
    halve,
    join_projections,
    new_classifier,
    to_half,
)
from tests.golden_cases import deterministic_weight

NARROW = 1 / 32


def _parameters(config):
    return {p.name: deterministic_weight(p.name, p.shape) for p in config.parameters()}


def _run(config, parameters, data):
    net = get_network(
        config.spec,
        config.classes,
        width=config.width,
        stride=config.stride,
        classifier=config.classifier,
    )
    net.initialize()
    for name, parameter in net.collect_params().items():
        parameter.set_data(mx.nd.array(parameters[name]))
    return net(mx.nd.array(data)).asnumpy()


@pytest.fixture
def linear():
    config = configure("model_a1", 7, width=NARROW)
    return config, _parameters(config)


def test_the_mean_of_the_score_map_is_the_linear_classifiers_score(linear):
    config, parameters = linear
    data = np.random.RandomState(1).standard_normal((2, 3, 96, 64)).astype(np.float32)
    scores = _run(config, parameters, data)
    convolved = classifier_to_fcn(config, parameters)
    fcn = configure(config.spec, 7, width=NARROW, classifier="1 conv", stride=32)
    maps = _run(fcn, convolved, data)
    assert maps.shape == (2, 7, 3, 2)
    np.testing.assert_allclose(maps.mean((2, 3)), scores, rtol=0, atol=1e-5 * np.abs(scores).max())


@pytest.mark.parametrize("options", [{"head": "features"}, {"classifier": "2 conv"}])
def test_only_a_linear_classifier_becomes_a_convolution(options):
    config = configure("model_a1", 7, width=NARROW, **options)
    with pytest.raises(InputError, match="has no linear classifier"):
        classifier_to_fcn(config, _parameters(config))


SURGERY = {
    "nothing": ({}, "model_a1", {}, {}, 7, "linear"),
    "as many classes": ({"classes": 7}, "model_a1", {}, {}, 7, "linear"),
    "other classes": ({"classes": 5}, "model_a1", {}, {"linear5"}, 5, "linear"),
    "other classes of maps": (
        {"classes": 5},
        "fcn_a1",
        {},
        {"conv6a", "linear5"},
        5,
        "2 conv",
    ),
    "one convolution": ({"fcn": "1 conv"}, "model_a1", {}, {}, 7, "1 conv"),
    "one new convolution": (
        {"fcn": "1 conv", "classes": 5},
        "model_a1",
        {},
        {"linear5"},
        5,
        "1 conv",
    ),
    "two convolutions": ({"fcn": "2 conv"}, "model_a1", {}, {"conv6a", "linear7"}, 7, "2 conv"),
    "two are there": ({"fcn": "2 conv"}, "fcn_a1", {}, {}, 7, "2 conv"),
    "two to one": ({"fcn": "1 conv"}, "fcn_a1", {}, {"linear7"}, 7, "1 conv"),
    "on features": ({"classes": 5}, "model_a1", {"head": "features"}, {"linear5"}, 5, "linear"),
    "maps on features": (
        {"classes": 5, "fcn": "1 conv"},
        "model_a1",
        {"head": "features"},
        {"linear5"},
        5,
        "1 conv",
    ),
}


@pytest.mark.parametrize("case", SURGERY)
def test_classifiers_are_replaced(case):
    wishes, name, options, initialized, classes, classifier = SURGERY[case]
    config = configure(name, 7, width=NARROW, **options)
    parameters = _parameters(config)
    changed, notes = Surgery(**wishes).replace_classifier(config, parameters)
    found = structure_of("x", changed)
    assert (found.classes, found.classifier, found.width) == (classes, classifier, NARROW)
    assert all(changed[name] is array for name, array in features_only(parameters).items())
    new = {f"{layer}_{what}" for layer in initialized for what in ("weight", "bias")}
    assert notes == [
        "initialized with seed 0: " + ", ".join(n for n in changed if n in new)
    ] * bool(new) + ["linear7_weight: in the middle of a 3x3 window, the rest of it zero"] * (
        case == "one convolution"
    )


def test_new_classifiers_are_drawn_as_for_training(linear):
    _, parameters = linear
    config = configure("fcn_a1", 40, width=1 / 4)
    features = _parameters(configure("model_a1", width=1 / 4, head="features"))
    new = new_classifier(config, features, np.random.RandomState(0))
    assert new["conv6a_weight"].std() == pytest.approx(np.sqrt(2 / (1024 * 9)), rel=0.01)
    assert not new["conv6a_bias"].any()
    config = configure("model_a1", 40, width=NARROW)
    new = new_classifier(config, parameters, np.random.RandomState(0))
    limit = 1 / np.sqrt(128)
    for name in ("linear40_weight", "linear40_bias"):
        assert 0.9 * limit < np.abs(new[name]).max() <= limit
        assert new[name].dtype == np.float32


def test_the_seed_decides(linear):
    config, parameters = linear
    draws = [
        Surgery(classes=5, seed=seed).replace_classifier(config, parameters)[0]["linear5_weight"]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize("wish", [{"classes": 3}, {"fcn": "1 conv"}])
def test_features_only_have_no_classifier(linear, wish):
    with pytest.raises(InputError, match="features only"):
        Surgery(features=True, **wish).replace_classifier(*linear)


def test_features_only(linear):
    changed, notes = Surgery(features=True).replace_classifier(*linear)
    assert not any(map(is_classifier, changed))
    assert notes == ["left out: linear7_weight, linear7_bias"]


def test_half_precision_leaves_normalizations(linear):
    _, parameters = linear
    halved = halve(parameters)
    for name, array in parameters.items():
        half = name.endswith(("_weight", "_bias"))
        assert halved[name].dtype == (np.float16 if half else np.float32), name
        np.testing.assert_allclose(halved[name], array, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("value", "refused"), [(65504, False), (65520, True), (np.inf, False)])
def test_values_beyond_half_precision_are_refused(value, refused):
    array = np.array([1, -value], np.float32)
    if refused:
        with pytest.raises(InputError, match=r"^a has values beyond the range of half"):
            to_half("a", array)
    else:
        np.testing.assert_array_equal(to_half("a", array), array)


def random_parameters(config):
    rng = np.random.RandomState(0)
    return {p.name: rng.uniform(0.5, 2, p.shape).astype(np.float32) for p in config.parameters()}


@pytest.mark.parametrize("name", ["model_a", "model_a1", "model_c", "fcn_a1"])
def test_parameters_fit_the_folded_network(name):
    config = configure(name, width=0.0625)
    folded = fold_batch_norms(config, random_parameters(config))
    expected = {p.name: p.shape for p in fold(config).parameters()}
    assert {key: array.shape for key, array in folded.items()} == expected
    assert {array.dtype for array in folded.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("name", "joined"),
    [
        ("fcn_a1", {"res6a_branch1": "res6a_branch2b2", "res7a_branch1": "res7a_branch2b2"}),
        ("model_a1", {"res7a_branch1": "res7a_branch2b2"}),
        ("resnet50", {}),
    ],
)
def test_projections_are_joined_to_convolutions_that_are_alike(name, joined):
    config = configure(name)
    assert joinable(config) == joined
    parameters = random_parameters(config)
    found = join_projections(config, parameters)
    expected = {p.name: p.shape for p in join(config).parameters()}
    assert {key: array.shape for key, array in found.items()} == expected
    for projection, last in joined.items():
        terms = parameters[f"{projection}_weight"], parameters[f"{last}_weight"]
        np.testing.assert_array_equal(found[f"{last}_weight"], np.concatenate(terms, axis=1))


@pytest.mark.parametrize(
    ("name", "stem"), [("model_a", False), ("model_a1", True), ("model_c", False)]
)
def test_the_stem_is_folded_where_nothing_else_reads_it(name, stem):
    assert ("conv1a" in foldable(configure(name))) == stem


def test_all_but_the_first_normalization_of_a_unit_are_folded():
    found = foldable(configure("224-0-1-1-1-1-1-1"))
    assert found["res2a_branch2a"] == "bn2a_branch2b1"
    assert found["res6a_branch2b1"] == "bn6a_branch2b2"
    assert len(found) == 8


def test_the_convolution_gives_what_the_normalization_gave():
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
