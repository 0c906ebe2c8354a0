"""Measuring speed by the command line."""

import contextlib
import io
import json
import math
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import mxnet as mx
import pytest

import rnw as rnw_package
from rnw.bench import data as throughput
from rnw.bench import inference as speed
from rnw.cli import main
from rnw.networks.cost import count_multiply_adds, count_parameters
from rnw.networks.layout import configure
from rnw.reports import cost_tables
from rnw.runtime import cpu_cores

NETWORK, WIDTH = "28-1-1-1-1-1-1-1", 0.25
SMALL = (NETWORK, "--width", WIDTH, "--batch", 1, "--size", 28, "--repetitions", 1)
MEASURED = (
    "images_per_second",
    "gflops",
    "reference_gflops",
    "ratio",
    "peak_memory_mb",
    "optimized_gain",
    "thread_gain",
)


@pytest.fixture(scope="module", autouse=True)
def _small_reference():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "REFERENCE_SIZE", 256)
        yield


@pytest.fixture(scope="module")
def measured():
    with pytest.raises(SystemExit) as stopped, contextlib.redirect_stdout(io.StringIO()) as shown:
        main(["bench", "inference", *map(str, SMALL), "--json"])
    assert not stopped.value.code
    assert shown.getvalue().count("\n") == 1
    return json.loads(shown.getvalue())


@pytest.mark.slow
def test_json_keys(measured):
    assert set(measured) == {"network", "batch", "size", "precision", "precision_gain", *MEASURED}
    assert (measured["network"], measured["batch"], measured["size"]) == (NETWORK, 1, 28)
    assert all(measured[name] > 0 for name in MEASURED)


@pytest.mark.slow
def test_numbers_are_consistent(measured):
    multiply_adds = count_multiply_adds(configure(NETWORK, width=WIDTH), 28)
    rate = 2e-9 * measured["images_per_second"] * multiply_adds
    assert measured["gflops"] == pytest.approx(rate, rel=1e-9)
    ratio = measured["gflops"] / measured["reference_gflops"]
    assert measured["ratio"] == pytest.approx(ratio, rel=1e-9)


@pytest.mark.slow
def test_numbers_are_plausible(measured):
    parameters_mb = 4e-6 * count_parameters(configure(NETWORK, width=WIDTH))
    assert parameters_mb < measured["peak_memory_mb"] < 20_000
    assert 0.01 < measured["thread_gain"] < 100
    assert 0.05 < measured["optimized_gain"] < 20
    assert 0.001 < measured["ratio"] < 10


@pytest.mark.slow
def test_text(rnw):
    code, out, err = rnw("bench", "inference", *SMALL)
    assert (code, err) == (0, "")
    number = r"\d+(\.\d+)?"
    expected = (
        rf"{NETWORK}, batch 1, 28x28, cpu\(0\)",
        rf"{number} images/s, {number} GFLOP/s",
        rf"matrix product {number} GFLOP/s, ratio {number}",
        rf"peak memory {number} MB",
        rf"optimized for inference: {number} times the speed",
        rf"{number} times the speed with MXNet's own number of threads",
    )
    assert re.fullmatch("\n".join(expected) + "\n", out)


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("model_z",), "unknown network 'model_z'"),
        ((NETWORK, "--batch", "0"), "batch is 0, expected at least 1"),
        ((NETWORK, "--batch", "-8"), "batch is -8, expected at least 1"),
        ((NETWORK, "--size", "0"), "size is 0, expected at least 1"),
        ((NETWORK, "--repetitions", "0"), "repetitions is 0, expected at least 1"),
        ((NETWORK, "--precision", "float16"), "is for GPUs; expected float32 or bfloat16 here"),
        ((NETWORK, "--precision", "bfloat16"), "this CPU cannot compute in it"),
        ((NETWORK, "--cpus", "0"), "--cpus 0: expected at least 1"),
        ((NETWORK, "--gpus", "0,0"), "named twice"),
        pytest.param(
            (NETWORK, "--gpus", "0"),
            "this MXNet is a CPU build",
            marks=pytest.mark.skipif(
                mx.runtime.Features().is_enabled("CUDA"), reason="this MXNet can use GPUs"
            ),
        ),
    ],
)
def test_refused(refused, arguments, wording):
    assert wording in refused("bench", "inference", *arguments)


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--cpus", "2"), "one device is measured at a time"),
        (("--batch", "some"), "Invalid value for '--batch'"),
    ],
)
def test_refused_usage(rnw, options, wording):
    code, out, err = rnw("bench", "inference", NETWORK, *options)
    assert (code, out) == (2, "")
    assert wording in err


@pytest.mark.slow
def test_convert():
    options = ("--network", NETWORK, "--repetitions", "1")
    done = subprocess.run(  # a small process: its memory would be counted for the one it measures
        [sys.executable, "-m", "rnw", "bench", "convert", *options, "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(rnw_package.__file__).parents[1])},
        check=True,
        capture_output=True,
    )
    measured = json.loads(done.stdout)
    assert (measured["network"], measured["classes"]) == (NETWORK, 1000)
    assert 255 < measured["file_mb"] < 256
    assert 10 < measured["peak_memory_mb"] < 150
    assert 0.05 < measured["show"] < 60
    assert 0 < measured["ratio"] < 60


def test_convert_refuses_unknown_networks(refused):
    assert "unknown network 'model_z'" in refused("bench", "convert", "--network", "model_z")


FEW = ("--images", "2", "--size", "32", "--repetitions", "1")


@pytest.mark.slow
def test_data(rnw, monkeypatch):
    monkeypatch.setattr(throughput, "LOADED", 2)
    code, out, err = rnw("bench", "data", *FEW)
    assert (code, err) == (0, "")
    number = r"\d+(\.\d+)?"
    expected = (
        r"2 JPEGs of 500x375, augmented to 32x32, images/s on one core:",
        rf"plain transcription {number}",
        rf"pillow {number}, ratio {number}, the same arrays",
        rf"opencv {number}, ratio {number}, {number} gray levels away on average",
        rf"loader {number} images/s with one process, {number} with two, ratio {number}",
        rf"two loaders of one process at once {number}, ratio {number}",
    )
    assert re.fullmatch("\n".join(expected[: None if cpu_cores() > 1 else 4]) + "\n", out)


@pytest.mark.slow
def test_data_json(rnw, monkeypatch):
    monkeypatch.setattr(throughput, "LOADED", 2)
    code, out, err = rnw("bench", "data", *FEW, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) == set(throughput.DataSpeed._fields)
    assert found["identical"] is True


def test_data_refused(refused):
    assert "images is 0, expected at least 1" in refused("bench", "data", "--images", "0")


@pytest.mark.slow
def test_table_beside_resnet_101(rnw):
    command = ("bench", "table", "--only", "model_f", "--only", "resnet101_v1", "--batch", "1")
    code, out, err = rnw(*command, "--repetitions", "1", "--json")
    assert code == 0
    assert [line.split(",")[0] for line in err.splitlines()] == ["Model F", "ResNet-101"]
    narrow, same = json.loads(out)["rows"]
    assert (narrow["network"], narrow["size"]) == ("model_f", 80)
    assert narrow["published_ratio"] == pytest.approx(113.2 / 48.3)
    assert 0.1 < narrow["ratio"] < 30
    assert (same["network"], same["size"], same["published_ratio"]) == ("resnet101_v1", 320, 1)
    assert 0.1 < same["ratio"] < 10
    assert all(row["images_per_second"] > 0 for row in (narrow, same))


@pytest.mark.slow
def test_table_of_memory(rnw, monkeypatch):
    """Of networks of half the width, which take a quarter of it."""
    monkeypatch.setattr(cost_tables, "configure", partial(configure, width=0.5))
    command = ("bench", "table", "--only", "fcn_resnet50", "--size", "32")
    code, out, err = rnw(*command, "--json")
    assert code == 0
    found = json.loads(out)
    (row,) = found["memory"]
    assert found["rows"] == []
    assert (row["network"], row["crops"], row["size"]) == ("fcn_resnet50", 1, 32)
    weights_mb = 4e-6 * count_parameters(configure("fcn_resnet50", width=0.5))
    assert 4 < row["memory_mb"] / weights_mb < 8
    assert 0.5 < row["ratio"] < 0.9
    shown = f"fcn_resnet50: {row['memory_mb']:.0f} MB to tune at 32, {row['ratio']:.2f} times"
    assert err == f"{shown} ResNet-101's (paper: -)\n"


@pytest.mark.parametrize(
    ("name", "wording"),
    [("vgg99", "vgg99: not in Table 1"), ("fcn_z", "unknown network 'z'")],
)
def test_table_refused(refused, name, wording):
    assert wording in refused("bench", "table", "--only", "model_a", "--only", name)


SMALL_MAP = ("--images", "1", "--classes", "3", "--size", "20", "--repetitions", "1")


def test_loss(rnw):
    code, out, err = rnw("bench", "loss", *SMALL_MAP)
    assert (code, err) == (0, "")
    number = r"\d+(\.\d+)?"
    expected = (
        r"scores \(1, 3, 20, 20\), cpu\(0\), forward and backward:",
        rf"numpy {number} ms, ours {number} ms",
        rf"ratio {number}, {number}e-\d\d apart",
        rf"SoftmaxOutput without bootstrapping {number} ms, ours takes {number} times as long",
    )
    assert re.fullmatch("\n".join(expected) + "\n", out)


def test_loss_json(rnw):
    code, out, err = rnw("bench", "loss", *SMALL_MAP, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["images"], found["classes"], found["size"]) == (1, 3, 20)
    assert found["difference"] < 1e-6
    assert all(found[name] > 0 for name in ("yardstick", "ours", "softmax", "ratio"))
    assert found["step"] is found["share"] is None


@pytest.mark.slow
def test_share_of_the_loss(rnw):
    narrow = ("--network", "fcn_56-0-1-1-1-1-1-1", "--width", 1 / 32)
    code, out, err = rnw("bench", "loss", *SMALL_MAP, *narrow)
    assert (code, err) == (0, "")
    line = r"^a training step of fcn_56-0-1-1-1-1-1-1 (\S+) ms, of which the loss takes (\S+)%$"
    step, share = map(float, re.search(line, out, re.MULTILINE).groups())
    ours = float(re.search(r"ours (\S+) ms", out)[1])
    assert share == pytest.approx(100 * ours / step, rel=0.1)


def test_loss_refused(refused):
    assert "classes is 0, expected at least 1" in refused("bench", "loss", "--classes", "0")
    wording = "model_a is a classifier; expected a segmentation network, say fcn_a1"
    assert wording in refused("bench", "loss", "--network", "model_a")


NARROW_POINTS = (NETWORK, "--batches", "2,1", "--sizes", "28", "--widths", 1 / 16, "--devices", "1")


@pytest.mark.slow
def test_scaling(rnw, tmp_path):
    picture = tmp_path / "growth.svg"
    options = ("--repetitions", "1", "-o", picture, "--json")
    code, out, err = rnw("bench", "scaling", *NARROW_POINTS, *options)
    assert code == 0
    found = json.loads(out)
    base, other = found["rows"]
    points = [(row["varied"], row["batch"], row["width"], row["devices"]) for row in (base, other)]
    assert points == [(None, 2, 1 / 16, 1), ("batch", 1, 1 / 16, 1)]
    assert base["time"] == 1
    for row in (base, other):
        assert row["seconds_per_step"] > 0
        assert row["peak_memory_mb"] > row["added_mb"] > 0
    (growth,) = found["exponents"]
    assert growth["time"] == pytest.approx(-math.log2(other["time"]))
    lines = err.splitlines()
    assert re.fullmatch(
        r"batch 1, 28x28, width 0\.0625, 1 CPU device: [\d.]+ s a step, [\d.]+ times the first, "
        r"peak \d+ MB, \d+ of it by the step",
        lines[1],
    )
    assert lines[2:] == [
        f"exponents of batch: time {growth['time']:.2f}, memory {growth['memory']:.2f}",
        str(picture),
    ]
    assert picture.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("-o", "growth.jpg"), "expected a name that ends in .png, .svg, .pdf"),
        (("--batches", "2"), "one of them two that differ"),
    ],
)
def test_scaling_refused(refused, options, wording):
    assert wording in refused("bench", "scaling", *NARROW_POINTS, *options)
