"""A small study of depth and width: what it trains, and what it goes on from."""

import csv
import json
import os
import signal

import cv2
import mxnet as mx
import pytest

from rnw.analysis.budget import Budget
from rnw.analysis.depth_width import FAMILY, make_family, run_study
from rnw.analysis.depth_width_report import CAPTION, PICTURE, RECORD, TABLE, over_seeds, save_report
from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.model import load_model
from rnw.training.recipes import find_recipe
from rnw.training.signals import RunStoppedError

RECIPE = find_recipe("digits", ["epochs=1", "batch=256"])
BUDGET = Budget("parameters", 12_000)
UNITS = ("0-1-1-1-1-1-1", "0-2-2-2-2-2-2")
DEEP, WIDE = "28-0-2-2-2-2-2-2", "28-0-1-1-1-1-1-1"
STEPS = 5  # of a run


def _study(folder, seeds=2, recipe=RECIPE, budget=BUDGET, **hooks):
    return run_study(recipe, budget, [mx.cpu()], folder, units=UNITS, seeds=seeds, **hooks)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a study that never stopped, and the study."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, _study(folder)


def _results(study):
    """What does not depend on the clock."""
    return [
        (row.member, [run._replace(seconds_per_step=0) for run in row.runs]) for row in study.rows
    ]


def _times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.params")}


def test_default_family_gets_wider_as_it_gets_shallower():
    family = make_family(find_recipe("digits"), Budget("activations", 104_970))
    configs = [recipe.configure() for recipe in family]
    assert [config.spec.depth for config in configs] == [114, 58, 30, 16]
    assert [config.width for config in configs] == sorted(config.width for config in configs)
    assert len(FAMILY) == len({config.width for config in configs})
    alike = {(recipe.base_lr, recipe.epochs, recipe.batch) for recipe in family}
    assert alike == {(0.1, 12, 64)}


@pytest.mark.slow
def test_every_network_is_trained_with_every_seed(whole):
    folder, study = whole
    assert [row.member.network for row in study.rows] == [DEEP, WIDE]
    for row in study.rows:
        assert row.member.parameters == pytest.approx(BUDGET.value, rel=0.05)
        assert [run.seed for run in row.runs] == [0, 1]
        assert row.runs[0].training_loss != row.runs[1].training_loss
        for run in row.runs:
            (path,) = (folder / row.member.network / f"seed-{run.seed}").glob("*.params")
            tested = evaluate(load_model(path, [mx.cpu()]))
            assert tested.images == study.tested
            assert run.top1 == pytest.approx(tested.top1)
            assert 0 < run.seconds_per_step < 60
            assert 0 < run.training_loss < 10


@pytest.mark.slow
@pytest.mark.parametrize("steps", [STEPS, STEPS + 2])
def test_stopped_and_going_on_is_never_stopped(whole, tmp_path, steps):
    """At the end of the first run or in the second one."""
    seen, told = [], []

    def stop(progress):
        seen.append(progress)
        if len(seen) == steps:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(RunStoppedError):
        _study(tmp_path, seeds=1, on_step=stop)
    finished = _times(tmp_path)
    assert len(finished) == 1
    study = _study(tmp_path, seeds=1, on_run=lambda member, run: told.append(member.network))
    assert told == [WIDE]
    assert _results(study) == [(member, runs[:1]) for member, runs in _results(whole[1])]
    assert finished.items() <= _times(tmp_path).items()


@pytest.mark.slow
def test_finished_runs_are_not_trained_again(whole):
    folder, study = whole
    before = _times(folder)
    assert len(before) == 4
    seen = []
    assert _study(folder, on_step=seen.append, on_run=seen.append) == study
    assert seen == []
    assert _times(folder) == before


@pytest.mark.slow
def test_fewer_seeds_are_the_first_ones(whole):
    folder, study = whole
    rows = [(row.member, row.runs[:1]) for row in study.rows]
    assert [tuple(row) for row in _study(folder, seeds=1).rows] == rows


@pytest.mark.parametrize(
    ("changes", "wording"),
    [
        ({"budget": Budget("parameters", 12_001)}, "was '12,000 parameters', now '12,001 par"),
        ({"budget": Budget("activations", 20_000)}, "budget was '12,000 parameters', now '20,000"),
        ({"recipe": find_recipe("digits", ["epochs=3", "batch=256"])}, "epochs was 1, now 3"),
    ],
)
def test_other_settings_are_refused(whole, changes, wording):
    folder, study = whole
    with pytest.raises(InputError, match=wording):
        _study(folder, **changes)
    assert _study(folder) == study


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "study.png").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        _study(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["study.png"]


def test_damaged_settings_are_named(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    (tmp_path / "28-0-1-1-1-1-1-1").mkdir()
    with pytest.raises(InputError, match=r"settings\.json: cannot be read"):
        _study(tmp_path)


def test_settings_that_trained_nothing_do_not_bind(tmp_path):
    for batch in (5000, 6000):
        with pytest.raises(InputError, match=f"a batch of {batch} cannot be drawn"):
            _study(tmp_path, recipe=find_recipe("digits", [f"batch={batch}"]))


def test_report(whole, tmp_path):
    _, study = whole
    save_report(study, tmp_path)
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["settings"] == study.settings
    with (tmp_path / TABLE).open() as file:
        lines = list(csv.DictReader(file))
    flat = [
        {**{name: network[name] for name in row.member._fields}, **run}
        for network, row in zip(record["rows"], study.rows)
        for run in network["runs"]
    ]
    assert lines == [{name: str(value) for name, value in line.items()} for line in flat]
    for network in record["rows"]:
        values = [run["top1"] for run in network["runs"]]
        assert network["top1"]["mean"] == pytest.approx(sum(values) / 2)
        assert (network["top1"]["lowest"], network["top1"]["highest"]) == (min(values), max(values))
    caption = (tmp_path / CAPTION).read_text()
    assert "networks of 12,000 parameters each" in caption
    for row in study.rows:
        mean = over_seeds(row, "top1").mean
        assert (
            f"{row.member.depth:5}  {row.member.width:6.4f}  {row.member.parameters:10,}" in caption
        )
        assert f"{mean:7.2f}" in caption


def test_picture_has_a_line_in_each_panel(whole, tmp_path):
    save_report(whole[1], tmp_path)
    picture = cv2.imread(str(tmp_path / PICTURE)).astype(int)
    assert picture.shape == (500, 1500, 3)
    blue = (picture[..., 0] - picture[..., 2] > 100).any(axis=0)  # matplotlib's first color
    assert all(panel.sum() > 200 for panel in blue.reshape(3, 500))


def test_picture_names_a_folder_by_its_last_part(whole, tmp_path):
    study = whole[1]
    elsewhere = study._replace(settings={**study.settings, "dataset": "/somewhere/digits"})
    save_report(study, tmp_path / "named")
    save_report(elsewhere, tmp_path / "folder")
    pictures = [(tmp_path / name / PICTURE).read_bytes() for name in ("named", "folder")]
    assert pictures[0] == pictures[1]
    assert "alike on /somewhere/digits" in (tmp_path / "folder" / CAPTION).read_text()
