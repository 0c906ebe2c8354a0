"""Whole networks: reference outputs, and every network of the table in every form."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import Network, get_network
from rnw.networks.symbols import to_symbol
from rnw.networks.zoo import network_names

NARROW = 1 / 32
SEGMENTATION = ("fcn_a", "fcn_a1", "fcn_a2", "fcn_c", "fcn_f")


def _probe(outputs, level):
    """The name of the graph's node behind a probe: 'level3' is the last sum of that level."""
    if not level.startswith("level"):
        return f"{level}_output"
    return [
        name for name in outputs if name.startswith(f"res{level[-1]}") and "_branch" not in name
    ][-1]


@pytest.mark.slow
def test_forward_is_the_originals(forward_case, fill):
    expected = forward_case.expected
    net = Network(forward_case.config)
    net.collect_params().setattr("grad_req", "null")  # gradients would take as much memory again
    fill(net, values=forward_case.parameters)
    outputs = to_symbol(net).get_internals()
    probes = sorted({key.split("_")[1] for key in expected if key.startswith("probe_")})
    nodes = [_probe(outputs.list_outputs(), probe) for probe in probes]
    whole = mx.sym.Group([to_symbol(net), *(outputs[node] for node in nodes)])
    block = mx.gluon.SymbolBlock(whole, mx.sym.var("data"), params=net.collect_params())
    scores, *maps = block(mx.nd.array(forward_case.data))
    scale = np.abs(expected["scores"]).max()
    np.testing.assert_allclose(scores.asnumpy(), expected["scores"], rtol=0, atol=1e-4 * scale)
    probabilities = mx.nd.softmax(scores, axis=1).asnumpy()
    np.testing.assert_allclose(probabilities, expected["softmax"], rtol=0, atol=1e-4)
    for probe, found in zip(probes, maps):
        _check_probe(expected, probe, found.asnumpy())


def _check_probe(expected, probe, found):
    assert found.shape == tuple(expected[f"probe_{probe}_shape"])
    mean, deviation = expected[f"probe_{probe}_mean_std"]
    tolerance = 1e-4 * np.abs(expected[f"probe_{probe}_values"]).max()
    assert found.mean(dtype=np.float64) == pytest.approx(mean, abs=tolerance)
    assert found.std(dtype=np.float64) == pytest.approx(deviation, abs=tolerance)
    places = np.linspace(0, found.size - 1, 64).astype(np.int64)
    values = expected[f"probe_{probe}_values"]
    np.testing.assert_allclose(found.ravel()[places], values, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", [*network_names(), *SEGMENTATION, "28-1-1-1-1-1-1-1"])
def test_every_network_in_every_form(name, fill, tmp_path):
    net = fill(get_network(name, width=NARROW))
    size = 32 if net.config.segmentation else min(net.config.spec.size, 64)
    data = mx.nd.random.normal(shape=(2, 3, size, size))
    expected = net(data).asnumpy()
    for static in (False, True):
        net.hybridize(static_alloc=static, static_shape=static)
        np.testing.assert_allclose(net(data).asnumpy(), expected, rtol=1e-4, atol=1e-5)
    prefix = str(tmp_path / "net")
    net.export(prefix)
    loaded = mx.gluon.SymbolBlock.imports(f"{prefix}-symbol.json", "data", f"{prefix}-0000.params")
    np.testing.assert_allclose(loaded(data).asnumpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("name", ["model_a", "model_a1", "model_a2", "model_b"])
def test_output_stride(name, stride, fill):
    net = fill(get_network(name, width=NARROW, stride=stride, head="features"))
    assert net(mx.nd.zeros((1, 3, 64, 64))).shape == (1, 128, 64 // stride, 64 // stride)


@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.parametrize("name", ["model_a", "model_a1", "model_a2"])
def test_dilation_keeps_what_the_coarse_grid_sees(name, stride, fill):
    coarse = fill(get_network(name, width=NARROW, head="features"))
    fine = fill(get_network(name, width=NARROW, head="features", stride=stride))
    data = mx.nd.random.normal(shape=(1, 3, 96, 96))
    step = 32 // stride
    found = fine(data).asnumpy()[:, :, ::step, ::step]
    np.testing.assert_allclose(found, coarse(data).asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "classifier", "label_shape", "output_shape"),
    [
        ("model_a1", "linear", (2,), (2, 5)),
        ("fcn_a1", "1 conv", (2, 8, 8), (2, 5, 8, 8)),
        ("fcn_a1", "2 conv", (2, 8, 8), (2, 5, 8, 8)),
    ],
)
def test_softmax_head(name, classifier, label_shape, output_shape, fill):
    options = {"width": NARROW, "classifier": classifier, "dropout": (0, 0)}
    net = fill(get_network(name, 5, head="softmax", **options))
    logits = fill(get_network(name, 5, **options))
    data = mx.nd.random.normal(shape=(2, 3, 64, 64))
    probabilities = net(data, mx.nd.zeros(label_shape))
    assert probabilities.shape == output_shape
    expected = mx.nd.softmax(logits(data), axis=1).asnumpy()
    np.testing.assert_allclose(probabilities.asnumpy(), expected, rtol=1e-4, atol=1e-6)


def test_segmentation_multipliers():
    parameters = get_network("fcn_a1", width=NARROW).collect_params()
    doubled = {n for n, p in parameters.items() if (p.lr_mult, p.wd_mult) == (2, 0)}
    assert doubled == {n for n in parameters if n.endswith(("_beta", "_bias"))}
    plain = get_network("model_a1", width=NARROW).collect_params().values()
    assert {(p.lr_mult, p.wd_mult) for p in plain} == {(1, 1)}


def test_width_is_a_factor_on_channels():
    parameters = get_network("fcn_a1", 3, width=1 / 128).collect_params()
    assert parameters["conv1a_weight"].shape == (1, 3, 3, 3)
    assert parameters["conv6a_weight"].shape == (4, 32, 3, 3)
    assert parameters["linear3_weight"].shape == (3, 4, 3, 3)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("model_a", {}, 1),
        ("model_a", {"pooling": "caffe"}, 63),
        ("model_a", {"pooling": "full"}, 48),
        ("model_a1", {"pooling": "caffe"}, 1),
        ("model_a2", {"pooling": "caffe"}, 7),
        ("model_f", {"pooling": "caffe"}, 15),
        ("fcn_a", {"pooling": "caffe"}, 15),
        ("resnet50", {"pooling": "caffe"}, 5),
        ("resnet50", {"pooling": "full"}, 5),
    ],
)
def test_the_smallest_input(name, options, least, fill):
    """MXNet refuses what is smaller by a pixel."""
    net = fill(get_network(name, 5, width=1 / 32, **options))
    assert net.config.least_size == least
    assert np.isfinite(net(mx.nd.ones((1, 3, least, least))).asnumpy()).all()
    net.config.check_size(least, least + 1)
    if least > 1:
        with pytest.raises(mx.MXNetError):
            net(mx.nd.ones((1, 3, least, least - 1))).asnumpy()
        with pytest.raises(
            InputError, match=rf"at least {least}x{least} pixels, found {least - 1}x"
        ):
            net.config.check_size(least, least - 1)
