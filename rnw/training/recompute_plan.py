"""Which feature maps a training step keeps, and which it computes again in the backward pass.

A plan cuts the layers into segments. The forward pass keeps the input of each and all of the last;
each of the others is computed again when the backward pass comes to it. A segment is differentiated
layer by layer, and what a layer has kept is gone before the next one's gradients are there.
Plain Python, so that the memory of a step is known without MXNet.
"""

import functools
from itertools import accumulate
from operator import add
from typing import Iterator, List, NamedTuple, Sequence, Tuple, Union

from rnw.networks.layout import NetworkConfig
from rnw.networks.liveness import Liveness, liveness


class Plan(NamedTuple):
    """The segments of a training step; plans are compared by their peak first.

    peak: the most values of maps and their gradients that there are of one image at one time, the
        image itself included.
    starts: the places in `config.layers` where segments start, 0 the first.
    time: the multiply-adds of the step, as a multiple of those of a step that keeps all; a backward
        pass counts as two forward passes.
    """

    peak: int
    starts: Tuple[int, ...]
    time: float = 1.0

    @property
    def segments(self) -> List[slice]:
        """Return the places of the layers of each segment."""
        return list(map(slice, self.starts, (*self.starts[1:], None)))

    def __str__(self) -> str:
        layers = f"the first {self.layers_again} layers" if self.layers_again else "no layers"
        return f"{layers} are computed again, {self.time:.2f} times the multiply-adds of a step"

    @property
    def layers_again(self) -> int:
        """How many layers are computed again: all but those of the last segment."""
        return self.starts[-1]


Recompute = Union[bool, Plan]  # not at all, by the knee of the frontier, or by this plan


def plan_step(config: NetworkConfig, size: int, recompute: Recompute) -> Plan:
    """Return the plan of a training step on (3, size, size) images.

    Without recomputation all is kept to the end. With it the plan is the knee of the frontier:
    the one whose peak times its time is the least. To either side of it, a percent of the one
    costs more than a percent of the other.
    """
    if isinstance(recompute, Plan):
        return recompute
    plans = frontier(config, size)
    return min(plans, key=lambda plan: plan.peak * plan.time) if recompute else plans[0]


@functools.lru_cache(maxsize=None)
def frontier(config: NetworkConfig, size: int) -> Tuple[Plan, ...]:
    """Return the plans of steps on (3, size, size) images to choose from, each smaller and slower.

    The first keeps all to the end of the step, as MXNet does by itself, the last has the least peak
    that any cuts give. Of the plans that compute the same layers again, each has the least peak.
    """
    rows = liveness(config, size)
    kept = rows[0].input + sum(row.kept for row in rows)
    plans = [Plan(kept + max(row.backward for row in rows), (0,))]
    work = [0]
    for layer in config.layers:
        work.append(work[-1] + layer.multiply_adds(size))
        size = layer.output_size(size)
    for last in range(len(rows)):
        plan = _cut(rows, last)._replace(time=1 + work[last] / (3 * work[-1]))
        if plan.peak < plans[-1].peak:
            plans.append(plan)
    return tuple(plans)


def _cut(rows: Sequence[Liveness], last: int) -> Plan:
    """Return the plan of the least peak whose last segment starts at place `last`.

    What a segment holds comes on top of the inputs of those before it, whatever they are. So the
    best plan from a place on, found from the end, is one segment and the best plan behind it.
    """
    *_, held = _held(rows[last:])
    plans = [Plan(rows[last].input + held, (last,))]
    for start in reversed(range(last)):
        best = min(
            Plan(rows[start].input + max(held, rest.peak), (start, *rest.starts))
            for held, rest in zip(_held(rows[start:last]), plans)
        )
        plans.insert(0, best)
    return plans[0]


def _held(rows: Sequence[Liveness]) -> Iterator[int]:
    """Yield the most that the first layer holds going backward, the first two in turn, and so on.

    A layer holds what is kept up to it and its gradients, of which that of its output takes the
    place of the output where nothing reads this. Before that both are there.
    """
    kept = accumulate(row.kept for row in rows)
    gradients = (max(row.backward - row.replaced, row.replaced) for row in rows)
    return accumulate(map(add, kept, gradients), max)
