"""Evaluation of a checkpoint by the command line."""

import json
import re
from pathlib import Path

import mxnet as mx
import pytest

LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"


def _scores(rnw, weights, *options):
    """Computed, not read from predictions that an evaluation before has kept."""
    fresh = ("--predictions", "kept", "--overwrite")
    code, out, err = rnw("eval-cls", "--weights", weights, "--json", *fresh, *options)
    assert (code, err, out.count("\n")) == (0, "", 1)
    return json.loads(out)


def test_json(rnw, checkpoint):
    scores = _scores(rnw, checkpoint)
    assert {"dataset", "split", "images", "top1", "top5"} <= set(scores)
    assert scores["by_scale"] == {
        "28": {key: scores[key] for key in scores if key.startswith("top")}
    }
    assert (scores["scales"], scores["crops"], scores["flip"]) == ([28], "center", False)
    assert scores["top1_standard_error"] == pytest.approx(
        (scores["top1"] * (100 - scores["top1"]) / 359) ** 0.5
    )
    assert (scores["dataset"], scores["split"], scores["images"]) == ("digits", "test", 359)
    assert 5 <= scores["top1"] < scores["top5"] <= 100
    correct = scores["top1"] * 359 / 100
    assert correct == pytest.approx(round(correct), abs=1e-6)


def test_text_says_the_same(rnw, checkpoint):
    scores = _scores(rnw, checkpoint)
    code, out, err = rnw("eval-cls", "--weights", checkpoint, "--predictions", "other")
    assert (code, err) == (0, "")
    assert out.startswith("digits test, 359 images\n")
    found = re.findall(r"top-([15]) accuracy (\d+\.\d\d) %, error (\d+\.\d\d) %", out)
    assert [k for k, *_ in found] == ["1", "5"]
    for k, accuracy, error in found:
        assert float(accuracy) == pytest.approx(scores[f"top{k}"], abs=0.0051)
        assert float(error) == pytest.approx(100 - scores[f"top{k}"], abs=0.0051)


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--batch", "7"), ("--batch", "1000"), ("--cpus", "3")])
def test_scores_do_not_depend_on_batch_and_devices(rnw, checkpoint, options):
    assert _scores(rnw, checkpoint, *options) == _scores(rnw, checkpoint)


def test_gluon_files_are_evaluated_too(rnw, checkpoint):
    rnw("convert", checkpoint, checkpoint.name, "--to", "gluon")
    copy, original = _scores(rnw, checkpoint.name), _scores(rnw, checkpoint)
    assert copy.pop("model")["recognized_by"] == "the file name"
    assert original.pop("model")["recognized_by"] == f"{LABEL}_ep-symbol.json"
    assert copy == original


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        (
            f"{LABEL[:-2]}7_ep-0001.params",
            "does not fit 28-1-1-1-1-1-1-1 (7 classes, width 0.03125)",
        ),
        ("digits_rna-a1_cls10_ep-0001.params", "probably for another network"),
        ("mnist_rna-28-1-1-1-1-1-1-1_cls10_ep-0001.params", "data/mnist/val.lst: no such list"),
        (
            "best.params",
            "the file name does not indicate the network; expected <dataset>_rna-<net>",
        ),
    ],
)
def test_refuses_a_name_that_does_not_fit(refused, checkpoint, name, wording):
    Path(name).write_bytes(checkpoint.read_bytes())
    message = refused("eval-cls", "--weights", name)
    assert wording in message
    assert "10 classes" in message or "cls7" not in name


@pytest.mark.parametrize("size", [0, 7, 100, 1000, -1])
def test_refuses_a_truncated_file(refused, checkpoint, size):
    Path(checkpoint.name).write_bytes(checkpoint.read_bytes()[:size])
    message = refused("eval-cls", "--weights", checkpoint.name)
    assert message.startswith(f"Error: {checkpoint.name}: ")


def test_refuses_a_missing_file(refused):
    name = f"{LABEL}_ep-0009.params"
    assert f"{name}: no such file" in refused("eval-cls", "--weights", name)


def test_names_the_folder_where_data_is_missing(refused, checkpoint):
    name = checkpoint.name.replace("digits_", "ilsvrc-cls_")
    Path(name).write_bytes(checkpoint.read_bytes())
    wording = "val.lst: no such list"
    assert f"data/ilsvrc12/{wording}" in refused("eval-cls", "--weights", name)
    assert f"mine/{wording}" in refused("eval-cls", "--weights", name, "--data-root", "mine")


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--cpus", "0"), "--cpus 0: expected at least 1"),
        (("--gpus", "x"), "--gpus x: expected device numbers"),
        (("--gpus", "0", "--cpus", "1"), "cannot be used together"),
        pytest.param(
            ("--gpus", "0"),
            "this MXNet is a CPU build",
            marks=pytest.mark.skipif(
                mx.runtime.Features().is_enabled("CUDA"), reason="this MXNet can use GPUs"
            ),
        ),
    ],
)
def test_refuses_devices(refused, checkpoint, options, wording):
    assert wording in refused("eval-cls", "--weights", checkpoint, *options)


@pytest.mark.parametrize("options", [(), ("--weights", "x.params", "--batch", "0")])
def test_refuses_options(rnw, options):
    code, out, err = rnw("eval-cls", *options)
    assert (code, out) == (2, "")
    assert ("'--batch'" if options else "'--weights'") in err


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--scales", "224;320"), "'224;320': expected crop sizes such as 224,320"),
        (("--three-crops", "--ten-crops"), "cannot be used together"),
    ],
)
def test_refuses_protocols(rnw, options, wording):
    code, out, err = rnw("eval-cls", "--weights", "x.params", *options)
    assert (code, out) == (2, "")
    assert wording in err


@pytest.mark.slow
def test_predictions_are_kept_beside_the_weights(rnw, checkpoint):
    mine = Path("w") / checkpoint.name
    mine.parent.mkdir()
    mine.write_bytes(checkpoint.read_bytes())
    first = rnw("eval-cls", "--weights", mine, "--scales", "28,32")
    folder = mine.with_suffix("")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(kept) == ["eval-cls.json", "test_28_center.npz", "test_32_center.npz"]
    (folder / "test_32_center.npz").write_bytes(kept["test_28_center.npz"])  # it is believed
    code, out, _ = rnw("eval-cls", "--weights", mine, "--scales", "28,32")
    assert code == 0
    assert out != first[1]
    again = rnw("eval-cls", "--weights", mine, "--scales", "28,32", "--overwrite")
    assert again == first
