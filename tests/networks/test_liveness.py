"""What is alive, counted again on MXNet's own graphs and by hand."""

import json
from math import prod

import pytest

from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.networks.liveness import liveness
from rnw.networks.symbols import to_symbol

# What the backward pass of an operator reads: places among its inputs, and among its outputs.
READ = {
    "Convolution": ([0], []),
    "FullyConnected": ([0], []),
    "BatchNorm": ([0], []),
    "Activation": ([], [0]),
    "Pooling": ([0], [0]),
    "broadcast_maximum": ([0, 1], []),
    "Dropout": ([], [1]),
    "SoftmaxOutput": ([], [0]),
}


def _read_values(net, size):
    """Values that the backward pass of the exported graph reads, for one image and without it."""
    symbol = to_symbol(net)
    internals = symbol.get_internals()
    shapes = dict(zip(internals.list_outputs(), internals.infer_shape(data=(1, 3, size, size))[1]))
    nodes = json.loads(symbol.tojson())["nodes"]
    read = set()
    for place, node in enumerate(nodes):
        inputs, outputs = READ.get(node["op"], ([], []))
        read |= {tuple(node["inputs"][i][:2]) for i in inputs}
        read |= {(place, i) for i in outputs}
    total = 0
    for place, output in read:
        name = nodes[place]["name"]
        if name != "data":
            known = shapes.get(f"{name}_output") or shapes[f"{name}_output{output}"]
            total += prod(known)
    return total


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("model_a", 224, {}),
        ("model_a1", 224, {}),
        ("model_a2", 97, {"pooling": "full"}),
        ("model_c", 112, {"classes": 10}),
        ("model_f", 56, {"pooling": "caffe"}),
        ("model_a", 120, {"stride": 8}),
        ("fcn_a1", 120, {"dropout": (0, 0)}),
        ("fcn_a2", 121, {"classifier": "1 conv", "dropout": (0, 0)}),
        ("fcn_a", 90, {"dropout": (0, 0)}),
        ("resnet50", 224, {}),
        ("resnet101", 97, {"pooling": "full", "stride": 16}),
        ("fcn_resnet50", 120, {"dropout": (0, 0)}),
    ],
    ids=str,
)
def test_kept_is_what_the_backward_pass_of_the_graph_reads(name, size, options):
    net = get_network(name, width=1 / 8, head="softmax", **options)
    assert sum(row.kept for row in liveness(net.config, size)) == _read_values(net, size)


def test_dropout_keeps_its_mask_and_its_output():
    with_dropout, without = (
        sum(row.kept for row in liveness(configure("fcn_a1", dropout=rates), 64))
        for rates in ((0.3, 0.5), (0, 0))
    )
    assert with_dropout - without == 2 * (1024 + 2048) * 8**2


def test_first_unit_of_a1_by_hand():
    """From 64 maps of 8x8 to 128 of 4x4: 4,096 values on entry, 2,048 after each convolution.

    Backward, the gradient of the first ReLU comes in two parts, the projection's while that of the
    sum is still there.
    """
    unit = liveness(configure("model_a1"), 8)[1]
    assert unit.input == 4096
    assert unit.kept == 4096 + 3 * 2048
    assert unit.forward == 2 * 4096
    assert unit.backward == 2 * 4096 + 2048
    assert unit.replaced == 2048


def test_second_unit_of_a1_by_hand():
    """All is 128 maps of 4x4; the input stays for the sum, and so does the sum's gradient."""
    unit = liveness(configure("model_a1"), 8)[2]
    assert [values / 2048 for values in unit] == [1, 4, 3, 3, 1]


def test_first_units_of_resnet50_by_hand():
    """64 maps of 4x4 are 1,024 values, the 256 of an output four times that.

    Kept: each convolution's output (the projection's too), what two ReLUs give, and the output.
    Forward most is there while the last normalization is computed. Backward it is while the last
    convolution is: its gradients, and that of the sum, which the shortcut waits for. The last ReLU
    reads its own output.
    """
    first, second = (
        [values / 1024 for values in row] for row in liveness(configure("resnet50"), 16)[3:5]
    )
    convolutions, relus = 1 + 1 + 4, 1 + 1
    assert first == [1, convolutions + 4 + relus + 4, 4 + 4 + 4, 4 + 4 + 1, 0]
    assert second == [4, convolutions + relus + 4, 4 + 4 + 4, 4 + 4 + 1, 0]


def test_dropout_of_a_resnet_keeps_its_mask_and_its_output():
    with_dropout, without = (
        sum(row.kept for row in liveness(configure("fcn_resnet50", dropout=rates), 64))
        for rates in ((0.3, 0), (0, 0))
    )
    assert with_dropout - without == 3 * 2 * 512 * 8**2


def test_the_input_has_the_channels_that_the_network_takes():
    three, five = (liveness(configure("model_a1", channels=n), 64) for n in (3, 5))
    assert (three[0].input, five[0].input) == (3 * 64**2, 5 * 64**2)
    assert three[0].kept == five[0].kept
    assert three[1:] == five[1:]
