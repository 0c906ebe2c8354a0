"""Inference speed beside what a plain matrix product reaches on the same device in the same run."""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Callable, NamedTuple, Optional

import mxnet as mx

from rnw.analysis.cost import count_multiply_adds
from rnw.analysis.memory import used_memory_mb
from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.runtime import leave_threads_to_mxnet

REFERENCE_SIZE = 4096  # of the square float32 matrices
WARM_UP = 2


class InferenceSpeed(NamedTuple):
    """Medians over the repetitions; GFLOP/s count a multiply-add as two operations.

    `ratio` is the network's multiply-add rate over the matrix product's, repetition by repetition.
    `thread_gain` is the speed over that of a process with MXNet's own number of threads.
    """

    network: str
    batch: int
    size: int
    images_per_second: float
    gflops: float
    reference_gflops: float
    ratio: float
    peak_memory_mb: float
    thread_gain: Optional[float] = None


def bench_inference(
    name: str, batch: int, size: int, context: Any, *, repetitions: int = 5
) -> InferenceSpeed:
    """Time network `name` on (batch, 3, size, size) float32, in turn with the reference product.

    Peak memory is that of the process before the reference takes its share, in units of 10^6 bytes.
    """
    if min(batch, size, repetitions) < 1:
        raise InputError("batch, size and repetitions must be at least 1")
    net = get_network(name)
    forward = _forward(net, batch, size, context)
    for _ in range(WARM_UP):
        _seconds(forward)
    peak = used_memory_mb([context])
    multiply = _matrix_product(context)
    for _ in range(WARM_UP):
        _seconds(multiply)
    pairs = [(_seconds(forward), _seconds(multiply)) for _ in range(repetitions)]
    work = batch * count_multiply_adds(net.config, size)
    rates = [work / seconds for seconds, _ in pairs]
    references = [REFERENCE_SIZE**3 / seconds for _, seconds in pairs]
    speed = batch / statistics.median(seconds for seconds, _ in pairs)
    on_cpu = context.device_type == "cpu"
    return InferenceSpeed(
        network=name,
        batch=batch,
        size=size,
        images_per_second=speed,
        gflops=2e-9 * statistics.median(rates),
        reference_gflops=2e-9 * statistics.median(references),
        ratio=statistics.median(rate / other for rate, other in zip(rates, references)),
        peak_memory_mb=peak,
        thread_gain=speed / _speed_with_own_threads(name, batch, size) if on_cpu else None,
    )


def _forward(net: Any, batch: int, size: int, context: Any) -> Callable[[], Any]:
    net.initialize(ctx=context)
    net.hybridize(static_alloc=True, static_shape=True)
    data = mx.nd.random.normal(shape=(batch, 3, size, size), ctx=context)
    return lambda: net(data)


def _matrix_product(context: Any) -> Callable[[], Any]:
    shape = (REFERENCE_SIZE, REFERENCE_SIZE)
    left, right = (mx.nd.random.uniform(shape=shape, ctx=context) for _ in range(2))
    return lambda: mx.nd.dot(left, right)


def _speed_with_own_threads(name: str, batch: int, size: int) -> float:
    """Images/s in a new process where MXNet chooses its number of threads itself."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=leave_threads_to_mxnet
    ) as pool:
        return pool.submit(_plain_speed, name, batch, size).result()


def _plain_speed(name: str, batch: int, size: int) -> float:
    return measure_speed(get_network(name), batch, size, mx.cpu())


def measure_speed(net: Any, batch: int, size: int, context: Any, repetitions: int = 3) -> float:
    """Images/s of a network, which it initialises, on (batch, 3, size, size) float32; a median."""
    forward = _forward(net, batch, size, context)
    for _ in range(WARM_UP):
        _seconds(forward)
    return batch / statistics.median(_seconds(forward) for _ in range(repetitions))


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run().wait_to_read()
    return time.perf_counter() - start
