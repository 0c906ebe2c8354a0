"""A whole training run: it is built, from recipe to trainer, and then does what is left of it."""

import contextlib
from pathlib import Path
from typing import Optional, Sequence

import mxnet as mx

from rnw.training.building import Job, find_origin
from rnw.training.kvstores import open_kvstore
from rnw.training.metrics import Start
from rnw.training.observer import Observer
from rnw.training.options import DEFAULTS, Options
from rnw.training.recipe import Recipe
from rnw.training.run_folder import RunFolder
from rnw.training.signals import RunStoppedError, StopRequest


def train(
    recipe: Recipe,
    contexts: Sequence[mx.Context],
    folder: Path,
    *,
    seed: int = 0,
    data_root: Optional[Path] = None,
    weights: Optional[Path] = None,
    resume: bool = False,
    overwrite: bool = False,
    options: Options = DEFAULTS,
    observer: Optional[Observer] = None,
) -> Path:
    """Train as `recipe` says; return the path of the last checkpoint.

    folder: receives a checkpoint per epoch and the other files of a `RunFolder`.
    data_root: the folder of the prepared dataset; default: `root` of its row in `rnw.datasets`.
    weights: what a new run starts from where it fits (see `rnw.warm_start`); default: the file that
        the recipe names, if any. With `options.from_epoch` it must fit whole; default: the
        checkpoint of that epoch in `folder`.
    resume: go on exactly where the run in `folder` was stopped, or begin where there is none.
    overwrite: begin anew although `folder` holds an earlier run, whose files are removed.
    options, observer: how the run is carried out, and who is told how it goes. Of several workers,
        only the first one validates, writes and tells.

    Raises InputError for settings, data, weights, a state or metrics that are missing, cannot be
    read or do not fit each other; for data of one's own in which `rnw dataset check` finds errors;
    for a folder that holds an earlier run or is another's at the
    time, a loss or weights that are not finite, a full disk and a missing package; and as
    `open_kvstore` does. Raises RunStoppedError, after saving, when Ctrl-C or SIGTERM arrives; a
    second one does what it does elsewhere (see `rnw.training.signals`), and nothing of a step that
    it cuts is saved.
    """
    kvstore = open_kvstore(recipe.kvstore)
    files = RunFolder(folder, recipe.label, options.log_file)
    observer = observer or Observer()
    job = Job(recipe, list(contexts), seed, data_root, kvstore, files, options, observer)
    job.check()
    with files.lock if job.writes else contextlib.nullcontext():
        return _carry_out(job, weights, resume=resume, overwrite=overwrite)


def _carry_out(job: Job, weights: Optional[Path], *, resume: bool, overwrite: bool) -> Path:
    """Build the run before anything is written, then train, recording what happens."""
    metrics = job.open_metrics()
    epoch, how = job.options.from_epoch, {"resume": resume, "overwrite": overwrite}
    origin = find_origin(job.recipe, job.folder, weights, epoch, **how)
    job.check_data(origin)
    run, transfer = job.build(origin, metrics)
    if job.writes:
        job.prepare_folder(origin, overwrite=overwrite)
    log = job.folder.logging() if job.writes else contextlib.nullcontext()
    reports = metrics.since(Start(run.place.epoch, run.place.updates))
    with reports, log, StopRequest() as stop:
        job.kvstore.stop = stop
        job.announce(run, origin, transfer)
        path = run.train()
    job.kvstore.finish()
    if stop.received is not None:  # after the last step, or nobody would know
        raise RunStoppedError(stop.received)
    return path
