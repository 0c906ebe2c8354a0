"""A whole training run: from a recipe to checkpoints, with a log beside them."""

import contextlib
import json
import logging
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from rnw.data.crops import Cropping
from rnw.data.loader import BY_PROCESSES, Loader, Loading
from rnw.errors import InputError
from rnw.files import GrowingFile, remove_parts, write_text
from rnw.locks import FolderLock
from rnw.networks.classifier import Network
from rnw.networks.symbols import to_json
from rnw.training.checkpoints import (
    EACH_EPOCH,
    Checkpointing,
    check_nothing_to_resume,
    claim_folder,
    find_checkpoints,
    prune_checkpoints,
    save_best,
    save_checkpoint,
)
from rnw.training.examples import read_training_examples
from rnw.training.heartbeat import report_step
from rnw.training.initializers import initialize
from rnw.training.kvstores import Local, open_kvstore
from rnw.training.metrics import Metrics, Start, open_metrics, recipe_file
from rnw.training.optimizers import describe_multipliers, make_optimizer
from rnw.training.progress import Hook, Progress, Scores, Stopwatch, Validated, ignore
from rnw.training.recipes import (
    Recipe,
    SegmentationRecipe,
    input_size,
    model_label,
    recipe_network,
    starting_weights,
)
from rnw.training.schedules import make_schedule
from rnw.training.scoring import PICTURE_SCORES, PIXEL_SCORES, picture_scores, pixel_scores
from rnw.training.signals import RunStoppedError, StopRequest
from rnw.training.state import Bounds, Position, State, find_state, save_state, state_file
from rnw.training.trainer import (
    DeviceOutput,
    Trainer,
    check_devices,
    find_not_finite,
    trained_parameters,
)
from rnw.weights import Transfer, warm_start
from rnw.weights.labels import ModelLabel

logger = logging.getLogger(__name__)


class Validation(NamedTuple):
    """`score` gives scores of the network, each `every` epochs and after the last.

    The best epoch is that of the highest score `best_by`. Functions called `make_validator` under
    `rnw.evaluation` make what scores.
    """

    score: Callable[[Network], Scores]
    every: int = 1
    best_by: str = "top-1"


def train(
    recipe: Recipe,
    contexts: Sequence[mx.Context],
    folder: Path,
    *,
    seed: int = 0,
    data_root: Optional[Path] = None,
    overwrite: bool = False,
    resume: bool = False,
    weights: Optional[Path] = None,
    recompute: bool = False,
    checkpointing: Checkpointing = EACH_EPOCH,
    validation: Optional[Validation] = None,
    tensorboard: bool = False,
    loading: Loading = BY_PROCESSES,
    on_step: Hook = ignore,
    on_epoch: Hook = ignore,
    on_validation: Callable[[Validated], None] = ignore,
    on_warm_start: Callable[[Path, Transfer], None] = ignore,
) -> Path:
    """Train as `recipe` says; the path of the last checkpoint.

    `folder` receives a checkpoint per epoch, the recipe as `<label>.json`, a log, `metrics.jsonl`
    (see `rnw.training.metrics`; the same for TensorBoard where wanted), and the state from which
    `resume` goes on exactly where the run was (or starts, when there is none). With `validation`
    `<label>.best.json` names the checkpoint of the highest score. The hooks are called after each
    step, epoch and validation. A new run starts from `weights`, or those that the recipe names,
    where they fit (see `rnw.weights.warm_start`), and tells the last hook what it took from which
    file. `recompute` saves memory (see `Trainer`). Of several workers, only the first one
    validates, writes and calls the hooks.

    Raises InputError for data that is missing or cannot be read, devices that do not divide the
    batch, a number of classes that is not the dataset's, a folder that holds an earlier run or is
    another's at the time, a state that is missing beside weights, damaged, or of other settings or
    another list of pictures, weights of another network, a loss that is not finite, metrics that
    cannot be read, a disk that is full, and a package that is missing, and see `open_kvstore`.
    Raises RunStoppedError, after saving, when Ctrl-C or SIGTERM arrives. A second one does what it
    does elsewhere (see `rnw.training.signals`); nothing of a step that it cuts is saved.
    """
    kvstore = open_kvstore(recipe.kvstore)
    first = kvstore.rank == 0
    check_devices(recipe.batch, kvstore.workers * len(contexts))
    label = model_label(recipe)
    lock = FolderLock(folder)
    with lock if first else contextlib.nullcontext():
        metrics = open_metrics(folder, label, tensorboard=tensorboard) if first else Metrics([])
        state = find_state(label, folder) if resume else None
        if resume and state is None and not overwrite:
            check_nothing_to_resume(label, folder)
        weights = starting_weights(recipe, weights, folder) if state is None else None
        loader = _loader(recipe, seed, data_root, (kvstore.rank, kvstore.workers), loading)
        run = _Run(
            recipe, list(contexts), kvstore, folder, label, seed, loader, checkpointing, metrics
        )
        if first:
            run.validation = validation
            run.on_step, run.on_epoch, run.on_validation = on_step, on_epoch, on_validation
        _check_all_alike(kvstore, state, folder, len(contexts), seed, loader.identity)
        if state is not None:
            state.check_settings(run.settings)
        run.initialize()
        transfer = None if weights is None else warm_start(run.net, weights)
        run.from_scratch = state is None and weights is None
        run.prepare(state, recompute)
        if state is None and first:
            lock.acquire()
            claim_folder(label, folder, overwrite)
            write_text(recipe_file(label, folder), recipe.to_json())
        if first:
            remove_parts(folder, str(label))
        log = _log_file(folder / f"{label}.log") if first else contextlib.nullcontext()
        reports = metrics.since(Start(run.epoch, run.updates))
        with reports, log, StopRequest() as kvstore.stop:
            if transfer is not None and first:
                logger.info("from %s: %s", weights, transfer)
                on_warm_start(weights, transfer)
            path = run.go()
        kvstore.finish()
        if kvstore.stop.received is not None:  # after the last step, or nobody would know
            raise RunStoppedError(kvstore.stop.received)
        return path


@dataclass(eq=False)
class _Run:
    """A run under way: what it trains with and where it stands."""

    recipe: Recipe
    contexts: Sequence[mx.Context]
    kvstore: Local
    folder: Path
    label: ModelLabel
    seed: int
    loader: Loader
    checkpointing: Checkpointing
    metrics: Metrics
    validation: Optional[Validation] = None
    on_step: Hook = ignore
    on_epoch: Hook = ignore
    on_validation: Callable[[Validated], None] = ignore
    from_scratch: bool = False

    def __post_init__(self) -> None:
        self.net = Network(recipe_network(self.recipe))
        self.score = pixel_scores if self.net.config.segmentation else picture_scores
        self.settings = {
            **json.loads(self.recipe.to_json()),
            "devices": self.kvstore.workers * len(self.contexts),
            "seed": self.seed,
            "decoder": self.loader.decoder,
            "images": self.loader.examples,
            "digest of the list": self.loader.identity,
        }
        del self.settings["kvstore"]  # how the devices are spread over machines may change
        self.epoch = 0
        self.history: List[Scores] = []
        self.best: Optional[Dict[str, Any]] = None

    def initialize(self) -> None:
        """Draw the initial values of the network."""
        mx.random.seed(self.seed)
        initialize(self.net, self.contexts, np.random.RandomState(self.seed))

    def prepare(self, state: Optional[State], recompute: bool) -> None:
        """Make the trainer, at its beginning or where `state` stands."""
        if state is not None:
            state.check_content(self.net, self.settings["devices"], self._bounds())
            state.restore_network(self.net, self.kvstore.rank)
            position = state.position
            self.epoch, self.history, self.best = position.epoch, position.history, position.best
        self.trainer = Trainer(
            self.net,
            self.contexts,
            self._optimizer(),
            self.kvstore,
            recompute=recompute,
            seed=self.seed,
        )
        if state is not None:
            state.restore_momentum(self.net, self.trainer)

    def _bounds(self) -> Bounds:
        return Bounds(
            self.recipe.epochs,
            self.loader.batches_per_epoch,
            PIXEL_SCORES if self.net.config.segmentation else PICTURE_SCORES,
            self.validation and self.validation.best_by,
        )

    @property
    def step(self) -> int:
        """Steps of this epoch that are done."""
        return len(self.history)

    @property
    def updates(self) -> int:
        """Updates of the whole run that are done."""
        return self.epoch * self.loader.batches_per_epoch + self.step

    @property
    def last_update(self) -> int:
        """The number of updates of the whole run."""
        return self.recipe.epochs * self.loader.batches_per_epoch

    def _optimizer(self) -> mx.optimizer.Optimizer:
        recipe, parts = self.recipe, self.kvstore.updates_per_step
        self.schedule = make_schedule(
            recipe.schedule,
            recipe.base_lr / parts,
            self.last_update * parts,
            floor=recipe.lr_floor / parts,
            steps=tuple(step * parts for step in recipe.lr_steps),
        )
        return make_optimizer(
            recipe.optimizer,
            trained_parameters(self.net),
            schedule=self.schedule,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            rescale=parts / self._gradients_summed(),
            updates_done=self.updates * parts,
        )

    def _gradients_summed(self) -> int:
        """How many means the gradient of a step is the sum of.

        A device gives the mean over its labels in segmentation, and the sum over its pictures in
        classification.
        """
        segmentation = self.net.config.segmentation
        return self.settings["devices"] if segmentation else self.recipe.batch

    def go(self) -> Path:
        """Train what is left; the path of the last checkpoint."""
        self._session = Stopwatch(self.updates)
        devices = ", ".join(map(str, self.contexts))
        if self.kvstore.workers > 1:
            devices += f" of each of {self.kvstore.workers} workers"
        logger.info("%s on %s, seed %d", self.recipe, devices, self.seed)
        parameters = trained_parameters(self.net)
        logger.info("%s", describe_multipliers(self.trainer.updater.optimizer, parameters))
        if self.epoch or self.step:
            logger.info("resumed after epoch %d, step %d", self.epoch, self.step)
        while self.epoch < self.recipe.epochs:
            self._train_epoch()
            self._finish_epoch()
            self._stop_if_asked()
        if self.loader.skipped:
            logger.warning("bad images skipped: %d", len(self.loader.skipped))
        return self._last_checkpoint()

    def _last_checkpoint(self) -> Path:
        """Where it is; it is written again if a run that had ended is resumed without it."""
        path = self.folder / self.label.params_file(self.epoch)
        if self.kvstore.rank == 0 and not path.exists():
            self._save_checkpoint()
        return path

    @cached_property
    def _graph(self) -> str:
        """Made once, since MXNet loses the memory of the text: twice 94 KB for a small network."""
        return to_json(self.net)

    def _save_checkpoint(self) -> None:
        save_checkpoint(self.net, self._graph, self.label, self.folder, self.epoch)

    def _train_epoch(self) -> None:
        """Scores of a step are read after the next one is under way, unless it saves."""
        self._stopwatch = Stopwatch(self.updates)
        unread = None
        batches = self.loader.epoch(self.epoch, self.step, self._may_stop_now)
        for done, batch in enumerate(batches, self.step + 1):
            output = self.trainer.step(*batch)
            self._read(unread)
            unread = output
            if self.kvstore.stopping is not None or self._is_due(done):
                self._read(unread)
                unread = None
                self._save_state()
                self._stop_if_asked()
        self._read(unread)
        if self.step < self.loader.batches_per_epoch:  # stopped while pictures were waited for
            self._save_state()
            self._stop(self.kvstore.stop.received)

    def _may_stop_now(self) -> bool:
        """Whether to wait for no more pictures: of several workers, all make the same steps."""
        return self.kvstore.workers == 1 and self.kvstore.stop.received is not None

    def _is_due(self, step: int) -> bool:
        every = self.checkpointing.every
        total = self.epoch * self.loader.batches_per_epoch + step
        return every is not None and total % every == 0

    def _read(self, output: Optional[Sequence[DeviceOutput]]) -> None:
        if output is None:
            return
        self.history.append(self.kvstore.share(self.score(output)))
        report_step()
        progress = self._progress(self.history[-1])
        logger.debug("%s", progress)
        if not math.isfinite(progress.scores["loss"]):
            raise self._diverged(f"the loss is {progress.scores['loss']}")
        self.metrics.step(progress)
        self.on_step(progress)

    def _diverged(self, what: str) -> InputError:
        kept = find_checkpoints(self.label, self.folder)
        saved = f"{kept[-1]} is from before" if kept else "no weights were saved before"
        advice = "a lower rate may help (--set base_lr=X)"
        if self.from_scratch and self.net.config.frozen_statistics:
            advice += ", and so does starting from a classification network (--init FILE)"
        return InputError(f"{what} at epoch {self.epoch + 1}, step {self.step}; {saved}; {advice}")

    def _check_weights(self) -> None:
        """Let nothing be saved of a network that is lost, which the loss need not show yet."""
        name = find_not_finite(self.net)
        if name is not None:
            raise self._diverged(f"{name} is no longer finite")

    def _progress(self, scores: Scores) -> Progress:
        parts = self.kvstore.updates_per_step
        return Progress(
            self.epoch + 1,
            self.recipe.epochs,
            self.step,
            self.loader.batches_per_epoch,
            scores,
            images_per_second=self._stopwatch.rate(self.updates) * self.recipe.batch,
            learning_rate=self.schedule(self.updates * parts) * parts,
            seconds_left=self._session.seconds_until(self.last_update, self.updates),
        )

    def _finish_epoch(self) -> None:
        """Average the statistics, save weights, validate, save the state, go to the next epoch.

        The state comes last, so that a run killed before does all of it again; the first epoch
        leaves one before its weights, since weights without a state cannot be resumed.
        """
        if self.epoch == 0:
            self._save_state()
        else:
            self._check_weights()
        progress = self._progress(_mean(self.history))
        self.trainer.average_statistics()
        self.epoch, self.history = self.epoch + 1, []
        if self.kvstore.rank == 0:
            self._save_checkpoint()
        self.metrics.epoch(progress)
        validated = self._validate()
        self._save_state()
        if self.kvstore.rank == 0:
            best = self.best["epoch"] if self.best else None
            prune_checkpoints(self.label, self.folder, self.checkpointing, best)
        logger.info("%s, saved %s", progress.of_epoch(), self.label.params_file(self.epoch))
        self.on_epoch(progress)
        if validated is not None:
            logger.info("%s", validated)
            self.on_validation(validated)

    def _validate(self) -> Optional[Validated]:
        """Score the network where that is due, and note the best epoch."""
        if self.validation is None:
            return None
        if self.epoch % self.validation.every and self.epoch < self.recipe.epochs:
            return None
        scores = self.validation.score(self.net)
        by = self.validation.best_by
        is_best = self.best is None or scores[by] > self.best[by]
        if is_best:
            self.best = {"epoch": self.epoch, **scores}
        validated = Validated(self.epoch, self.recipe.epochs, scores, is_best)
        self.metrics.validation(validated, self.updates)
        save_best(self.label, self.folder, self.best)
        return validated

    def _save_state(self) -> None:
        self._check_weights()
        self.metrics.sync()
        position = Position(self.epoch, self.step, self.settings, self.history, self.best)
        save_state(state_file(self.label, self.folder), position, self.net, self.trainer)

    def _stop_if_asked(self) -> None:
        if self.kvstore.stopping is not None:
            self._stop(self.kvstore.stopping)

    def _stop(self, number: int) -> None:
        logger.info("stopped by signal %d", number)
        raise RunStoppedError(number)


def _check_all_alike(
    kvstore: Local, state: Optional[State], folder: Path, devices: int, seed: int, pictures: str
) -> None:
    position = (-1, -1) if state is None else (state.position.epoch, state.position.step)
    if not kvstore.agrees([*position, devices, seed, pictures]):
        raise InputError(
            f"{folder}: worker {kvstore.rank} has another --seed, number of devices or list "
            "of pictures than the others, or finds another state there: give all of them the same "
            "command and data, and an --output that all machines see"
        )


def _loader(
    recipe: Recipe, seed: int, data_root: Optional[Path], part: Tuple[int, int], loading: Loading
) -> Loader:
    examples, size = read_training_examples(recipe, data_root), input_size(recipe)
    cropping: Optional[Cropping] = None
    if isinstance(recipe, SegmentationRecipe):
        cropping = Cropping(size, recipe.origin, recipe.classes, recipe.rates, recipe.stride)
    return Loader(examples, recipe.batch, seed, part, size=size, cropping=cropping, loading=loading)


def _mean(history: Sequence[Scores]) -> Scores:
    return {name: fmean(scores[name] for scores in history) for name in history[0]}


class _LogFile(logging.Handler):
    """Writes to a file; unlike the library's own, one that cannot be written ends the run."""

    def __init__(self, path: Path):
        super().__init__()
        self._file = GrowingFile(path)

    def emit(self, record: logging.LogRecord) -> None:
        self._file.write(f"{self.format(record)}\n")

    def close(self) -> None:
        super().close()
        self._file.close()


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Send what the package logs to a file, each step included."""
    logger = logging.getLogger("rnw")
    handler = _LogFile(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
