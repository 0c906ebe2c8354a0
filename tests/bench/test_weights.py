"""Parameters of untrained networks."""

import numpy as np
import pytest

from rnw.bench.weights import random_parameters
from rnw.networks.layout import configure


def test_parameters_are_those_of_the_network_with_the_deviation_of_their_fan_in():
    config = configure("fcn_f", width=1 / 8)
    values = random_parameters(config)
    shapes = {parameter.name: parameter.shape for parameter in config.parameters()}
    assert {name: array.shape for name, array in values.items()} == shapes
    assert {array.dtype for array in values.values()} == {np.dtype(np.float32)}
    weight = values["res5a_branch2b1_weight"]
    assert weight.std() == pytest.approx(np.sqrt(2 / np.prod(weight.shape[1:])), rel=0.01)
    assert np.all(values["bn5a_branch2a_gamma"] == 1)
    assert np.all(values["bn5a_branch2a_moving_var"] == 1)
    assert np.all(values["bn5a_branch2a_moving_mean"] == 0)
