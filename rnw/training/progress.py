"""Where a run is, how fast it goes and what it has reached: what its hooks are told."""

import time
from typing import Any, Callable, Dict, NamedTuple, Optional

Scores = Dict[str, float]

_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


class Progress(NamedTuple):
    """Where a run is: `step` of `steps` in `epoch` of `epochs`, all counted from 1.

    `scores` are those of `rnw.training.scoring`, of the step or of the whole epoch, all but the
    loss in percent.
    `learning_rate` is that of the step, `images_per_second` the speed since the epoch began or was
    resumed; `seconds_left`, of the whole run, goes by the speed since the run began or was resumed
    and is None before a step was timed.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    scores: Scores
    images_per_second: float
    learning_rate: float
    seconds_left: Optional[float]

    def __str__(self) -> str:
        return f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}, {self._rest()}"

    def of_epoch(self) -> str:
        """The line for a whole epoch."""
        return f"epoch {self.epoch}/{self.epochs}, {self._rest()}"

    def short(self) -> str:
        """The step in so few words that a bar fits beside them."""
        scores = " ".join(
            f"{name} {value:.{3 if name == 'loss' else 2}f}" for name, value in self.scores.items()
        )
        return (
            f"{self.epoch}/{self.epochs} {scores} {self.images_per_second:.0f} img/s "
            f"lr {self.learning_rate:.2g} {format_seconds(self.seconds_left)} left"
        )

    @property
    def update(self) -> int:
        """The number of updates of the whole run so far."""
        return (self.epoch - 1) * self.steps + self.step

    def _rest(self) -> str:
        return (
            f"lr {self.learning_rate:.4g}, {format_seconds(self.seconds_left)} left: "
            f"{format_scores(self.scores)}, {self.images_per_second:.0f} images/s"
        )


class Validated(NamedTuple):
    """Scores on the test split after `epoch` of `epochs`.

    `best`: no epoch of this run had a higher one before (see `rnw.training.run.Validation`).
    """

    epoch: int
    epochs: int
    scores: Scores
    best: bool

    def __str__(self) -> str:
        best = ", the best so far" if self.best else ""
        scores = format_scores(self.scores)
        return f"epoch {self.epoch}/{self.epochs}, validation: {scores}{best}"


Hook = Callable[[Progress], None]


def ignore(*events: Any) -> None:
    """A hook that does nothing."""


class Stopwatch:
    """Measures updates a second from update number `first` on."""

    def __init__(self, first: int):
        self._first = first
        self._started = time.monotonic()

    def rate(self, updates: int) -> float:
        """Updates a second, now that `updates` are done; 0 when none was done since the start."""
        return (updates - self._first) / max(time.monotonic() - self._started, 1e-9)

    def seconds_until(self, last: int, updates: int) -> Optional[float]:
        """Seconds from `updates` to `last` at this rate, None when there is none yet."""
        rate = self.rate(updates)
        return (last - updates) / rate if rate else None


def format_scores(scores: Scores) -> str:
    """Scores as in `loss 2.3026, top-1 10.94 %, top-5 50.00 %`."""
    return ", ".join(f"{name} {format_score(name, value)}" for name, value in scores.items())


def format_score(name: str, value: float) -> str:
    """A loss as it is, any other score in percent."""
    return f"{value:.4f}" if name == "loss" else f"{value:.2f} %"


def format_seconds(seconds: Optional[float]) -> str:
    """A duration in its two largest units, as in `5d03h`, `12m45s` or `8s`; `?` for None."""
    if seconds is None:
        return "?"
    for large, name, small, rest in _UNITS:
        if seconds >= large:
            return f"{int(seconds // large)}{name}{int(seconds % large // small):02d}{rest}"
    return f"{int(seconds)}s"
