"""Measuring speed by the command line."""

import contextlib
import io
import json
import re

import mxnet as mx
import pytest

from rnw.analysis import speed
from rnw.analysis.cost import count_multiply_adds
from rnw.cli import main
from rnw.networks.layout import configure

NETWORK = "28-1-1-1-1-1-1-1"
SMALL = (NETWORK, "--batch", "1", "--size", "28", "--repetitions", "1")
MEASURED = (
    "images_per_second",
    "gflops",
    "reference_gflops",
    "ratio",
    "peak_memory_mb",
    "optimized_gain",
    "thread_gain",
)


@pytest.fixture(scope="module")
def measured():
    with pytest.raises(SystemExit) as stopped, contextlib.redirect_stdout(io.StringIO()) as shown:
        main(["bench", "inference", *SMALL, "--json"])
    assert not stopped.value.code
    assert shown.getvalue().count("\n") == 1
    return json.loads(shown.getvalue())


def test_json_keys(measured):
    assert set(measured) == {"network", "batch", "size", *MEASURED}
    assert (measured["network"], measured["batch"], measured["size"]) == (NETWORK, 1, 28)
    assert all(measured[name] > 0 for name in MEASURED)


def test_numbers_are_consistent(measured):
    multiply_adds = count_multiply_adds(configure(NETWORK), 28)
    rate = 2e-9 * measured["images_per_second"] * multiply_adds
    assert measured["gflops"] == pytest.approx(rate, rel=1e-9)
    ratio = measured["gflops"] / measured["reference_gflops"]
    assert measured["ratio"] == pytest.approx(ratio, rel=1e-9)


def test_numbers_are_plausible(measured):
    parameters_mb = 4e-6 * 63_884_072
    assert parameters_mb < measured["peak_memory_mb"] < 20_000
    assert 0.01 < measured["thread_gain"] < 100
    assert 0.05 < measured["optimized_gain"] < 20
    assert 0.001 < measured["ratio"] < 10


def test_text(rnw, monkeypatch):
    monkeypatch.setattr(speed, "REFERENCE_SIZE", 256)
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
        ((NETWORK, "--batch", "0"), "must be at least 1"),
        ((NETWORK, "--batch", "-8"), "must be at least 1"),
        ((NETWORK, "--size", "0"), "must be at least 1"),
        ((NETWORK, "--repetitions", "0"), "must be at least 1"),
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
