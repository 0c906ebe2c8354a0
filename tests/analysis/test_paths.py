"""Gradients along paths against products of Jacobians in double precision."""

from itertools import product

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model
from mxnet import autograd

from rnw.analysis.chains import Unit, chain_of
from rnw.analysis.paths import PathLength, Trace, draw_paths, effective_depth, measure_paths
from rnw.networks.classifier import get_network
from tests.golden_cases import fill_network

TOLERANCE = 1e-10  # of double precision, after a few layers


def _own():
    return fill_network(get_network("28-1-2-1-1-1-1-1", 3, width=1 / 64))


def _foreign(name, classes):
    mx.random.seed(0)
    np.random.seed(0)
    net = get_model(name, classes=classes)
    net.initialize(mx.init.Xavier())
    return net


NETWORKS = {
    "own": (_own, 28),
    "v1": (lambda: _foreign("resnet18_v1", 3), 32),
    "v1b": (lambda: _foreign("resnet18_v1b", 3), 32),
    "v2": (lambda: _foreign("resnet18_v2", 3), 32),
    "cifar_v1": (lambda: _foreign("cifar_resnet20_v1", 3), 8),
    "cifar_v2": (lambda: _foreign("cifar_resnet20_v2", 3), 8),
}


@pytest.fixture(params=NETWORKS)
def case(request):
    """A network in double precision, two images and their labels."""
    make, size = NETWORKS[request.param]
    net = make()
    images = np.random.RandomState(1).normal(size=(2, 3, size, size))
    net(mx.nd.array(images))
    net.cast("float64")
    return net, mx.nd.array(images, dtype="float64"), mx.nd.array([0, 2])


def _close(found, expected):
    found, expected = found.asnumpy(), expected.asnumpy()
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


def _loss_gradient(function, images, labels):
    """The gradient at the input of the summed cross-entropy."""
    images = images.copy()
    images.attach_grad()
    with autograd.record(train_mode=False):
        loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()(function(images), labels).sum()
    loss.backward(train_mode=False)
    return images.grad


def test_scores_are_those_of_the_network(case):
    net, images, labels = case
    _close(Trace(chain_of(net), images, labels).scores, net(images))


def test_all_lengths_add_up_to_the_full_gradient(case):
    net, images, labels = case
    sums = Trace(chain_of(net), images, labels).sums()
    assert len(sums) == sum(isinstance(link, Unit) for link in chain_of(net)) + 1
    _close(mx.nd.add_n(*sums), _loss_gradient(net, images, labels))


def _masked(chain, path):
    """The function whose value is the network's and whose gradient takes one path."""

    def forward(x):
        remaining = iter(path)
        for link in chain:
            if not isinstance(link, Unit):
                x = link.function(x)
                continue
            shortcut, top = link.split(x)
            kept, stopped = (top, shortcut) if next(remaining) else (shortcut, top)
            x = kept + mx.nd.BlockGrad(stopped)
            x = x if link.join is None else link.join(x)
        return x

    return forward


def test_each_path_alone(case):
    """Against masked gradients, for some paths of each network."""
    net, images, labels = case
    chain = chain_of(net)
    trace = Trace(chain, images, labels)
    random = np.random.RandomState(2)
    paths = random.rand(5, trace.units) < 0.5
    for row, gradient in list(trace.along(paths)):  # before another graph frees what they share
        _close(gradient, _loss_gradient(_masked(chain, paths[row]), images, labels))


def test_every_path_of_a_network_adds_up_by_length():
    net = _own()
    net.cast("float64")
    images = mx.nd.array(np.random.RandomState(1).normal(size=(2, 3, 28, 28)), dtype="float64")
    trace = Trace(chain_of(net), images, mx.nd.array([0, 2]))
    paths = np.array(list(product((False, True), repeat=trace.units)))
    assert len(paths) == 2**8
    found = [mx.nd.zeros_like(images) for _ in range(trace.units + 1)]
    for row, gradient in trace.along(paths):
        found[paths[row].sum()] += gradient
    for by_path, exact in zip(found, trace.sums()):
        _close(by_path, exact)


def _jacobian(function, x):
    """(outputs, inputs) of a function of one example, row by row."""
    x = x.copy()
    x.attach_grad()
    rows = []
    with autograd.record(train_mode=False):
        y = function(x)
    for place in range(y.size):
        head = np.zeros(y.size)
        head[place] = 1
        head = mx.nd.array(head, dtype="float64").reshape(y.shape)
        y.backward(head, retain_graph=True, train_mode=False)
        rows.append(x.grad.asnumpy().ravel())
    return np.array(rows)


def test_a_path_is_a_product_of_jacobians():
    net = fill_network(get_network("8-0-1-1-1-1-1-1", 3, width=1 / 64))
    net.cast("float64")
    x = images = mx.nd.array(np.random.RandomState(1).normal(size=(1, 3, 8, 8)), dtype="float64")
    factors = []
    for link in chain_of(net):
        if isinstance(link, Unit):
            factors.append(
                [_jacobian(lambda y, split=link.split, n=n: split(y)[n], x) for n in (0, 1)]
            )
            x = sum(link.split(x))
        else:
            factors.append([_jacobian(link.function, x)])
            x = link.function(x)
    top = mx.nd.softmax(x).asnumpy() - [[1, 0, 0]]
    trace = Trace(chain_of(net), images, mx.nd.array([0]))
    paths = np.array(list(product((False, True), repeat=6)))
    for row, gradient in trace.along(paths):
        choices = iter(paths[row])
        expected = top
        chosen = [pair[int(next(choices))] if len(pair) == 2 else pair[0] for pair in factors]
        for jacobian in reversed(chosen):
            expected = expected @ jacobian
        difference = np.abs(gradient.asnumpy().ravel() - expected.ravel()).max()
        assert difference <= TOLERANCE * np.abs(expected).max()
