"""Speed of a network by each engine, and by the libraries that are its peers, in one run.

In each turn each is measured in a process that is started for it and ends before the next one
starts, every second turn in reverse order. Processes that are kept would not do: the same network
differs by several percent from one process to the next for as long as they live, and those started
first were found to be slower. The first pass, which also lays out weights and claims memory, does
not count.
"""

import statistics
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from rnw.bench.bare import BARE
from rnw.bench.weights import random_parameters
from rnw.bench.worker import Worker, check_counts, ratio_and_noise, seconds_of
from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES, MXNET, ONNXRUNTIME, Forward, find_engine
from rnw.memory import process_peak_mb
from rnw.networks.layout import NetworkConfig
from rnw.weights.precision import FLOAT32, check_precision

WARM_UP = 1  # pass of a process that does not count
PASSES = 2  # that do; the median is taken
LISTS = ("speeds", "standings")  # of a `Comparison`


class Workload(NamedTuple):
    """What is computed: a network on (batch, 3, size, size) float32, by which devices.

    gpus, cpus, provider: as `rnw.evaluation.engines.table.Engine.open_devices` takes them.
    force: compute in a precision also where that is slower than float32.
    """

    config: NetworkConfig
    batch: int
    size: int
    gpus: Optional[str] = None
    cpus: Optional[int] = None
    provider: Optional[str] = None
    force: bool = False


class PeerSpeed(NamedTuple):
    """Speed of an engine, or of a bare library, in a precision: medians over the repetitions.

    ratio: the speed over that of the fastest other one in this precision, the median over the
    turns; None where there is no other. gain: the speed over its own in float32, likewise; None for
    float32. noise, gain_noise: half the distance between their quartiles. peak_memory_mb: of its
    process, in 10^6 bytes, without that of GPUs.
    """

    peer: str
    precision: str
    images_per_second: float
    ratio: Optional[float]
    noise: Optional[float]
    gain: Optional[float]
    gain_noise: Optional[float]
    peak_memory_mb: float


class Standing(NamedTuple):
    """What the engines make of a precision: medians over the turns.

    ratio: the speed of the fastest engine over that of the fastest bare library. reference_ratio:
    that of MXNet, the reference engine, likewise; None where it is not measured. noise,
    reference_noise: half the distance between their quartiles.
    """

    precision: str
    engine: str
    library: str
    ratio: float
    noise: float
    reference_ratio: Optional[float]
    reference_noise: Optional[float]


class Comparison(NamedTuple):
    """Speeds on (batch, 3, size, size) float32; `missing` says why a peer was not measured.

    standings: of each precision in which an engine and a bare library were measured.
    """

    network: str
    batch: int
    size: int
    speeds: List[PeerSpeed]
    standings: List[Standing]
    missing: Dict[str, str]

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types."""
        lists = {name: [row._asdict() for row in getattr(self, name)] for name in LISTS}
        return {**self._asdict(), **lists}


Variant = Tuple[str, str]  # peer, precision


class Measured(NamedTuple):
    """What one process tells: seconds of a pass, and its peak memory in 10^6 bytes."""

    seconds: float
    memory: float


def compare_peers(
    work: Workload,
    *,
    engine: Optional[str] = None,
    peers: bool = False,
    precision: str = FLOAT32,
    repetitions: int = 5,
) -> Comparison:
    """Time a network by an engine in `precision` and in float32.

    engine: the name of what computes it, by default the first that is installed. peers: also time
        the other engines and the bare libraries, as far as they are installed and compute in the
        precision. repetitions: the number of turns.

    Raises InputError for numbers below 1, and where the engine is not installed or cannot compute
    in the precision on these devices.
    """
    check_counts(batch=work.batch, size=work.size, repetitions=repetitions)
    chosen = find_engine(engine).name
    names = [chosen, *(peer for peer in (*ENGINES, *BARE) if peers and peer != chosen)]
    precisions = dict.fromkeys((precision, FLOAT32))
    variants = [(peer, kind) for kind in precisions for peer in names]
    turns: Dict[Variant, List[Measured]] = {variant: [] for variant in variants}
    missing: Dict[str, str] = {}
    for variant in _in_turns(variants, repetitions):
        if variant not in turns:
            continue
        try:
            turns[variant].append(_measure(variant, work))
        except InputError as error:
            if variant[0] == chosen:
                raise
            del turns[variant]
            missing[" in ".join(variant)] = str(error)
    seconds = {variant: [one.seconds for one in found] for variant, found in turns.items()}
    memory = {variant: max(one.memory for one in found) for variant, found in turns.items()}
    speeds = [_speed(variant, seconds, work.batch, memory[variant]) for variant in seconds]
    standings = [found for kind in precisions if (found := _standing(kind, seconds))]
    return Comparison(work.config.name, work.batch, work.size, speeds, standings, missing)


def _in_turns(variants: Sequence[Variant], repetitions: int) -> Iterator[Variant]:
    """Yield them `repetitions` times, every second time in reverse order."""
    for turn in range(repetitions):
        yield from reversed(variants) if turn % 2 else variants


def _measure(variant: Variant, work: Workload) -> Measured:
    with Worker(" in ".join(variant), _make_passes, *variant, work) as worker:
        return worker.ask("passes")


def _speed(
    variant: Variant, seconds: Dict[Variant, List[float]], batch: int, memory: float
) -> PeerSpeed:
    peer, precision = variant
    own = seconds[variant]
    plain = seconds.get((peer, FLOAT32)) if precision != FLOAT32 else None
    others = [
        times for other, times in seconds.items() if other != variant and other[1] == precision
    ]
    best = min(others, key=statistics.median, default=None)
    ratio, noise = ratio_and_noise(best, own) if best else (None, None)
    gain, gain_noise = ratio_and_noise(plain, own) if plain else (None, None)
    speed = batch / statistics.median(own)
    return PeerSpeed(peer, precision, speed, ratio, noise, gain, gain_noise, memory)


def _standing(precision: str, seconds: Dict[Variant, List[float]]) -> Optional[Standing]:
    """Return how the engines stand in a precision, None where there is nothing to compare."""
    times = {peer: own for (peer, kind), own in seconds.items() if kind == precision}
    engines, libraries = (sorted(times.keys() & table) for table in (ENGINES, BARE))
    if not engines or not libraries:
        return None

    def passes(peer: str) -> float:
        return statistics.median(times[peer])

    engine, library = min(engines, key=passes), min(libraries, key=passes)
    ratio = ratio_and_noise(times[library], times[engine])
    known = ratio_and_noise(times[library], times[MXNET]) if MXNET in times else (None, None)
    return Standing(precision, engine, library, *ratio, *known)


def _make_passes(peer: str, precision: str, work: Workload) -> Callable[[str], Measured]:
    """Warm a network up; return what measures it in its process."""
    forward = make_forward(peer, precision, work)
    shape = (work.batch, work.config.channels, work.size, work.size)
    data = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    for _ in range(WARM_UP):
        forward(data)

    def answer(request: str) -> Measured:
        seconds = [seconds_of(lambda: forward(data)) for _ in range(PASSES)]
        return Measured(statistics.median(seconds), process_peak_mb())

    return answer


def make_forward(peer: str, precision: str, work: Workload) -> Forward:
    """Return the network with random parameters as a function of an engine, or of a bare library.

    Raises InputError where it is not installed, or cannot compute in the precision.
    """
    parameters = random_parameters(work.config)
    if peer in BARE:
        if work.gpus is not None or work.provider is not None:
            raise InputError("bare libraries are compared on CPUs only")
        check_precision(precision, ["cpu"], force=work.force, newer=True)
        return BARE[peer](work.config, parameters, precision)
    engine = find_engine(peer)
    provider = work.provider if peer == ONNXRUNTIME else None
    opened = engine.open_devices(work.gpus, work.cpus, provider)
    return engine.make_forward(work.config, parameters, opened, precision, force=work.force)
