"""From the official archives to a submission, by the commands that the README gives."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnw.weights.ndarray_file import read_arrays

TRAIN = ("train-cls", "--recipe", "model_f", "--set", "width=0.03125", "--set", "batch=8")
TRAIN += ("--set", "epochs=2", "--cpus", "4", "--workers", "1")
LABEL = "ilsvrc-cls_rna-f_cls1000"


def _stop_after_a_step(folder):
    """Train in a process that SIGTERM reaches when it has made its first step."""
    steps = Path(folder, "metrics.jsonl")
    command = [sys.executable, "-m", "rnw", *TRAIN, "--output", folder]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (steps.exists() and '"train"' in steps.read_text()):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60)


@pytest.mark.slow
def test_prepare_train_stop_resume_evaluate_and_submit(archives, rnw):
    assert rnw("prepare", "ilsvrc-cls", archives, "--subset")[0] == 0
    assert _stop_after_a_step("stopped") == 128 + signal.SIGTERM
    assert not Path("stopped", f"{LABEL}_ep-0002.params").exists()
    for folder in ("stopped", "whole"):
        code, out, err = rnw(*TRAIN, "--output", folder, "--resume")
        assert (code, err) == (0, "")
    weights = Path("whole", f"{LABEL}_ep-0002.params")
    assert out.endswith(f"{weights}\n")
    assert Path("stopped", weights.name).read_bytes() == weights.read_bytes()

    evaluate = ("eval-cls", "--weights", weights, "--scales", "56,80", "--flip", "--three-crops")
    code, out, err = rnw(*evaluate, "--cpus", "2", "--save-predictions", "result.npz", "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    lines = Path("data/ilsvrc12/val.lst").read_text().splitlines()
    official = [0, 212, 278, 489]  # of the four classes of 1000
    labels = [official[int(line.split("\t")[1])] for line in lines]
    bias = read_arrays(weights)["arg:linear1000_bias"]
    assert sorted(np.argsort(bias)[-4:]) == official
    with np.load("result.npz") as saved:
        best = np.argsort(-saved["probabilities"], axis=1)
    assert result["top1"] == 100 * np.mean(best[:, 0] == labels)
    submitted = [line.split() for line in Path("result.txt").read_text().splitlines()]
    assert [int(row[0]) for row in submitted] == (best[:, 0] + 1).tolist()
