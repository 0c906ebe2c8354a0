"""The formats: how they name entries, what their files may have around them, and their table."""

import re
import zipfile
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.layout import configure
from rnw.weights.containers import ONNX, PARAMS
from rnw.weights.convert import convert
from rnw.weights.formats import FORMATS, Packing, read_parameters, write_parameters
from rnw.weights.ndarray_file import read_arrays
from rnw.weights.npz_file import read_npz
from rnw.weights.torch_file import read_torch
from tests.golden_cases import deterministic_weights

OF_GRAPHS = {"--stride", "--pooling", "--softmax", "--upsample", "--argmax", "--input", "--opset"}


def test_the_table_of_the_readme_is_that_of_formats():
    page = (Path(__file__).parents[2] / "rnw/weights/README.md").read_text(encoding="utf-8")
    table = page.split("| `--to` | written as |", 1)[1].split("\n\n", 1)[0]
    rows = [
        [re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:-1]]
        for row in table.splitlines()[2:]
    ]
    assert [name for (name,), *_ in rows] == list(FORMATS)
    suffixes = []
    for (name,), written, _, options, _ in rows:
        form, suffixes = FORMATS[name], written or suffixes  # or "the same"
        assert sorted(suffixes) == sorted(s for c in form.containers for s in c.suffixes)
        packed = {"--key-prefix"} if form.containers not in ((PARAMS,), (ONNX,)) else set()
        packed |= {"--wrap"} if ".pth" in suffixes else set()
        folded = {"--fold-bn"} if form.folds else set()
        expected = packed | folded | (OF_GRAPHS if name == "onnx" else set())
        assert {word for option in options for word in option.split()} == expected


def test_writing_goes_by_names_not_by_order():
    arrays = {name: np.full((2,), i, np.float32) for i, name in enumerate(["b_moving_var", "a"])}
    write_parameters("x.params", arrays, "module")
    assert {n: a.tolist() for n, a in read_arrays("x.params").items()} == {
        "arg:a": [1, 1],
        "aux:b_moving_var": [0, 0],
    }
    assert list(read_arrays("x.params")) == ["arg:a", "aux:b_moving_var"]
    assert set(mx.nd.load("x.params")) == {"arg:a", "aux:b_moving_var"}


@pytest.fixture
def a1():
    """A published file of a narrow network; its path."""
    values = deterministic_weights(configure("model_a1", 7, width=1 / 32))
    write_parameters("x_rna-a1_cls7_ep-0001.params", values, "module")
    return "x_rna-a1_cls7_ep-0001.params"


PACKED = {
    "as it is": ("wider_resnet", Packing(), False, "mod1.conv1.weight"),
    "for inplace_abn's script": (
        "wider_resnet",
        Packing("state_dict", "module."),
        True,
        "module.mod1.conv1.weight",
    ),
    "as NVIDIA's": ("wrn38", Packing(), True, "module.mod1.conv1.weight"),
    "NVIDIA's, plain": ("wrn38", Packing("plain", ""), False, "mod1.conv1.weight"),
    "another prefix": ("resnet38d", Packing(None, "net.enc."), False, "net.enc.conv1a.weight"),
}


@pytest.mark.parametrize("case", PACKED)
def test_entries_are_where_scripts_look_for_them(a1, case):
    to, packing, wrapped, name = PACKED[case]
    convert(a1, "x.pth.tar", to, packing=packing)
    with zipfile.ZipFile("x.pth.tar") as archive:
        assert (b"state_dict" in archive.read("archive/data.pkl")) == wrapped
    assert next(iter(read_torch("x.pth.tar"))) == name
    convert("x.pth.tar", "back.params", "module")
    expected = read_parameters(a1)
    for name, array in read_parameters("back.params").items():
        np.testing.assert_array_equal(array, expected[name], name)


def test_original_names_may_have_a_prefix(a1):
    convert(a1, "x.npz", "npz", packing=Packing(key_prefix="net."))
    assert next(iter(read_npz("x.npz"))) == "net.conv1a_weight"
    convert("x.npz", "back.params", "module")
    assert Path("back.params").read_bytes() == Path(a1).read_bytes()


@pytest.mark.parametrize(
    ("target", "to", "packing", "wording"),
    [
        ("x.npz", "wrn38", Packing("plain"), r"^x\.npz: only PyTorch files .*: leave out --wrap"),
        ("x.params", "module", Packing("plain"), "only PyTorch files"),
        ("x.pth", "wrn38", Packing("model"), "unknown wrapping 'model': expected one of plain, st"),
        ("x.pth", "wrn38", Packing(None, "module"), "expected it to end in a dot"),
        ("x.params", "gluon", Packing(None, "module."), "names in .params files .*have no prefix"),
        (
            "x.onnx",
            "onnx",
            Packing(None, ""),
            "names in .params files and in graphs have no prefix",
        ),
    ],
)
def test_packing_that_a_file_cannot_have(a1, target, to, packing, wording):
    with pytest.raises(InputError, match=wording):
        convert(a1, target, to, packing=packing)
    assert not Path(target).exists()
