"""Speed and memory of the paper's networks beside ResNet-101's, measured on the same device."""

import statistics
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx

from rnw.bench.inference import forward, in_turn
from rnw.bench.train import measure_step
from rnw.bench.worker import check_counts, median_ratio
from rnw.networks.layout import configure
from rnw.networks.zoo import CLASSIFICATION_PREFIX, RESNETS, SEGMENTATION_PREFIX, network_names
from rnw.reports.classification_tables import SPEED_BATCH, choose, untrained
from rnw.reports.published import TABLE_1, Published

YARDSTICK = "resnet101_v1"
TUNED_YARDSTICK = SEGMENTATION_PREFIX + "resnet101"
TUNED = tuple(
    SEGMENTATION_PREFIX + name.replace(CLASSIFICATION_PREFIX, "")
    for name in (*RESNETS, *network_names())
)
TIMED = tuple(row.network for row in TABLE_1 if row.network)
CROP = 504  # pixels a side: the paper's 500, to whole cells of the score map


def split_names(networks: Sequence[str]) -> Tuple[Sequence[str], Sequence[str]]:
    """Split names into networks to time and networks to fine-tune; all of both without names.

    Raises InputError for unknown ones.
    """
    if not networks:
        return TIMED, TUNED
    tuned = [name for name in networks if name.startswith(SEGMENTATION_PREFIX)]
    for name in tuned:
        configure(name)
    timed = [name for name in networks if name not in tuned]
    choose(timed)
    return timed, tuned


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
    networks: Sequence[str] = TIMED,
    batch: int = SPEED_BATCH,
    repetitions: int = 3,
    on_row: Callable[[SpeedRow], None] = lambda row: None,
) -> List[SpeedRow]:
    """Time networks of Table 1, with random weights, on their test crops in turn with ResNet-101.

    networks: their names (`model_a`, `resnet50_v1`).

    Raises InputError for a name that is not in the table.
    """
    if not networks:
        return []
    chosen = choose(networks)
    net, size = untrained(YARDSTICK)
    yardstick = forward(net, batch, size, context)
    rows = []
    for published in chosen:
        if published.network is None:  # only quoted
            continue
        net, size = untrained(published.network)
        seconds, reference = in_turn([forward(net, batch, size, context), yardstick], repetitions)
        speed = batch / statistics.median(seconds)
        ratio = median_ratio(reference, seconds)
        rows.append(
            SpeedRow(published.title, published.network, size, speed, ratio, _in_paper(published))
        )
        on_row(rows[-1])
    return rows


class MemoryRow(NamedTuple):
    """Peak memory of fine-tuning in units of 10^6 bytes, and its ratio to ResNet-101's.

    What a process holds before the network is not counted.
    """

    network: str
    crops: int
    size: int
    memory_mb: float
    ratio: float

    def __str__(self) -> str:
        memory = f"{self.memory_mb:.0f} MB to tune at {self.size}"
        return f"{self.network}: {memory}, {self.ratio:.2f} times ResNet-101's"


def compare_memory(
    context: mx.Context,
    *,
    networks: Sequence[str] = TUNED,
    crops: int = 1,
    size: int = CROP,
    on_row: Callable[[MemoryRow], None] = lambda row: None,
) -> List[MemoryRow]:
    """Take steps of tuning, with frozen statistics, on (crops, 3, size, size) float32 each.

    networks: names of fully convolutional networks (`fcn_a1`), each of which is measured in a
    process of its own, as is ResNet-101, on one device.

    Raises InputError for an unknown name, numbers below 1, and where memory is short.
    """
    check_counts(crops=crops, size=size)
    names = (TUNED_YARDSTICK, *networks) if networks else ()
    configs = {name: configure(name, head="softmax") for name in names}
    yardstick, rows = 0.0, []
    for name, config in configs.items():
        step = measure_step(config, crops, size, [context], repetitions=1)
        memory = step.peak_memory_mb - step.parts["process"]
        yardstick = yardstick or memory
        if name in networks:
            rows.append(MemoryRow(name, crops, size, memory, memory / yardstick))
            on_row(rows[-1])
    return rows


def _in_paper(row: Published) -> Optional[float]:
    (reference,) = choose([YARDSTICK])
    if row.speed is None or reference.speed is None:
        return None
    return row.speed / reference.speed
