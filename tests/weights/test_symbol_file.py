"""Graphs beside weights files: read without MXNet, and computed by MXNet itself."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.symbols import to_json
from rnw.weights import load_network, save_params
from rnw.weights.symbol_file import graph_beside, network_of_graph
from tests.golden_cases import (
    each_case,
    each_tsv_case,
    golden_folder,
    golden_rows,
    network_of_case,
)

NARROW = 1 / 32
GRAPH = "x-symbol.json"
TOLD = ("classes", "stride", "pooling", "dropout", "classifier", "width", "epsilon")


def in_attr(graph):
    """The graph as MXNet 0.9 wrote it."""
    for node in graph["nodes"]:
        if "attrs" in node:
            node["attr"] = node.pop("attrs")
        node["name"] = node["name"].replace("res2a_sum", "_plus0")
    graph["attrs"] = {"mxnet_version": ["int", 905]}
    return graph


def in_param(graph):
    """The graph as MXNet 0.8 wrote it: moving averages are no nodes, sums are `_Plus`."""
    nodes, numbers = [], {}
    for number, node in enumerate(graph["nodes"]):
        if node["name"].endswith(("_moving_mean", "_moving_var")):
            continue
        numbers[number] = len(nodes)
        inputs = [[numbers[s], i] for s, i, *_ in node["inputs"] if s in numbers]
        kind = {"elemwise_add": "_Plus"}.get(node["op"], node["op"])
        old = {"op": kind, "param": node.get("attrs", {}), "name": node["name"]}
        nodes.append({**old, "inputs": inputs, "backward_source_id": -1})
        if kind == "null":
            nodes[-1]["param"] = {}
    variables = [number for number, node in enumerate(nodes) if node["op"] == "null"]
    return {"nodes": nodes, "arg_nodes": variables, "heads": [[len(nodes) - 1, 0]]}


DIALECTS = {"attrs": lambda graph: graph, "attr": in_attr, "param": in_param}
OLD = ("attr", "param")

NETWORKS = {
    "A without padding": ("model_a", {"pooling": "caffe"}),
    "B rounded up": ("model_b", {"pooling": "full"}),
    "A1": ("model_a1", {"frozen_statistics": True}),
    "another epsilon": ("model_b", {"epsilon": 2e-2}),
    "level 1": ("model_f", {"pooling": "caffe"}),
    "A at stride 8": ("fcn_a", {"pooling": "caffe"}),
    "A1 at stride 16": ("fcn_a1", {"stride": 16, "classifier": "1 conv"}),
    "A2 without dropout": ("fcn_a2", {"dropout": (0.0, 0.0)}),
    "A2 at stride 32": ("fcn_a2", {"stride": 32, "dropout": (0.1, 0.4)}),
    "ResNet": ("resnet50", {"pooling": "caffe"}),
}


def _draw(net, dialect="attrs", path=GRAPH):
    Path(path).write_text(json.dumps(DIALECTS[dialect](json.loads(to_json(net)))))


def _change(name, path=GRAPH, **attributes):
    """Change attributes of one node of a graph."""
    graph = json.loads(Path(path).read_text())
    (node,) = (node for node in graph["nodes"] if node["name"] == name)
    node["attrs"].update(attributes)
    Path(path).write_text(json.dumps(graph))


def _executed(parameters, data):
    """What MXNet's own executor computes by the graph, from a weights file."""
    symbol = mx.sym.load(GRAPH)
    arrays = {key.split(":")[1]: value for key, value in mx.nd.load(parameters).items()}
    arrays["data"] = mx.nd.array(data)
    if "softmax_label" in symbol.list_arguments():
        _, (out, *_), _ = symbol.infer_shape(data=data.shape)
        arrays["softmax_label"] = mx.nd.zeros(out[:1] + out[2:])
    executor = symbol.bind(
        mx.cpu(),
        {name: arrays[name] for name in symbol.list_arguments()},
        aux_states={name: arrays[name] for name in symbol.list_auxiliary_states()},
    )
    return executor.forward(is_train=False)[0].asnumpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "dialect"),
    [*((case, "attrs") for case in NETWORKS), *itertools.product(("A1", "A1 at stride 16"), OLD)],
)
def test_a_file_without_a_label_computes_what_its_graph_does(case, dialect, fill, monkeypatch):
    monkeypatch.setenv("MXNET_SUBGRAPH_BACKEND", "NONE")  # it cannot bind units on level 1
    name, options = NETWORKS[case]
    net = fill(get_network(name, 7, width=NARROW, head="softmax", **options))
    save_params(net, "x-0001.params")
    _draw(net, dialect)
    data = np.random.RandomState(0).standard_normal((1, 3, 64, 73)).astype(np.float32)
    loaded = load_network("x-0001.params")
    found = mx.nd.softmax(loaded(mx.nd.array(data)), axis=1).asnumpy()
    np.testing.assert_allclose(found, _executed("x-0001.params", data), rtol=0, atol=1e-5)
    expected = {**vars(net.config), "layers": (), "head": "logits"}
    if name == "resnet50":
        expected["dropout"] = (0.0, 0.0)
    assert {**vars(loaded.config), "layers": ()} == expected


def test_the_pooling_of_a_graph_matters(fill):
    net = fill(get_network("model_a", 7, width=NARROW, pooling="caffe"))
    save_params(net, "x-0001.params")
    save_params(net, "x_rna-a_cls7_ep-0001.params")
    _draw(net)
    data = mx.nd.random.normal(shape=(1, 3, 96, 96))
    by_graph, by_name = load_network("x-0001.params"), load_network("x_rna-a_cls7_ep-0001.params")
    assert np.abs((by_graph(data) - by_name(data)).asnumpy()).max() > 0.01
    np.testing.assert_array_equal(by_graph(data).asnumpy(), net(data).asnumpy())


@pytest.mark.parametrize("head", ["ohem", "features", "logits"])
def test_the_loss_of_a_graph_does_not_matter(head):
    net = get_network("fcn_a1", 7, width=NARROW, head=head)
    _draw(net)
    found = network_of_graph(GRAPH)
    assert found.head == ("features" if head == "features" else "logits")
    assert (found.spec, found.stride, found.dropout) == (net.config.spec, 8, (0.3, 0.5))


@each_tsv_case("graph_")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_graphs_of_the_original(case, dialect):
    """Those of the reference data, which were written down node by node."""
    nodes, numbers = [], {}
    for kind, name, attributes, inputs in golden_rows(f"graph_{case}"):
        numbers[name] = len(nodes)
        attrs = dict(part.split("=") for part in attributes.split(";") if part)
        sources = [[numbers[source], 0, 0] for source in inputs.split(",") if source]
        nodes.append({"op": kind, "name": name, "attrs": attrs, "inputs": sources})
    graph = {"nodes": nodes, "heads": [[len(nodes) - 1, 0, 0]]}
    Path(GRAPH).write_text(json.dumps(DIALECTS[dialect](graph)))
    name, options = network_of_case(case)
    expected = get_network(name, **options).config
    found = network_of_graph(GRAPH)
    fields = ("name", "spec", *TOLD)
    assert [getattr(found, f) for f in fields] == [getattr(expected, f) for f in fields]


@each_case("path", "*-symbol.json", sorted(golden_folder().glob("*-symbol.json")))
def test_every_graph_of_the_reference_data_is_read(path):
    (weights,) = path.parent.glob(f"{path.name[: -len('-symbol.json')]}-*.params")
    drawn, loaded = network_of_graph(path), load_network(weights).config
    assert [getattr(loaded, field) for field in TOLD] == [getattr(drawn, field) for field in TOLD]
    assert loaded.spec.downsampling == drawn.spec.downsampling


@pytest.mark.parametrize(
    ("weights", "graph"),
    [
        ("x_ep-0001.params", "x_ep-symbol.json"),
        ("x_ep-0001.params", "x-symbol.json"),
        ("x-12345.params", "x-symbol.json"),
        ("x.params", "x-symbol.json"),
        ("x_ep-0001.params?dl=0", "x_ep-symbol.json"),
        ("x_ep-0001.safetensors", "x-symbol.json"),
    ],
)
def test_names_of_graphs(weights, graph):
    Path("f").mkdir()
    assert graph_beside(Path("f", weights)) is None
    Path("f/y-symbol.json").touch()
    Path("f", graph).touch()
    assert graph_beside(Path("f", weights)) == Path("f", graph)


def test_the_graph_of_checkpoints_comes_first():
    for name in ("x_ep-symbol.json", "x-symbol.json"):
        Path(name).touch()
    assert graph_beside("x_ep-0003.params").name == "x_ep-symbol.json"


@pytest.mark.parametrize(
    ("name", "attributes", "wording"),
    [
        ("pool3", {"pad": "(0, 0)"}, r"pad of pool3 is \(0, 0\), expected \(1, 1\) as in model_a"),
        ("pool1", {"pad": "(1, 1)", "pooling_convention": "full"}, "pooling_convention of pool1"),
        ("pool7", {"pool_type": "max"}, "pool_type of pool7 is max, expected avg"),
        ("bn4a_branch2a", {"fix_gamma": "True"}, "fix_gamma of bn4a_branch2a is True"),
        ("bn4a_branch2a", {"eps": "0.1"}, "eps of bn4a_branch2a is 0.1, expected 1.001e-05"),
        ("res3b1_branch2a", {"dilate": "(3,3)"}, r"dilate of res3b1_branch2a is \(3, 3\)"),
        ("res3b1_branch2a", {"stride": "(3L,3L)"}, r"stride of res3b1_branch2a is \(3, 3\)"),
        ("res5a_branch1", {"stride": "[2, 2]"}, r"stride of res5a_branch1 is \(2, 2\)"),
        ("conv1a", {"num_filter": "3"}, "num_filter of conv1a is 3, expected 2"),
        ("relu7", {"act_type": "tanh"}, "act_type of relu7 is tanh, expected relu"),
        ("linear7", {"num_hidden": "8"}, "num_hidden of linear7 is 8, expected 7"),
        ("res4a_branch2a", {"kernel": "(1,1)", "pad": "()"}, "kernel of res4a_branch2a"),
        ("res4a_branch2a", {"kernel": "3"}, r"node \d+ is damaged"),
        ("res4a_branch2a", {"num_filter": "many"}, r"node \d+ is damaged"),
        ("res7a_branch2b2", {"num_filter": "0"}, "width is 0"),
    ],
)
def test_graphs_of_something_else_are_refused(name, attributes, wording):
    _draw(get_network("model_a", 7, width=NARROW))
    _change(name, **attributes)
    with pytest.raises(InputError, match=f"^{GRAPH}: .*{wording}"):
        network_of_graph(GRAPH)


def test_other_connections_are_refused():
    _draw(get_network("model_a", 7, width=NARROW))
    graph = json.loads(Path(GRAPH).read_text())
    names = [node["name"] for node in graph["nodes"]]
    pool = graph["nodes"][names.index("pool2")]
    pool["inputs"][0][0] = names.index("res2a")
    Path(GRAPH).write_text(json.dumps(graph))
    with pytest.raises(InputError, match=r"inputs of pool2 is \(res2a\), expected \(res2b2\)"):
        network_of_graph(GRAPH)


def _other_network():
    data = mx.sym.var("data")
    return mx.sym.FullyConnected(data, num_hidden=3, name="fc1").tojson()


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('{"nodes": ' + "[" * 100_000, "cannot be read"),
        ("[]", "expected a JSON object"),
        ("{}", "is no network of the paper: its levels 1 to 7 have 0-0-0-0-0-0-0 residual units"),
        ('{"nodes": {}}', "is no network of the paper"),
        ('{"nodes": [3]}', "node 0 is damaged"),
        ('{"nodes": [{"op": "null", "name": "a", "inputs": [[5, 0]]}]}', "node 0 is damaged"),
        ('{"nodes": [{"op": "null", "name": "a", "inputs": 1}]}', "node 0 is damaged"),
        ('{"nodes": [{"op": "Dropout", "name": "a", "inputs": []}]}', "node 0 is damaged"),
        (_other_network(), "is no network of the paper"),
    ],
)
def test_what_is_no_graph_is_refused(text, wording):
    Path(GRAPH).write_text(text)
    with pytest.raises(InputError, match=f"^{GRAPH}: .*{wording}"):
        network_of_graph(GRAPH)


def test_dropout_in_inference_is_refused():
    _draw(get_network("fcn_a1", 7, width=NARROW))
    _change("res7a_branch2b2_do", mode="always")
    with pytest.raises(InputError, match=r"node \d+ is damaged"):
        network_of_graph(GRAPH)


def test_damaged_bytes_never_end_in_a_traceback():
    _draw(get_network("model_e", 7, width=NARROW))
    whole, stream = Path(GRAPH).read_bytes(), np.random.RandomState(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for position in stream.randint(0, len(whole), 3):
            damaged[position] = stream.choice(list(b'0123456789[]{}",:() abx'))
        Path(GRAPH).write_bytes(damaged)
        try:
            network_of_graph(GRAPH)
        except InputError as error:
            assert str(error).startswith(f"{GRAPH}: ")


def test_mxnet_is_not_needed():
    _draw(get_network("model_a", 7, width=NARROW, pooling="full"))
    script = (
        "import sys; sys.modules['mxnet'] = None\n"
        "from rnw.weights.symbol_file import network_of_graph\n"
        f"print(network_of_graph({GRAPH!r}).pooling)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("full\n", 0), done.stderr
