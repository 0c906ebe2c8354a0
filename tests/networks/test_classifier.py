"""Whole networks: reference outputs, and every network of the table in every form."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import Network, get_network
from rnw.networks.symbols import to_symbol
from rnw.networks.zoo import network_names
from rnw.weights import load_network, load_params, save_params, warm_start
from rnw.weights.optimize import optimize
from tests.golden_cases import deterministic_weights

NARROW = 1 / 32
TINY = "28-1-1-1-1-1-1-1"
FILE = f"digits_rna-{TINY}_cls3_ep-0001.params"
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("name", ["model_a", "model_a1", "model_a2", "model_b"])
def test_output_stride(name, stride, fill):
    net = fill(get_network(name, width=NARROW, stride=stride, head="features"))
    assert net(mx.nd.zeros((1, 3, 64, 64))).shape == (1, 128, 64 // stride, 64 // stride)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.parametrize("name", ["model_a", "model_a1", "model_a2"])
def test_dilation_keeps_what_the_coarse_grid_sees(name, stride, fill):
    coarse = fill(get_network(name, width=NARROW, head="features"))
    fine = fill(get_network(name, width=NARROW, head="features", stride=stride))
    data = mx.nd.random.normal(shape=(1, 3, 96, 96))
    step = 32 // stride
    found = fine(data).asnumpy()[:, :, ::step, ::step]
    np.testing.assert_allclose(found, coarse(data).asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", [*network_names(), "fcn_a2", "resnet50", "28-1-1-1-1-1-1-1"])
def test_maps_of_levels(name, fill, tmp_path):
    """They are those within the whole network, in every form."""
    whole = fill(get_network(name, 5, width=NARROW))
    net = get_network(name, width=NARROW, head="features", levels=whole.config.spec.levels)
    fill(net, values={n: whole.named_parameters[n].data() for n in net.named_parameters})
    data = mx.nd.random.normal(shape=(2, 3, 64, 64))
    x, expected = data, {}
    for block in whole.blocks:
        x = block(x)
        level = getattr(block.layer, "level", 7 if block is getattr(whole, "bn7", None) else None)
        if level:
            expected[level] = x.asnumpy()
    assert [found.shape[1] for found in net(data)] == list(net.config.feature_channels)
    forms = [net(data)]
    net.hybridize()
    forms.append(net(data))
    net.export(str(tmp_path / "net"))
    files = (str(tmp_path / f"net-{end}") for end in ("symbol.json", "0000.params"))
    graph, parameters = files
    forms.append(mx.gluon.SymbolBlock.imports(graph, "data", parameters)(data))
    forms.append(optimize(net)(data))
    for maps in forms:
        assert len(maps) == len(expected)
        for found, map_of_level in zip(maps, expected.values()):
            scale = np.abs(map_of_level).max()
            np.testing.assert_allclose(found.asnumpy(), map_of_level, rtol=0, atol=1e-4 * scale)


def test_children_are_found_as_in_gluon():
    net = get_network("model_a2", 5, width=NARROW, stride=16, dropout=(0.3, 0.5))
    assert net.conv1a is net.blocks[0]
    assert net.classifier is net.blocks[-1]
    assert net.res4b2.layer.name == "4b2"
    lines = repr(net).splitlines()
    assert (lines[0], lines[-1]) == ("Network(", ")")
    assert lines[1:5] == [
        "  (conv1a): ConvolutionBlock(3 -> 2, kernel 3)",
        "  (pool1): PoolingBlock(2, kernel 3, stride 2, 'pad')",
        "  (res2a): ResidualUnitBlock((2 -> 4, kernel 3), (4 -> 4, kernel 3), projection)",
        "  (res2b1): ResidualUnitBlock((4 -> 4, kernel 3), (4 -> 4, kernel 3))",
    ]
    assert lines[-4:-1] == [
        "  (res7a): ResidualUnitBlock((64 -> 32, kernel 1), (32 -> 64, kernel 3, dilation 2), "
        "(64 -> 128, kernel 1), projection, dropout 0.5)",
        "  (bn7): NormalizationBlock(128)",
        "  (classifier): LinearClassifierBlock(128 -> 5)",
    ]


@pytest.mark.parametrize("name", ["model_a", "fcn_a1", "resnet50"])
def test_half_precision_leaves_normalizations_as_gluon_does(name, fill):
    net = fill(get_network(name, 5, width=NARROW))
    values = {n: p.data().asnumpy() for n, p in net.named_parameters.items()}
    net.cast("float16")
    for parameter_name, parameter in net.named_parameters.items():
        half = parameter_name.endswith(("_weight", "_bias"))
        assert np.dtype(parameter.dtype) == (np.float16 if half else np.float32)
        expected = values[parameter_name].astype(np.float16) if half else values[parameter_name]
        found = parameter.data().asnumpy()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    net.cast("float64")
    assert {p.data().dtype for p in net.named_parameters.values()} == {np.float64}


class _Pair(mx.gluon.HybridBlock):
    """Two networks of one kind side by side."""

    def __init__(self, **options):
        super().__init__()
        with self.name_scope():
            self.left = get_network(TINY, 3, width=NARROW, prefix="left_", **options)
            self.right = get_network(TINY, 3, width=NARROW, prefix="right_", **options)

    def hybrid_forward(self, F, x):
        return F.elemwise_add(self.left(x), self.right(x))


def test_two_networks_live_in_one_block(fill, tmp_path):
    pair = _Pair()
    names = list(pair.collect_params())
    assert f"{pair.prefix}left_conv1a_weight" in names
    assert f"{pair.prefix}right_conv1a_weight" in names
    assert len(names) == 2 * len(pair.left.named_parameters)
    pair.initialize(mx.init.Xavier())
    alone = fill(get_network(TINY, 3, width=NARROW))
    save_params(alone, tmp_path / "one.params")
    alone.save_parameters(str(tmp_path / "gluon.params"))
    load_params(pair.left, tmp_path / "one.params")
    pair.right.load_parameters(str(tmp_path / "gluon.params"))
    data = mx.nd.random.normal(shape=(2, 3, 28, 28))
    expected = 2 * alone(data).asnumpy()
    np.testing.assert_allclose(pair(data).asnumpy(), expected, rtol=1e-5)
    pair.hybridize()
    np.testing.assert_allclose(pair(data).asnumpy(), expected, rtol=1e-5)
    save_params(pair.right, tmp_path / "again.params")
    assert (tmp_path / "again.params").read_bytes() == (tmp_path / "one.params").read_bytes()
    np.testing.assert_allclose(optimize(pair.left)(data).asnumpy(), expected / 2, rtol=1e-4)
    warm_start(pair.left, tmp_path / "again.params")
    assert to_symbol(pair.left).list_arguments()[1] == f"{pair.prefix}left_conv1a_weight"


def test_a_network_in_the_scope_of_another_block_is_filled_by_bare_names(fill):
    save_params(fill(get_network(TINY, 3, width=NARROW)), FILE)
    outer = mx.gluon.nn.HybridSequential(prefix="outer_")
    with outer.name_scope():
        outer.add(load_network(FILE), load_network(FILE, prefix="second_"))
    names = list(outer.collect_params())
    assert names[0] == "outer_conv1a_weight"
    assert names[len(names) // 2] == "outer_second_conv1a_weight"
    for net in outer:
        assert set(net.named_parameters) == {p.name for p in net.config.parameters()}
        for name, expected in deterministic_weights(net.config).items():
            np.testing.assert_array_equal(net.named_parameters[name].data().asnumpy(), expected)


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


@pytest.mark.slow
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
