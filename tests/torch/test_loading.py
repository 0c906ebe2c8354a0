"""Weights files of every kind in and out of the networks for PyTorch."""

from pathlib import Path

import numpy as np
import pytest

import rnw
from rnw.errors import InputError
from rnw.networks.layout import configure
from rnw.weights import load_network, save_params
from rnw.weights.convert import GraphOptions, convert
from rnw.weights.formats import FORMATS, read_parameters, write_parameters
from rnw.weights.surgery import halve
from tests.golden_cases import deterministic_weights, each_checkpoint

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

NARROW = 1 / 32
A1 = "x_rna-a1_cls7_ep-0001"
NETWORKS = {"wider_resnet": "a", "wider_resnet_a2": "a2", "wrn38": "a2"}  # others: A1


def _write(label=A1, name="model_a1", classes=7, half=False, **options):
    parameters = deterministic_weights(configure(name, classes, width=NARROW, **options))
    write_parameters(f"{label}.params", halve(parameters) if half else parameters, "module")
    return f"{label}.params", parameters


def _check(net, parameters):
    """Raise AssertionError unless a network has these parameters, as what it saves shows."""
    rnw.torch.save(net, "saved.params")
    saved = read_parameters("saved.params")
    assert list(saved) == [p.name for p in net.config.parameters()]
    for name, array in saved.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, parameters[name], name)


@pytest.mark.parametrize(
    ("to", "suffix"),
    [(to, s) for to, row in FORMATS.items() for c in row.containers for s in c.suffixes],
)
def test_files_of_every_kind(to, suffix):
    letter = NETWORKS.get(to, "a1")
    label = f"x_rna-{letter}_cls7_ep-0001"
    source, parameters = _write(label, f"model_{letter}")
    path = Path(to, f"{label}{suffix}")
    path.parent.mkdir()
    convert(source, path, to)
    head = {"head": "features"} if to == "resnet38d" else {}
    net = rnw.torch.load(path, **head)
    assert net.config.spec.name == f"model_{letter}"
    _check(net, parameters)


@pytest.mark.slow
@each_checkpoint()
def test_the_originals_own_checkpoints(path):
    assert rnw.torch.load(path).config.classes == 8
    _check(rnw.torch.load(path), read_parameters(path))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net.state_dict(),
        lambda net: {"epoch": 3, "state_dict": torch.nn.DataParallel(net).state_dict()},
        lambda net: {"model": torch.nn.ModuleDict({"_orig_mod": net}).state_dict()},  # compiled
        lambda net: torch.nn.ModuleDict({"backbone": net}).state_dict(),
    ],
)
@pytest.mark.parametrize(
    ("label", "name"),
    [
        (A1, "model_a1"),
        ("x_rna-c_cls7_ep-0001", "model_c"),
        ("x_resnet50_cls7_ep-0001", "resnet50"),
    ],
)
def test_a_state_comes_back(wrap, label, name):
    source, parameters = _write(label, name)
    net = rnw.torch.load(source)
    torch.save(wrap(net), f"{label}.pth")
    assert convert(f"{label}.pth", "back.params", "module").notes in (
        [],
        ["all entries lie below `backbone.`"],
        ["all entries lie below `_orig_mod.`"],
    )
    for name, array in read_parameters("back.params").items():
        np.testing.assert_array_equal(array, parameters[name], name)
    _check(rnw.torch.load(f"{label}.pth"), parameters)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_states_are_written_without_pytorch(suffix):
    source, parameters = _write("x_rna-f_cls7_s8_ep-0001", "fcn_f")
    convert(source, f"state.{suffix}", "rnw_torch")
    if suffix == "pth":
        state = torch.load("state.pth")
    else:
        state = pytest.importorskip("safetensors.torch").load_file("state.safetensors")
    net = rnw.torch.get_network("fcn_f", 7, width=NARROW)
    net.load_state_dict(state, strict=True)
    _check(net, parameters)


def test_what_the_name_tells_and_what_is_asked_for():
    source, parameters = _write("voc_rna-a1_cls7_s8_ep-0001", "fcn_a1")
    net = rnw.torch.load(source)
    assert (net.config.name, net.config.stride, net.training) == ("fcn_a1", 8, True)
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 7, 4, 4)
    assert rnw.torch.load(source, "model_a2").config.spec.name == "model_a2"
    maps = rnw.torch.load(source, head="features", levels=(3, 7))
    _check(maps, parameters)
    with torch.no_grad():
        assert [m.shape[1] for m in maps(torch.zeros(1, 3, 32, 32))] == [8, 128]
    Path(source).rename("weights.params")
    assert rnw.torch.load("weights.params", "fcn_a1").config.stride == 8
    rnw.torch.save(net, "named.safetensors", "rnw_torch")
    assert rnw.torch.load("named.safetensors").config == net.config
    with pytest.raises(InputError, match=r"^weights\.params: the file name does not indicate"):
        rnw.torch.load("weights.params")
    with pytest.raises(InputError, match=r"^weights\.params: does not fit fcn_b"):
        rnw.torch.load("weights.params", "model_b")


@pytest.mark.parametrize(("to", "suffix"), [("safetensors", "safetensors"), ("rnw_torch", "pth")])
def test_folded_normalizations(to, suffix):
    source, _ = _write()
    path = f"{A1}.{suffix}"
    convert(source, path, to, graph=GraphOptions(fold_bn=True))
    whole, folded = rnw.torch.load(source).eval(), rnw.torch.load(path).eval()
    assert folded.conv1a.bias is not None
    assert "bn2a_branch2b1" not in folded.res2a
    x = torch.from_numpy(np.random.RandomState(0).standard_normal((2, 3, 64, 64)).astype("f4"))
    with torch.no_grad():
        torch.testing.assert_close(folded(x), whole(x), rtol=1e-4, atol=1e-5)


def test_half_precision_becomes_float32():
    source, parameters = _write(half=True)
    _check(rnw.torch.load(source), halve(parameters))


def test_warm_start_does_what_gluons_does():
    source, parameters = _write()
    torch.manual_seed(0)
    net = rnw.torch.get_network("fcn_a2", 3, width=NARROW, channels=4)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    transfer = rnw.torch.warm_start(net, source)
    gluons = rnw.get_network("fcn_a2", 3, width=NARROW, channels=4)
    gluons.initialize()
    assert transfer == rnw.warm_start(gluons, source)
    new = [
        "conv1a_weight",
        *(f"{n}_{w}" for n in ("conv6a", "linear3") for w in ("weight", "bias")),
    ]
    assert transfer.reinitialized == new
    rnw.torch.save(net, "started.params")
    started = read_parameters("started.params")
    for name in transfer.taken:
        np.testing.assert_array_equal(started[name], parameters[name], name)
    assert torch.equal(net.conv1a.weight, before["conv1a.weight"])
    with pytest.raises(InputError, match="does not fit"):
        rnw.torch.warm_start(rnw.torch.get_network("model_b", width=NARROW), source)


def test_files_for_gluon():
    net = rnw.torch.get_network("fcn_a1", 3, width=NARROW)
    rnw.torch.save(net, "x_rna-a1_cls3_s8_ep-0001.params")
    theirs = load_network("x_rna-a1_cls3_s8_ep-0001.params")
    save_params(theirs, "y_rna-a1_cls3_s8_ep-0001.params")
    written = read_parameters("x_rna-a1_cls3_s8_ep-0001.params")
    _check(rnw.torch.load("y_rna-a1_cls3_s8_ep-0001.params"), written)
    with pytest.raises(InputError, match="unknown format 'tf'"):
        rnw.torch.save(net, "x.params", "tf")
    with pytest.raises(InputError, match="a graph needs more than parameters"):
        rnw.torch.save(net, "x.onnx", "onnx")
