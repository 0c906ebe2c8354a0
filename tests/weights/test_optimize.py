"""Networks made fast give the same scores."""

import json
import warnings
from collections import Counter

import mxnet as mx
import numpy as np
import pytest

import rnw
from rnw.networks.classifier import Network
from rnw.networks.zoo import NETWORKS, SEGMENTATION_PREFIX, network_names
from rnw.weights import optimize as inference

TOLERANCE = 1e-4  # of the largest score
NARROW = 0.0625
OTHER_OPTIONS = [
    ("model_a1", {"head": "features"}),
    ("model_a", {"pooling": "caffe"}),
    ("model_a", {"pooling": "full", "stride": 16, "dropout": (0.3, 0.5)}),
    ("model_c", {"stride": 8, "classifier": "1 conv"}),
    ("112-2-1-1-1-2-1-1", {"head": "features"}),
]
CASES = [
    *((name, {}) for name in network_names()),
    *((f"{SEGMENTATION_PREFIX}{letter}", {}) for letter in NETWORKS),
    *OTHER_OPTIONS,
]


@pytest.fixture(autouse=True)
def _seeded():
    """What is drawn here does not depend on the tests before."""
    mx.random.seed(0)


def trained(net, contexts=None):
    """The network with random parameters whose every normalization changes what it reads."""
    rng = np.random.RandomState(0)
    net.initialize(ctx=contexts)
    for name, parameter in net.collect_params().items():
        if name.endswith(("_gamma", "_moving_var")):
            value = rng.uniform(0.5, 2, parameter.shape)
        else:
            value = rng.normal(0, 0.1, parameter.shape)
        parameter.set_data(value.astype(np.float32))
    return net


def assert_same(fast, net, shape):
    """Twice each: what oneDNN keeps of a first call serves the later ones."""
    data = mx.nd.random.normal(shape=shape)
    expected = net(data).asnumpy()
    for _ in range(2):
        error = np.abs(fast(data).asnumpy() - expected).max()
        assert error <= TOLERANCE * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), CASES)
def test_scores_are_those_of_the_network(name, options):
    net = trained(rnw.get_network(name, width=NARROW, **options))
    fast = rnw.optimize(net)
    for shape in [(2, 3, 64, 64), (1, 3, 81, 65), (2, 3, 64, 64)]:
        assert_same(fast, net, shape)


@pytest.mark.parametrize("name", ["model_a1", "model_c"])
def test_softmax_head_takes_a_label(name):
    net = trained(rnw.get_network(name, width=NARROW, head="softmax"))
    data, label = mx.nd.random.normal(shape=(2, 3, 64, 64)), mx.nd.zeros(2)
    found = rnw.optimize(net)(data, label).asnumpy()
    found, expected = (np.log(np.maximum(p, 1e-30)) for p in (found, net(data, label).asnumpy()))
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_on_each_context():
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = trained(rnw.get_network("model_a1", width=NARROW), contexts)
    fast = rnw.optimize(net)
    data = mx.nd.random.normal(shape=(1, 3, 64, 64))
    for context in contexts:
        found = fast(data.as_in_context(context))
        assert found.context == context
        expected = net(data.as_in_context(context)).asnumpy()
        np.testing.assert_allclose(found.asnumpy(), expected, atol=1e-4 * np.abs(expected).max())


def test_without_fusion(monkeypatch):
    monkeypatch.setattr(inference, "_can_fuse", lambda contexts: False)
    net = trained(rnw.get_network("model_a1", width=NARROW))
    fast = rnw.optimize(net)
    assert isinstance(fast, Network)
    assert_same(fast, net, (2, 3, 64, 64))


def test_float16_keeps_normalizations_in_float32(monkeypatch):
    """As on a GPU, but not run: MXNet has no convolutions in float16 on CPUs."""
    monkeypatch.setattr(inference, "_can_fuse", lambda contexts: False)
    monkeypatch.setattr(inference, "check_precision", lambda *devices, force: None)
    net = trained(rnw.get_network("model_a1", width=NARROW))
    fast = rnw.optimize(net, "float16")
    halves = {
        name.rsplit("_", 1)[1]
        for name, parameter in fast.collect_params().items()
        if parameter.data().dtype == np.float16
    }
    assert halves == {"weight", "bias"}
    graph = fast(mx.sym.var("data"))
    assert graph.infer_type(data="float32")[1] == [np.float32]
    inner = graph.get_internals()
    types = dict(zip(inner.list_outputs(), inner.infer_type(data="float32")[1]))
    assert {types[f"{name}_output"] for name in ("conv1a", "relu7")} == {np.float16}


def test_warns_of_nothing():
    net = trained(rnw.get_network("model_c", width=NARROW))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rnw.optimize(net)(mx.nd.ones((1, 3, 64, 64)))


def test_leaves_the_network_alone():
    net = trained(rnw.get_network("model_c", width=NARROW))
    before = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    rnw.optimize(net)(mx.nd.ones((1, 3, 64, 64)))
    after = {name: p.data().asnumpy() for name, p in net.collect_params().items()}
    assert list(before) == list(after)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert {p.grad_req for n, p in net.collect_params().items() if n.endswith("_weight")} == {
        "write"
    }


def test_knows_nothing_of_later_changes():
    net = trained(rnw.get_network("model_a1", width=NARROW))
    fast = rnw.optimize(net)
    data = mx.nd.random.normal(shape=(1, 3, 64, 64))
    before = fast(data).asnumpy()
    for parameter in net.collect_params().values():
        parameter.set_data(mx.nd.zeros(parameter.shape))
    assert np.array_equal(fast(data).asnumpy(), before)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("model_a1", 17),  # one in each unit but the first, whose is folded, and bn7
        ("model_a", 18),
        ("model_c", 20),
    ],
)
@pytest.mark.skipif(
    not mx.runtime.Features().is_enabled("MKLDNN"), reason="this MXNet has no oneDNN"
)
def test_every_operator_is_fused(name, left):
    net = trained(rnw.get_network(name, width=NARROW))
    nodes = json.loads(rnw.optimize(net)(mx.sym.var("data")).tojson())["nodes"]
    operators = Counter(node["op"] for node in nodes)
    assert operators["_contrib_BatchNormWithReLU"] == left
    for plain in ("BatchNorm", "Activation", "Convolution", "elemwise_add"):
        assert operators[plain] == 0


@pytest.mark.slow
def test_wide():
    net = trained(rnw.get_network("model_a", width=0.5))
    assert_same(rnw.optimize(net), net, (1, 3, 224, 224))
