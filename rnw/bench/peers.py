"""Speed of a network by each engine, and by PyTorch, in one run.

Each is measured in a process of its own, and all take their passes in turn, so that the load of the
machine is the same for all.
"""

import statistics
import time
from contextlib import ExitStack
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from rnw.bench.weights import random_parameters
from rnw.bench.worker import Worker, check_counts, median_ratio, seconds_of
from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES, ONNXRUNTIME, Forward, find_engine
from rnw.memory import process_peak_mb
from rnw.networks.layout import NetworkConfig
from rnw.runtime import INSTALL_TORCH, computing_threads
from rnw.weights.precision import FLOAT32

TORCH = "torch"
WARM_UP = 2
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
    """Speed of an engine, or of PyTorch, in a precision: medians over the repetitions.

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


class Comparison(NamedTuple):
    """Speeds on (batch, 3, size, size) float32; `missing` says why a peer was not measured."""

    network: str
    batch: int
    size: int
    speeds: List[PeerSpeed]
    missing: Dict[str, str]

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types."""
        return {**self._asdict(), "speeds": [speed._asdict() for speed in self.speeds]}


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
        the other engines and PyTorch, as far as they are installed and compute in the precision.

    Raises InputError for numbers below 1, and where the engine is not installed or cannot compute
    in the precision on these devices.
    """
    check_counts(batch=work.batch, size=work.size, repetitions=repetitions)
    chosen = find_engine(engine).name
    names = [chosen, *(peer for peer in (*ENGINES, TORCH) if peers and peer != chosen)]
    precisions = dict.fromkeys((FLOAT32, precision))
    workers: Dict[Variant, Worker] = {}
    missing: Dict[str, str] = {}
    with ExitStack() as stack:
        for variant in ((peer, kind) for kind in precisions for peer in names):
            try:
                workers[variant] = Worker(" in ".join(variant), _make_passes, *variant, work)
            except InputError as error:
                if variant[0] == chosen:
                    raise
                missing[" in ".join(variant)] = str(error)
            else:
                stack.callback(workers[variant].stop)
        seconds = _take_turns(workers, repetitions)
        memory = {variant: worker.ask("memory") for variant, worker in workers.items()}
    speeds = [_speed(variant, seconds, work.batch, memory[variant]) for variant in seconds]
    return Comparison(work.config.name, work.batch, work.size, speeds, missing)


def _take_turns(workers: Dict[Variant, Worker], repetitions: int) -> Dict[Variant, List[float]]:
    """Return the seconds of each pass."""
    seconds: Dict[Variant, List[float]] = {variant: [] for variant in workers}
    for _ in range(repetitions):
        for variant, worker in workers.items():
            time.sleep(PAUSE)
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
    """Return the network with random parameters as a function of an engine, or of PyTorch.

    Raises InputError where it is not installed, or cannot compute in the precision.
    """
    parameters = random_parameters(work.config)
    if peer == TORCH:
        return _torch_forward(precision, work, parameters)
    engine = find_engine(peer)
    provider = work.provider if peer == ONNXRUNTIME else None
    opened = engine.open_devices(work.gpus, work.cpus, provider)
    return engine.make_forward(work.config, parameters, opened, precision, force=work.force)


def _torch_forward(precision: str, work: Workload, parameters: Dict[str, np.ndarray]) -> Forward:
    """Return the network as a module of PyTorch, its channels last, which is fastest on CPUs."""
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError(f"PyTorch is not installed: {INSTALL_TORCH}") from None
    from rnw.torch.loading import fill
    from rnw.torch.network import build

    if work.gpus is not None:
        raise InputError("PyTorch is compared on CPUs only")
    torch.set_num_threads(computing_threads())
    net = build(work.config).eval()
    fill(net, parameters)
    kind = getattr(torch, precision)
    net.to(dtype=kind, memory_format=torch.channels_last)

    def forward(data: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pictures = torch.from_numpy(data).to(kind).to(memory_format=torch.channels_last)
            return net(pictures).float().softmax(1).numpy()

    return forward
