"""Runs that end early, since they get no better."""

import mxnet as mx
import pytest

from rnw.errors import InputError
from rnw.training.building import Job
from rnw.training.kvstores import Local
from rnw.training.observer import Observer
from rnw.training.options import Options, Validation
from rnw.training.progress import EarlyStop
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.run_folder import RunFolder
from tests.training.observers import Keeping

SCORES = (10.0, 30.0, 20.0, 30.0, 40.0, 20.0)  # after each epoch
RECIPE = find_recipe("digits", [f"epochs={len(SCORES)}", "width=0.03125", "batch=512"])


def _train(folder, patience=None, **options):
    """Return what was told of a run whose network has `SCORES`, of a number of scores given."""
    scores = iter(SCORES[options.pop("given", 0) :])
    validation = Validation(lambda net: {"top-1": next(scores)}, patience=patience)
    told = Keeping()
    train(
        RECIPE,
        [mx.cpu()],
        folder,
        options=Options(validation=validation),
        observer=told,
        **options,
    )
    return told


@pytest.mark.parametrize(
    ("every", "best", "last"), [(1, 2, 4), (1, 1, 3), (2, 2, 6), (3, 3, 9), (3, 6, 12)]
)
def test_patience_counts_tests_without_a_better_score(every, best, last):
    validation = Validation(lambda net: {}, every, patience=2)
    assert next(e for e in range(best, 100) if validation.is_exhausted(best, e)) == last
    assert not validation._replace(patience=None).is_exhausted(best, 99)


@pytest.mark.slow
def test_a_run_ends_early_and_says_so_when_it_is_resumed(tmp_path):
    told = _train(tmp_path, patience=2)
    stop = EarlyStop(4, 6, 2, "top-1")
    assert (told.early_stops, len(told.validated)) == ([stop], 4)
    assert str(stop) == "epoch 4/6: stopped early, as top-1 was the best after epoch 2"
    assert str(stop) in (tmp_path / f"{RECIPE.label}.log").read_text()
    state = (tmp_path / f"{RECIPE.label}.state").read_bytes()
    told = _train(tmp_path, patience=2, resume=True)
    assert (told.early_stops, told.steps) == ([stop], [])
    assert (tmp_path / f"{RECIPE.label}.state").read_bytes() == state
    told = _train(tmp_path, patience=3, resume=True, given=4)
    assert (told.early_stops, [v.epoch for v in told.validated if v.best]) == ([], [5])
    _train(tmp_path / "whole")
    last = RECIPE.label.params_file(6)
    assert (tmp_path / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()


def test_several_workers_do_not_end_early(tmp_path):
    store = Local("local")
    store.workers = 2
    options = Options(validation=Validation(lambda net: {}, patience=1))
    files = RunFolder(tmp_path, RECIPE.label)
    job = Job(RECIPE, [mx.cpu()], 0, None, store, files, options, Observer())
    with pytest.raises(InputError, match="--early-stop is for one process"):
        job.check()
