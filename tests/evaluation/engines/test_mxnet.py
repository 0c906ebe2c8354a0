"""What the engine MXNet makes for pictures of many sizes, as its library oneDNN counts it."""

import os
import subprocess
import sys

import mxnet as mx
import pytest

PROGRAM = """
import numpy as np
from rnw.bench.peers import Workload, make_forward
from rnw.memory import process_peak_mb
from rnw.networks.layout import configure

forward = make_forward("mxnet", "float32", Workload(configure("fcn_f", width=1 / 16), 1, 64))
for _ in range(4):
    for side in (64, 96, 80):
        forward(np.zeros((1, 3, side, side), np.float32))
    print("PEAK", process_peak_mb(), flush=True)
"""
MADE, FOUND = "create:cache_miss", "create:cache_hit"
MORE = 2  # 10^6 bytes by which the peak may still grow


@pytest.mark.slow
@pytest.mark.skipif(
    not mx.runtime.Features().is_enabled("MKLDNN"), reason="this MXNet has no oneDNN"
)
def test_changes_of_size_make_nothing_anew_and_take_no_more_memory():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "DNNL_VERBOSE": "2"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    first, *later = done.stdout.split("PEAK")
    assert first.count(MADE) > 0
    turns = later[:-1]
    assert [turn.count(MADE) for turn in turns] == [0, 0, 0]
    assert min(turn.count(FOUND) for turn in turns) > 0
    peaks = [float(turn.split()[0]) for turn in later]
    assert peaks[-1] - peaks[1] < MORE
