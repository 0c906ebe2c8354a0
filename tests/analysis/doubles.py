"""Networks and comparisons in double precision."""

import mxnet as mx
import numpy as np

from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize

TOLERANCE = 1e-10  # after some dozens of layers


def make_network(name, width=1 / 32):
    """One for three classes whose units let gradients pass, its normalizations at random."""
    net = get_network(name, 3, width=width)
    random = np.random.RandomState(0)
    initialize(net, [mx.cpu()], random)
    for name, parameter in net.collect_params().items():
        if name.endswith(("_gamma", "_moving_var")):
            parameter.set_data(mx.nd.array(random.uniform(0.5, 1.5, parameter.shape)))
        elif name.endswith(("_beta", "_moving_mean")):
            parameter.set_data(mx.nd.array(random.normal(0, 0.2, parameter.shape)))
    net.cast("float64")
    return net


def make_images(number, size):
    """(N, 3, size, size) float64."""
    images = np.random.RandomState(1).normal(size=(number, 3, size, size))
    return mx.nd.array(images, dtype="float64")


def check_close(found, expected):
    """To `TOLERANCE` of the largest value, which must not be zero."""
    found, expected = found.asnumpy(), expected.asnumpy()
    largest = np.abs(expected).max()
    assert largest > 0
    assert np.abs(found - expected).max() <= TOLERANCE * largest
