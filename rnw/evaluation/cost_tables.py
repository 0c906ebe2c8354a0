"""Speed of the networks of Table 1 beside ResNet-101's, measured in turn on the same device."""

import statistics
from typing import Callable, List, NamedTuple, Optional, Sequence

import mxnet as mx

from rnw.analysis.speed import forward, in_turn, median_ratio
from rnw.evaluation.published import Published
from rnw.evaluation.table1 import SPEED_BATCH, choose, untrained

YARDSTICK = "resnet101_v1"


class SpeedRow(NamedTuple):
    """Images/s on crops of `size`, and the speed over ResNet-101's: here, and on the paper's GPU.

    `ratio` is the median over the turns.
    """

    title: str
    network: str
    size: int
    images_per_second: float
    ratio: float
    published_ratio: Optional[float]


def compare_speeds(
    context: mx.Context,
    *,
    networks: Sequence[str] = (),
    batch: int = SPEED_BATCH,
    repetitions: int = 3,
    on_row: Callable[[SpeedRow], None] = lambda row: None,
) -> List[SpeedRow]:
    """Time networks of Table 1, with random weights, on their test crops in turn with ResNet-101.

    networks: their names (`model_a`, `resnet50_v1`); default all of the table.

    Raises InputError for a name that is not in the table.
    """
    chosen = [row for row in choose(networks) if row.network]
    net, size = untrained(YARDSTICK)
    yardstick = forward(net, batch, size, context)
    rows = []
    for published in chosen:
        net, size = untrained(published.network)
        seconds, reference = in_turn([forward(net, batch, size, context), yardstick], repetitions)
        speed = batch / statistics.median(seconds)
        ratio = median_ratio(reference, seconds)
        rows.append(
            SpeedRow(published.title, published.network, size, speed, ratio, _in_paper(published))
        )
        on_row(rows[-1])
    return rows


def _in_paper(row: Published) -> Optional[float]:
    (reference,) = choose([YARDSTICK])
    return row.speed and row.speed / reference.speed
