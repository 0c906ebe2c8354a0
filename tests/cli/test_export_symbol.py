"""Graphs written by the command line."""

from pathlib import Path

import mxnet as mx
import pytest

NARROW = ("--width", "0.0625")  # relu7 has 256 channels


def _exported(rnw, *arguments):
    """The graph that the command wrote, at the path that it printed."""
    code, out, err = rnw("export-symbol", *arguments)
    assert (code, err) == (0, "")
    return mx.sym.load(out.rstrip("\n"))


def _output_shape(symbol, size):
    return symbol.infer_shape_partial(data=(1, 3, size, size))[1][0]


def _shapes(symbol, size=224):
    shapes, *_ = symbol.infer_shape_partial(data=(1, 3, size, size))
    return dict(zip(symbol.list_arguments(), shapes))


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("model_a",), "model_a-symbol.json"),
        (("a1", "-o", "deep/er"), "deep/er/model_a1-symbol.json"),
        (("fcn_a2", "--output", "x"), "x/fcn_a2-symbol.json"),
        (("28-0-1-1-1-1-1-1",), "28-0-1-1-1-1-1-1-symbol.json"),
        (("model_a", "--classifier", "2 conv"), "fcn_a-symbol.json"),
    ],
)
def test_file_is_where_it_was_asked_for(rnw, arguments, path):
    assert rnw("export-symbol", *arguments) == (0, f"{path}\n", "")
    assert [found for found in Path().rglob("*") if found.is_file()] == [Path(path)]
    assert mx.sym.load(path).list_outputs() == ["softmax_output"]


def test_what_module_needs_for_units_on_level_1_is_said(rnw, monkeypatch):
    code, out, err = rnw("export-symbol", "model_c", *NARROW)
    assert (code, out) == (0, "model_c-symbol.json\n")
    assert err == (
        "model_c has residual units on level 1, which MXNet's fusion for oneDNN cannot handle: set "
        "MXNET_SUBGRAPH_BACKEND=NONE in the environment before mx.mod.Module binds this graph for "
        "inference\n"
    )
    monkeypatch.setenv("MXNET_SUBGRAPH_BACKEND", "NONE")
    assert rnw("export-symbol", "model_c", *NARROW) == (0, "model_c-symbol.json\n", "")


def test_same_options_same_bytes(rnw):
    for folder in "xy":
        rnw("export-symbol", "model_b", *NARROW, "-o", folder)
    first, second = (Path(folder, "model_b-symbol.json").read_bytes() for folder in "xy")
    assert first == second


def test_full_network_has_the_papers_shapes(rnw):
    shapes = _shapes(_exported(rnw, "model_a"))
    assert shapes["conv1a_weight"] == (64, 3, 3, 3)
    assert shapes["res7a_branch2b1_weight"] == (2048, 1024, 3, 3)
    assert shapes["linear1000_weight"] == (1000, 4096)
    assert shapes["softmax_label"] == (1,)


@pytest.mark.parametrize(
    ("arguments", "output", "size", "shape"),
    [
        (("model_a", "--classes", "7"), "softmax_output", 224, (1, 7)),
        (("model_a", "--head", "logits"), "linear1000_output", 224, (1, 1000)),
        (("model_a", "--head", "features"), "relu7_output", 224, (1, 256, 7, 7)),
        (("model_a", "--head", "features", "--stride", "8"), "relu7_output", 224, (1, 256, 28, 28)),
        (("a1", "--head", "features", "--stride", "16"), "relu7_output", 224, (1, 256, 14, 14)),
        (
            ("model_a", "--head", "features", "--pooling", "pad"),
            "relu7_output",
            225,
            (1, 256, 8, 8),
        ),
        (("b", "--head", "features", "--pooling", "full"), "relu7_output", 225, (1, 256, 7, 7)),
        (("b", "--head", "features", "--pooling", "caffe"), "relu7_output", 225, (1, 256, 6, 6)),
        (("fcn_a1", "--head", "logits"), "linear21_output", 504, (1, 21, 63, 63)),
        (("fcn_a1", "--stride", "32", "--classes", "5"), "softmax_output", 512, (1, 5, 16, 16)),
        (("fcn_a1", "--head", "ohem"), "softmax_output", 504, (1, 21, 63, 63)),
    ],
)
def test_options_reach_the_graph(rnw, arguments, output, size, shape):
    symbol = _exported(rnw, *arguments, *NARROW)
    assert symbol.list_outputs() == [output]
    assert _output_shape(symbol, size) == shape


def test_levels_are_outputs(rnw):
    arguments = ("model_a", "--head", "features", "--levels", "2,4,7")
    symbol = _exported(rnw, *arguments, *NARROW)
    assert symbol.list_outputs() == ["res2b2_output", "res4b5_output", "relu7_output"]
    _, shapes, _ = symbol.infer_shape_partial(data=(1, 3, 224, 224))
    assert shapes == [(1, 8, 112, 112), (1, 32, 28, 28), (1, 256, 7, 7)]


@pytest.mark.parametrize(
    ("width", "stem", "top"), [("1", 64, 4096), ("0.0625", 4, 256), ("2", 128, 8192)]
)
def test_width_scales_channels(rnw, width, stem, top):
    shapes = _shapes(_exported(rnw, "model_b", "--width", width))
    assert shapes["conv1a_weight"] == (stem, 3, 3, 3)
    assert shapes["linear1000_weight"] == (1000, top)


@pytest.mark.parametrize(
    ("classifier", "expected"),
    [
        ("linear", {"linear1000_weight": (1000, 256)}),
        ("1 conv", {"linear21_weight": (21, 256, 3, 3)}),
        ("2 conv", {"conv6a_weight": (32, 256, 3, 3), "linear21_weight": (21, 32, 3, 3)}),
    ],
)
def test_classifier(rnw, classifier, expected):
    shapes = _shapes(_exported(rnw, "model_a1", "--classifier", classifier, *NARROW))
    found = {n: s for n, s in shapes.items() if n.startswith(("linear", "conv6"))}
    assert {n: s for n, s in found.items() if n.endswith("_weight")} == expected
    assert len(found) == 2 * len(expected)


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("model_z",), "unknown network 'model_z'"),
        (("fcn_z",), "unknown network 'z'"),
        (("224-0-3-3",), "malformed network '224-0-3-3'"),
        (("model_a", "--classes", "0"), "classes is 0, expected at least 1"),
        (("model_a", "--stride", "7"), "stride is 7, expected one of 8, 16, 32"),
        (("model_f", "--stride", "16"), "stride is 16, expected one of 8"),
        (("model_a", "--head", "ohem"), "head is 'ohem', expected one of logits, softmax"),
        (
            ("model_a", "--head", "features", "--levels", "1,4"),
            "levels is (1, 4), expected some of 2, 3, 4, 5, 6, 7, in that order",
        ),
        (("model_a", "--levels", "2"), "levels is (2,), expected none but with head 'features'"),
        (("model_a", "--width", "0"), "width is 0.0, expected a number above 0"),
        (("model_a", "--width", "nan"), "width is nan"),
        (("model_a", "--width", "17"), "at most 16"),
    ],
)
def test_refused_options_write_nothing(refused, arguments, wording):
    assert wording in refused("export-symbol", *arguments, "-o", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "option",
    [("--head", "loss"), ("--pooling", "same"), ("--classifier", "3 conv"), ("--classes", "x")],
)
def test_refused_choices_write_nothing(rnw, option):
    code, out, err = rnw("export-symbol", "model_a", *option, "-o", "out")
    assert (code, out) == (2, "")
    assert f"Invalid value for '{option[0]}'" in err
    assert not Path("out").exists()


def test_refuses_a_file_as_folder(refused):
    Path("taken").write_text("kept")
    assert "taken" in refused("export-symbol", "model_a", "-o", "taken")
    assert Path("taken").read_text() == "kept"
