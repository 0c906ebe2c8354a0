"""Converted weights in PyTorch networks with the names and strides of the projects."""

import argparse
import configparser
import re
from functools import partial

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layout import LEVEL_SHAPES, configure, scaled
from rnw.weights import load_params
from rnw.weights.containers import read_weights
from rnw.weights.convert import GraphOptions, convert
from rnw.weights.formats import Packing, read_parameters, write_parameters
from rnw.weights.surgery import features_only
from rnw.weights.torch_file import write_torch
from tests.golden_cases import deterministic_weight

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn
load_file = pytest.importorskip("safetensors.torch").load_file  # imports torch

UNITS = {2: 3, 3: 3, 4: 6, 5: 3, 6: 1, 7: 1}
NARROW = 1 / 32


def _conv(before, after, kernel, stride=1, dilation=1):
    pad = dilation * (kernel // 2)
    return nn.Conv2d(before, after, kernel, stride, pad, dilation, bias=False)


class _ABN(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu()


def _norm_relu(channels):
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


class _Unit(nn.Module):
    """A pre-activation unit whose submodules are added under given names, in order."""

    def __init__(self, names, norm, before, channels, kernels, stride, first, dilation):
        super().__init__()
        self.names = names
        self.projects = stride != 1 or before != channels[-1]
        if self.projects:
            self.put(names["projection"], _conv(before, channels[-1], 1, stride))
        for index, (after, kernel) in enumerate(zip(channels, kernels)):
            self.put(names["norms"][index], norm(before))
            used = (first if index == 0 else dilation) if kernel > 1 else 1
            step = stride if index == 0 else 1
            self.put(names["convolutions"][index], _conv(before, after, kernel, step, used))
            before = after
        self.stages = len(channels)

    def put(self, path, module):
        parent, _, name = path.rpartition(".")
        if parent and not hasattr(self, parent):
            setattr(self, parent, nn.Module())
        setattr(self.get_submodule(parent), name, module)

    def forward(self, x):
        shortcut = x
        for index in range(self.stages):
            x = self.get_submodule(self.names["norms"][index])(x)
            if index == 0 and self.projects:
                shortcut = self.get_submodule(self.names["projection"])(x)
            x = self.get_submodule(self.names["convolutions"][index])(x)
        return shortcut + x


PSA = {
    "norms": ["bn_branch2a", "bn_branch2b1", "bn_branch2b2"],
    "convolutions": ["conv_branch2a", "conv_branch2b1", "conv_branch2b2"],
    "projection": "conv_branch1",
}
WIDER = {
    "norms": ["bn1", "convs.bn2", "convs.bn3"],
    "convolutions": ["convs.conv1", "convs.conv2", "convs.conv3"],
    "projection": "proj_conv",
}


def _units(names, norm, width, entry):
    """(level, index, unit); `entry` gives stride, dilation of the first convolution and after."""
    before = scaled(64, width)
    for level, count in UNITS.items():
        shape = LEVEL_SHAPES[level]
        channels = [scaled(c, width) for c in shape.channels]
        stride, first, dilation = entry.get(level, (1, 1, 1))
        for index in range(count):
            step = (stride, first) if index == 0 else (1, dilation)
            yield level, index, _Unit(names, norm, before, channels, shape.kernels, *step, dilation)
            before = channels[-1]


class Resnet38d(nn.Module):
    """Stride 8, dilated from the second convolution of `b5` on; the features only."""

    def __init__(self, width):
        super().__init__()
        self.conv1a = _conv(3, scaled(64, width), 3)
        entry = {2: (2, 1, 1), 3: (2, 1, 1), 4: (2, 1, 1)}
        entry.update({5: (1, 1, 2), 6: (1, 4, 4), 7: (1, 4, 4)})
        self.order = []
        for level, index, unit in _units(PSA, _ABN, width, entry):
            self.order.append(f"b{level}" + f"_{index}" * bool(index))
            setattr(self, self.order[-1], unit)
        self.bn7 = _ABN(scaled(4096, width))

    def forward(self, x):
        x = self.conv1a(x)
        for name in self.order:
            x = getattr(self, name)(x)
        return self.bn7(x)


class WiderResnet(nn.Module):
    """Poolings of stride 2 before the levels `pooled`, strides in the levels `strided`."""

    def __init__(self, width, classes, pooled, strided=(), norm=_ABN):
        super().__init__()
        self.pooled = pooled
        self.mod1 = nn.Module()
        self.mod1.conv1 = _conv(3, scaled(64, width), 3)
        for level in UNITS:
            setattr(self, f"mod{level}", nn.Sequential())
        entry = dict.fromkeys(strided, (2, 1, 1))
        for level, index, unit in _units(WIDER, norm, width, entry):
            getattr(self, f"mod{level}").add_module(f"block{index + 1}", unit)
        self.bn_out = norm(scaled(4096, width))
        self.classifier = nn.Module()
        self.classifier.fc = nn.Linear(scaled(4096, width), classes)

    def forward(self, x):
        x = self.mod1.conv1(x)
        for level in UNITS:
            if level in self.pooled:
                x = nn.functional.max_pool2d(x, 3, 2, 1)
            x = getattr(self, f"mod{level}")(x)
        return self.classifier.fc(self.bn_out(x).mean((2, 3)))


A2 = {"pooled": (2, 3), "strided": (4, 5, 6)}
# format: our network, its options, and the PyTorch network for a width and a number of classes
NETWORKS = {
    "resnet38d": ("a1", {"stride": 8, "head": "features"}, lambda w, k: Resnet38d(w)),
    "wider_resnet": ("a", {}, partial(WiderResnet, pooled=(2, 3, 4, 5, 6))),
    "wider_resnet_a2": ("a2", {}, partial(WiderResnet, **A2)),
    "wrn38": (
        "a2",
        {},
        lambda w, k: nn.DataParallel(WiderResnet(w, k, norm=_norm_relu, **A2), device_ids=[]),
    ),
}
KINDS = {"safetensors": load_file, "pth": torch.load}


def _write(letter, classes, width):
    config = configure(f"model_{letter}", classes, width=width)
    values = {p.name: deterministic_weight(p.name, p.shape) for p in config.parameters()}
    path = f"x_rna-{letter}_cls{classes}_ep-0001.params"
    write_parameters(path, values, "module")
    return path


def _check(to, kind, classes, width, size):
    letter, options, network = NETWORKS[to]
    source = _write(letter, classes, width)
    done = convert(source, f"converted.{kind}", to)
    dropped = [f"left out: linear{classes}_weight, linear{classes}_bias"]
    assert done.notes == dropped * (to == "resnet38d")
    state = KINDS[kind](f"converted.{kind}")
    if to == "wrn38" and kind == "pth":
        state = state["state_dict"]
    net = network(width, classes)
    net.load_state_dict(state, strict=True)
    del state
    data = np.random.RandomState(0).standard_normal((2, 3, size, size)).astype(np.float32)
    with torch.no_grad():
        found = net.eval()(torch.from_numpy(data)).numpy()
    del net
    ours = get_network(f"model_{letter}", classes, width=width, **options)
    load_params(ours, source, ignore_extra=True)
    expected = ours(mx.nd.array(data)).asnumpy()
    assert found.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to", NETWORKS)
def test_pytorch_gives_what_mxnet_gives(to, kind):
    _check(to, kind, 7, NARROW, 64)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["resnet38d", "wider_resnet_a2"])
def test_wide_networks_give_what_mxnet_gives(to):
    _check(to, "safetensors", 1000, 0.5, 96)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to", NETWORKS)
def test_a_trained_state_comes_back(to, kind):
    letter, _, network = NETWORKS[to]
    source = _write(letter, 7, NARROW)
    convert(source, f"theirs.{kind}", to)
    state = KINDS[kind](f"theirs.{kind}")
    net = network(NARROW, 7)
    net.load_state_dict(state.get("state_dict", state))
    torch.save({"epoch": 3, "state_dict": net.state_dict()}, "trained.pth")
    done = convert("trained.pth", "back.params", "module")
    expected = read_parameters(source)
    if to == "resnet38d":
        expected = features_only(expected)
    found = read_parameters("back.params")
    assert [note for note in done.notes if "InPlaceABN" not in note] == []
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


def test_folded_normalizations_are_read_by_our_own_networks():
    from rnw.torch import load

    source, target = _write("a", 7, NARROW), "y_rna-a_cls7_ep-0001.pth"
    convert(source, target, "rnw_torch", graph=GraphOptions(fold_bn=True))
    plain, folded = load(source).eval(), load(target).eval()
    folded.load_state_dict(torch.load(target), strict=True)
    assert len(folded.state_dict()) < len(plain.state_dict())
    data = torch.from_numpy(np.random.RandomState(0).standard_normal((2, 3, 64, 64))).float()
    with torch.no_grad():
        found, expected = folded(data).numpy(), plain(data).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("wrapped", [False, True])
def test_files_are_packed_as_a_script_loads_them(wrapped):
    """That of inplace_abn, which tests in parallel, has `state_dict` and `module.`."""
    source, network = _write("a", 7, NARROW), NETWORKS["wider_resnet"][2](NARROW, 7)
    packing = Packing("state_dict", "module.") if wrapped else Packing("plain", "")
    convert(source, "x.pth.tar", "wider_resnet", packing=packing)
    state = torch.load("x.pth.tar", weights_only=True)
    net = nn.DataParallel(network, device_ids=[]) if wrapped else network
    net.load_state_dict(state["state_dict"] if wrapped else state, strict=True)


def test_what_training_scripts_save_beside_the_weights_is_skipped():
    settings = configparser.ConfigParser()
    settings.read_string("[optimizer]\nlearning_rate = 0.01\n")
    parts = {"body": {"w": torch.ones(2)}, "head": {"w": torch.zeros(1)}}
    beside = {"config": settings, "args": argparse.Namespace(lr=0.1), "best": np.float64(79.7)}
    torch.save({**beside, "state_dict": parts}, "x.pth.tar")
    assert {name: len(array) for name, array in read_weights("x.pth.tar").items()} == {
        "body.w": 2,
        "head.w": 1,
    }


def test_incomplete_and_surplus_entries():
    convert(_write("a1", 7, NARROW), "theirs.pth", "resnet38d")
    state = torch.load("theirs.pth")
    state["fc8.weight"] = torch.zeros(20, 128, 1, 1)
    torch.save(state, "surplus.pth")
    assert convert("surplus.pth", "x.params", "module").notes == ["left out: fc8.weight"]
    del state["b4_3.conv_branch2a.weight"], state["bn7.running_var"]
    torch.save(state, "incomplete.pth")
    with pytest.raises(InputError, match=r"^incomplete\.pth: .*missing") as caught:
        convert("incomplete.pth", "y.params", "module")
    assert "res4b3_branch2a_weight (16, 16, 3, 3), bn7_moving_var (128,)" in str(caught.value)


def _state():
    """Tensors of every type and kind that are read."""
    steps = torch.arange(24.0).reshape(2, 3, 2, 2)
    types = (torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int16)
    return {
        "turned": steps.permute(3, 0, 2, 1),
        "part": steps[1:, ::2],
        "channels last": steps.to(memory_format=torch.channels_last),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "flags": torch.tensor([True, False]),
        "parameter": nn.Parameter(steps),
        "shared": steps[0],
        **{str(dtype): steps.to(dtype) for dtype in (*types, torch.int32, torch.int64)},
    }


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=str)
@pytest.mark.parametrize("protocol", [2, 3])
def test_what_pytorch_saves_is_read_without_it(options, protocol):
    state = _state()
    beside = {"epoch": 3, "best": np.float64(79.7), "losses": [0.5], "device": torch.device("cpu")}
    torch.save({"state_dict": state, **beside}, "x.pth", pickle_protocol=protocol, **options)
    found = read_weights("x.pth")
    assert list(found) == list(state)
    for name, tensor in state.items():
        tensor = tensor.detach()
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        assert found[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(found[name], expected, name)


def test_an_optimizer_beside_the_weights_changes_nothing():
    net = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, "x.pth")
    assert {name: array.shape for name, array in read_weights("x.pth").items()} == {
        "weight": (2, 3),
        "bias": (2,),
    }


NO_ARRAYS = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "on the meta device": lambda: torch.ones(2, device="meta"),
    "has type float8_e4m3fn": lambda: torch.ones(2).to(torch.float8_e4m3fn),
    "has type uint16": lambda: torch.ones(2).to(torch.uint16),
    "a view of other values (conj)": lambda: torch.ones(2, dtype=torch.complex64).conj(),
    "has 1000000000000 values, of which 1": lambda: torch.ones(1).expand(10**6, 10**6),
}


@pytest.mark.parametrize("wording", NO_ARRAYS)
def test_tensors_of_pytorch_that_are_no_arrays(wording):
    torch.save({"a": torch.ones(2), "w": NO_ARRAYS[wording]()}, "x.pth")
    with pytest.raises(InputError, match=rf"^x\.pth: w: .*{re.escape(wording)}"):
        read_weights("x.pth")


@pytest.mark.parametrize("mmap", [False, True])
def test_pytorch_reads_what_is_written_without_it(mmap):
    types = ("f4", "f8", "f2", "u1", "i1", "i8", "?", ">f4")
    arrays = {f"of {dtype}": np.arange(6).reshape(2, 3).astype(dtype) for dtype in types}
    arrays["turned"], arrays["scalar"] = arrays["of f4"].T, np.array(3)
    write_torch("x.pth", arrays, "state_dict")
    found = torch.load("x.pth", weights_only=True, mmap=mmap)["state_dict"]
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name].numpy(), array, name)


@pytest.mark.parametrize("variance", [1e-6, 1e-3, 1.0])
def test_what_pytorchs_own_epsilon_changes(variance):
    """1e-5 for the original's 1.001e-5: at most a two thousandth, nothing at usual variances."""
    x = torch.full((1, 1, 1, 1), 0.5)
    fixed = {"running_mean": torch.zeros(1), "running_var": torch.full((1,), variance)}
    ours, theirs = (
        nn.functional.batch_norm(x, **fixed, eps=eps).item() for eps in (1.001e-5, 1e-5)
    )
    assert theirs / ours - 1 == pytest.approx(0.5e-8 / (variance + 1e-5), abs=2e-7)
