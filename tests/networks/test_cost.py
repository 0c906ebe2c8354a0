"""Parameters and multiply-adds: the paper's, and counted again on MXNet's own graphs."""

import json
from math import prod

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.cost import (
    cost,
    count_multiply_adds,
    count_parameters,
    depth,
    detailed_cost,
    receptive_field,
    table,
)
from rnw.networks.layout import configure
from rnw.networks.symbols import to_symbol
from rnw.networks.zoo import STRIDE, NetworkSpec, network_names
from tests.golden_cases import (
    each_tsv_case,
    fill_network,
    golden_rows,
    network_of_case,
)

PAPER = {  # name: (parameters, multiply-adds in 10^9 at the training size)
    "model_a": (109_167_912, 49.5),
    "model_a1": (109_167_912, 49.5),
    "model_a2": (109_167_912, 49.5),
    "model_b": (82_612_520, 16.2),
    "model_c": (177_089_064, 11.3),
    "model_d": (139_328_040, 9.5),
    "model_e": (101_567_016, 7.6),
    "model_f": (139_328_040, 7.2),
    "224-0-1-1-1-1-1-1": (63_732_008, 12.5),
}


def test_table_is_the_papers():
    found = {row.name: (row.parameters, round(row.multiply_adds / 1e9, 1)) for row in table()}
    assert found == PAPER


def test_segmentation_network_of_section_5():
    config = configure("fcn_a1")
    assert (config.classes, config.classifier, config.stride) == (21, "2 conv", 8)
    assert count_parameters(config) == 124_042_581
    assert round(count_multiply_adds(config, 504) / 1e9) == 580


def test_cost_is_at_the_training_size():
    row = cost(configure("112-1-1-1-1-9-1-1"))
    assert row[:4] == ("112-1-1-1-1-9-1-1", 112, (1, 1, 1, 1, 9, 1, 1), 34)
    assert row.parameters == PAPER["model_d"][0]
    assert row.multiply_adds == count_multiply_adds(configure("model_d"), 112)


def _counted(net, size):
    """Parameters and multiply-adds of the exported graph, with the shapes that MXNet infers."""
    symbol = to_symbol(net)
    internals = symbol.get_internals()
    data = {"data": (1, 3, size, size)}
    shapes = dict(zip(internals.list_outputs(), internals.infer_shape(**data)[1]))
    nodes = json.loads(symbol.tojson())["nodes"]
    multiply_adds = 0
    for node in nodes:
        if node["op"] in ("Convolution", "FullyConnected"):
            weight = shapes[nodes[node["inputs"][1][0]]["name"]]
            cells = prod(shapes[f"{node['name']}_output"][2:])
            multiply_adds += prod(weight) * cells
    arguments = set(symbol.list_arguments()) - {"data", "softmax_label"}
    return sum(prod(shapes[name]) for name in arguments), multiply_adds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("model_a", 224, {}),
        ("model_a", 320, {"pooling": "caffe"}),
        ("model_a", 224, {"pooling": "full"}),
        ("model_a", 97, {"pooling": "pad"}),
        ("model_a", 97, {"pooling": "caffe"}),
        ("model_a", 98, {"pooling": "full"}),
        ("model_a", 120, {"stride": 8}),
        ("model_a", 121, {"stride": 16, "pooling": "caffe"}),
        ("model_a1", 224, {"classes": 8}),
        ("model_a1", 101, {"stride": 8}),
        ("model_a2", 99, {"stride": 16, "pooling": "full"}),
        ("model_b", 64, {"head": "softmax"}),
        ("model_c", 112, {"head": "features"}),
        ("model_e", 75, {"width": 1 / 16, "pooling": "caffe"}),
        ("model_f", 56, {"pooling": "full"}),
        ("28-1-1-1-1-1-1-1", 28, {"classes": 10, "width": 0.05}),
        ("160-2-1-1-1-4-2-3", 160, {}),
        ("fcn_a1", 504, {}),
        ("fcn_a1", 120, {"stride": 16, "classifier": "1 conv"}),
        ("fcn_a2", 121, {"classes": 19, "stride": 32, "pooling": "caffe"}),
        ("fcn_a", 90, {"head": "softmax", "pooling": "full"}),
        ("model_d", 112, {"classifier": "2 conv"}),
    ],
    ids=str,
)
def test_counts_are_those_of_the_graph(name, size, options):
    net = get_network(name, **{"width": 1 / 32, **options})
    found = (count_parameters(net.config), count_multiply_adds(net.config, size))
    assert found == _counted(net, size)


@pytest.mark.parametrize("name", ["model_a", "fcn_a1"])
def test_counts_of_the_full_network_are_those_of_the_graph(name):
    net = get_network(name)
    found = (count_parameters(net.config), count_multiply_adds(net.config, 224))
    assert found == _counted(net, 224)


def test_moving_averages_are_not_learnt():
    net = get_network("model_b", width=1 / 32)
    gammas = sum(prod(p.shape) for n, p in net.collect_params().items() if n.endswith("_gamma"))
    every = sum(prod(p.shape) for p in net.collect_params().values())
    assert count_parameters(net.config) == every - 2 * gammas


@each_tsv_case("params_")
def test_parameters_by_level_add_up_to_the_originals(case):
    name, options = network_of_case(case)
    shapes = [shape.split("x") for _, kind, shape in golden_rows(f"params_{case}") if kind == "arg"]
    expected = sum(prod(map(int, shape)) for shape in shapes)
    row = detailed_cost(configure(name, **options), 97)
    assert row.parameters == sum(level.parameters for level in row.levels) == expected


def test_levels_of_a_network_at_another_size():
    config = configure("model_a1")
    row = detailed_cost(config, 320)
    names = ["stem", *(f"B{level}" for level in range(2, 8)), "classifier"]
    assert [level.level for level in row.levels] == names
    assert [level.output_size for level in row.levels] == [320, 160, 80, 40, 20, 10, 10, 10]
    assert row.multiply_adds == count_multiply_adds(config, 320)
    assert row.multiply_adds == sum(level.multiply_adds for level in row.levels)
    assert row.training_bytes == sum(level.training_bytes for level in row.levels)
    assert row.inference_bytes == max(level.inference_bytes for level in row.levels)
    assert row.training_bytes == pytest.approx(
        detailed_cost(config).training_bytes * (320 / 224) ** 2, rel=1e-3
    )


def test_a_pooling_belongs_to_the_level_it_leads_to():
    sizes = {level.level: level.output_size for level in detailed_cost(configure("a")).levels}
    assert list(sizes.values()) == [224, 112, 56, 28, 14, 7, 7, 7]


@pytest.mark.parametrize("name", network_names())
def test_depth_is_the_papers(name):
    config = configure(name)
    assert depth(config) == config.spec.depth
    assert depth(configure(name, classifier="2 conv")) == config.spec.depth + 1


@pytest.mark.parametrize("fourth", [None, STRIDE], ids=["as it is", "dilated"])
def test_receptive_field_is_what_gradients_reach(fourth):
    entered = (STRIDE, STRIDE, STRIDE, fourth, None)
    spec = NetworkSpec("reference", 64, (1, 1, 1, 1, 1, 1, 1), entered)
    net = fill_network(get_network(spec, width=1 / 8, stride=8, head="features"))
    field = receptive_field(net.config)
    size = field + 64
    image = mx.nd.random.normal(shape=(1, 3, size, size))
    image.attach_grad()
    with mx.autograd.record(train_mode=False):  # batch statistics see everything
        cells = net(image)
        middle = cells.shape[2] // 2
        cell = cells[:, :, middle, middle].sum()
    cell.backward(train_mode=False)
    seen = np.abs(image.grad.asnumpy()).sum(axis=(0, 1)) > 0
    for axis in (0, 1):
        (places,) = np.nonzero(seen.any(axis=axis))
        assert places[-1] - places[0] + 1 == field


def test_refuses_a_size_below_1():
    with pytest.raises(InputError, match="size is 0, expected at least 1"):
        detailed_cost(configure("model_a"), 0)
