"""Where a run stands, how fast it goes and what it has reached: what its observer is told."""

import time
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Callable, Dict, List, NamedTuple, Optional

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
        """Return the line for a whole epoch."""
        return f"epoch {self.epoch}/{self.epochs}, {self._rest()}"

    def short(self) -> str:
        """Return the step in so few words that a bar fits beside them."""
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

    `best`: no epoch before had a score as high (see `rnw.training.options.Validation`).
    """

    epoch: int
    epochs: int
    scores: Scores
    best: bool

    def __str__(self) -> str:
        best = ", the best so far" if self.best else ""
        scores = format_scores(self.scores)
        return f"epoch {self.epoch}/{self.epochs}, validation: {scores}{best}"


class EarlyStop(NamedTuple):
    """A run ended after `epoch` of `epochs`, since no test after that of epoch `best` was better.

    `score` is the name of the score by which that is told.
    """

    epoch: int
    epochs: int
    best: int
    score: str

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}/{self.epochs}: stopped early, as {self.score} was the best after "
            f"epoch {self.best}"
        )


@dataclass
class Place:
    """Where a run of `epochs` epochs, of `steps` steps each, stands.

    epoch: how many epochs are done. history: the scores of the steps done of the next one. best:
    the best epoch that was validated, as `epoch`, with its scores. first: how many epochs were done
    before the run. stop: after how many it ends, if that is before its last epoch.
    """

    epochs: int
    steps: int
    epoch: int = 0
    history: List[Scores] = field(default_factory=list)
    best: Optional[Dict[str, Any]] = None
    first: int = 0
    stop: Optional[int] = None

    @property
    def step(self) -> int:
        """The number of steps of the current epoch that are done."""
        return len(self.history)

    @property
    def updates(self) -> int:
        """The number of steps of the whole run that are done."""
        return self.epoch * self.steps + self.step

    @property
    def last_update(self) -> int:
        """The number of steps of the whole run when it is finished."""
        return self.epochs * self.steps

    @property
    def end(self) -> int:
        """The number of epochs after which it ends, this time."""
        return self.epochs if self.stop is None else self.stop

    @property
    def mean_scores(self) -> Scores:
        """The mean of each score over the steps of the current epoch."""
        return {name: fmean(scores[name] for scores in self.history) for name in self.history[0]}

    def finish_epoch(self) -> None:
        """Go to the next epoch."""
        self.epoch, self.history = self.epoch + 1, []


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


class Pace:
    """Tells the progress of a run, of `batch` images a step, from `place` on.

    learning_rate: the rate of the step after which so many updates of the whole run are done.
    """

    def __init__(self, place: Place, batch: int, learning_rate: Callable[[int], float]):
        self._place, self._batch, self._learning_rate = place, batch, learning_rate
        self._run = self._epoch = Stopwatch(place.updates)

    def begin_epoch(self) -> None:
        """Measure the images a second from here on."""
        self._epoch = Stopwatch(self._place.updates)

    def progress(self, scores: Scores) -> Progress:
        """Return where the run stands, with these scores."""
        place = self._place
        return Progress(
            place.epoch + 1,
            place.epochs,
            place.step,
            place.steps,
            scores,
            images_per_second=self._epoch.rate(place.updates) * self._batch,
            learning_rate=self._learning_rate(place.updates),
            seconds_left=self._run.seconds_until(place.end * place.steps, place.updates),
        )


def format_scores(scores: Scores) -> str:
    """Return scores as in `loss 2.3026, top-1 10.94 %, top-5 50.00 %`."""
    return ", ".join(f"{name} {format_score(name, value)}" for name, value in scores.items())


def format_score(name: str, value: float) -> str:
    """Return a loss as it is, any other score in percent."""
    return f"{value:.4f}" if name == "loss" else f"{value:.2f} %"


def format_seconds(seconds: Optional[float]) -> str:
    """Return a duration as in `5d03h`, `12m45s` or `8s`; `?` for None."""
    if seconds is None:
        return "?"
    for large, name, small, rest in _UNITS:
        if seconds >= large:
            return f"{int(seconds // large)}{name}{int(seconds % large // small):02d}{rest}"
    return f"{int(seconds)}s"
