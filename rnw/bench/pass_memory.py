"""Memory of a pass of inference, beside what the liveness of the network's graph needs."""

from typing import Callable, NamedTuple, Optional, Tuple

import numpy as np

from rnw.bench.peers import Workload, make_forward
from rnw.bench.worker import Worker, check_counts
from rnw.evaluation.engines.table import find_engine
from rnw.evaluation.segmentation.fitting_tiles import bytes_per_pixel
from rnw.memory import process_peak_mb, restart_peak
from rnw.networks.layout import NetworkConfig
from rnw.weights.precision import FLOAT32

SMALL = 64  # pixels a side
PASSES = 2


class PassMemory(NamedTuple):
    """Memory of passes on (batch, channels, height, width) float32, in 10^6 bytes.

    needed_mb: of the maps that are there at one time, by the liveness of the graph. taken_mb: the
    peak of the process beyond what it holds with the network ready, before the first such pass: it
    has computed one of the inputs, or where there is but one, a corner of it.
    """

    network: str
    engine: str
    batch: int
    height: int
    width: int
    needed_mb: float
    taken_mb: float

    @property
    def ratio(self) -> float:
        """Return what is taken over what is needed."""
        return self.taken_mb / self.needed_mb


def measure_pass(
    config: NetworkConfig, batch: int, height: int, width: int, *, engine: Optional[str] = None
) -> PassMemory:
    """Measure two passes of an engine, by default the first installed, in a process of its own.

    Raises InputError for numbers below 1, for an engine that is not installed, and where the system
    does not tell the memory of a process, as only Linux does.
    """
    check_counts(batch=batch, height=height, width=width)
    name = find_engine(engine).name
    shape = (batch, config.channels, height, width)
    with Worker("the pass", _make_pass, name, config, shape) as worker:
        taken = worker.ask("pass")
    needed = batch * height * width * bytes_per_pixel(config) / 1e6
    return PassMemory(config.name, name, batch, height, width, needed, taken)


def _make_pass(
    engine: str, config: NetworkConfig, shape: Tuple[int, ...]
) -> Callable[[str], float]:
    """Get a network ready by a small pass; return what measures whole ones in its process.

    Engines arrange weights by the size of inputs: another one than of whole passes would leave an
    order behind that no evaluation has.
    """
    forward = make_forward(engine, FLOAT32, Workload(config, 1, 1))
    data = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    forward(data[:1] if len(data) > 1 else data[:, :, :SMALL, :SMALL])

    def answer(request: str) -> float:
        before = restart_peak()
        for _ in range(PASSES):
            forward(data)
        return process_peak_mb() - before

    return answer
