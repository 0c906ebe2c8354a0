"""Speed of a network by each engine, and by the libraries that are its peers, in one run.

Each is measured in a process of its own, and all take their passes in turn, so that the load of the
machine is the same for all. In each turn a pass that does not count comes first: it fetches weights
and maps back into the caches, which another process has used, so that the pass that counts is as
fast as it is for who runs one library alone.
"""

import statistics
import time
from contextlib import ExitStack
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from rnw.bench.bare import BARE
from rnw.bench.weights import random_parameters
from rnw.bench.worker import Worker, check_counts, median_ratio, seconds_of
from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES, MXNET, ONNXRUNTIME, Forward, find_engine
from rnw.memory import process_peak_mb
from rnw.networks.layout import NetworkConfig
from rnw.weights.precision import FLOAT32, check_precision

WARM_UP = 2
LISTS = ("speeds", "standings")  # of a `Comparison`
PAUSE = 0.2  # seconds before a pass, until the threads of the process before wait no longer


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
    float32. peak_memory_mb: of its process, in 10^6 bytes, without that of GPUs.
    """

    peer: str
    precision: str
    images_per_second: float
    ratio: Optional[float]
    gain: Optional[float]
    peak_memory_mb: float


class Standing(NamedTuple):
    """What the engines make of a precision: medians over the turns.

    ratio: the speed of the fastest engine over that of the fastest bare library. reference_ratio:
    that of MXNet, the reference engine, likewise; None where it is not measured.
    """

    precision: str
    engine: str
    library: str
    ratio: float
    reference_ratio: Optional[float]


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


def compare_peers(
    work: Workload,
    *,
    engine: Optional[str] = None,
    peers: bool = False,
    precision: str = FLOAT32,
    repetitions: int = 5,
) -> Comparison:
    """Time a network by an engine in float32 and in `precision`.

    engine: the name of what computes it, by default the first that is installed. peers: also time
        the other engines and the bare libraries, as far as they are installed and compute in the
        precision.

    Raises InputError for numbers below 1, and where the engine is not installed or cannot compute
    in the precision on these devices.
    """
    check_counts(batch=work.batch, size=work.size, repetitions=repetitions)
    chosen = find_engine(engine).name
    names = [chosen, *(peer for peer in (*ENGINES, *BARE) if peers and peer != chosen)]
    precisions = dict.fromkeys((FLOAT32, precision))
    workers: Dict[Variant, Worker] = {}
    missing: Dict[str, str] = {}
    with ExitStack() as stack:
        for variant in ((peer, kind) for kind in precisions for peer in names):
            try:
                worker = Worker(" in ".join(variant), _make_passes, *variant, work)
            except InputError as error:
                if variant[0] == chosen:
                    raise
                missing[" in ".join(variant)] = str(error)
            else:
                workers[variant] = stack.enter_context(worker)
        seconds = _take_turns(workers, repetitions)
        memory = {variant: worker.ask("memory") for variant, worker in workers.items()}
    speeds = [_speed(variant, seconds, work.batch, memory[variant]) for variant in seconds]
    standings = [found for kind in precisions if (found := _standing(kind, seconds))]
    return Comparison(work.config.name, work.batch, work.size, speeds, standings, missing)


def _take_turns(workers: Dict[Variant, Worker], repetitions: int) -> Dict[Variant, List[float]]:
    """Return the seconds of each pass that counts."""
    seconds: Dict[Variant, List[float]] = {variant: [] for variant in workers}
    for _ in range(repetitions):
        for variant, worker in workers.items():
            time.sleep(PAUSE)
            worker.ask("pass")
            seconds[variant].append(worker.ask("pass"))
    return seconds


def _speed(
    variant: Variant, seconds: Dict[Variant, List[float]], batch: int, memory: float
) -> PeerSpeed:
    peer, precision = variant
    own, plain = seconds[variant], seconds.get((peer, FLOAT32))
    others = [
        times for other, times in seconds.items() if other != variant and other[1] == precision
    ]
    best = min(others, key=statistics.median, default=None)
    return PeerSpeed(
        peer,
        precision,
        batch / statistics.median(own),
        median_ratio(best, own) if best else None,
        median_ratio(plain, own) if plain and precision != FLOAT32 else None,
        memory,
    )


def _standing(precision: str, seconds: Dict[Variant, List[float]]) -> Optional[Standing]:
    """Return how the engines stand in a precision, None where there is nothing to compare."""
    times = {peer: own for (peer, kind), own in seconds.items() if kind == precision}
    engines, libraries = (sorted(times.keys() & table) for table in (ENGINES, BARE))
    if not engines or not libraries:
        return None

    def passes(peer: str) -> float:
        return statistics.median(times[peer])

    engine, library = min(engines, key=passes), min(libraries, key=passes)
    reference = median_ratio(times[library], times[MXNET]) if MXNET in times else None
    ratio = median_ratio(times[library], times[engine])
    return Standing(precision, engine, library, ratio, reference)


def _make_passes(peer: str, precision: str, work: Workload) -> Callable[[str], Any]:
    """Warm a network up; return what answers "pass" and "memory" in its process."""
    forward = make_forward(peer, precision, work)
    shape = (work.batch, work.config.channels, work.size, work.size)
    data = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    for _ in range(WARM_UP):
        forward(data)

    def answer(request: str) -> float:
        return process_peak_mb() if request == "memory" else seconds_of(lambda: forward(data))

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
