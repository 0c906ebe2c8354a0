"""A whole training run: from a recipe to checkpoints, with a log beside them."""

import contextlib
import logging
import time
from pathlib import Path
from statistics import fmean
from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Sequence, TypeVar

import mxnet as mx
import numpy as np

from rnw.data.catalog import find_dataset, read_examples
from rnw.data.loader import Loader
from rnw.errors import InputError
from rnw.files import write_text
from rnw.networks.classifier import Network, get_network
from rnw.training.checkpoints import claim_folder, save_checkpoint
from rnw.training.initializers import initialize
from rnw.training.optimizers import make_optimizer
from rnw.training.recipes import Recipe, label_network
from rnw.training.schedules import make_schedule
from rnw.training.trainer import DeviceOutput, Trainer, check_devices, trained_parameters
from rnw.weights.labels import ModelLabel

T = TypeVar("T")
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


def _ignore(progress: Progress) -> None:
    """A hook that does nothing."""


def train(
    recipe: Recipe,
    contexts: Sequence[mx.Context],
    folder: Path,
    *,
    seed: int = 0,
    data_root: Optional[Path] = None,
    overwrite: bool = False,
    on_step: Callable[[Progress], None] = _ignore,
    on_epoch: Callable[[Progress], None] = _ignore,
) -> Path:
    """Train as `recipe` says; the path of the last checkpoint.

    `folder` receives a checkpoint per epoch, the recipe as `<label>.json` and a log. The hooks are
    called after each step and each epoch.

    Raises InputError for data that is missing, devices that do not divide the batch, and a folder
    that holds checkpoints of an earlier run.
    """
    check_devices(recipe.batch, len(contexts))
    net = get_network(recipe.network, recipe.classes, width=recipe.width, head="softmax")
    label = ModelLabel(recipe.dataset, label_network(recipe), recipe.classes)
    loader = _loader(recipe, seed, data_root)
    trainer = _trainer(recipe, net, contexts, loader.batches_per_epoch, seed)
    claim_folder(label, folder, overwrite)
    write_text(folder / f"{label}.json", recipe.to_json())
    with _log_file(folder / f"{label}.log"):
        logger.info("%s on %s, seed %d", recipe, ", ".join(map(str, contexts)), seed)
        for epoch in range(recipe.epochs):
            progress = _train_epoch(recipe, trainer, loader, epoch, on_step)
            trainer.average_statistics()
            path = save_checkpoint(net, label, folder, epoch + 1)
            logger.info("%s, saved %s", progress.of_epoch(), path.name)
            on_epoch(progress)
    return path


def _loader(recipe: Recipe, seed: int, data_root: Optional[Path]) -> Loader:
    dataset = find_dataset(recipe.dataset)
    examples = read_examples(dataset, dataset.train_split, data_root)
    classes = int(examples.labels.max()) + 1
    if classes > recipe.classes:
        raise InputError(f"{dataset.title} has {classes} classes, the recipe {recipe.classes}")
    return Loader(examples, recipe.batch, seed)


def _trainer(
    recipe: Recipe, net: Network, contexts: Sequence[mx.Context], steps: int, seed: int
) -> Trainer:
    mx.random.seed(seed)
    initialize(net, list(contexts), np.random.RandomState(seed))
    net.hybridize(static_alloc=True, static_shape=True)
    schedule = make_schedule(
        recipe.schedule,
        recipe.base_lr,
        recipe.epochs * steps,
        floor=recipe.lr_floor,
        steps=recipe.lr_steps,
    )
    optimizer = make_optimizer(
        recipe.optimizer,
        trained_parameters(net),
        schedule=schedule,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        rescale=1 / recipe.batch,
    )
    return Trainer(net, contexts, optimizer, recipe.kvstore)


def _train_epoch(
    recipe: Recipe,
    trainer: Trainer,
    loader: Loader,
    epoch: int,
    on_step: Callable[[Progress], None],
) -> Progress:
    """Train one epoch, calling the hook after each step; the mean scores of the whole of it."""
    start = time.monotonic()
    history = []
    outputs = (trainer.step(*batch) for batch in loader.epoch(epoch))
    for step, output in enumerate(_one_late(outputs), 1):
        history.append(_scores(output))
        speed = step * recipe.batch / (time.monotonic() - start)
        progress = Progress(
            epoch + 1, recipe.epochs, step, loader.batches_per_epoch, history[-1], speed
        )
        logger.debug("%s", progress)
        on_step(progress)
    return progress._replace(scores=_mean(history))


def _mean(history: Sequence[Scores]) -> Scores:
    return {name: fmean(scores[name] for scores in history) for name in history[0]}


def _one_late(items: Iterable[T]) -> Iterator[T]:
    """Each item after the next one was asked for: a device works on while its scores are read."""
    iterator = iter(items)
    previous = next(iterator)
    for item in iterator:
        yield previous
        previous = item
    yield previous


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
    """Send what this module logs to a file, each step included."""
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
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
