"""Whole runs on the embedded digits."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, NamedTuple

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.model import load_model
from rnw.evaluation.classification.validate import make_validator
from rnw.training.options import Options, Validation
from rnw.training.progress import Progress
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.weights.formats import read_parameters
from tests.limits import file_size_limit
from tests.training.observers import AtSteps, Keeping

pytestmark = pytest.mark.slow

SHORT = ("epochs=2", "width=0.03125", "batch=256")
LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"


def _train(folder, devices=2, **options):
    recipe = find_recipe("digits", options.pop("overrides", SHORT))
    return train(recipe, [mx.cpu(i) for i in range(devices)], folder, **options)


def _parameters(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.params")}


class Run(NamedTuple):
    """The folder of a run, its last checkpoint and what it told."""

    folder: Path
    last: Path
    steps: List[Progress]
    epochs: List[Progress]


@pytest.fixture(scope="module")
def _whole(tmp_path_factory):
    folder, told = tmp_path_factory.mktemp("whole"), Keeping()
    last = _train(folder, observer=told)
    return Run(folder, last, told.steps, told.epochs)


@pytest.fixture
def whole(_whole, tmp_path):
    """A run that a test may change."""
    folder = tmp_path / "whole"
    shutil.copytree(_whole.folder, folder)
    return _whole._replace(folder=folder, last=folder / _whole.last.name)


def test_files_of_a_run(whole):
    folder, last, steps, epochs = whole
    assert last == folder / f"{LABEL}_ep-0002.params"
    assert {path.name for path in folder.iterdir()} == {
        f"{LABEL}.json",
        f"{LABEL}.log",
        f"{LABEL}.state",
        f"{LABEL}.state.previous",
        "metrics.jsonl",
        f"{LABEL}_ep-symbol.json",
        f"{LABEL}_ep-0001.params",
        f"{LABEL}_ep-0002.params",
    }
    assert json.loads((folder / f"{LABEL}.json").read_text())["width"] == 0.03125
    assert [(p.epoch, p.step) for p in epochs] == [(1, 5), (2, 5)]
    assert len(steps) == 10
    assert epochs[1].scores["loss"] < epochs[0].scores["loss"]
    whole = [p.scores["loss"] for p in steps[:5]]
    assert epochs[0].scores["loss"] == pytest.approx(np.mean(whole), rel=1e-5)
    log = (folder / f"{LABEL}.log").read_text()
    assert log.count("epoch 1/2, step ") == log.count("epoch 2/2, step ") == 5
    assert "ep-0002.params" in log


def test_metrics_of_a_run(whole):
    folder, _, steps, epochs = whole
    records = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    kinds = [record["kind"] for record in records]
    assert kinds == [*["train"] * 5, "epoch"] * 2
    assert {record["label"] for record in records} == {LABEL}
    for kind, told in (("train", steps), ("epoch", epochs)):
        found = [record for record in records if record["kind"] == kind]
        assert [{k: r[k] for k in r if k in p.scores} for r, p in zip(found, told)] == [
            p.scores for p in told
        ]
        assert [r["update"] for r in found] == [p.update for p in told]
        assert [r["images_per_second"] for r in found] == [
            round(p.images_per_second, 1) for p in told
        ]
    rates = [record["lr"] for record in records if record["kind"] == "train"]
    assert rates == pytest.approx([0.1 * (1 - update / 11) for update in range(1, 11)])
    assert [p.learning_rate for p in steps] == rates
    assert all(p.seconds_left > 0 for p in steps[:-1])
    assert steps[-1].seconds_left == epochs[-1].seconds_left == 0


def test_validation_is_what_the_checkpoint_gets_and_changes_nothing(tmp_path, whole):
    contexts, told = [mx.cpu(0), mx.cpu(1)], Keeping()
    validation = Validation(make_validator("digits", contexts))
    _train(tmp_path / "with", options=Options(validation=validation), observer=told)
    assert _parameters(tmp_path / "with") == _parameters(whole.folder)
    for number, (_, _, scores, _) in enumerate(told.validated, 1):
        path = tmp_path / "with" / f"{LABEL}_ep-{number:04d}.params"
        result = evaluate(load_model(path, contexts))
        assert [scores["top-1"], scores["top-5"]] == [result.top1, result.top5]
        assert 0 < scores["loss"] < 50
    assert len(told.validated) == 2


def test_a_new_run_leaves_nothing_of_the_old(tmp_path):
    score = make_validator("digits", [mx.cpu()])
    short = ("epochs=1", "width=0.03125", "batch=1024")
    options = Options(validation=Validation(score), tensorboard=True)
    _train(tmp_path, options=options, overrides=short)
    assert list(tmp_path.rglob("events.*"))
    _train(tmp_path, overwrite=True, overrides=short)
    assert not list(tmp_path.rglob("events.*"))
    assert not (tmp_path / f"{LABEL}.best.json").exists()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_damaged_metrics_are_refused_before_the_old_run_goes(whole):
    (whole.folder / "metrics.jsonl").write_text("damaged\n")
    before = {path.name: path.read_bytes() for path in whole.folder.iterdir()}
    for options in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match=r"metrics.jsonl, line 1: expected a JSON object"):
            _train(whole.folder, **options)
    assert {path.name: path.read_bytes() for path in whole.folder.iterdir()} == before


def test_a_log_that_cannot_be_written_ends_the_run(tmp_path):
    log = tmp_path / f"{LABEL}.log"
    with contextlib.ExitStack() as limits:

        def fill_disk(progress):
            limits.enter_context(file_size_limit(log.stat().st_size + 10))

        with pytest.raises(InputError, match=rf"{log.name}: cannot be written: File too large"):
            _train(tmp_path, observer=AtSteps(fill_disk))
    assert "step 1/5" in log.read_text()


def test_one_run_at_a_time_in_a_folder(tmp_path):
    """Also of another label, since runs in a folder share their metrics."""
    folder, few = tmp_path / "run", (*SHORT, "epochs=1")
    second = [sys.executable, "-m", "rnw", "train-cls", "--dataset", "digits", "--output", folder]
    ended = []

    def start_second(progress):
        if progress.step in (2, 5):
            more = ["--resume"] if progress.step == 2 else ["--set", "suffix=x"]
            ended.append(subprocess.run([*second, *more], capture_output=True, text=True))

    alone = _train(tmp_path / "alone", overrides=few)
    last = _train(folder, overrides=few, observer=AtSteps(start_second))
    refusal = f"Error: {folder}: another run is writing there: wait for its end, or choose another"
    for run in ended:
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith(refusal)
    assert len(ended) == 2
    assert last.read_bytes() == alone.read_bytes()
    assert {path.name for path in folder.iterdir()} == {
        path.name for path in alone.parent.iterdir()
    }


def test_module_users_can_load_a_checkpoint(whole):
    symbol, args, auxs = mx.model.load_checkpoint(str(whole.folder / f"{LABEL}_ep"), 2)
    assert set(args) == set(symbol.list_arguments()) - {"data", "softmax_label"}
    assert set(auxs) == set(symbol.list_auxiliary_states())


def test_same_seed_same_bytes(tmp_path):
    short = (*SHORT, "epochs=1")
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        _train(tmp_path / folder, seed=seed, overrides=short)
    assert _parameters(tmp_path / "a") == _parameters(tmp_path / "b")
    assert _parameters(tmp_path / "a") != _parameters(tmp_path / "c")


def test_checkpoints_of_an_earlier_run_are_kept(whole):
    before = _parameters(whole.folder)
    with pytest.raises(InputError, match=r"already holds a run of .* --overwrite"):
        _train(whole.folder, seed=1)
    assert _parameters(whole.folder) == before
    _train(whole.folder, seed=1, overwrite=True, overrides=(*SHORT, "epochs=1"))
    assert list(_parameters(whole.folder)) == [f"{LABEL}_ep-0001.params"]
    assert _parameters(whole.folder).items().isdisjoint(before.items())


def test_warm_start(tmp_path, whole):
    source = whole.last
    told = Keeping()
    still = (*SHORT, "base_lr=0", "lr_floor=0", "epochs=1")
    last = _train(tmp_path / "run", overrides=still, weights=source, observer=told)
    ((path, transfer),) = told.warm_starts
    assert (path, transfer.reinitialized, transfer.left) == (source, [], [])
    expected, found = read_parameters(source), read_parameters(last)
    for name in expected:
        if not name.endswith(("_moving_mean", "_moving_var")):
            np.testing.assert_array_equal(found[name], expected[name])
    log = (tmp_path / "run" / f"{LABEL}.log").read_text()
    assert f"from {source}: {len(expected)} entries taken\n" in log


def test_a_fine_tuning_takes_the_released_file_in_models(tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fine = (*SHORT, "epochs=1", "suffix=from-x")
    fine += ("starts_from=x_rna-a_cls10_ep-0001.params",)
    with pytest.raises(InputError, match=r"models/x_rna-a_cls10_ep-0001.params: not there"):
        _train(tmp_path / "missing", overrides=fine)
    assert not (tmp_path / "missing").exists()
    given = _train(tmp_path / "given", overrides=fine, weights=whole.last)
    assert given.name == f"{LABEL}_from-x_ep-0001.params"
    Path("models").mkdir()
    whole.last.rename("models/x_rna-a_cls10_ep-0001.params")
    assert _train(tmp_path / "found", overrides=fine).read_bytes() == given.read_bytes()
    Path("models/x_rna-a_cls10_ep-0001.params").unlink()
    assert (
        _train(tmp_path / "found", overrides=fine, resume=True) == tmp_path / "found" / given.name
    )


@pytest.mark.parametrize(
    ("overrides", "wording"),
    [
        (("batch=63",), "a batch of 63 cannot be cut into 2"),
        (("batch=2000",), "a batch of 2000 cannot be drawn from 1438"),
        (("classes=9",), "has 10 classes, the recipe 9"),
        (("classes=11",), "has 10 classes, the recipe 11: .* --set classes=10"),
        (("schedule=cosin",), "schedule is 'cosin'"),
        (("optimizer=lamb",), "optimizer is 'lamb'"),
        (("kvstore=redis",), "kvstore is 'redis'"),
        (("network=model_z",), "unknown network"),
        (("dataset=mnist",), "unknown dataset"),
        (("dataset=ilsvrc-cls",), "train.lst: no such list"),
    ],
)
def test_refusals_leave_nothing(tmp_path, overrides, wording):
    with pytest.raises(InputError, match=wording):
        _train(tmp_path / "out", overrides=overrides)
    assert not (tmp_path / "out").exists()


def test_digits_recipe_reaches_97_per_cent(tmp_path):
    """In a third of its epochs: with all of them it does in three times as long."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = ["train-cls", "--dataset", "digits", "--cpus", "4", "--output", "."]
    command += ["--set", "epochs=4", "--seed", "1"]
    subprocess.run(
        [sys.executable, "-m", "rnw", *command], env=environment, check=True, timeout=300
    )
    result = evaluate(load_model(tmp_path / f"{LABEL}_ep-0004.params", [mx.cpu()]))
    assert result.images == 359
    assert result.top1 >= 97
