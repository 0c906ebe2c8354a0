"""TorchNesterov against the original's updates, and who decays and how fast who learns."""

from functools import partial

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.training.optimizers import OPTIMIZERS, AdamW, TorchNesterov, WithTallies, make_optimizer
from rnw.training.schedules import Fixed, Linear
from tests.golden_cases import golden_arrays


def test_updates_are_the_originals():
    expected = golden_arrays("optimizer")
    optimizer = TorchNesterov(
        learning_rate=0.1,
        momentum=0.9,
        wd=0.01,
        rescale_grad=0.25,
        lr_scheduler=Linear(0.1, 11, 1e-6),
    )
    weights = mx.nd.array(expected["nesterov_weights"][0])
    state = optimizer.create_state(0, weights)
    for step, gradient in enumerate(expected["nesterov_gradients"], 1):
        optimizer.update(0, weights, mx.nd.array(gradient), state)
        found = weights.asnumpy()
        np.testing.assert_allclose(found, expected["nesterov_weights"][step], rtol=0, atol=1e-6)


def test_first_parameter_of_a_step_has_the_rate_before():
    optimizer = TorchNesterov(learning_rate=1.0, lr_scheduler=Linear(1.0, 4))
    weights = [mx.nd.zeros((1,)) for _ in range(3)]
    for _ in range(2):
        for key, weight in enumerate(weights):
            optimizer.update(key, weight, mx.nd.ones((1,)), None)
    assert [-weight.asscalar() for weight in weights] == [1 + 0.75, 0.75 + 0.5, 0.75 + 0.5]


def test_gradients_are_clipped():
    optimizer = TorchNesterov(learning_rate=1.0, clip_gradient=0.5)
    weight = mx.nd.zeros((2,))
    optimizer.update(0, weight, mx.nd.array([3, -0.25]), None)
    np.testing.assert_array_equal(weight.asnumpy(), [-0.5, 0.25])


@pytest.mark.parametrize(
    "make",
    [
        partial(TorchNesterov, momentum=0.9),
        partial(mx.optimizer.SGD, momentum=0.9),
        mx.optimizer.Adam,
        AdamW,
    ],
)
def test_server_adds_up_what_is_no_gradient(make):
    updater = mx.optimizer.get_updater(WithTallies(make(learning_rate=0.5), 10))
    alone = mx.optimizer.get_updater(make(learning_rate=0.5))
    weight, expected, tally = mx.nd.ones((2,)), mx.nd.ones((2,)), mx.nd.zeros((2,))
    for _ in range(3):
        updater(0, mx.nd.ones((2,)), weight)
        alone(0, mx.nd.ones((2,)), expected)
        updater(10, mx.nd.array([1, -2]), tally)
    np.testing.assert_array_equal(weight.asnumpy(), expected.asnumpy())
    assert weight.asnumpy()[0] < 0
    np.testing.assert_array_equal(tally.asnumpy(), [3, -6])


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_by_hand(name):
    """As algorithm 1 of arXiv 1412.6980 and 2 of 1711.05101, in double precision."""
    schedule, decay = Linear(0.1, 11), 0.25
    parameter = mx.gluon.Parameter("a_weight", shape=(3,))
    optimizer = make_optimizer(
        name, [parameter], schedule=schedule, momentum=0.8, weight_decay=decay, rescale=0.5
    )
    weights, mean, variance = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
    found = mx.nd.array(weights)
    state = optimizer.create_state(0, found)
    for step, gradient in enumerate(np.random.RandomState(0).randn(5, 3), 1):
        optimizer.update(0, found, mx.nd.array(gradient), state)
        slope = 0.5 * gradient + (decay * weights if name == "adam" else 0)
        mean, variance = 0.8 * mean + 0.2 * slope, 0.999 * variance + 0.001 * slope**2
        change = mean / (1 - 0.8**step) / np.sqrt(variance / (1 - 0.999**step))
        change += decay * weights if name == "adamw" else 0
        weights = weights - schedule(step) * change
        np.testing.assert_allclose(found.asnumpy(), weights, rtol=2e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("network", "multipliers"),
    [
        ("model_a1", {"weight": (1, 1), "gamma": (1, 1), "beta": (1, 0), "bias": (1, 0)}),
        ("fcn_a1", {"weight": (1, 1), "gamma": (1, 1), "beta": (2, 0), "bias": (2, 0)}),
    ],
)
def test_rates_and_decay_by_kind(name, network, multipliers):
    net = get_network(network, width=1 / 32)
    parameters = [p for p in net.collect_params().values() if p.grad_req != "null"]
    optimizer = make_optimizer(
        name, parameters, schedule=Fixed(0.5), momentum=0.9, weight_decay=0.25, rescale=1.0
    )
    for key, parameter in enumerate(parameters):
        rate, decay = multipliers[parameter.name.rsplit("_", 1)[1]]
        assert optimizer._get_lrs([key]) == [0.5 * rate]
        assert optimizer._get_wds([key]) == [0.25 * decay]


def test_refuses_unknown_optimizer():
    with pytest.raises(InputError, match="unknown optimizer 'lamb': expected one of torch_nest"):
        make_optimizer("lamb", [], schedule=Fixed(0.1), momentum=0.0, weight_decay=0.0, rescale=1.0)
