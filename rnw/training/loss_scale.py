"""Dynamic loss scaling, which float16 needs (Micikevicius et al., arXiv 1710.03740, section 3.2).

Small gradients would be zero in float16. So the loss is multiplied by a factor, which gradients are
divided by in float32, before they are used. A step in which one of them overflows is left out.
"""

import logging
from typing import Any, List, NamedTuple, Sequence

import mxnet as mx

from rnw.errors import InputError
from rnw.training.recompute import Loss, Result
from rnw.weights.precision import FLOAT16

logger = logging.getLogger(__name__)

SCALED = (FLOAT16,)  # precisions whose range is less than that of float32
FIRST = 2.0**16  # as in MXNet's AMP, and so is the number of steps
STEPS = 2000  # without an overflow, after which the factor is doubled
LEAST = 2.0**-10  # below 1, since the gradients are those of a sum over the images of a device
ARRAYS_AT_ONCE = 200  # the most that one kernel takes on a GPU


class Progress(NamedTuple):
    """The factor on the loss, and how many steps it has had no overflow."""

    factor: float
    steps: int = 0

    def after(self, finite: bool) -> "Progress":
        """Return both as they are after a step whose gradients were all finite, or not."""
        if not finite:
            return Progress(self.factor / 2)
        if self.steps + 1 < STEPS:
            return Progress(self.factor, self.steps + 1)
        return Progress(2 * self.factor)


class ScaledLoss:
    """`loss` times a factor that follows how large the gradients are; a `Loss` itself."""

    def __init__(self, loss: Loss):
        self._loss = loss
        self.progress = Progress(FIRST)

    def __call__(self, scores: mx.nd.NDArray, labels: mx.nd.NDArray) -> Result:
        """Do as the loss does, but with gradients times the factor."""
        factor = self.progress.factor
        return self._loss(mx.nd.contrib.gradientmultiplier(scores, scalar=factor), labels)

    def __str__(self) -> str:
        return f"{self._loss}, scaled by {self.progress.factor:g} at first"

    def unscale(self, gradients: Sequence[mx.nd.NDArray]) -> None:
        """Divide gradients by the factor."""
        for gradient in gradients:
            gradient *= 1 / self.progress.factor

    def follow(self, finite: bool) -> None:
        """Change the factor after a step whose gradients were all finite, or not.

        Raises InputError where they overflow whatever the factor is.
        """
        self.progress = self.progress.after(finite)
        if self.progress.factor < LEAST:
            raise InputError(
                f"gradients overflow in {FLOAT16} even where the loss is multiplied by "
                f"{2 * self.progress.factor:g}: a lower rate may help (--set base_lr=X), or "
                "--precision float32"
            )
        if not finite:
            logger.info(
                "a gradient overflowed in %s: this step changes no weight, and the loss is "
                "multiplied by %g from now on",
                FLOAT16,
                self.progress.factor,
            )


def are_finite(arrays: Sequence[mx.nd.NDArray]) -> bool:
    """Return whether all values of arrays, which are on any devices, are finite."""
    found: List[Any] = []
    for context in {array.context for array in arrays}:
        own = [array for array in arrays if array.context == context]
        for start in range(0, len(own), ARRAYS_AT_ONCE):
            part = own[start : start + ARRAYS_AT_ONCE]
            found.append(mx.nd.multi_all_finite(*part, num_arrays=len(part)))
    return all(finite.asscalar() for finite in found)
