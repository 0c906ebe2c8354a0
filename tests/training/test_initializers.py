"""The paper's initial distributions."""

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize


def _values(name, seed, devices=1):
    net = get_network(name, 10, width=0.125)
    initialize(net, [mx.cpu(i) for i in range(devices)], np.random.RandomState(seed))
    return {n: [copy.asnumpy() for copy in p.list_data()] for n, p in net.collect_params().items()}


@pytest.mark.parametrize("name", ["model_a1", "fcn_a1"])
def test_distributions(name):
    for parameter, (value,) in _values(name, 0).items():
        if parameter.endswith(("_gamma", "_moving_var")):
            assert (value == 1).all()
        elif parameter.endswith(("_beta", "_moving_mean")) or parameter == "conv6a_bias":
            assert (value == 0).all()
        elif value.ndim == 4:
            expected = np.sqrt(2 / np.prod(value.shape[1:]))
            assert value.std() == pytest.approx(expected, rel=6 / np.sqrt(2 * value.size))
            assert abs(value.mean()) < 6 * expected / np.sqrt(value.size)


def test_linear_classifier_is_uniform():
    values = _values("model_a1", 0)
    limit = 1 / np.sqrt(512)
    for name in ("linear10_weight", "linear10_bias"):
        (value,) = values[name]
        assert np.abs(value).max() <= limit
        assert np.abs(value).max() > 0.7 * limit
    weight = values["linear10_weight"][0]
    assert weight.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_segmentation_classifier_starts_without_bias():
    assert (_values("fcn_a1", 0)["linear10_bias"][0] == 0).all()


def test_seed_and_devices():
    one, two = _values("model_b", 5), _values("model_b", 5, devices=2)
    for name, copies in two.items():
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_array_equal(copy, one[name][0])
    assert (_values("model_b", 6)["conv1a_weight"][0] != one["conv1a_weight"][0]).all()
