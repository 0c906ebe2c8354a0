"""Learning rates as functions of the number of updates so far (sections 4 and 5).

Instances serve as MXNet's `lr_scheduler`: `base_lr` is the rate that the optimizer starts from.
"""

from dataclasses import dataclass
from typing import Tuple

from rnw.errors import InputError


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


def make_schedule(
    kind: str,
    base_lr: float,
    updates: int,
    *,
    floor: float = 0.0,
    steps: Tuple[int, ...] = (),
):
    """The schedule called `kind` ('fixed', 'linear', 'step') for a run of `updates` updates.

    A linear one ends one update after the run, as the original's. Raises InputError for another
    kind.
    """
    if kind == "fixed":
        return Fixed(base_lr)
    if kind == "linear":
        return Linear(base_lr, updates + 1, floor)
    if kind == "step":
        return Step(base_lr, tuple(steps))
    raise InputError(f"unknown schedule {kind!r}: expected fixed, linear or step")
