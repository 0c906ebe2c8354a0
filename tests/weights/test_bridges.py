"""From the published form to every other one and back, and what the converter says on the way."""

import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
import pytest
import safetensors.numpy

import rnw
from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.weights import load_network
from rnw.weights.convert import GraphOptions, convert
from rnw.weights.formats import FORMATS, read_parameters, write_parameters
from rnw.weights.names import WIDER_RESNET, WRN38
from rnw.weights.npz_file import read_npz, write_npz
from rnw.weights.surgery import Surgery, features_only
from rnw.weights.torch_file import read_torch, write_torch
from tests.golden_cases import deterministic_weight

NARROW = 1 / 32
ENDING = {"npz": "npz", "onnx": "onnx"}
START = "for training there, not a finished network"


def _write(label, name, classes=7, width=NARROW, **options):
    """A published file of a network with deterministic parameters; its path."""
    config = configure(name, classes, width=width, **options)
    values = {p.name: deterministic_weight(p.name, p.shape) for p in config.parameters()}
    write_parameters(f"{label}_ep-0001.params", values, "module")
    return f"{label}_ep-0001.params"


@pytest.fixture
def a1():
    return _write("x_rna-a1_cls7", "model_a1")


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("network", ["model_a1", "fcn_a1"])
def test_there_and_back_is_the_same_file(network, to):
    source = _write("x_rna-a1_cls7_s8", network)
    between = f"between.{ENDING.get(to, 'safetensors')}"
    convert(source, between, to)
    notes = convert(between, "back.params", "module").notes
    inplace_abn = FORMATS[to].naming in (WIDER_RESNET, WRN38)
    assert ["InPlaceABN" in note for note in notes] == [True] * inplace_abn
    expected = read_parameters(source)
    if to == "resnet38d" or (FORMATS[to].naming and network == "fcn_a1"):
        expected = features_only(expected)
    write_parameters("expected.params", expected, "module")
    assert Path("back.params").read_bytes() == Path("expected.params").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("to", [to for to in FORMATS if to != "resnet38d"])
def test_networks_load_any_form(a1, to, fill):
    path = f"x_rna-a1_cls7_ep-0001.{ENDING.get(to, 'safetensors')}"
    convert(a1, path, to)
    expected = fill(get_network("model_a1", 7, width=NARROW))
    for name, parameter in load_network(path).collect_params().items():
        value = expected.collect_params()[name].data().asnumpy()
        np.testing.assert_array_equal(parameter.data().asnumpy(), value, name)


def test_half_precision_files_are_half_as_large_and_load(a1):
    convert(a1, "half.params", "module", surgery=Surgery(half=True))
    assert Path("half.params").stat().st_size < 0.6 * Path(a1).stat().st_size
    net = get_network("model_a1", 7, width=NARROW)
    rnw.load_params(net, "half.params")
    for name, array in read_parameters(a1).items():
        found = net.collect_params()[name].data()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.asnumpy(), array, rtol=1e-3, atol=1e-7)


# source, format: what the class down-samples in another way than
OTHERWISE = {
    ("a1", "resnet38d"): False,
    ("a", "resnet38d"): True,
    ("a", "wider_resnet"): False,
    ("b", "wider_resnet"): False,
    ("a1", "wider_resnet"): True,
    ("a2", "wider_resnet_a2"): False,
    ("a1", "wider_resnet_a2"): True,
    ("a", "wrn38"): True,
    ("a", "gluon"): False,
}


@pytest.mark.parametrize(("letter", "to"), OTHERWISE)
def test_weights_of_another_network_are_noted(letter, to):
    source = _write(f"x_rna-{letter}_cls7", f"model_{letter}")
    notes = [note for note in convert(source, "x.npz", to).notes if note.endswith(START)]
    assert len(notes) == OTHERWISE[letter, to]
    if notes:
        assert notes[0].startswith(f"{to} down-samples in another way than model_{letter}, whose")
        fitting = {"resnet38d": "a1", "wider_resnet": "a"}.get(to, "a2")
        asked = convert(source, "x.npz", to, network=fitting, overwrite=True)
        assert not any(note.endswith(START) for note in asked.notes)


def test_other_structures_than_that_of_the_class_are_refused():
    source = _write("x_rna-b_cls7", "model_b")
    with pytest.raises(InputError, match=r"has 0-1-1-1-3-1-1 units .* the 0-3-3-6-3-1-1 of resn"):
        convert(source, "x.npz", "resnet38d")
    source = _write("x_rna-c_cls7", "model_c")
    with pytest.raises(InputError, match=r"^bn1b1_branch2a_gamma: .*no level 1"):
        convert(source, "x.npz", "wider_resnet")
    assert not Path("x.npz").exists()


@pytest.mark.parametrize("to", ["resnet38d", "wider_resnet"])
@pytest.mark.parametrize("name", ["x", "x.bin", "x.params", "x.onnx"])
def test_the_file_name_tells_the_container(a1, name, to):
    ending = r"ends in one of \.safetensors, \.pth, \.pt, \.pth\.tar, \.npz$"
    with pytest.raises(InputError, match=rf"^{name}: expected a file name that {ending}"):
        convert(a1, name, to)


def test_another_network_may_be_named(a1):
    assert convert(a1, "a2.params", "module", network="a2").notes == []
    assert Path("a2.params").read_bytes() == Path(a1).read_bytes()
    with pytest.raises(InputError, match="does not fit model_b"):
        convert(a1, "b.params", "module", network="b")
    with pytest.raises(InputError, match="unknown network 'z'"):
        convert(a1, "z.params", "module", network="z")
    assert not Path("b.params").exists()


def _graph(path):
    nodes = onnx.load(path).graph.node
    return {
        node.name: {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        for node in nodes
    }


def test_graphs_are_for_the_network_that_the_name_tells(a1):
    Path("nameless.params").write_bytes(Path(a1).read_bytes())
    with pytest.raises(InputError, match="does not indicate the network: pass --network"):
        convert("nameless.params", "x.onnx", "onnx")
    for source, network, pools in ((a1, None, 0), ("nameless.params", "a2", 2), (a1, "a", 5)):
        convert(source, "x.onnx", "onnx", network=network, overwrite=True)
        assert sum(name.startswith("pool") for name in _graph("x.onnx")) == pools + 2  # pool7, flat


def test_released_files_are_pooled_as_they_are_tested():
    source = _write("ilsvrc-cls_rna-a_cls1000", "model_a", 1000)
    for pooling, pads in ((None, [0] * 4), ("pad", [1] * 4)):
        options = GraphOptions(pooling=pooling)
        convert(source, "x.onnx", "onnx", graph=options, overwrite=True)
        assert _graph("x.onnx")["pool1"]["pads"] == pads


def test_segmentation_graphs_have_stride_8_unless_told_otherwise(a1):
    dilations = {}
    for stride in (None, 32, 16):
        options = GraphOptions(stride=stride)
        surgery = Surgery(fcn="1 conv")
        convert(a1, "x.onnx", "onnx", surgery=surgery, graph=options, overwrite=True)
        dilations[stride] = _graph("x.onnx")["res7a_branch2b1"]["dilations"][0]
    assert dilations == {None: 4, 32: 1, 16: 2}
    source = _write("x_rna-a1_cls7_s16", "fcn_a1")
    convert(source, "x.onnx", "onnx", overwrite=True)
    assert _graph("x.onnx")["res7a_branch2b1"]["dilations"] == [2, 2]


GRAPHS_ALONE = [
    {"stride": 8},
    {"softmax": True},
    {"fold_bn": True},
    {"upsample": "input"},
    {"argmax": True},
    {"input_type": "uint8"},
    {"opset": 18},
]


@pytest.mark.parametrize("option", GRAPHS_ALONE)
def test_only_graphs_take_their_options(a1, option):
    with pytest.raises(InputError, match="are options of a graph: --to onnx"):
        convert(a1, "x.params", "module", graph=GraphOptions(**option))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("letter", "normalizations", "to"), [("a1", 17, "safetensors"), ("a", 18, "npz")]
)
def test_folded_normalizations_are_read_by_networks(letter, normalizations, to):
    """The stem of Model A has its normalization behind a pooling, which stays."""
    source = _write(f"x_rna-{letter}_cls7", f"model_{letter}")
    target = f"y_rna-{letter}_cls7_ep-0001.{to}"
    folded = GraphOptions(fold_bn=True)
    assert convert(source, target, to, graph=folded).notes == []
    assert sum(name.endswith("_gamma") for name in read_parameters(target)) == normalizations
    data = mx.nd.array(np.random.RandomState(0).standard_normal((2, 3, 64, 64)))
    net, expected = load_network(target), load_network(source)(data).asnumpy()
    for network in (net, rnw.optimize(net)):
        found = network(data).asnumpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    with pytest.raises(InputError, match=r"\(its normalizations are folded into its convol"):
        convert(target, "z.params", "module")


def test_folding_takes_the_network_into_account():
    source = _write("x_rna-a_cls7", "model_a")
    Path("nameless.params").write_bytes(Path(source).read_bytes())
    folded = GraphOptions(fold_bn=True)
    with pytest.raises(InputError, match="does not indicate the network: pass --network"):
        convert("nameless.params", "y.npz", "npz", graph=folded)
    for to in ("resnet38d", "wider_resnet", "wrn38"):
        with pytest.raises(InputError, match=f"^the convolutions of {to} have no biases, .*npz"):
            convert(source, "y.npz", to, graph=folded)


def test_a_classifier_becomes_one_for_maps(a1):
    done = convert(a1, "fcn.params", "module", surgery=Surgery(fcn="2 conv", classes=5))
    assert done.notes == [
        "initialized with seed 0: conv6a_weight, conv6a_bias, linear5_weight, linear5_bias"
    ]
    net = get_network("fcn_a1", 5, width=NARROW)
    rnw.load_params(net, "fcn.params")
    assert net(mx.nd.zeros((1, 3, 32, 32))).shape == (1, 5, 4, 4)


def test_what_is_no_network_of_ours_is_refused(a1):
    convert(a1, "folded.onnx", "onnx", graph=GraphOptions(fold_bn=True))
    with pytest.raises(InputError, match=r"^folded\.onnx: .*missing 80 of 193 arrays, first bn2"):
        convert("folded.onnx", "x.params", "module")
    safetensors.numpy.save_file({"encoder.weight": np.ones((2, 2))}, "other.safetensors")
    with pytest.raises(InputError, match=r"^other\.safetensors: does not fit .*unexpected weight"):
        convert("other.safetensors", "x.params", "module")
    assert not Path("x.params").exists()


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["backbone.", "module.backbone.", "enc.", "my/"])
@pytest.mark.parametrize("to", ["resnet38d", "wider_resnet", "npz"])
def test_names_below_others_are_read(a1, to, prefix):
    convert(a1, "x.npz", to)
    arrays = {prefix + key: array for key, array in read_npz("x.npz").items()}
    write_npz("below.npz", arrays)
    done = convert("below.npz", "y.params", "module")
    assert f"all entries lie below `{prefix}`" in done.notes
    expected = read_parameters(a1)
    if to == "resnet38d":
        expected = features_only(expected)
    for name, array in read_parameters("y.params").items():
        np.testing.assert_array_equal(array, expected[name], name)
    write_npz("beside.npz", {**arrays, "head.conv.weight": np.ones((2, 2))})
    if to != "npz":
        assert "left out: head.conv.weight" in convert("beside.npz", "z.params", "module").notes
        assert Path("z.params").read_bytes() == Path("y.params").read_bytes()


def test_unknown_names_have_one_cause():
    write_npz("x.npz", {f"my/net.{n}.w": np.ones((2, 2)) for n in range(50)})
    with pytest.raises(InputError) as caught:
        convert("x.npz", "y.params", "module")
    message = str(caught.value)
    assert "(all entries lie below `my/net.`): most of the arrays are missing (" in message
    assert message.endswith(
        "; most of the arrays are unexpected (50 of 50, first my/net.0.w (2, 2))"
    )
    assert len(message) < 400


@pytest.mark.parametrize("width", [NARROW, 1 / 16])
def test_a_backbone_of_a_segmentation_network_is_recognized(width):
    convert(_write("x_rna-a2_cls7", "model_a2", width=width), "x.pth", "wrn38")
    state = {f"module.{key}": a for key, a in read_torch("x.pth").items() if "bn_out" not in key}
    state = {key: array for key, array in state.items() if "classifier" not in key}
    state["module.module.aspp.features.0.0.weight"] = np.zeros((16, 4, 1, 1), np.float32)
    write_torch("best.pth", state, "state_dict")
    with pytest.raises(InputError) as caught:
        convert("best.pth", "y.params", "module")
    message = str(caught.value)
    assert (
        f"(features only, width {width:g}) (a backbone without its last normalization, bn7"
        in message
    )
    channels = int(4096 * width)
    names = ("gamma", "beta", "moving_mean", "moving_var")
    assert message.endswith(": missing " + ", ".join(f"bn7_{name} ({channels},)" for name in names))


def test_parts_of_a_segmentation_network(a1):
    """As inplace_abn keeps them: body, head and cls in one state_dict."""
    convert(a1, "x.npz", "wider_resnet")
    body = {f"body.{key}": array for key, array in read_npz("x.npz").items()}
    write_npz("x.npz", {**body, "head.conv.weight": np.ones((2, 2)), "cls.bias": np.ones(3)})
    done = convert("x.npz", "y.params", "module", network="a")
    assert "left out: head.conv.weight, cls.bias" in done.notes
    assert Path("y.params").read_bytes() == Path(a1).read_bytes()


def test_pytorch_files_may_be_called_tar(a1):
    convert(a1, "wider_resnet38.pth.tar", "wrn38", network="a2")
    name = "x_rna-a2_cls7_ep-0001.pth.tar"
    Path("wider_resnet38.pth.tar").rename(name)
    convert(name, "back.params", "module")
    assert Path("back.params").read_bytes() == Path(a1).read_bytes()
    assert load_network(name).config.name == "model_a2"


def test_what_a_download_leaves_of_a_name_is_no_part_of_it(a1):
    Path(f"{a1}?dl=0").write_bytes(Path(a1).read_bytes())
    assert load_network(f"{a1}?dl=0").config.name == "model_a1"


def test_many_entries_that_are_left_out_are_counted(a1):
    convert(a1, "x.npz", "resnet38d")
    others = {f"ema.{n}": np.ones(2) for n in range(100)}
    write_npz("x.npz", {**read_npz("x.npz"), **others})
    notes = convert("x.npz", "y.params", "module").notes
    assert notes == ["left out: 100 entries, first ema.0, ema.1, ema.2"]


def test_impossible_shapes_are_refused_by_the_files_name(a1):
    parameters = read_parameters(a1)
    for name, shape in (("linear7_weight", (0, 128)), ("bn7_gamma", (4096 * 17,))):
        write_parameters("x.params", {**parameters, name: np.zeros(shape, np.float32)}, "module")
        with pytest.raises(InputError, match=r"^x\.params: "):
            convert("x.params", "x.npz", "resnet38d")


def test_graphs_are_not_written_from_parameters_alone(a1):
    with pytest.raises(InputError, match="a graph needs more than parameters"):
        write_parameters("x.onnx", read_parameters(a1), "onnx")


MEASURED = """
import resource, sys
from rnw.weights.convert import convert
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
convert(*sys.argv[1:])
print(peak() - before, "mxnet" in sys.modules)
"""


@pytest.mark.slow
def test_a_whole_network_is_converted_in_little_memory():
    source = _write("x_rna-a1_cls1000", "model_a1", 1000, 1)
    for to in ("safetensors", "resnet38d"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, source, f"{to}.safetensors", to],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        megabytes, mxnet = done.stdout.split()
        assert float(megabytes) < 150, to
        assert mxnet == "False"
        assert Path(f"{to}.safetensors").stat().st_size > 400e6
