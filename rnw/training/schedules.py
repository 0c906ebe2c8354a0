"""Learning rates as functions of the number of updates so far (sections 4 and 5).

Instances serve as MXNet's `lr_scheduler`: `base_lr` is the rate that the optimizer starts from.
"""

from dataclasses import dataclass
from typing import Callable, Dict, Tuple, Union

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
class Step:
    """The base rate times `factor` for each of `steps` (numbers of updates) already passed."""

    base_lr: float
    steps: Tuple[int, ...]
    factor: float = 0.1

    def __call__(self, num_update: int) -> float:
        return self.base_lr * self.factor ** sum(num_update > step for step in self.steps)


Schedule = Union[Fixed, Linear, Step]

# what makes each of the base rate, the updates of the run, the floor and the steps; a linear one
# ends one update after the run, as the original's
SCHEDULES: Dict[str, Callable[[float, int, float, Tuple[int, ...]], Schedule]] = {
    "fixed": lambda base_lr, updates, floor, steps: Fixed(base_lr),
    "linear": lambda base_lr, updates, floor, steps: Linear(base_lr, updates + 1, floor),
    "step": lambda base_lr, updates, floor, steps: Step(base_lr, tuple(steps)),
}


def make_schedule(
    kind: str,
    base_lr: float,
    updates: int,
    *,
    floor: float = 0.0,
    steps: Tuple[int, ...] = (),
) -> Schedule:
    """Return the schedule `kind`, a row of `SCHEDULES`, for a run of `updates` updates.

    Raises InputError for another kind.
    """
    return look_up(SCHEDULES, kind, "schedule")(base_lr, updates, floor, steps)
