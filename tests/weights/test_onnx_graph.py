"""ONNX graphs against MXNet and against the original's scores."""

import mxnet as mx
import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from rnw.networks.classifier import get_network
from rnw.networks.layout import configure, join, joinable
from rnw.networks.zoo import network_names
from rnw.weights.onnx_graph import onnx_graph, write_onnx
from rnw.weights.surgery import fold_batch_norms, halve, join_projections
from tests.golden_cases import deterministic_weights, one_of_each_task

NARROW = 1 / 32
NETWORKS = {
    **{name: (name, {}) for name in network_names()},
    **{f"fcn_{letter}": (f"fcn_{letter}", {}) for letter in ("a", "a1", "a2", "f")},
    "1 conv": ("fcn_a1", {"classifier": "1 conv"}),
    "A at stride 16": ("model_a", {"stride": 16}),
    "A at stride 8": ("model_a", {"stride": 8}),
    "A without padding": ("model_a", {"pooling": "caffe"}),
    "A rounded up": ("model_a", {"pooling": "full"}),
    "A rounded up at stride 8": ("fcn_a", {"pooling": "full"}),
    "features of A1": ("model_a1", {"head": "features"}),
    "features of A2 at stride 8": ("model_a2", {"head": "features", "stride": 8}),
    "ResNet": ("resnet50", {}),
    "ResNet for maps": ("fcn_resnet50", {}),
    "features of a ResNet rounded up": ("resnet50", {"head": "features", "pooling": "full"}),
}
SIZES = ((2, 64, 64), (1, 96, 64), (1, 71, 85))


def _run(config, parameters, data):
    write_onnx("x.onnx", config, parameters)
    onnx.checker.check_model("x.onnx", full_check=True)
    session = onnxruntime.InferenceSession("x.onnx", providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape) == ("data", ["batch", 3, "height", "width"])
    assert (given.name, given.shape[0], given.type) == (config.head, "batch", "tensor(float)")
    return [session.run(None, {"data": array})[0] for array in data]


def _check(found, expected, tolerance=1e-4):
    assert found.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def _data(sizes=SIZES):
    stream = np.random.RandomState(0)
    return [stream.standard_normal((n, 3, h, w)).astype(np.float32) for n, h, w in sizes]


@pytest.mark.slow
@pytest.mark.parametrize("case", NETWORKS)
def test_every_network_gives_what_mxnet_gives(case, fill):
    name, options = NETWORKS[case]
    net = fill(get_network(name, 7, width=NARROW, **options))
    net.hybridize()
    config, parameters, data = net.config, deterministic_weights(net.config), _data()
    expected = [net(mx.nd.array(array)).asnumpy() for array in data]
    for values in (parameters, fold_batch_norms(config, parameters)):
        for found, score in zip(_run(config, values, data), expected):
            _check(found, score)


def test_probabilities(fill):
    for name, axis in (("model_a1", 1), ("fcn_a1", 1)):
        net = fill(get_network(name, 7, width=NARROW))
        config = configure(name, 7, width=NARROW, head="softmax")
        (data,) = _data(SIZES[:1])
        (found,) = _run(config, deterministic_weights(config), [data])
        _check(found, mx.nd.softmax(net(mx.nd.array(data)), axis=axis).asnumpy())


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("name", "levels"), [("model_a2", (2, 4, 7)), ("resnet50", (2, 3))])
def test_maps_of_levels(name, levels, half, fill):
    net = fill(get_network(name, width=NARROW, channels=2, head="features", levels=levels))
    parameters = deterministic_weights(net.config)
    write_onnx("x.onnx", net.config, halve(parameters) if half else parameters)
    onnx.checker.check_model("x.onnx", full_check=True)
    session = onnxruntime.InferenceSession("x.onnx", providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == [f"level{n}" for n in levels]
    data = np.random.RandomState(0).standard_normal((2, 2, 64, 96)).astype(np.float32)
    for found, expected in zip(session.run(None, {"data": data}), net(mx.nd.array(data))):
        assert found.dtype == np.float32
        _check(found, expected.asnumpy(), tolerance=5e-3 if half else 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("fold", [False, True])
def test_half_precision(fold, fill):
    net = fill(get_network("model_a1", 7, width=NARROW))
    parameters = deterministic_weights(net.config)
    if fold:
        parameters = fold_batch_norms(net.config, parameters)
    graph = onnx_graph(net.config, halve(parameters))
    assert {t.data_type for t in graph.graph.initializer} == {onnx.TensorProto.FLOAT16}
    (data,) = _data(SIZES[:1])
    (found,) = _run(net.config, halve(parameters), [data])
    assert found.dtype == np.float32
    _check(found, net(mx.nd.array(data)).asnumpy(), tolerance=5e-3)


def test_nodes_and_initializers_have_the_originals_names():
    config = configure("model_a", 7, width=NARROW)
    graph = onnx_graph(config, deterministic_weights(config)).graph
    assert {t.name for t in graph.initializer} == {p.name for p in config.parameters()}
    nodes = {node.name: node for node in graph.node}
    assert len(nodes) == len(graph.node)
    assert {
        "conv1a",
        "pool1",
        "bn2a_branch2a",
        "res2a_branch2a_relu",
        "res2a",
        "relu7",
        "pool7",
    } < {*nodes}
    assert nodes["linear7"].output == ["logits"]


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "least"), [("caffe", 63), ("full", 48), ("pad", 1)])
@pytest.mark.parametrize("half", [False, True])
def test_inputs_that_poolings_leave_nothing_of_are_refused(pooling, least, half):
    config = configure("model_a", 7, width=NARROW, pooling=pooling)
    parameters = halve(deterministic_weights(config)) if half else deterministic_weights(config)
    assert _run(config, parameters, [np.ones((2, 3, least, least + 1), np.float32)])
    model = onnx.load("x.onnx")
    assert {prop.key: prop.value for prop in model.metadata_props} == {
        "least_input_size": str(least)
    }
    assert f"pooling '{pooling}'; inputs of at least {least}x{least}" in model.doc_string
    for height, width in ((least, least - 1), (least - 1, least), (32, 32)) * (least > 1):
        with pytest.raises(InvalidArgument, match=f"input_must_be_at_least_{least}x{least}"):
            _run(config, parameters, [np.ones((1, 3, height, width), np.float32)])


def test_what_is_folded_is_gone():
    config = configure("model_a1", 7, width=NARROW)
    plain = onnx_graph(config, deterministic_weights(config)).graph
    folded = onnx_graph(config, fold_batch_norms(config, deterministic_weights(config))).graph
    counts = [
        sum(node.op_type == "BatchNormalization" for node in graph.node)
        for graph in (plain, folded)
    ]
    assert counts == [37, 17]


@pytest.mark.parametrize("name", ["model_a1", "model_f", "fcn_a1"])
def test_joined_projections_are_no_maps_of_their_own(name):
    config = configure(name, 7, width=NARROW)
    parameters, data = deterministic_weights(config), _data(SIZES[:1])
    (expected,) = _run(config, parameters, data)
    (found,) = _run(join(config), join_projections(config, parameters), data)
    _check(found, expected)
    nodes = {node.name: node for node in onnx.load("x.onnx").graph.node}
    assert joinable(config)
    for projection, last in joinable(config).items():
        assert projection not in nodes
        both = nodes[nodes[last].input[0]]
        assert (both.op_type, len(both.input)) == ("Concat", 2)


@pytest.mark.slow
@one_of_each_task()
def test_scores_are_the_originals(forward_case):
    (found,) = _run(forward_case.config, forward_case.parameters, [forward_case.data])
    _check(found, forward_case.expected["scores"])
