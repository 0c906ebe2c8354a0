"""Engines and the libraries that are their peers beside each other."""

import importlib.util
import json
import re

import pytest

from rnw.bench.bare import BARE
from rnw.bench.peers import (
    PeerSpeed,
    Standing,
    Workload,
    _in_turns,
    _speed,
    _standing,
    compare_peers,
)
from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES, MXNET, ONNXRUNTIME
from rnw.networks.layout import configure
from rnw.weights.precision import BFLOAT16, FLOAT32

NETWORK, WIDTH = "28-1-1-1-1-1-1-1", 1 / 16
SMALL = (NETWORK, "--width", WIDTH, "--batch", 2, "--size", 28, "--repetitions", 1)
INSTALLED = [name for name, engine in ENGINES.items() if engine.installed]
needs_onnxruntime = pytest.mark.skipif(
    ONNXRUNTIME not in INSTALLED, reason="needs onnxruntime and onnx"
)
SECONDS = {
    ("mxnet", FLOAT32): [4.0, 8.0, 4.0],
    ("openvino", FLOAT32): [2.0, 8.0, 6.0],
    ("torch", FLOAT32): [9.0, 9.0, 9.0],
    ("mxnet", BFLOAT16): [1.0, 2.0, 1.0],
}


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (("mxnet", FLOAT32), PeerSpeed("mxnet", FLOAT32, 2.0, 1.0, 0.25, None, None, 50)),
        (("openvino", FLOAT32), PeerSpeed("openvino", FLOAT32, 8 / 6, 1.0, 1 / 3, None, None, 50)),
        (("torch", FLOAT32), PeerSpeed("torch", FLOAT32, 8 / 9, 4 / 9, 1 / 9, None, None, 50)),
        (("mxnet", BFLOAT16), PeerSpeed("mxnet", BFLOAT16, 8.0, None, None, 4.0, 0.0, 50)),
    ],
)
def test_ratios_are_medians_over_the_turns(variant, expected):
    found = _speed(variant, SECONDS, 8, 50)
    assert found[:2] == expected[:2]
    assert found[2:] == pytest.approx(expected[2:])


LIBRARIES = {
    ("torch", FLOAT32): [9.0, 9.0, 9.0],
    ("bare openvino", FLOAT32): [4.0, 4.0, 3.0],
    ("bare openvino", BFLOAT16): [3.0, 1.0, 2.0],
}


@pytest.mark.parametrize(
    ("seconds", "precision", "expected"),
    [
        (
            {**SECONDS, **LIBRARIES},
            FLOAT32,
            Standing(FLOAT32, "mxnet", "bare openvino", 0.75, 0.125, 0.75, 0.125),
        ),
        (
            {**LIBRARIES, ("openvino", FLOAT32): [2.0, 4.0, 6.0]},
            FLOAT32,
            Standing(FLOAT32, "openvino", "bare openvino", 1.0, 0.375, None, None),
        ),
        (
            {**SECONDS, **LIBRARIES},
            BFLOAT16,
            Standing(BFLOAT16, "mxnet", "bare openvino", 2.0, 0.625, 2.0, 0.625),
        ),
        (SECONDS, BFLOAT16, None),
        (LIBRARIES, FLOAT32, None),
    ],
)
def test_the_best_engine_beside_the_best_library(seconds, precision, expected):
    assert _standing(precision, seconds) == expected


def test_every_second_turn_is_in_reverse_order():
    one, two, three = (("mxnet", FLOAT32), ("openvino", FLOAT32), ("torch", FLOAT32))
    found = list(_in_turns([one, two, three], 3))
    assert found == [one, two, three, three, two, one, one, two, three]


@pytest.mark.slow
def test_all_engines_in_one_run_and_why_others_are_missing(rnw):
    code, out, err = rnw("bench", "inference", *SMALL, "--peers", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["network"], found["batch"], found["size"]) == (NETWORK, 2, 28)
    assert [speed["peer"] for speed in found["speeds"]][: len(INSTALLED)] == INSTALLED
    for speed in found["speeds"]:
        assert speed["precision"] == FLOAT32
        assert speed["images_per_second"] > 0
        assert 10 < speed["peak_memory_mb"] < 20_000
        assert (speed["noise"], speed["gain"], speed["gain_noise"]) == (0, None, None)
    peers = {speed["peer"] for speed in found["speeds"]}
    assert {f"bare {name}" for name in INSTALLED if name != MXNET} == peers & {*BARE} - {"torch"}
    (standing,) = found["standings"]
    assert standing["engine"] in INSTALLED
    assert standing["library"] in BARE
    assert standing["ratio"] > 0
    assert standing["reference_ratio"] > 0
    assert standing["noise"] == standing["reference_noise"] == 0
    best, *_ = sorted(found["speeds"], key=lambda speed: -speed["images_per_second"])
    assert all((speed["ratio"] >= 1) == (speed is best) for speed in found["speeds"])
    if importlib.util.find_spec("torch") is None:
        assert found["missing"]["torch in float32"].startswith("PyTorch is not installed: pip")


@needs_onnxruntime
@pytest.mark.slow
def test_one_engine_alone(rnw):
    code, out, err = rnw("bench", "inference", *SMALL, "--engine", ONNXRUNTIME)
    assert (code, err) == (0, "")
    number = r"\d+(\.\d+)?"
    assert re.fullmatch(
        rf"{NETWORK}, batch 2, 28x28\n"
        rf"onnxruntime in float32: {number} images/s, peak memory {number} MB\n",
        out,
    )


@pytest.mark.parametrize(("batch", "size", "repetitions"), [(0, 28, 1), (1, 0, 1), (1, 28, 0)])
def test_refuses_less_than_one(batch, size, repetitions):
    work = Workload(configure(NETWORK), batch, size)
    with pytest.raises(InputError, match=r"(batch|size|repetitions) is 0, expected at least 1"):
        compare_peers(work, repetitions=repetitions)
