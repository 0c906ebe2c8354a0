"""Speed of inference beside that of a plain matrix product on the same device in the same run."""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx

from rnw.bench.worker import check_counts, median_ratio
from rnw.memory import used_memory_mb
from rnw.networks.classifier import Network, get_network
from rnw.networks.cost import count_multiply_adds
from rnw.networks.layout import NetworkConfig
from rnw.runtime import leave_threads_to_mxnet
from rnw.weights.optimize import optimize
from rnw.weights.precision import FLOAT32, check_precision

REFERENCE_SIZE = 4096  # of the square float32 matrices
WARM_UP = 2


class InferenceSpeed(NamedTuple):
    """Speeds, medians over the repetitions; GFLOP/s count a multiply-add as two operations.

    ratio: the network's rate of multiply-adds over that of the matrix product, the median over the
    repetitions. optimized_gain: the speed of the copy that `rnw.optimize` makes over that of the
    network, likewise. precision_gain: the speed of such a copy in `precision` over that of the one
    in float32, likewise; None for float32 itself. thread_gain: the speed over that in a process
    where MXNet chooses the number of threads; None on a GPU. peak_memory_mb: in 10^6 bytes.
    """

    network: str
    batch: int
    size: int
    images_per_second: float
    gflops: float
    reference_gflops: float
    ratio: float
    peak_memory_mb: float
    optimized_gain: float
    thread_gain: Optional[float] = None
    precision: str = FLOAT32
    precision_gain: Optional[float] = None


def bench_inference(
    name: str,
    batch: int,
    size: int,
    context: Any,
    *,
    repetitions: int = 5,
    precision: str = FLOAT32,
    force: bool = False,
    **options: Any,
) -> InferenceSpeed:
    """Time network `name` on (batch, 3, size, size) float32, in turn with the reference product.

    Its copy optimized for inference, from `rnw.optimize`, is timed as well, and in another
    `precision` (see there, also for `force`) a second copy. Peak memory is that of the process
    before copies and product are made. options: of the network, as `rnw.get_network` takes them.

    Raises InputError for numbers below 1, for an unknown network, and for a precision that the
    device does not compute in.
    """
    check_counts(batch=batch, size=size, repetitions=repetitions)
    check_precision(precision, [context.device_type], force=force)
    net = _hybridized(get_network(name, **options), context)
    data = mx.nd.random.normal(shape=(batch, 3, size, size), ctx=context)
    _warm_up(lambda: net(data))
    peak = used_memory_mb([context])
    copies = [optimize(net, kind, force=force) for kind in dict.fromkeys((FLOAT32, precision))]
    passes = [partial(block, data) for block in (net, *copies)]
    runs: List[Callable[[], Any]] = [_matrix_product(context), *passes]
    _warm_up(*runs)
    multiply, plain, optimized, *other = in_turn(runs, repetitions)
    work = batch * count_multiply_adds(net.config, size)
    rates = [work / seconds for seconds in plain]
    references = [REFERENCE_SIZE**3 / seconds for seconds in multiply]
    speed = batch / statistics.median(plain)
    on_cpu = context.device_type == "cpu"
    return InferenceSpeed(
        network=name,
        batch=batch,
        size=size,
        images_per_second=speed,
        gflops=2e-9 * statistics.median(rates),
        reference_gflops=2e-9 * statistics.median(references),
        ratio=median_ratio(rates, references),
        peak_memory_mb=peak,
        optimized_gain=median_ratio(plain, optimized),
        thread_gain=speed / _speed_with_own_threads(net.config, batch, size) if on_cpu else None,
        precision=precision,
        precision_gain=median_ratio(optimized, other[0]) if other else None,
    )


def _hybridized(net: Any, context: Any) -> Any:
    net.initialize(ctx=context)
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def _warm_up(*runs: Callable[[], Any]) -> None:
    for run in runs:
        for _ in range(WARM_UP):
            _seconds(run)


def _matrix_product(context: Any) -> Callable[[], Any]:
    shape = (REFERENCE_SIZE, REFERENCE_SIZE)
    left, right = (mx.nd.random.uniform(shape=shape, ctx=context) for _ in range(2))
    return lambda: mx.nd.dot(left, right)


def _speed_with_own_threads(config: NetworkConfig, batch: int, size: int) -> float:
    """Return images/s in a new process where MXNet chooses its number of threads."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=leave_threads_to_mxnet
    ) as pool:
        return pool.submit(_plain_speed, config, batch, size).result()


def _plain_speed(config: NetworkConfig, batch: int, size: int) -> float:
    return measure_speed(Network(config), batch, size, mx.cpu())


def measure_speed(net: Any, batch: int, size: int, context: Any, repetitions: int = 3) -> float:
    """Initialize a network; return its median images/s on (batch, 3, size, size) float32."""
    (seconds,) = in_turn([forward(net, batch, size, context)], repetitions)
    return batch / statistics.median(seconds)


def forward(net: Any, batch: int, size: int, context: Any) -> Callable[[], Any]:
    """Initialize a network; return its forward pass on (batch, 3, size, size) float32, warm."""
    _hybridized(net, context)
    data = mx.nd.random.normal(shape=(batch, 3, size, size), ctx=context)
    _warm_up(lambda: net(data))
    return lambda: net(data)


def in_turn(runs: Sequence[Callable[[], Any]], repetitions: int) -> List[Tuple[float, ...]]:
    """Call the runs one after the other, `repetitions` times; return the seconds of each run."""
    return list(zip(*([_seconds(run) for run in runs] for _ in range(repetitions))))


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run().wait_to_read()
    return time.perf_counter() - start
