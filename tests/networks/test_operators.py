"""The operators of a network without MXNet, against the graph that MXNet writes of it."""

import json

import pytest

from rnw.networks.classifier import get_network
from rnw.networks.operators import operators
from rnw.networks.symbols import to_json

NETWORKS = {
    "model_a": {},
    "fcn_a": {"pooling": "caffe"},
    "fcn_a2": {"stride": 16, "classifier": "1 conv"},
    "model_c": {"pooling": "full"},
    "fcn_resnet50": {"dropout": (0.0, 0.0)},
    "resnet101": {"head": "features"},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_they_are_those_of_the_exported_graph(name):
    options = {"width": 1 / 32, "dropout": (0.0, 0.0), **NETWORKS[name]}
    net = get_network(name, 7, **options)
    nodes = json.loads(to_json(net))["nodes"]
    drawn = [node for node in nodes if node["op"] != "null"]
    found = list(operators(net.config))
    assert [(o.kind, o.name) for o in found] == [(node["op"], node["name"]) for node in drawn]
    for operator, node in zip(found, drawn):
        assert operator.inputs == tuple(nodes[source]["name"] for source, *_ in node["inputs"])
