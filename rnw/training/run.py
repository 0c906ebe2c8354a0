"""A whole training run: from a recipe to checkpoints, with a log beside them."""

import contextlib
import json
import logging
import math
import time
from pathlib import Path
from statistics import fmean
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

import mxnet as mx
import numpy as np

from rnw.data.catalog import find_dataset, read_examples
from rnw.data.loader import BY_PROCESSES, Loader, Loading
from rnw.errors import InputError
from rnw.files import remove_parts, write_text
from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.training.checkpoints import claim_folder, prune_checkpoints, save_checkpoint
from rnw.training.initializers import initialize
from rnw.training.optimizers import make_optimizer
from rnw.training.recipes import Recipe, label_network
from rnw.training.schedules import make_schedule
from rnw.training.signals import RunStoppedError, StopRequest
from rnw.training.state import Position, State, find_state, save_state, state_file
from rnw.training.trainer import DeviceOutput, Trainer, check_devices, trained_parameters
from rnw.weights import Transfer, warm_start
from rnw.weights.labels import ModelLabel

Scores = Dict[str, float]

logger = logging.getLogger(__name__)


class Progress(NamedTuple):
    """Where a run is: `step` of `steps` in `epoch` of `epochs`, all counted from 1.

    `scores` are cross-entropy, top-1 and top-5 accuracy, of the step or of the whole epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    scores: Scores
    images_per_second: float

    def __str__(self) -> str:
        return f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}: {self._rest()}"

    def of_epoch(self) -> str:
        """The line for a whole epoch."""
        return f"epoch {self.epoch}/{self.epochs}: {self._rest()}"

    def _rest(self) -> str:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in self.scores.items())
        return f"{scores}, {self.images_per_second:.0f} images/s"


Hook = Callable[[Progress], None]


def _ignore(event: Any) -> None:
    """A hook that does nothing."""


class Checkpointing(NamedTuple):
    """When a run saves: its state each `every` steps besides each epoch; which weights it keeps.

    Of the epochs' weights the newest `keep` stay (all when None), and each `keep_every`-th.
    """

    every: Optional[int] = None
    keep: Optional[int] = None
    keep_every: Optional[int] = None


EACH_EPOCH = Checkpointing()


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
    checkpointing: Checkpointing = EACH_EPOCH,
    loading: Loading = BY_PROCESSES,
    on_step: Hook = _ignore,
    on_epoch: Hook = _ignore,
    on_warm_start: Callable[[Transfer], None] = _ignore,
) -> Path:
    """Train as `recipe` says; the path of the last checkpoint.

    `folder` receives a checkpoint per epoch, the recipe as `<label>.json`, a log, and the state
    from which `resume` goes on exactly where the run was (or starts, when there is none). The hooks
    are called after each step and each epoch. A new run starts from `weights` where they fit (see
    `rnw.weights.warm_start`), and tells the last hook what it took.

    Raises InputError for data that is missing or cannot be read, devices that do not divide the
    batch, a folder that holds an earlier run, a state of other settings, weights of another
    network, and a loss that is not finite.
    Raises RunStoppedError, after saving, when Ctrl-C or SIGTERM arrives.
    """
    check_devices(recipe.batch, len(contexts))
    label = ModelLabel(recipe.dataset, label_network(recipe), recipe.classes)
    run = _Run(recipe, contexts, folder, label, seed, data_root, checkpointing, loading)
    run.on_step, run.on_epoch = on_step, on_epoch
    state = find_state(label, folder) if resume else None
    if state is not None:
        state.check_settings(run.settings)
    run.initialize()
    transfer = warm_start(run.net, weights) if weights is not None and state is None else None
    run.prepare(state)
    if state is None:
        claim_folder(label, folder, overwrite)
        write_text(folder / f"{label}.json", recipe.to_json())
    remove_parts(folder, str(label))
    with _log_file(folder / f"{label}.log"), StopRequest() as stop:
        if transfer is not None:
            logger.info("from %s: %s", weights, transfer)
            on_warm_start(transfer)
        return run.go(stop)


class _Run:
    """A run under way: what it trains with and where it stands."""

    on_step: Hook
    on_epoch: Hook

    def __init__(self, recipe, contexts, folder, label, seed, data_root, checkpointing, loading):
        self.recipe, self.contexts, self.folder, self.label = recipe, list(contexts), folder, label
        self.seed, self.checkpointing = seed, checkpointing
        self.loader = _loader(recipe, seed, data_root, loading)
        self.net = get_network(recipe.network, recipe.classes, width=recipe.width, head="softmax")
        self.settings = {
            **json.loads(recipe.to_json()),
            "devices": len(self.contexts),
            "seed": seed,
            "decoder": self.loader.decoder,
        }
        self.epoch = 0
        self.history: List[Scores] = []

    def initialize(self) -> None:
        """Draw the initial values of the network."""
        mx.random.seed(self.seed)
        initialize(self.net, self.contexts, np.random.RandomState(self.seed))

    def prepare(self, state: Optional[State]) -> None:
        """Make the trainer, at its beginning or where `state` stands."""
        if state is not None:
            state.restore_network(self.net)
            self.epoch, self.history = state.position.epoch, state.position.history
        self.net.hybridize(static_alloc=True, static_shape=True)
        optimizer = self._optimizer(self.epoch * self.loader.batches_per_epoch + self.step)
        self.trainer = Trainer(self.net, self.contexts, optimizer, self.recipe.kvstore)
        if state is not None:
            state.restore_momentum(self.net, self.trainer)

    @property
    def step(self) -> int:
        """Steps of this epoch that are done."""
        return len(self.history)

    def _optimizer(self, updates_done: int) -> mx.optimizer.Optimizer:
        recipe = self.recipe
        schedule = make_schedule(
            recipe.schedule,
            recipe.base_lr,
            recipe.epochs * self.loader.batches_per_epoch,
            floor=recipe.lr_floor,
            steps=recipe.lr_steps,
        )
        return make_optimizer(
            recipe.optimizer,
            trained_parameters(self.net),
            schedule=schedule,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            rescale=1 / recipe.batch,
            updates_done=updates_done,
        )

    def go(self, stop: StopRequest) -> Path:
        """Train what is left; the path of the last checkpoint."""
        devices = ", ".join(map(str, self.contexts))
        logger.info("%s on %s, seed %d", self.recipe, devices, self.seed)
        if self.epoch or self.step:
            logger.info("resumed after epoch %d, step %d", self.epoch, self.step)
        while self.epoch < self.recipe.epochs:
            self._train_epoch(stop)
            self._finish_epoch()
            self._stop_if_asked(stop)
        if self.loader.skipped:
            logger.warning("bad images skipped: %d", len(self.loader.skipped))
        return self.folder / self.label.params_file(self.epoch)

    def _train_epoch(self, stop: StopRequest) -> None:
        """Scores of a step are read after the next one is under way, unless it saves."""
        self._started = (time.monotonic(), self.step)
        unread = None
        for done, batch in enumerate(self.loader.epoch(self.epoch, self.step), self.step + 1):
            output = self.trainer.step(*batch)
            self._read(unread)
            unread = output
            if stop.received is not None or self._is_due(done):
                self._read(unread)
                unread = None
                self._save_state()
                self._stop_if_asked(stop)
        self._read(unread)

    def _is_due(self, step: int) -> bool:
        every = self.checkpointing.every
        total = self.epoch * self.loader.batches_per_epoch + step
        return every is not None and total % every == 0

    def _read(self, output: Optional[Sequence[DeviceOutput]]) -> None:
        if output is None:
            return
        self.history.append(_scores(output))
        progress = self._progress(self.history[-1])
        logger.debug("%s", progress)
        if not math.isfinite(progress.scores["loss"]):
            raise InputError(
                f"the loss is {progress.scores['loss']} at epoch {progress.epoch}, step "
                f"{progress.step}; the last checkpoint in {self.folder} is from before; a lower "
                "rate may help (--set base_lr=X)"
            )
        self.on_step(progress)

    def _progress(self, scores: Scores) -> Progress:
        start, first = self._started
        seconds = max(time.monotonic() - start, 1e-9)  # none, when only the saving was left
        return Progress(
            self.epoch + 1,
            self.recipe.epochs,
            self.step,
            self.loader.batches_per_epoch,
            scores,
            (self.step - first) * self.recipe.batch / seconds,
        )

    def _finish_epoch(self) -> None:
        """Average the statistics, save weights and state, and go to the next epoch."""
        progress = self._progress(_mean(self.history))
        self.trainer.average_statistics()
        self.epoch, self.history = self.epoch + 1, []
        path = save_checkpoint(self.net, self.label, self.folder, self.epoch)
        self._save_state()
        prune_checkpoints(
            self.label, self.folder, self.checkpointing.keep, self.checkpointing.keep_every
        )
        logger.info("%s, saved %s", progress.of_epoch(), path.name)
        self.on_epoch(progress)

    def _save_state(self) -> None:
        position = Position(self.epoch, self.step, self.settings, self.history)
        save_state(state_file(self.label, self.folder), position, self.net, self.trainer)

    def _stop_if_asked(self, stop: StopRequest) -> None:
        if stop.received is not None:
            logger.info("stopped by signal %d", stop.received)
            raise RunStoppedError(stop.received)


def _loader(recipe: Recipe, seed: int, data_root: Optional[Path], loading: Loading) -> Loader:
    dataset = find_dataset(recipe.dataset)
    examples = read_examples(dataset, dataset.train_split, data_root)
    classes = int(examples.labels.max()) + 1
    if classes > recipe.classes:
        raise InputError(f"{dataset.title} has {classes} classes, the recipe {recipe.classes}")
    size = configure(recipe.network).spec.size
    return Loader(examples, recipe.batch, seed, size=size, loading=loading)


def _mean(history: Sequence[Scores]) -> Scores:
    return {name: fmean(scores[name] for scores in history) for name in history[0]}


def _scores(outputs: Sequence[DeviceOutput]) -> Scores:
    metrics = {
        "loss": mx.metric.CrossEntropy(),
        "top-1": mx.metric.Accuracy(),
        "top-5": mx.metric.TopKAccuracy(top_k=5),
    }
    for metric in metrics.values():
        metric.update([o.labels for o in outputs], [o.probabilities for o in outputs])
    return {name: float(metric.get()[1]) for name, metric in metrics.items()}


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Send what the package logs to a file, each step included."""
    logger = logging.getLogger("rnw")
    handler = logging.FileHandler(path, encoding="utf-8")
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
