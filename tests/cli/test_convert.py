"""Conversion of weights files by the command line."""

import re
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
import pytest

from rnw.networks.classifier import get_network
from tests.golden_cases import golden_folder

NAME = "ilsvrc-cls_rna-a1_cls8_ep-0001"
RELEASED = golden_folder() / f"{NAME}.params"
PROBABILITIES = golden_folder() / f"{NAME.replace('_ep-0001', '')}_expected.npz"


def _convert(rnw, source, target, to, *options):
    assert rnw("convert", source, target, "--to", to, *options) == (0, f"{target}\n", "")
    return mx.nd.load(str(target))


def _same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name].asnumpy(), array.asnumpy(), name)


def test_there_and_back(rnw):
    released = mx.nd.load(str(RELEASED))
    gluon = _convert(rnw, RELEASED, "gluon.params", "gluon")
    _same({name.split(".")[-1]: array for name, array in gluon.items()}, _plain(released))
    back = _convert(rnw, "gluon.params", "back/module.params", "module")
    _same(back, released)
    _convert(rnw, RELEASED, "direct.params", "module")
    _same(mx.nd.load("direct.params"), released)


def _plain(arrays):
    return {name.split(":")[-1]: array for name, array in arrays.items()}


def test_gluon_loads_what_was_converted(rnw):
    released = _plain(mx.nd.load(str(RELEASED)))
    _convert(rnw, RELEASED, "gluon.params", "gluon")
    net = get_network("model_a1", 8, width=released["bn7_gamma"].size / 4096)
    net.load_parameters("gluon.params")
    _same({name: p.data() for name, p in net.collect_params().items()}, released)


def test_module_loads_what_was_converted_back(rnw):
    _convert(rnw, RELEASED, "gluon.params", "gluon")
    _convert(rnw, "gluon.params", "model-0001.params", "module")
    Path("model-symbol.json").write_bytes(
        (golden_folder() / f"{NAME[:-5]}-symbol.json").read_bytes()
    )
    symbol, args, auxs = mx.model.load_checkpoint("model", 1)
    assert set(args) == set(symbol.list_arguments()) - {"data", "softmax_label"}
    assert set(auxs) == set(symbol.list_auxiliary_states())


def test_target_that_exists_is_kept_unless_told_otherwise(rnw, refused):
    Path("target").write_text("kept")
    message = refused("convert", RELEASED, "target", "--to", "gluon")
    assert "target: exists already; choose another name, or pass --overwrite" in message
    assert Path("target").read_text() == "kept"
    assert len(_convert(rnw, RELEASED, "target", "gluon", "--overwrite")) == 193


def test_a_file_can_be_converted_in_place(rnw):
    Path("file").write_bytes(RELEASED.read_bytes())
    _same(_convert(rnw, "file", "file", "module", "--overwrite"), mx.nd.load(str(RELEASED)))


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"<!DOCTYPE html>\n", "not a .params file of MXNet"),
        (b"\x12", "not a .params file"),
        (b"", "the file is empty"),
        (RELEASED.read_bytes()[:40], "more than the file can hold, at byte 16 of 40"),
        (RELEASED.read_bytes()[:200_000], "truncated file"),
        (RELEASED.read_bytes()[:-1], "truncated file: a name needs "),
        (RELEASED.read_bytes() + b"\0", "1 bytes too many after the last name"),
    ],
    ids=["web page", "one byte", "empty", "header", "half", "last byte", "surplus"],
)
def test_refused_sources_write_nothing(refused, content, wording):
    Path("source").write_bytes(content)
    message = refused("convert", "source", "target", "--to", "gluon")
    assert message.startswith("Error: source: ")
    assert wording in message
    assert list(Path().iterdir()) == [Path("source")]


@pytest.mark.parametrize(
    ("source", "wording"),
    [
        ("absent", "absent: no such file"),
        (".", ".: is a folder, expected a regular file"),
        ("", "'' is the name of no file"),
        ("a\0b", r"'a\x00b' is the name of no file"),
    ],
)
def test_refuses_what_is_no_file(refused, source, wording):
    assert refused("convert", source, "target", "--to", "module") == f"Error: {wording}\n"


@pytest.mark.parametrize("options", [(), ("--to", "torch")])
def test_format_must_be_named(rnw, options):
    code, out, err = rnw("convert", RELEASED, "target", *options)
    assert (code, out) == (2, "")
    assert "'--to'" in err
    assert not Path("target").exists()


@pytest.mark.parametrize("target", ["taken/target", "folder"])
def test_refuses_a_target_that_cannot_be_written(refused, target):
    Path("taken").write_text("kept")
    Path("folder").mkdir()
    message = refused("convert", RELEASED, target, "--to", "gluon", "--overwrite")
    assert "taken" in message or "folder" in message
    assert {path.name for path in Path().rglob("*")} == {"taken", "folder"}


def test_refuses_the_folder_it_is_in_as_a_target(refused):
    found = refused("convert", RELEASED, ".", "--to", "npz", "--overwrite")
    assert found == "Error: .: cannot be written: Is a directory\n"


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_does_not_take_is_refused(rnw, seed):
    options = ("--to", "module", "--classes", 3, "--seed", seed)
    code, out, err = rnw("convert", RELEASED, "target.params", *options)
    assert (code, out) == (2, "")
    assert f"Invalid value for '--seed': {seed} is not in the range" in err


def test_notes_go_to_the_error_stream(rnw):
    code, out, err = rnw("convert", RELEASED, "x.npz", "--to", "wider_resnet_a2", "--classes", 5)
    assert (code, out) == (0, "x.npz\n")
    assert err.splitlines() == [
        "initialised with seed 0: linear5_weight, linear5_bias",
        "wider_resnet_a2 down-samples otherwise than model_a1, whose weights these are: they are a "
        "start for training there, not a finished network",
    ]


def test_options_reach_the_graph(rnw):
    options = ("--fcn", "1 conv", "--stride", 16, "--softmax", "--half", "--fold-bn", "--seed", 3)
    code, out, err = rnw("convert", RELEASED, "x.onnx", "--to", "onnx", "--classes", 4, *options)
    assert (code, out) == (0, "x.onnx\n")
    assert err.splitlines() == [
        "initialised with seed 3: linear4_weight, linear4_bias",
        "fcn_a1 (4 classes, width 0.03125), stride 16, told by "
        "ilsvrc-cls_rna-a1_cls8_ep-symbol.json but for stride 16",
    ]
    nodes = {node.name: node.op_type for node in onnx.load("x.onnx").graph.node}
    assert nodes["softmax"] == "Softmax"
    assert nodes["data_half"] == "Cast"
    assert nodes["linear4"] == "Conv"
    assert "bn2a_branch2b1" not in nodes


def test_features_of_a_named_network(rnw):
    options = ("--features", "--network", "a", "--pooling", "full", "--overwrite")
    code, _, err = rnw("convert", RELEASED, "x.onnx", "--to", "onnx", *options)
    assert code == 0
    assert err.splitlines() == [
        "left out: linear8_bias, linear8_weight",
        "model_a (features only, width 0.03125), stride 32, pooling 'full', told by "
        "ilsvrc-cls_rna-a1_cls8_ep-symbol.json but for network a",
        "takes pictures of at least 48x48 pixels",
    ]
    graph = onnx.load("x.onnx").graph
    assert graph.output[0].name == "features"
    assert {node.name for node in graph.node} > {"pool1", "pool5"}


def test_the_readme_as_written(rnw):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Without MXNet", 1)[1].split("\n## ", 1)[0]
    commands = re.findall(r"^rnw (convert .+)$", section, re.MULTILINE)
    assert len(commands) == 2
    released = Path(commands[0].split()[1])
    released.parent.mkdir()
    released.write_bytes(RELEASED.read_bytes())
    for command in commands:
        assert rnw(*command.split())[0] == 0
    (code,) = (c for c in re.findall(r"```python\n(.+?)```", section, re.DOTALL) if "onnx" in c)
    names = {}
    exec(code, names)
    assert names["scores"].shape == (1, 8)  # of the narrow file that stands for the released one


ALONE = """
import sys
sys.modules.update(dict.fromkeys(["mxnet", "torch", "onnx", "safetensors"]))
from rnw.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("target", "to", "missing"),
    [
        ("x.params", "gluon", None),
        ("x.safetensors", "safetensors", None),
        ("x.npz", "npz", None),
        ("x.safetensors", "resnet38d", None),
        ("x.npz", "wider_resnet", None),
        ("x.pth", "resnet38d", None),
        ("x.pth.tar", "wrn38", None),
        ("x.onnx", "onnx", "onnx"),
    ],
)
def test_numpy_and_click_are_enough(target, to, missing):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, "convert", RELEASED, target, "--to", to],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if missing is None:
        assert (done.returncode, done.stdout) == (0, f"{target}\n")
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: {missing} is needed ")
        assert done.stderr.endswith(f": pip install {missing}\n")
    assert Path(target).exists() == (missing is None)
