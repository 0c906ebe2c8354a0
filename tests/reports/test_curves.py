"""What is drawn of a run."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rnw.reports.curves import MAX_POINTS, plot, read_runs

STEPS = 10


def _write(folder, epochs, label="a"):
    """A run whose figures tell their place."""
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.jsonl").open("a") as file:
        for epoch in range(1, epochs + 1):
            scores = {"loss": 1 / epoch, "top-1": 50, "top-5": 90}
            for step in range(1, STEPS + 1):
                record = {"kind": "train", "step": step, "steps": STEPS, "lr": 0.1 * step}
                file.write(json.dumps({"label": label, "epoch": epoch, **record, **scores}) + "\n")
            for kind in ("epoch", "val"):
                record = {"label": label, "kind": kind, "epoch": epoch, **scores}
                file.write(json.dumps(record) + "\n")
        file.write('{"label": "torn')
    return folder


def test_curves_over_epochs(tmp_path):
    (run,) = read_runs(_write(tmp_path / "run", 2))
    assert run.name == str(tmp_path / "run")
    np.testing.assert_allclose(run.curves["train", "loss"].epochs, np.arange(1, 21) / 10)
    np.testing.assert_allclose(run.curves["train", "loss"].values, [1] * 10 + [0.5] * 10)
    np.testing.assert_allclose(run.curves["train", "lr"].values, [*np.arange(1, 11) / 10] * 2)
    for kind in ("epoch", "val"):
        for figure, values in (("loss", [1, 0.5]), ("top-1", [50] * 2), ("top-5", [90] * 2)):
            np.testing.assert_array_equal(run.curves[kind, figure].epochs, [1, 2])
            np.testing.assert_array_equal(run.curves[kind, figure].values, values)


def test_labels_that_share_a_file_are_runs_of_their_own(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    lines = [
        {"label": label, "kind": "val", "epoch": epoch, "loss": 1, "top-1": 0, "top-5": 1}
        for epoch in (1, 2)
        for label in ("a", "b")
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    runs = read_runs(folder / "metrics.jsonl")
    assert [run.name for run in runs] == [f"{folder}: a", f"{folder}: b"]
    assert [len(run.curves["val", "loss"].values) for run in runs] == [2, 2]


def test_the_error_is_what_accuracy_lacks_to_100_per_cent(tmp_path):
    plot([_write(tmp_path / "run", 2)], tmp_path / "out.svg")
    shown = (tmp_path / "out.svg").read_text()
    error = shown[shown.index(">error in %<") - 20_000 : shown.index(">error in %<")]
    ticks = [float(tick) for tick in re.findall(r">(-?[\d.]+)</text>", error)]
    assert max(ticks) == 50  # that of top-1; the axis begins at 0


PIXEL_SCORES = {"loss": 1, "accuracy": 90, "mean-iou": 60}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scores", "label"),
    [
        ([{"loss": 1, "top-1": 0, "top-5": 1}], "error in %"),
        ([PIXEL_SCORES], "100 - mean IoU, %"),
        ([PIXEL_SCORES, {"loss": 1, "top-1": 0, "top-5": 1}], "error in % or 100 - mean IoU, %"),
    ],
)
def test_the_axis_of_errors_says_what_is_drawn(tmp_path, scores, label):
    for number, values in enumerate(scores):
        record = {"label": "a", "kind": "val", "epoch": 1, **values}
        (tmp_path / f"{number}.jsonl").write_text(json.dumps(record) + "\n")
    plot([tmp_path / f"{number}.jsonl" for number in range(len(scores))], tmp_path / "out.svg")
    shown = (tmp_path / "out.svg").read_text()
    assert f">{label}</text>" in shown
    assert (">100 - mean IoU, validation</text>" in shown) == ("IoU" in label)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [1, 6])
def test_pictures_of_the_same_runs_are_the_same(tmp_path, runs):
    folders = [_write(tmp_path / f"run{number}", number + 1) for number in range(runs)]
    for name in ("one.svg", "two.svg"):
        plot(folders, tmp_path / name)
    shown = (tmp_path / "one.svg").read_text()
    assert (tmp_path / "two.svg").read_text() == shown
    assert all(shown.count(f">{folder}</text>") == 1 for folder in folders)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_one", "a$b^$c", "$one"])
def test_runs_have_their_names_whatever_they_are(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in (name, "two"):
        _write(tmp_path / folder, 1)
    for kind in ("png", "svg"):
        plot([name, "two"], f"out.{kind}")
    shown = Path("out.svg").read_text()
    assert [shown.count(f">{text}</text>") for text in (name, "two")] == [1, 1]


def test_a_run_without_steps_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    record = {"label": "a", "kind": "val", "epoch": 1, "loss": 1, "top-1": 0, "top-5": 1}
    path.write_text(json.dumps(record) + "\n")
    plot([path], tmp_path / "out.svg")
    assert f">{tmp_path}</text>" in (tmp_path / "out.svg").read_text()


@pytest.mark.slow
def test_a_long_run_is_drawn_with_few_points(tmp_path):
    """Each is the mean of 27 steps, so that a curve has 297 instead of 8,000."""
    plot([_write(tmp_path / "long", 800)], tmp_path / "long.svg")
    plot([_write(tmp_path / "short", MAX_POINTS)], tmp_path / "short.svg")
    long, short = ((tmp_path / f"{name}.svg").stat().st_size for name in ("long", "short"))
    assert 0.5 < long / short < 1.5
