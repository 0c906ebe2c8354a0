"""Which feature maps a training step keeps, and which it computes again in the backward pass.

A plan cuts the layers into segments. Of each the step keeps the input; the last segment is recorded
as usual, each of the others is computed again when the backward pass comes to it. Plain Python, so
that memory is known without MXNet.
"""

import functools
from typing import List, NamedTuple, Sequence, Tuple

from rnw.networks.layout import NetworkConfig
from rnw.networks.liveness import Liveness, liveness


class Plan(NamedTuple):
    """Places in `config.layers` where segments start, and the most values of one image at a time.

    The first place is 0. The values are those of maps and their gradients, the image included.
    """

    starts: Tuple[int, ...]
    peak: int

    @property
    def segments(self) -> List[slice]:
        """Return the places of each segment."""
        return list(map(slice, self.starts, (*self.starts[1:], None)))


@functools.lru_cache(maxsize=None)
def plan_step(config: NetworkConfig, size: int, recompute: bool) -> Plan:
    """Return the plan of a training step on (3, size, size) images.

    Without recomputation all layers are one segment. With it, the peak is the least that any cuts
    give and, of all such plans, the fewest layers are computed again.
    """
    rows = liveness(config, size)
    if not recompute:
        return _cut(rows, 0)
    first, last = 0, len(rows) - 1
    best = _cut(rows, last)
    while first < last:  # the peak never grows with the place of the last cut
        middle = (first + last) // 2
        plan = _cut(rows, middle)
        if plan.peak == best.peak:
            best, last = plan, middle
        else:
            first = middle + 1
    return best


def _cut(rows: Sequence[Liveness], last: int) -> Plan:
    """Return the plan of least peak whose last segment starts at `last`.

    What a segment holds comes on top of the inputs of all segments before it, so that the best cuts
    behind a place do not depend on those before it.
    """
    plans = {last: Plan((last,), rows[last].input + _held(rows[last:]))}
    for start in reversed(range(last)):
        ...
    return plans[0]
