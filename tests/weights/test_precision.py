"""Precisions of inference, and what they cost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnw
from rnw import instructions
from rnw.errors import InputError
from rnw.weights.precision import check_precision

NETWORKS = [
    ("model_a1", {}),
    ("model_a", {"head": "features"}),
    ("model_c", {"stride": 8, "classifier": "1 conv"}),
    ("112-2-1-1-1-2-1-1", {"head": "softmax"}),
]
# Prints the largest error of the scores for two sizes in turn, relative to the largest score, and
# the types of parameters and scores.
PROGRAM = """
import json, sys, rnw
import mxnet as mx
errors, types, outputs = [], set(), set()
for name, options in json.loads(sys.argv[1]):
    mx.random.seed(0)
    net = rnw.get_network(name, width=0.0625, **options)
    net.initialize(mx.init.Xavier())
    exact, fast = rnw.optimize(net), rnw.optimize(net, "bfloat16", force=True)
    types |= {str(p.dtype) for p in fast.collect_params().values() if "bfloat16" in str(p.dtype)}
    for shape in [(2, 3, 64, 64), (1, 3, 81, 65), (2, 3, 64, 64)]:
        data = mx.nd.random.normal(shape=shape)
        labels = [mx.nd.zeros(shape[0])] * net.config.takes_label
        expected, found = exact(data, *labels).asnumpy(), fast(data, *labels)
        outputs.add(found.dtype.__name__)
        errors.append(float(abs(found.asnumpy() - expected).max() / abs(expected).max()))
print(json.dumps([errors, len(types), sorted(outputs)]))
"""

BENCH = """
from rnw.bench import inference
from rnw.cli import main
inference.REFERENCE_SIZE = 256
network = ["28-1-1-1-1-1-1-1", "--width", "0.25", "--batch", "1", "--size", "28"]
options = ["--precision", "bfloat16", "--repetitions", "1", "--json"]
main(["bench", "inference", *network, *options])
"""


def run(*arguments):
    """Run Python as users do, where oneDNN may use more instructions than in other tests."""
    environment = {**os.environ, "PYTHONPATH": str(Path(rnw.__file__).parents[1])}
    del environment[instructions.LIMIT]
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(
    instructions.EMULATION_FLAG not in instructions.cpu_flags(),
    reason="this CPU cannot compute in bfloat16",
)
def test_scores_in_bfloat16():
    errors, types, outputs = json.loads(run("-c", PROGRAM, json.dumps(NETWORKS)))
    assert len(errors) == 3 * len(NETWORKS)
    assert 1e-5 < max(errors) < 0.05  # 2^-9 is lost at each of some forty layers
    assert (types, outputs) == (1, ["float32"])


@pytest.mark.slow
@pytest.mark.skipif(
    instructions.TILES_FLAG not in instructions.cpu_flags(), reason="this CPU has no AMX"
)
def test_bench_in_bfloat16():
    measured = json.loads(run("-c", BENCH))
    assert measured["precision"] == "bfloat16"
    assert 0.05 < measured["precision_gain"] < 50


@pytest.mark.parametrize(
    ("precision", "devices", "wording"),
    [
        ("float8", ["cpu"], "unknown precision 'float8': expected one of float32, bfloat16, flo"),
        ("float16", ["cpu"], "float16: is for GPUs; expected float32 or bfloat16 here"),
        ("bfloat16", ["gpu", "gpu"], "bfloat16: is for CPUs; expected float32 or float16 here"),
        ("bfloat16", ["cpu"], "bfloat16: this CPU cannot compute in it; leave it out"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_refused(precision, devices, wording, force):  # AVX2 in tests: see tests/conftest.py
    with pytest.raises(InputError, match=wording):
        check_precision(precision, devices, force=force)


def test_slower_than_float32_unless_forced(tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags : avx2 avx512bw")
    monkeypatch.delenv(instructions.LIMIT)
    with pytest.raises(InputError, match=r"slower than float32.*--force-precision"):
        check_precision("bfloat16", ["cpu"])
    check_precision("bfloat16", ["cpu"], force=True)


@pytest.mark.parametrize(
    ("precision", "devices"), [("float32", ["cpu"]), ("float32", ["gpu"]), ("float16", ["gpu"])]
)
def test_accepted(precision, devices):
    check_precision(precision, devices)
