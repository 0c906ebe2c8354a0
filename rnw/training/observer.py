"""Who is told how a run goes."""

from pathlib import Path
from typing import TYPE_CHECKING

from rnw.training.progress import EarlyStop, Progress, Validated

if TYPE_CHECKING:
    from rnw.data.own.survey import Looked  # needs an extra
    from rnw.weights import Transfer  # starts MXNet


class Observer:
    """Is told how a run goes, and does nothing with it: a subclass overrides what it needs.

    Of several workers, only that of the first one is told.
    """

    def on_check(self, looked: "Looked") -> None:
        """Hear how much of a dataset of one's own has been read, before a new run starts."""

    def on_warm_start(self, source: Path, transfer: "Transfer") -> None:
        """Hear which parameters a new run took from the weights file `source`."""

    def on_step(self, progress: Progress) -> None:
        """Hear the scores of each training step."""

    def on_epoch(self, progress: Progress) -> None:
        """Hear the mean scores of each epoch, when it is saved."""

    def on_validation(self, validated: Validated) -> None:
        """Hear the scores on the test split, after `on_epoch`."""

    def on_early_stop(self, stop: EarlyStop) -> None:
        """Hear that the run ends before its last epoch, also where it is resumed after that."""
