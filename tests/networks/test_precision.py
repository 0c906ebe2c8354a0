"""The types that a network has where it computes in half precision, by its graph."""

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.classifier import get_network

NETWORKS = [
    ("model_a1", {}),
    ("resnet50", {"head": "softmax"}),
    ("fcn_a", {"classifier": "2 conv"}),  # with dropout and dilated maxima
]
DILATED = ("_pad", "_a2", "_a3", "_b2", "_b3", "_c2", "_c3", "_columns")


def _types(net):
    """The types of all variables and outputs of operators, by their names in the graph."""
    inputs = ["data", "softmax_label"][: 1 + net.config.takes_label]
    graph = net(*map(mx.sym.var, inputs)).get_internals()
    known = dict.fromkeys(inputs, "float32")
    variables, outputs, moving = graph.infer_type(**known)
    types = dict(zip(graph.list_arguments(), variables))
    types.update(zip(graph.list_auxiliary_states(), moving))
    return {**dict(zip(graph.list_outputs(), outputs)), **types}, set(types)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_maps_are_of_that_type_and_parameters_float32(name, options, precision):
    net = get_network(name, 5, width=1 / 32, **options)
    net.compute_in(precision)
    assert net.precision == precision
    types, variables = _types(net)
    assert set(net.collect_params()) <= variables
    assert {types[name] for name in variables} == {np.float32}
    maps = [name for name in types.keys() - variables if "amp_cast" not in name]
    low = {name for name in maps if types[name] != np.float32}
    high = [name for name in set(maps) - low if "_do_" not in name and "pool" not in name]
    assert high == ["softmax_output"] * net.config.takes_label
    assert {str(np.dtype(types[name])) for name in low} == {
        {"float16": "float16", "bfloat16": "[('bfloat16', '<u2')]"}[precision]
    }
    *_, scores = (name for name in types if "amp_cast" in name)
    assert types[scores] == np.float32


def test_back_in_float32_nothing_is_cast():
    net = get_network("model_a1", 5, width=1 / 32)
    net.compute_in("float16")
    net.compute_in("float32")
    types, _ = _types(net)
    assert not [name for name in types if "amp_cast" in name]
