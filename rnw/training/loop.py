"""The loop of a run: epochs of steps, what is saved and told after them, and where it may stop."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NoReturn, Optional, Sequence

from rnw.data.loader import Loader
from rnw.training.heartbeat import report_step
from rnw.training.metrics import Metrics
from rnw.training.observer import Observer
from rnw.training.options import Validation
from rnw.training.progress import EarlyStop, Pace, Place, Scores, Validated
from rnw.training.saving import Saver
from rnw.training.signals import RunStoppedError
from rnw.training.trainer import DeviceOutput, Trainer
from rnw.weights import wait_for_statistics

logger = logging.getLogger(__name__)

Output = Sequence[DeviceOutput]


@dataclass(eq=False)
class Run:
    """A run, built whole: `train` does what is left of it from `place` on."""

    loader: Loader
    trainer: Trainer
    score: Callable[[Output], Scores]
    place: Place
    pace: Pace
    saver: Saver
    metrics: Metrics
    validation: Optional[Validation]
    observer: Observer

    def train(self) -> Path:
        """Train what is left; return the path of the last checkpoint.

        Raises RunStoppedError, when all is saved, once a stop is asked for.
        """
        try:
            while self.place.epoch < self.place.end and self._early_stop is None:
                self._train_epoch()
                self._finish_epoch()
                self._stop_if_asked()
        finally:  # a step under way would write its moving averages to memory that is freed
            wait_for_statistics()
        if self._early_stop is not None:
            logger.info("%s", self._early_stop)
            self.observer.on_early_stop(self._early_stop)
        if self.loader.skipped:
            logger.warning("bad images skipped: %d", len(self.loader.skipped))
        return self.saver.last_checkpoint(self.place.epoch)

    def _train_epoch(self) -> None:
        """Make the steps that are left of an epoch.

        Scores of a step are read after the next one is under way, unless it saves.
        """
        place = self.place
        self.pace.begin_epoch()
        unread: Optional[Output] = None
        batches = self.loader.epoch(place.epoch, place.step, self._stops_waiting)
        for updates, batch in enumerate(batches, place.updates + 1):
            output = self.trainer.step(*batch)
            self._read(unread)
            unread = output
            if self._stop_number is not None or self.saver.checkpointing.is_due(updates):
                self._read(unread)
                unread = None
                self._save_state()
                self._stop_if_asked()
        self._read(unread)
        received = self.trainer.kvstore.stop.received
        if received is not None and place.step < place.steps:  # while pictures were waited for
            self._save_state()
            self._stop(received)

    def _read(self, output: Optional[Output]) -> None:
        """Wait for the scores of a step, and tell them."""
        if output is None:
            return
        scores = self.trainer.kvstore.share(self.score(output))
        self.place.history.append(scores)
        report_step()
        progress = self.pace.progress(scores)
        logger.debug("%s", progress)
        if not math.isfinite(scores["loss"]):
            raise self.saver.diverged(f"the loss is {scores['loss']}", self.place)
        self.metrics.step(progress)
        self.observer.on_step(progress)

    def _finish_epoch(self) -> None:
        """Average the statistics, save weights, validate, save the state, go to the next epoch.

        The state comes last, so that a run killed before does all of it again; the first epoch
        leaves one before its weights, since weights without a state cannot be resumed.
        """
        if self.place.epoch == self.place.first:
            self._save_state()
        else:
            self.saver.check_weights(self.place)
        progress = self.pace.progress(self.place.mean_scores)
        self.trainer.average_statistics()
        self.place.finish_epoch()
        self.saver.save_checkpoint(self.place.epoch)
        self.metrics.epoch(progress)
        validated = self._validate()
        self._save_state()
        self.saver.prune(self.place.best)
        saved = self.saver.folder.checkpoint(self.place.epoch).name
        logger.info("%s, saved %s", progress.of_epoch(), saved)
        self.observer.on_epoch(progress)
        if validated is not None:
            logger.info("%s", validated)
            self.observer.on_validation(validated)

    def _validate(self) -> Optional[Validated]:
        """Score the network where that is due, and note the best epoch."""
        validation, place = self.validation, self.place
        if validation is None or not validation.is_due(place.epoch, place.epochs):
            return None
        scores = validation.score(self.trainer.net)
        by = validation.best_by
        if place.best is None or scores[by] > place.best[by]:
            place.best = {"epoch": place.epoch, **scores}
        is_best = place.best["epoch"] == place.epoch
        validated = Validated(place.epoch, place.epochs, scores, is_best)
        self.metrics.validation(validated, place.updates)
        self.saver.folder.save_best(place.best)
        return validated

    @property
    def _early_stop(self) -> Optional[EarlyStop]:
        """Where the run ends if that is before its last epoch: a state tells it, too."""
        validation, place = self.validation, self.place
        if validation is None or place.best is None or place.epoch == place.epochs:
            return None
        best = place.best["epoch"]
        if not validation.is_exhausted(best, place.epoch):
            return None
        return EarlyStop(place.epoch, place.epochs, best, validation.best_by)

    def _save_state(self) -> None:
        self.saver.check_weights(self.place)
        self.metrics.sync()
        self.saver.save_state(self.place)

    def _stops_waiting(self) -> bool:
        """Tell whether to wait for no more pictures: several workers all make the same steps."""
        kvstore = self.trainer.kvstore
        return kvstore.workers == 1 and kvstore.stop.received is not None

    @property
    def _stop_number(self) -> Optional[int]:
        """The signal for which all workers agreed to stop after this step."""
        return self.trainer.kvstore.stopping

    def _stop_if_asked(self) -> None:
        if self._stop_number is not None:
            self._stop(self._stop_number)

    def _stop(self, number: int) -> NoReturn:
        logger.info("stopped by signal %d", number)
        raise RunStoppedError(number)
