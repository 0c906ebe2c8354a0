"""Learning rates as functions of the number of updates so far.

The fixed and the linear one are the paper's (sections 4 and 5).

Instances serve as MXNet's `lr_scheduler`: `base_lr` is the rate that the optimizer starts from.
"""

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Tuple, Union

from rnw.errors import look_up


@dataclass
class Fixed:
    """The base rate throughout."""

    base_lr: float

    def __call__(self, num_update: int) -> float:
        return self.base_lr


@dataclass
class Linear:
    """From the base rate down to zero after `updates`, never below `floor`.

    `offset` counts the updates of an earlier part of the same run.
    """

    base_lr: float
    updates: int
    floor: float = 0.0
    offset: int = 0

    def __call__(self, num_update: int) -> float:
        done = min(self.offset + num_update, self.updates)
        return max(self.base_lr * (1 - done / self.updates), self.floor)


@dataclass
class Cosine:
    """From the base rate down to `floor` after `updates`, along half a period of a cosine.

    That of SGDR (Loshchilov and Hutter, arXiv 1608.03983, equation 5) without restarts.
    """

    base_lr: float
    updates: int
    floor: float = 0.0

    def __call__(self, num_update: int) -> float:
        done = min(num_update, self.updates) / self.updates
        return self.floor + (self.base_lr - self.floor) * (1 + math.cos(math.pi * done)) / 2


@dataclass
class Step:
    """The base rate times `factor` for each of `steps` (numbers of updates) already passed."""

    base_lr: float
    steps: Tuple[int, ...]
    factor: float = 0.1

    def __call__(self, num_update: int) -> float:
        return self.base_lr * self.factor ** sum(num_update > step for step in self.steps)


@dataclass
class WarmUp:
    """First up to the base rate, linearly, over so many `updates`; then as the schedule `then`.

    The first rate is above 0, as an update counted 0 (see `rnw.training.optimizers`) shall learn.
    """

    base_lr: float
    updates: int
    then: Union[Fixed, Linear, Cosine, Step]

    def __call__(self, num_update: int) -> float:
        if num_update < self.updates:
            return self.base_lr * (num_update + 1) / (self.updates + 1)
        return self.then(num_update - self.updates)


Schedule = Union[Fixed, Linear, Cosine, Step, WarmUp]

# what makes each of the base rate, the updates of the run, the floor and the steps; those that fall
# all the time end one update after the run, as the original's
SCHEDULES: Dict[str, Callable[[float, int, float, Tuple[int, ...]], Any]] = {
    "fixed": lambda base_lr, updates, floor, steps: Fixed(base_lr),
    "linear": lambda base_lr, updates, floor, steps: Linear(base_lr, updates + 1, floor),
    "cosine": lambda base_lr, updates, floor, steps: Cosine(base_lr, updates + 1, floor),
    "step": lambda base_lr, updates, floor, steps: Step(base_lr, steps),
}


ANY_LENGTH = ("fixed", "step")  # whose rates do not depend on when the run ends


def make_schedule(
    kind: str,
    base_lr: float,
    updates: int,
    *,
    floor: float = 0.0,
    steps: Tuple[int, ...] = (),
    warmup: int = 0,
) -> Schedule:
    """Return the schedule `kind`, a row of `SCHEDULES`, for a run of `updates` updates.

    It begins after `warmup` of them; `steps` are counted from the first one of the run.

    Raises InputError for another kind.
    """
    make = look_up(SCHEDULES, kind, "schedule")
    schedule = make(base_lr, updates - warmup, floor, tuple(step - warmup for step in steps))
    return WarmUp(base_lr, warmup, schedule) if warmup else schedule
