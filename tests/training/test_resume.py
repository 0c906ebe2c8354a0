"""A run that is stopped or killed ends as one that never was."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.classification.validate import make_validator
from rnw.training.options import Options, Validation
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.run_folder import Checkpointing
from rnw.training.signals import RunStoppedError
from rnw.weights.ndarray_file import read_arrays
from tests.training.observers import AtSteps, Keeping, stop_after

pytestmark = pytest.mark.slow

LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
SHORT = ("epochs=2", "width=0.03125", "batch=256")
EPOCHS = 4
ROOT = Path(__file__).parents[2]


def _train(folder, devices=2, overrides=SHORT, **options):
    recipe = find_recipe("digits", overrides)
    return train(recipe, [mx.cpu(i) for i in range(devices)], folder, **options)


def _results(folder):
    """All files that count, by name, and the metrics that do not depend on the clock."""
    kinds = (".params", ".state", ".best.json")
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name.endswith(kinds)}
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    for record in metrics:
        record.pop("images_per_second", None)
    return {**files, "metrics": metrics}


def _check_stopped_and_resumed(folder, steps, expected, **options):
    with pytest.raises(RunStoppedError, match="SIGINT"):
        _train(folder, observer=stop_after(steps), **options)
    assert _results(folder) != expected
    _train(folder, resume=True, **options)
    assert _results(folder) == expected


@pytest.mark.parametrize("steps", [1, 5, 7])
def test_stopped_and_resumed_is_never_stopped(tmp_path, _finished, steps):
    _check_stopped_and_resumed(tmp_path, steps, _finished[2])


@pytest.mark.parametrize(
    "fields",
    [
        ("optimizer=sgd",),
        ("optimizer=adamw", "base_lr=0.001", "schedule=cosine", "warmup=1"),
    ],
)
def test_another_optimizer_is_resumed(tmp_path, fields):
    options = {"overrides": (*SHORT, *fields)}
    _train(tmp_path / "whole", **options)
    expected = _results(tmp_path / "whole")
    _check_stopped_and_resumed(tmp_path / "stopped", 4, expected, **options)


class CrashError(Exception):
    """What ends a run with nothing saved since the last state."""


def _crash_at(call, function=lambda _: None):
    """`function`, but the `call`-th time it fails."""
    calls = []

    def crash(argument):
        calls.append(argument)
        if len(calls) == call:
            raise CrashError
        return function(argument)

    return crash


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    """What tests the network of a run, and what the run leaves."""
    folder, score = tmp_path_factory.mktemp("whole"), make_validator("digits", [mx.cpu()])
    _train_validated(folder, score)
    return score, _results(folder)


def _train_validated(folder, score, every=None, **more):
    options = Options(checkpointing=Checkpointing(every, keep=1), validation=Validation(score))
    _train(folder, devices=1, resume=True, options=options, **more)


@pytest.mark.parametrize(
    ("where", "call", "every"),
    [("step", 2, None), ("step", 8, None), ("step", 9, 2), ("score", 1, 5), ("score", 2, None)],
)
def test_crashed_and_resumed_is_never_stopped(tmp_path, validated, where, call, every):
    score, expected = validated
    crashing, observer = score, AtSteps(_crash_at(call))
    if where == "score":
        crashing, observer = _crash_at(call, score), None
    with pytest.raises(CrashError):
        _train_validated(tmp_path, crashing, every, observer=observer)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"label": "torn')
    _train_validated(tmp_path, score, every)
    assert _results(tmp_path) == expected


@pytest.fixture(scope="module")
def _finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, _train(folder).name, _results(folder)


@pytest.fixture
def finished(_finished, tmp_path):
    """The folder of a run, the name of its last checkpoint and what counts there."""
    folder, last, results = _finished
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run", last, results


def test_resuming_a_finished_run_changes_nothing(finished):
    folder, last, before = finished
    assert _train(folder, resume=True) == folder / last
    assert _results(folder) == before


def test_a_finished_run_gets_a_lost_checkpoint_back(finished):
    folder, last, before = finished
    (folder / last).unlink()
    assert _train(folder, resume=True) == folder / last
    assert _results(folder) == before


def test_resume_starts_afresh_where_there_is_nothing(tmp_path, finished):
    _train(tmp_path / "new", resume=True)
    assert _results(tmp_path / "new") == finished[2]


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        ({"devices": 1}, "devices was 2, now 1"),
        ({"seed": 7}, "seed was 0, now 7"),
        ({"overrides": ("epochs=4", *SHORT[1:])}, "settings: epochs was 2, now 4; use the same"),
    ],
)
def test_other_settings_are_refused(finished, options, wording):
    folder, _, before = finished
    with pytest.raises(InputError, match=wording):
        _train(folder, resume=True, **options)
    assert _results(folder) == before


def test_weights_without_a_state_are_told_from_a_run(finished):
    folder, last, before = finished
    for state in folder.glob(f"{LABEL}.state*"):
        state.unlink()
    wording = rf"{folder}: holds weights of {LABEL}, but no state to resume from: {LABEL}.state is "
    with pytest.raises(InputError, match=rf"{wording}not there; .*--weights {folder / last} --out"):
        _train(folder, resume=True)
    assert _results(folder).items() <= before.items()
    assert (folder / last).exists()
    _train(folder, resume=True, overwrite=True)
    assert _results(folder) == before


def test_damaged_states_are_refused(finished):
    folder = finished[0]
    for path in folder.glob(f"{LABEL}.state*"):
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"{LABEL}\.state: is not a valid .*truncated file"):
        _train(folder, resume=True)


@pytest.mark.parametrize(("kept", "wording"), [(None, "not there"), (100_000, "damaged .*trunc")])
def test_a_run_goes_on_from_the_state_before_a_lost_one(finished, caplog, kept, wording):
    folder, _, before = finished
    state = folder / f"{LABEL}.state"
    content = state.read_bytes()
    state.unlink()
    if kept is not None:
        state.write_bytes(content[:kept])
    _train(folder, resume=True)
    assert re.search(rf"{LABEL}\.state: is {wording}.*; the run goes on from the ", caplog.text)
    assert "resumed after epoch 1, step 0" in (folder / f"{LABEL}.log").read_text()
    assert _results(folder) == before


@pytest.mark.parametrize("content", ["nothing", "weights"])
def test_another_file_as_state_is_refused(finished, content):
    folder, last, _ = finished
    (folder / f"{LABEL}.state.previous").unlink()
    state = folder / f"{LABEL}.state"
    state.write_bytes((folder / last).read_bytes() if content == "weights" else b"")
    wording = rf"{state}: is not a valid run state \(.+\): .* \(--weights FILE"
    with pytest.raises(InputError, match=wording):
        _train(folder, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    overrides = ("epochs=3", "width=0.03125", "batch=256", "base_lr=1e30")
    with pytest.raises(InputError, match=r"the loss is (nan|inf) at epoch 1, step \d"):
        _train(tmp_path, overrides=overrides)
    assert not [name for name in _results(tmp_path) if name.endswith((".params", ".state"))]


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """Such a network may keep a finite loss, since a maximum with 0 hides a NaN."""
    overrides = ("epochs=3", "width=0.03125", "batch=1024", "base_lr=1e30")
    first = tmp_path / f"{LABEL}_ep-0001.params"
    wording = rf"_weight is no longer finite at epoch 2, step 1; {first} is from before; a lower"
    told = Keeping()
    with pytest.raises(InputError, match=wording):
        _train(tmp_path, overrides=overrides, observer=told)
    losses = [progress.scores["loss"] for progress in told.steps]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert list(tmp_path.glob("*.params")) == [first]
    for path in (first, tmp_path / f"{LABEL}.state"):
        assert all(np.isfinite(array).all() for array in read_arrays(path).values())


def test_pruning(tmp_path):
    overrides = ("epochs=5", "width=0.03125", "batch=1024")
    options = Options(checkpointing=Checkpointing(keep=2, keep_every=2))
    _train(tmp_path, overrides=overrides, options=options)
    kept = sorted(path.name for path in tmp_path.glob("*.params"))
    assert kept == [f"{LABEL}_ep-{epoch:04d}.params" for epoch in (2, 4, 5)]


def test_the_best_of_those_validated_is_kept(tmp_path):
    top1 = iter([0.3, 0.8, 0.8, 0.5])
    scores = [{"loss": 1.0, "top-1": value, "top-5": 1.0} for value in top1]
    told = Keeping()
    validation = Validation(lambda net: scores[len(told.validated)], every=2)
    _train(
        tmp_path,
        overrides=("epochs=7", "width=0.03125", "batch=1024"),
        options=Options(checkpointing=Checkpointing(keep=2), validation=validation),
        observer=told,
    )
    assert [(v.epoch, v.best) for v in told.validated] == [
        (2, True),
        (4, True),
        (6, False),
        (7, False),
    ]
    assert [v.scores for v in told.validated] == scores
    kept = sorted(path.name for path in tmp_path.glob("*.params"))
    assert kept == [f"{LABEL}_ep-{epoch:04d}.params" for epoch in (4, 6, 7)]
    best = json.loads((tmp_path / f"{LABEL}.best.json").read_text())
    assert best == {"epoch": 4, "file": kept[0], **scores[1]}


def _start(folder, *more):
    options = ("--cpus", "2", "--output", str(folder), "--resume", "--checkpoint-every", "1")
    options += ("--val-every", "1")
    settings = [part for override in (*SHORT, f"epochs={EPOCHS}") for part in ("--set", override)]
    command = [sys.executable, "-m", "rnw", "train-cls", "--dataset", "digits", *options, *more]
    return subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, text=True)


def _interrupt(folder, place, *numbers):
    """Have a run send itself signals (see `interrupting`); its status."""
    settings = [part for override in SHORT for part in ("--set", override)]
    options = ("--cpus", "2", "--output", str(folder), "--checkpoint-every", "1")
    module = ("-m", "tests.training.interrupting", str(place), *(str(int(n)) for n in numbers))
    command = [sys.executable, *module, "--", "train-cls", "--dataset", "digits", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*command, *settings], env=environment, capture_output=True).returncode


@pytest.mark.parametrize(
    ("place", "numbers", "status"),
    [
        (3, [signal.SIGINT, signal.SIGTERM], 143),
        (7, [signal.SIGTERM, signal.SIGINT], 130),
        (7, [signal.SIGINT], 130),
    ],
)
def test_signals_in_an_update_cut_nothing_that_is_saved(tmp_path, finished, place, numbers, status):
    assert _interrupt(tmp_path / "cut", place, *numbers) == status
    assert not list((tmp_path / "cut").glob(".*.part"))
    _train(tmp_path / "cut", resume=True)
    assert _results(tmp_path / "cut") == finished[2]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_step_leaves_nothing(tmp_path, number, status):
    assert _interrupt(tmp_path / "cut", 0, number) == status
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_command_line_stops_with_a_status_of_its_own(tmp_path, number, status):
    run = _start(tmp_path)
    assert run.stdout.readline().startswith(f"epoch 1/{EPOCHS}")
    run.send_signal(number)
    assert run.wait(60) == status
    assert (tmp_path / f"{LABEL}.state").exists()
