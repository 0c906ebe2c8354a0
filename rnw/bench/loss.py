"""Speed of the bootstrapped loss beside plain NumPy and MXNet's SoftmaxOutput in the same run."""

import statistics
import time
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet.gluon import HybridBlock

from rnw.arrays import check_finite
from rnw.bench.train import measure_step
from rnw.bench.worker import check_counts, median_ratio
from rnw.errors import InputError
from rnw.networks.heads import (
    IGNORED_LABEL,
    OHEM_KEPT,
    OHEM_THRESHOLD,
    bootstrapped_softmax,
    segmentation_softmax,
)
from rnw.networks.layout import configure

IGNORED_SHARE = 0.1  # of the labels
WARM_UP = 3
SPREAD = 3.0  # deviation of the scores

Results = Tuple[np.ndarray, np.ndarray]


class LossSpeed(NamedTuple):
    """Milliseconds for probabilities and gradient, medians over the repetitions.

    yardstick: plain NumPy on one thread. softmax: SoftmaxOutput without bootstrapping. ratio: the
    yardstick's time over ours, softmax_ratio: ours over that of SoftmaxOutput, both the median over
    the repetitions. difference: the largest absolute difference between the yardstick's
    probabilities or gradients and ours.

    step: a whole training step of a segmentation network that ends in this loss. share: the part
    of it that the loss takes, in [0, 1]. Both are None where no network was asked for.
    """

    images: int
    classes: int
    size: int
    yardstick: float
    ours: float
    softmax: float
    ratio: float
    softmax_ratio: float
    difference: float
    step: Optional[float]
    share: Optional[float]


def bench_loss(
    images: int,
    classes: int,
    size: int,
    context: Any,
    *,
    network: Optional[str] = None,
    width: float = 1.0,
    repetitions: int = 50,
) -> LossSpeed:
    """Time the bootstrapped loss on scores (images, classes, size, size) float32.

    network: also time a training step of this segmentation network, `width` times as wide, on
    crops that give such scores.

    Raises InputError for numbers below 1 and for a network that is unknown or a classifier.
    """
    check_counts(images=images, classes=classes, size=size, repetitions=repetitions)
    step = None if network is None else _step_of(network, width, images, classes, size, context)
    random = np.random.RandomState(0)
    scores = random.standard_normal((images, classes, size, size)) * SPREAD
    scores = scores.astype(np.float32)
    label = random.randint(0, classes, (images, size, size)).astype(np.float32)
    label[random.uniform(size=label.shape) < IGNORED_SHARE] = IGNORED_LABEL
    runs = [
        lambda: plain_bootstrapped_softmax(scores, label),
        _step(bootstrapped_softmax, scores, label, context),
        _step(segmentation_softmax, scores, label, context),
    ]
    for _ in range(WARM_UP):
        expected, found, _ = (run() for run in runs)
    plain, own, alone = _alternate(runs, repetitions)
    ours = statistics.median(own)
    return LossSpeed(
        images,
        classes,
        size,
        statistics.median(plain),
        ours,
        statistics.median(alone),
        median_ratio(plain, own),
        median_ratio(own, alone),
        max(float(np.abs(b.asnumpy() - a).max()) for a, b in zip(expected, found)),
        step,
        None if step is None else ours / step,
    )


def _step_of(
    network: str, width: float, images: int, classes: int, size: int, context: mx.Context
) -> float:
    """Return the milliseconds of a training step on crops whose score maps have that size."""
    if not configure(network).segmentation:
        raise InputError(f"{network} is a classifier; expected a segmentation network, say fcn_a1")
    config = configure(network, classes=classes, width=width, head="ohem")
    side = size * config.stride
    return 1e3 * measure_step(config, images, side, [context], repetitions=1).seconds_per_step


def plain_bootstrapped_softmax(
    scores: np.ndarray,
    label: np.ndarray,
    threshold: float = OHEM_THRESHOLD,
    min_kept: int = OHEM_KEPT,
) -> Results:
    """Return what `bootstrapped_softmax` computes, in NumPy: probabilities and gradient.

    scores: (N, classes, H, W) float32, as both results; label: (N, H, W). Written as an operator in
    Python would be: the softmax in double precision, then no more than is asked.

    Raises InputError for NaN and infinity.
    """
    check_finite("scores", scores)
    images, classes, *shape = scores.shape
    columns = np.moveaxis(scores, 1, 0).reshape(classes, -1).astype(np.float64)
    exponentials = np.exp(columns - columns.max(axis=0))
    probabilities = (exponentials / exponentials.sum(axis=0)).astype(np.float32)
    label = label.ravel().astype(np.int32)
    kept = np.flatnonzero(label != IGNORED_LABEL)
    if len(kept) > min_kept:
        true = probabilities[label[kept], kept]
        if min_kept:
            threshold = max(np.float32(threshold), np.partition(true, min_kept - 1)[min_kept - 1])
        kept = kept[true <= threshold]
    gradient = np.zeros_like(probabilities)
    gradient[:, kept] = probabilities[:, kept]
    gradient[label[kept], kept] -= 1
    gradient /= max(1, len(kept))
    probabilities, gradient = (
        np.ascontiguousarray(np.moveaxis(a.reshape(classes, images, *shape), 0, 1))
        for a in (probabilities, gradient)
    )
    return probabilities, gradient


class _Loss(HybridBlock):
    def __init__(self, loss: Callable[..., Any]):
        super().__init__()
        self._loss = loss

    def hybrid_forward(self, F: Any, scores: Any, label: Any) -> Any:
        return self._loss(F, scores, label)


def _step(
    loss: Callable[..., Any], scores: np.ndarray, label: np.ndarray, context: mx.Context
) -> Callable[[], Any]:
    """Return a function that computes probabilities and gradient and waits for both."""
    block = _Loss(loss)
    block.hybridize(static_alloc=True, static_shape=True)
    inputs, labels = mx.nd.array(scores, context), mx.nd.array(label, context)
    inputs.attach_grad()

    def step() -> Tuple[mx.nd.NDArray, mx.nd.NDArray]:
        with mx.autograd.record():
            probabilities = block(inputs, labels)
        probabilities.backward()
        inputs.grad.wait_to_read()
        return probabilities, inputs.grad

    return step


def _alternate(runs: List[Callable[[], Any]], repetitions: int) -> List[List[float]]:
    """Return the milliseconds of the yardstick and the two others, which take turns to be next.

    What runs after the yardstick finds other data in the caches and its threads asleep.
    """
    times: List[List[float]] = [[] for _ in runs]
    for repetition in range(repetitions):
        for turn in (0, 1, 2) if repetition % 2 else (0, 2, 1):
            times[turn].append(_milliseconds(runs[turn]))
    return times


def _milliseconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)
