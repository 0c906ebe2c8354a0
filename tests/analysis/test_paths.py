"""Gradients along paths against products of Jacobians in double precision."""

from itertools import product

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import cifarresnet, resnet, resnetv1b
from mxnet import autograd

from rnw.analysis.chains import Unit, chain_of
from rnw.analysis.paths import Trace, draw_paths, effective_depth, measure_paths
from rnw.errors import InputError
from tests.analysis.doubles import TOLERANCE, check_close, make_images, make_network


def _foreign(network, block, layers, channels=(), **options):
    mx.random.seed(0)
    np.random.seed(0)
    net = network(block, layers, *([list(channels)] if channels else []), classes=3, **options)
    net.initialize(mx.init.Xavier(magnitude=4))
    net(make_images(1, 32).astype("float32"))  # which tells its parameters their shapes
    net.cast("float64")
    return net


CIFAR = {"layers": (1, 2, 1), "channels": (4, 4, 8, 16)}
IMAGENET = {"layers": (1, 2), "channels": (8, 8, 16)}
V1B = {"layers": (1, 2, 1, 1), "norm_layer": mx.gluon.nn.BatchNorm}
# kind: (how the network is made, side of its images)
NETWORKS = {
    "own": (lambda: make_network("28-1-2-1-1-1-1-1"), 28),
    "own resnet50": (lambda: make_network("resnet50"), 32),
    "own fcn_resnet50": (lambda: make_network("fcn_resnet50"), 16),
    "basic v1": (lambda: _foreign(resnet.ResNetV1, resnet.BasicBlockV1, **IMAGENET), 32),
    "bottleneck v1": (lambda: _foreign(resnet.ResNetV1, resnet.BottleneckV1, **IMAGENET), 32),
    "basic v2": (lambda: _foreign(resnet.ResNetV2, resnet.BasicBlockV2, **IMAGENET), 32),
    "bottleneck v2": (lambda: _foreign(resnet.ResNetV2, resnet.BottleneckV2, **IMAGENET), 32),
    "basic v1b": (lambda: _foreign(resnetv1b.ResNetV1b, resnetv1b.BasicBlockV1b, **V1B), 16),
    "cifar v1": (
        lambda: _foreign(cifarresnet.CIFARResNetV1, cifarresnet.CIFARBasicBlockV1, **CIFAR),
        8,
    ),
    "cifar v2": (
        lambda: _foreign(cifarresnet.CIFARResNetV2, cifarresnet.CIFARBasicBlockV2, **CIFAR),
        8,
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request):
    """A network in double precision, two images, their labels, and the trace of that."""
    make, size = NETWORKS[request.param]
    net, images = make(), make_images(2, size)
    labels = mx.nd.array([0, 2])
    if net(images).ndim == 4:  # a label for each of 2x2 cells
        labels = mx.nd.array(np.arange(8).reshape((2, 2, 2)) % 3)
    return net, images, labels, Trace(chain_of(net), images, labels)


def _loss_gradient(function, images, labels):
    """The gradient at the input of the summed cross-entropy."""
    images = images.copy()
    images.attach_grad()
    with autograd.record(train_mode=False):
        chances = mx.nd.log_softmax(function(images), axis=1)
        loss = -mx.nd.pick(chances, labels, axis=1).sum()
    loss.backward(retain_graph=True, train_mode=False)  # others share its parameters' nodes
    return images.grad


@pytest.mark.slow
def test_scores_are_those_of_the_network(case):
    net, images, _, trace = case
    check_close(trace.scores, net(images))


@pytest.mark.slow
def test_all_lengths_add_up_to_the_full_gradient(case):
    net, images, labels, trace = case
    sums = trace.sums()
    assert len(sums) == sum(isinstance(link, Unit) for link in chain_of(net)) + 1
    check_close(mx.nd.add_n(*sums), _loss_gradient(net, images, labels))


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
    net, images, labels, trace = case
    paths = np.random.RandomState(2).rand(3, trace.units) < 0.5
    for row, gradient in trace.along(paths):
        masked = _masked(chain_of(net), paths[row])
        check_close(gradient, _loss_gradient(masked, images, labels))


def test_single_precision(case):
    """MXNet has other operators for it, among them a max pooling that wants to be in training."""
    net, images, labels, trace = case
    exact = trace.sums()
    net.cast("float32")
    single = Trace(chain_of(net), images.astype("float32"), labels)
    net.cast("float64")
    for found, expected in zip(single.sums(), exact):
        found, expected = found.asnumpy(), expected.asnumpy()
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_every_path_of_a_network_adds_up_by_length():
    images = make_images(2, 8)
    trace = Trace(chain_of(make_network("8-1-1-1-1-1-1-1")), images, mx.nd.array([0, 2]))
    paths = np.array(list(product((False, True), repeat=trace.units)))
    assert len(paths) == 2**7
    found = [mx.nd.zeros_like(images) for _ in range(trace.units + 1)]
    for row, gradient in trace.along(paths):
        found[paths[row].sum()] += gradient
    for by_path, exact in zip(found, trace.sums()):
        check_close(by_path, exact)


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
    chain = chain_of(make_network("8-0-1-1-1-1-1-1", width=1 / 64))
    x = images = make_images(1, 8)
    factors = []
    for link in chain:
        if isinstance(link, Unit):
            factors.append(
                [_jacobian(lambda y, split=link.split, n=n: split(y)[n], x) for n in (0, 1)]
            )
            x = sum(link.split(x))
        else:
            factors.append([_jacobian(link.function, x)])
            x = link.function(x)
    top = mx.nd.softmax(x).asnumpy() - [[1, 0, 0]]
    trace = Trace(chain, images, mx.nd.array([0]))
    paths = np.array(list(product((False, True), repeat=6)))
    for row, gradient in trace.along(paths):
        choices = iter(paths[row])
        expected = top
        chosen = [pair[int(next(choices))] if len(pair) == 2 else pair[0] for pair in factors]
        for jacobian in reversed(chosen):
            expected = expected @ jacobian
        difference = np.abs(gradient.asnumpy().ravel() - expected.ravel()).max()
        assert 0 < np.abs(expected).max() >= difference / TOLERANCE


def test_drawn_paths():
    random = np.random.RandomState(0)
    for length, expected in ((0, 1), (1, 6), (2, 10), (5, 6), (6, 1)):
        paths = draw_paths(6, length, 10, random)
        assert paths.shape == (expected, 6)
        assert set(paths.sum(axis=1)) == {length}
    assert len(set(map(bytes, draw_paths(6, 1, 10, random)))) == 6


def test_effective_depth():
    assert effective_depth([0, 5, 4, 1, 0]) == 2
    assert effective_depth([0, 5, 4, 1, 0], share=0.5) == 1
    assert effective_depth([0, 5, 4, 1, 0], share=0.95) == 3
    assert effective_depth([1, 0]) == 0


def test_measured_lengths():
    """With all paths measured, mean and sum are those of every path."""
    chain, seen = chain_of(make_network("8-0-1-1-1-1-1-1")), []
    trace = Trace(chain, make_images(2, 8), mx.nd.array([0, 2]))
    rows = measure_paths(trace, samples=20, on_step=lambda *place: seen.append(place))
    assert [row.paths for row in rows] == [row.samples for row in rows] == [1, 6, 15, 20, 15, 6, 1]
    assert seen == [(done, 6 + 64) for done in range(1, 71)]
    paths = np.array([path for path in product((False, True), repeat=6) if sum(path) == 2])
    norms = [np.linalg.norm(g.asnumpy()) / 2 for _, g in trace.along(paths)]
    assert rows[2].mean == pytest.approx(np.mean(norms))
    assert rows[2].median == pytest.approx(np.median(norms))
    assert (rows[2].lowest, rows[2].highest) == pytest.approx((min(norms), max(norms)))
    assert rows[2].total == pytest.approx(sum(norms))
    for row in rows:
        assert row.norm_of_sum <= row.total * (1 + 1e-6)
    assert rows[6].norm_of_sum == pytest.approx(rows[6].mean)


def test_same_seed_same_figures():
    chain = chain_of(make_network("8-0-1-1-1-1-1-1"))
    trace = Trace(chain, make_images(2, 8), mx.nd.array([0, 2]))
    first, again, other = (measure_paths(trace, samples=3, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert [row.samples for row in first] == [1, 3, 3, 3, 3, 3, 1]


def test_other_networks_are_refused():
    with pytest.raises(InputError, match="no known residual units"):
        chain_of(mx.gluon.nn.HybridSequential())
    squeezed = resnet.ResNetV1(resnet.BasicBlockV1, [1], [32, 32], classes=3, use_se=True)
    with pytest.raises(InputError, match="squeeze and excitation"):
        chain_of(squeezed)
