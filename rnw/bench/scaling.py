"""How time and memory of a training step grow with batch, picture size, width and CPU devices.

One of them is varied at a time. Each point is measured in turn with the one that all start from, so
that the load of the machine is the same for both, and two processes at most are there at one time.
"""

import statistics
import time
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from rnw.bench.train import OURS, StepProcess, Variant
from rnw.bench.worker import check_counts, median_ratio
from rnw.errors import InputError
from rnw.networks.layout import configure

PAUSE = 0.2  # seconds before a step, until the threads of the process before wait no longer


class Point(NamedTuple):
    """What a step is on: (batch, 3, size, size) float32, shared by `devices` CPU devices."""

    batch: int
    size: int
    width: float
    devices: int


class ScalingRow(NamedTuple):
    """A step at a point that differs from the base in the field `varied`; None at the base itself.

    time: the seconds over those of the base, the median over the turns. peak_memory_mb: of the
    process, in 10^6 bytes; added_mb is that without what the process held before the network.
    """

    varied: Optional[str]
    batch: int
    size: int
    width: float
    devices: int
    seconds_per_step: float
    time: float
    peak_memory_mb: float
    added_mb: float


class Growth(NamedTuple):
    """Exponents by which time and added memory grow with a field of `Point`: y = c x^exponent."""

    varied: str
    time: float
    memory: float


Turn = Tuple[float, float]  # seconds of a step, and of the one of the base beside it


def bench_scaling(
    network: str,
    batches: Sequence[int],
    sizes: Sequence[int],
    widths: Sequence[float],
    devices: Sequence[int],
    *,
    repetitions: int = 3,
    on_row: Callable[[ScalingRow], Any] = lambda row: None,
) -> List[ScalingRow]:
    """Measure training steps of `network` around a base: the first number of each list.

    The rows are the base and then, list by list, one for each other number. on_row: called with
    each row as soon as it is measured.

    Raises InputError for numbers below 1 (widths: 0 or less), a list without numbers, where no
    list has two, for an unknown network, and for a batch that devices cannot share.
    """
    base, *points = _points(batches, sizes, widths, devices)
    least = {"batches": min(batches), "sizes": min(sizes), "devices": min(devices)}
    check_counts(**least, repetitions=repetitions)
    _check_points(network, [base, *points])
    rows = []
    with _open(network, base[1]) as reference:
        alone = [_step(reference) for _ in range(repetitions)]
        rows.append(_row(*base, reference, [(seconds, seconds) for seconds in alone]))
        on_row(rows[-1])
        for varied, point in points:
            with _open(network, point) as process:
                turns = [(_step(process), _step(reference)) for _ in range(repetitions)]
                rows.append(_row(varied, point, process, turns))
            on_row(rows[-1])
    return rows


def _points(*lists: Sequence[Any]) -> Iterator[Tuple[Optional[str], Point]]:
    """Yield the base, then what differs from it in one field."""
    if not all(lists) or max(len(set(numbers)) for numbers in lists) < 2:
        raise InputError(
            "batches, sizes, widths and devices need at least one number each, and one of them two "
            "that differ, to be varied"
        )
    base = Point(*(numbers[0] for numbers in lists))
    yield None, base
    for varied, numbers in zip(Point._fields, lists):
        for number in dict.fromkeys(numbers):
            if number != numbers[0]:
                yield varied, base._replace(**{varied: number})


def _check_points(network: str, points: Sequence[Tuple[Optional[str], Point]]) -> None:
    """Raise InputError for what cannot be measured, before anything is."""
    for _, point in points:
        configure(network, width=point.width)
        if point.batch % point.devices:
            raise InputError(
                f"a batch of {point.batch} cannot be cut into {point.devices} equal parts: choose "
                "other batches or numbers of devices (the first of each list is the base)"
            )


def _open(network: str, point: Point) -> StepProcess:
    config = configure(network, head="softmax", width=point.width)
    return StepProcess(config, point.batch, point.size, Variant(OURS, None, point.devices))


def _step(process: StepProcess) -> float:
    time.sleep(PAUSE)
    return process.step()


def _row(
    varied: Optional[str], point: Point, process: StepProcess, turns: Sequence[Turn]
) -> ScalingRow:
    own, base = zip(*turns)
    _, peak, parts = process.memory()
    return ScalingRow(
        varied,
        *point,
        seconds_per_step=statistics.median(own),
        time=median_ratio(own, base),
        peak_memory_mb=peak,
        added_mb=peak - parts["process"],
    )


def fit_growth(rows: Sequence[ScalingRow]) -> List[Growth]:
    """Return the exponents of each field that was varied, by least squares of the logarithms."""
    return [
        Growth(
            varied,
            _exponent(chosen, varied, "time"),
            _exponent(chosen, varied, "added_mb"),
        )
        for varied, chosen in varied_rows(rows)
    ]


def varied_rows(rows: Sequence[ScalingRow]) -> Iterator[Tuple[str, List[ScalingRow]]]:
    """Yield each field that was varied with its rows, the base among them, from the least up."""
    for varied in Point._fields:
        chosen = [row for row in rows if row.varied in (None, varied)]
        if len(chosen) > 1:
            yield varied, sorted(chosen, key=lambda row: getattr(row, varied))


def _exponent(rows: Sequence[ScalingRow], varied: str, figure: str) -> float:
    x, y = (np.log([getattr(row, name) for row in rows]) for name in (varied, figure))
    return float(np.polyfit(x, y, 1)[0])
