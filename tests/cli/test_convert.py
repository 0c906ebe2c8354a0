"""Conversion of weights files by the command line."""

import re
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import onnx
import pytest

from rnw.networks.classifier import Network, get_network
from rnw.weights import save_params
from rnw.weights.containers import read_weights
from rnw.weights.inspection import inspect
from tests.golden_cases import each_checkpoint, fill_network, golden_files

CLASSES = 8


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A narrow file under the name of a released one."""
    path = tmp_path_factory.mktemp("released") / f"ilsvrc-cls_rna-a1_cls{CLASSES}_ep-0001.params"
    save_params(fill_network(get_network("model_a1", CLASSES, width=1 / 32)), path)
    return path


def _convert(rnw, source, target, to, *options):
    code, out, notes = rnw("convert", source, target, "--to", to, *options)
    assert (code, out) == (0, f"{target}\n")
    assert all(note.startswith("read back without a graph ") for note in notes.splitlines())
    return mx.nd.load(str(target))


def _same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name].asnumpy(), array.asnumpy(), name)


def _plain(arrays):
    return {name.split(":")[-1]: array for name, array in arrays.items()}


@each_checkpoint()
def test_there_and_back(path, rnw):
    expected = mx.nd.load(str(path))
    gluon = _convert(rnw, path, "gluon.params", "gluon")
    _same({name.split(".")[-1]: array for name, array in gluon.items()}, _plain(expected))
    _same(_convert(rnw, "gluon.params", "back/module.params", "module"), expected)
    _same(_convert(rnw, path, "direct.params", "module"), expected)


@each_checkpoint()
def test_gluon_loads_what_was_converted(path, rnw):
    _convert(rnw, path, "gluon.params", "gluon")
    net = Network(inspect(path).meaning.config)
    net.load_parameters("gluon.params")
    expected = _plain(mx.nd.load(str(path)))
    _same({name: p.data() for name, p in net.collect_params().items()}, expected)


@each_checkpoint()
def test_module_loads_what_was_converted_back(path, rnw):
    label = path.stem.partition("_ep-")[0]
    (graph,) = golden_files(f"{label}_ep-symbol.json")
    _convert(rnw, path, "gluon.params", "gluon")
    _convert(rnw, "gluon.params", "model-0001.params", "module")
    Path("model-symbol.json").write_bytes(graph.read_bytes())
    symbol, args, auxs = mx.model.load_checkpoint("model", 1)
    assert set(args) == set(symbol.list_arguments()) - {"data", "softmax_label"}
    assert set(auxs) == set(symbol.list_auxiliary_states())


def test_target_that_exists_is_kept_unless_told_otherwise(rnw, released, refused):
    Path("target").write_text("kept")
    message = refused("convert", released, "target", "--to", "gluon")
    assert "target: exists already; choose another name, or pass --overwrite" in message
    assert Path("target").read_text() == "kept"
    assert len(_convert(rnw, released, "target", "gluon", "--overwrite")) == 193


def test_a_file_can_be_converted_in_place(rnw, released):
    Path("file").write_bytes(released.read_bytes())
    _same(_convert(rnw, "file", "file", "module", "--overwrite"), mx.nd.load(str(released)))


@pytest.mark.parametrize(
    ("kept", "added", "wording"),
    [
        (0, b"<!DOCTYPE html>\n", "not a .params file of MXNet"),
        (0, b"\x12", "not a .params file"),
        (0, b"", "the file is empty"),
        (40, b"", "more than the file can hold, at byte 16 of 40"),
        (200_000, b"", "truncated file"),
        (-1, b"", "truncated file: a name needs "),
        (None, b"\0", "1 bytes too many after the last name"),
    ],
    ids=["web page", "one byte", "empty", "header", "half", "last byte", "surplus"],
)
def test_refused_sources_write_nothing(refused, released, kept, added, wording):
    Path("source").write_bytes(released.read_bytes()[:kept] + added)
    message = refused("convert", "source", "target", "--to", "gluon")
    assert message.startswith("Error: source: ")
    assert wording in message
    assert list(Path().iterdir()) == [Path("source")]


@pytest.mark.parametrize(
    ("source", "wording"),
    [
        ("absent", "absent: no such file"),
        (".", ".: is a folder, expected a regular file"),
        ("", "'' is not a file name"),
        ("a\0b", r"'a\x00b' is not a file name"),
    ],
)
def test_refuses_what_is_no_file(refused, source, wording):
    assert refused("convert", source, "target", "--to", "module") == f"Error: {wording}\n"


@pytest.mark.parametrize("options", [(), ("--to", "torch")])
def test_format_must_be_named(rnw, released, options):
    code, out, err = rnw("convert", released, "target", *options)
    assert (code, out) == (2, "")
    assert "'--to'" in err
    assert not Path("target").exists()


@pytest.mark.parametrize("target", ["taken/target", "folder"])
def test_refuses_a_target_that_cannot_be_written(refused, released, target):
    Path("taken").write_text("kept")
    Path("folder").mkdir()
    message = refused("convert", released, target, "--to", "gluon", "--overwrite")
    assert "taken" in message or "folder" in message
    assert {path.name for path in Path().rglob("*")} == {"taken", "folder"}


def test_refuses_the_folder_it_is_in_as_a_target(refused, released):
    found = refused("convert", released, ".", "--to", "npz", "--overwrite")
    assert found == "Error: .: cannot be written: Is a directory\n"


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_does_not_take_is_refused(rnw, released, seed):
    options = ("--to", "module", "--classes", 3, "--seed", seed)
    code, out, err = rnw("convert", released, "target.params", *options)
    assert (code, out) == (2, "")
    assert f"Invalid value for '--seed': {seed} is not in the range" in err


def test_notes_go_to_the_error_stream(rnw, released):
    code, out, err = rnw("convert", released, "x.npz", "--to", "wider_resnet_a2", "--classes", 5)
    assert (code, out) == (0, "x.npz\n")
    assert err.splitlines() == [
        "initialized with seed 0: linear5_weight, linear5_bias",
        "wider_resnet_a2 down-samples in another way than model_a1, whose weights these are: they "
        "are a start for training there, not a finished network",
    ]


def test_options_reach_the_graph(rnw, released):
    options = ("--fcn", "1 conv", "--stride", 16, "--softmax", "--half", "--fold-bn", "--seed", 3)
    code, out, err = rnw("convert", released, "x.onnx", "--to", "onnx", "--classes", 4, *options)
    assert (code, out) == (0, "x.onnx\n")
    assert err.splitlines() == [
        "initialized with seed 3: linear4_weight, linear4_bias",
        "fcn_a1 (4 classes, width 0.03125), stride 16, according to the file name except stride 16",
    ]
    nodes = {node.name: node.op_type for node in onnx.load("x.onnx").graph.node}
    assert nodes["softmax"] == "Softmax"
    assert nodes["data_half"] == "Cast"
    assert nodes["linear4"] == "Conv"
    assert "bn2a_branch2b1" not in nodes


def test_a_graph_from_bytes_to_labels_as_the_readme_makes_it(rnw):
    page = Path(__file__).parents[2] / "rnw" / "weights" / "README.md"
    section = page.read_text(encoding="utf-8").split("\n## ONNX graphs\n", 1)[1]
    (command,) = re.findall(r"^rnw (convert .+)$", section, re.MULTILINE)
    source = Path(command.split()[1])
    save_params(fill_network(get_network("fcn_a1", 21, width=1 / 32)), source)
    assert rnw(*command.split())[0] == 0
    graph = onnx.load(command.split()[2]).graph
    kinds = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
    assert kinds == [onnx.TensorProto.UINT8] * 2
    assert graph.output[0].name == "labels"


def test_options_reach_the_file(rnw, released):
    options = ("--wrap", "state_dict", "--key-prefix", "module.")
    assert rnw("convert", released, "x.pth", "--to", "wider_resnet", *options)[0] == 0
    assert next(iter(read_weights("x.pth"))) == "module.mod1.conv1.weight"
    content = Path("x.pth").read_bytes()
    assert rnw("convert", released, "y.pth", "--to", "wider_resnet", *options[2:])[0] == 0
    assert b"state_dict" in content
    assert b"state_dict" not in Path("y.pth").read_bytes()


@pytest.mark.parametrize("size", ["512", "picture"])
def test_a_size_that_is_none_is_refused(refused, released, size):
    found = refused("convert", released, "x.onnx", "--to", "onnx", "--upsample", size)
    assert found == (
        f"Error: '{size}': expected input, or a height and a width in pixels, as 1024x2048\n"
    )


def test_features_of_a_named_network(rnw, released):
    options = ("--features", "--network", "a", "--pooling", "full", "--overwrite")
    code, _, err = rnw("convert", released, "x.onnx", "--to", "onnx", *options)
    assert code == 0
    assert err.splitlines() == [
        "left out: linear8_weight, linear8_bias",
        "model_a (features only, width 0.03125), stride 32, pooling 'full', according to the file "
        "name except network a, pooling 'full'",
        "takes pictures of at least 48x48 pixels",
    ]
    graph = onnx.load("x.onnx").graph
    assert graph.output[0].name == "features"
    assert {node.name for node in graph.node} > {"pool1", "pool5"}


def test_the_readme_as_written(rnw, released):
    page = Path(__file__).parents[2] / "rnw" / "weights" / "README.md"
    section = page.read_text(encoding="utf-8").split("\n## Conversion\n", 1)[1].split("\n## ", 1)[0]
    commands = re.findall(r"^rnw (convert .+)$", section, re.MULTILINE)
    assert len(commands) == 2
    source = Path(commands[0].split()[1])
    source.parent.mkdir()
    source.write_bytes(released.read_bytes())
    for command in commands:
        assert rnw(*command.split())[0] == 0
    (code,) = (c for c in re.findall(r"```python\n(.+?)```", section, re.DOTALL) if "onnx" in c)
    names = {}
    exec(code, names)
    assert names["scores"].shape == (1, CLASSES)  # of the file that stands for the released one


ALONE = """
import sys
sys.modules.update(dict.fromkeys(["mxnet", "torch", "onnx", "safetensors"]))
from rnw.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
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
def test_numpy_and_click_are_enough(target, released, to, missing):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, "convert", released, target, "--to", to],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if missing is None:
        assert (done.returncode, done.stdout) == (0, f"{target}\n")
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: {missing} is needed ")
        assert done.stderr.endswith(f": pip install '.[{missing}]' in the rnw checkout\n")
    assert Path(target).exists() == (missing is None)
