"""Which feature maps a training step keeps, and which it computes again in the backward pass.

A plan cuts the layers into segments. The forward pass keeps the input of each; the last segment is
recorded as usual, and each of the others is computed again when the backward pass comes to it.
Plain Python, so that the memory of a step is known without MXNet.
"""

import functools
from itertools import accumulate
from operator import add
from typing import Iterator, List, NamedTuple, Sequence, Tuple

from rnw.networks.layout import NetworkConfig
from rnw.networks.liveness import Liveness, liveness


class Plan(NamedTuple):
    """The segments of a training step; plans are compared by their peak first.

    peak: the most values of maps and their gradients that there are of one image at one time, the
        image itself included.
    starts: the places in `config.layers` where segments start, 0 the first.
    """

    peak: int
    starts: Tuple[int, ...]

    @property
    def segments(self) -> List[slice]:
        """Return the places of the layers of each segment."""
        return list(map(slice, self.starts, (*self.starts[1:], None)))


@functools.lru_cache(maxsize=None)
def plan_step(config: NetworkConfig, size: int, recompute: bool) -> Plan:
    """Return the plan of a training step on (3, size, size) images.

    Without recomputation all layers are one segment. With it the peak is the least that any cuts
    give, and of the plans with that peak the fewest layers are computed again.
    """
    rows = liveness(config, size)
    if not recompute:
        return _cut(rows, 0)
    low, high = 0, len(rows) - 1
    least = _cut(rows, high).peak
    while low < high:  # a later start of the last segment never makes the peak higher
        middle = (low + high) // 2
        if _cut(rows, middle).peak > least:
            low = middle + 1
        else:
            high = middle
    return _cut(rows, high)


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
    """Yield what the first layer holds in its backward pass, the first two together, and so on."""
    kept = accumulate(row.kept for row in rows)
    gradients = accumulate((row.backward for row in rows), max)
    return map(add, kept, gradients)
