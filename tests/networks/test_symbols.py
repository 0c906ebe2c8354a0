"""Exported graphs: the original's, usable by Module, and kept in symbols/."""

import json
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.classifier import get_network
from rnw.networks.symbols import export_symbol, to_json, to_symbol
from tests.golden_cases import each_tsv_case, golden_rows, network_of_case

SYMBOLS = Path(__file__).parents[2] / "symbols"
CHECKED_IN = ("model_a", "model_a1", "model_a2", "fcn_a1", "fcn_a2")


def _rows(symbol):
    """Nodes as the reference rows give them: operator, name, attributes, inputs."""
    nodes = json.loads(symbol.tojson())["nodes"]
    for node in nodes:
        attributes = sorted(node.get("attrs", {}).items())
        text = ";".join(f"{key}={value.replace(' ', '')}" for key, value in attributes)
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


@pytest.mark.parametrize("name", CHECKED_IN)
def test_checked_in_graph_is_what_the_code_exports(name):
    net = get_network(name, head="softmax")
    assert (SYMBOLS / f"{name}-symbol.json").read_text() == to_json(net)


def test_nothing_else_is_checked_in():
    assert {path.name for path in SYMBOLS.iterdir()} == {f"{n}-symbol.json" for n in CHECKED_IN}


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
