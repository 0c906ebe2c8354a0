"""Exported graphs: the original's, usable by Module, and kept in symbols/."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.classifier import Network, get_network
from rnw.networks.symbols import breaks_fusion, export_symbol, to_json, to_symbol
from rnw.weights import save_params
from rnw.weights.symbol_file import graph_beside, network_of_graph
from tests.golden_cases import each_checkpoint, each_tsv_case, golden_rows, network_of_case

SYMBOLS = Path(__file__).parents[2] / "symbols"
CHECKED_IN = ("model_a", "model_a1", "model_a2", "fcn_a1", "fcn_a2")


def _rows(symbol):
    """Nodes as the reference rows give them: operator, name, attributes, inputs.

    The rows leave out `__init__`, which `test_variables_begin_as_the_originals` compares.
    """
    nodes = json.loads(symbol.tojson())["nodes"]
    for node in nodes:
        attributes = sorted(node.get("attrs", {}).items())
        kept = [pair for pair in attributes if pair[0] != "__init__"]
        text = ";".join(f"{key}={value.replace(' ', '')}" for key, value in kept)
        yield (
            node["op"],
            node["name"],
            text,
            [nodes[source]["name"] for source, *_ in node["inputs"]],
        )


def _with_names_of(expected, found):
    """`found` with the sums, which the original left unnamed, called as in `expected`."""
    names = {}
    for (_, reference, *_), (operator, name, text, inputs) in zip(expected, found):
        names[name] = reference if operator == "elemwise_add" else name
        yield operator, names[name], text, ",".join(names[source] for source in inputs)


@each_tsv_case("graph_")
def test_graph_is_the_originals(case):
    name, options = network_of_case(case)
    expected = golden_rows(f"graph_{case}")
    ohem = expected[-1][0] == "Custom"
    head = "ohem" if ohem else "softmax"
    symbol = to_symbol(get_network(name, head=head, **options))
    found = list(_rows(symbol))
    if ohem:  # its Python operator is native operators here; what lies below is compared
        assert symbol.list_outputs() == ["softmax_output"]
        assert symbol.list_arguments()[-1] == "softmax_label"
        *expected, _, _ = expected
        found = [row for row in found if row[1] != "softmax_label"][: len(expected)]
    assert len(found) == len(expected)
    assert list(_with_names_of(expected, found)) == expected


def _initial_values(nodes):
    """What each variable of a graph says that it begins with, or None."""
    attributes = {n["name"]: n.get("attrs") or n.get("attr") or {} for n in nodes}
    return {n["name"]: attributes[n["name"]].get("__init__") for n in nodes if n["op"] == "null"}


@each_checkpoint()
def test_variables_begin_as_the_originals(path):
    graph = graph_beside(path)
    net = Network(replace(network_of_graph(graph), head="softmax"))
    found = _initial_values(json.loads(to_json(net))["nodes"])
    assert found == _initial_values(json.loads(graph.read_text())["nodes"])
    assert set(found.values()) == {None, '["zero", {}]', '["one", {}]'}


@pytest.mark.parametrize("name", CHECKED_IN)
def test_checked_in_graph_is_what_the_code_exports(name):
    net = get_network(name, head="softmax")
    assert (SYMBOLS / f"{name}-symbol.json").read_text() == to_json(net)


def test_nothing_else_is_checked_in():
    assert {path.name for path in SYMBOLS.iterdir()} == {f"{n}-symbol.json" for n in CHECKED_IN}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model_a2", "fcn_a1", "model_e"])
def test_module_runs_an_exported_graph(name, fill, tmp_path, monkeypatch):
    monkeypatch.setenv("MXNET_SUBGRAPH_BACKEND", "NONE")  # its fusion breaks units on level 1
    path = export_symbol(name, tmp_path, classes=5, width=1 / 32)
    net = fill(get_network(name, 5, width=1 / 32))
    data = mx.nd.random.normal(shape=(2, 3, 64, 64))
    expected = mx.nd.softmax(net(data), axis=1)
    module = mx.mod.Module(mx.sym.load(str(path)))
    label_shape = expected.shape[:1] + expected.shape[2:]
    module.bind([("data", data.shape)], [("softmax_label", label_shape)], for_training=False)
    values = {n: p.data() for n, p in net.collect_params().items()}
    module.set_params(
        {n: values[n] for n in module.symbol.list_arguments() if n in values},
        {n: values[n] for n in module.symbol.list_auxiliary_states()},
    )
    module.forward(mx.io.DataBatch([data], [mx.nd.zeros(label_shape)]), is_train=False)
    found = module.get_outputs()[0].asnumpy()
    np.testing.assert_allclose(found, expected.asnumpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "label_shape", "rescale"), [("28-1-1-1-1-1-1-1", (1,), 1 / 24), ("fcn_a1", (4, 4), 1)]
)
def test_module_learns_from_scratch(name, label_shape, rescale):
    """Three colors are told apart by a graph that Module itself initializes."""
    np.random.seed(0)
    mx.random.seed(0)
    net = get_network(name, 3, width=1 / 32, head="softmax", dropout=(0, 0))
    module = mx.mod.Module(to_symbol(net))
    color = np.repeat(np.arange(3), 8)
    data = np.eye(3)[color][:, :, None, None] + 0.3 * np.random.standard_normal((24, 3, 32, 32))
    label = np.resize(np.repeat(color, np.prod(label_shape)), (24, *label_shape)).squeeze()
    batches = mx.io.NDArrayIter(data, label, 24, label_name="softmax_label")
    module.bind(batches.provide_data, batches.provide_label)
    module.init_params(mx.init.Xavier())
    arguments, statistics = module.get_params()
    values = {name: array.asnumpy() for name, array in {**arguments, **statistics}.items()}
    for suffix, value in (("mean", 0), ("var", 1), ("gamma", 1), ("beta", 0), ("bias", 0)):
        found = [array for name, array in values.items() if name.endswith(suffix)]
        assert (np.concatenate(found) == value).all()
    assert all(np.ptp(array) > 0 for name, array in values.items() if name.endswith("_weight"))
    settings = {"learning_rate": 0.03, "momentum": 0.9, "rescale_grad": rescale}
    module.fit(batches, num_epoch=40, eval_metric="acc", optimizer_params=settings)
    batches.reset()
    module.forward(next(batches), is_train=True)
    true = np.take_along_axis(module.get_outputs()[0].asnumpy(), label[:, None], axis=1)
    assert -np.log(true).mean() < 0.7 * np.log(3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model_a1", "model_e", "fcn_a1"])
def test_scores_have_no_label_input(name, fill, tmp_path):
    net = fill(get_network(name, 5, width=1 / 32))
    graph = export_symbol(name, tmp_path, head="logits", classes=5, width=1 / 32)
    save_params(net, tmp_path / "net.params")
    block = mx.gluon.SymbolBlock.imports(str(graph), ["data"], str(tmp_path / "net.params"))
    data = mx.nd.random.normal(shape=(2, 3, 64, 64))
    np.testing.assert_allclose(block(data).asnumpy(), net(data).asnumpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["model_a1", "model_e", "fcn_c", "resnet50"])
def test_graphs_that_module_cannot_fuse_are_known(name, monkeypatch):
    monkeypatch.delenv("MXNET_SUBGRAPH_BACKEND", raising=False)
    net = get_network(name, 5, width=1 / 32, head="softmax")
    module = mx.mod.Module(to_symbol(net))
    label = (1, 8, 8) if net.config.segmentation else (1,)
    refused = (
        pytest.raises(RuntimeError, match="in_arg_ctx_map")
        if breaks_fusion(net.config)
        else (contextlib.nullcontext())
    )
    with refused:
        module.bind([("data", (1, 3, 64, 64))], [("softmax_label", label)], for_training=False)
    assert breaks_fusion(net.config) == (net.config.spec.units[0] > 0 and name != "resnet50")


def test_dilated_pooling_survives_export(fill):
    net = fill(get_network("model_a", 5, width=1 / 32, stride=8, head="features"))
    data = mx.nd.random.normal(shape=(1, 3, 64, 64))
    loaded = mx.sym.load_json(to_json(net))
    block = mx.gluon.SymbolBlock(loaded, mx.sym.var("data"), params=net.collect_params())
    np.testing.assert_allclose(block(data).asnumpy(), net(data).asnumpy(), rtol=1e-4, atol=1e-5)


def test_module_learns_with_bootstrapping(fill):
    net = fill(get_network("fcn_a1", 5, width=1 / 32, head="ohem", dropout=(0, 0)))
    data = mx.nd.random.normal(shape=(2, 3, 160, 160))
    label = mx.nd.random.randint(0, 5, (2, 20, 20)).astype("float32")
    with mx.autograd.record():
        probabilities = net(data, label)
    probabilities.backward()
    module = mx.mod.Module(mx.sym.load_json(to_json(net)))
    module.bind([("data", data.shape)], [("softmax_label", label.shape)])
    values = {name: parameter.data() for name, parameter in net.collect_params().items()}
    module.init_params(None, values, values, allow_extra=True)
    module.forward_backward(mx.io.DataBatch([data], [label]))
    found = module.get_outputs()[0].asnumpy()
    np.testing.assert_allclose(found, probabilities.asnumpy(), rtol=1e-4, atol=1e-6)
    gradients = dict(zip(module._exec_group.param_names, module._exec_group.grad_arrays))
    for name in ("linear5_bias", "conv6a_weight"):
        expected = net.collect_params()[name].grad().asnumpy()
        close = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
        np.testing.assert_allclose(gradients[name][0].asnumpy(), expected, **close)
