"""Scores of a training step, from what all devices made of their parts of the batch.

Accuracies are in percent.
"""

from typing import Callable, NamedTuple, Sequence, Tuple

import mxnet as mx
import numpy as np

from rnw.data.own.description import CLASSIFICATION, SEGMENTATION
from rnw.networks.heads import IGNORED_LABEL
from rnw.training.progress import Scores
from rnw.training.trainer import DeviceOutput

PICTURE_SCORES = ("loss", "top-1", "top-5")
PIXEL_SCORES = ("loss", "accuracy")


class Scoring(NamedTuple):
    """The names of the scores of a step, and what measures them."""

    names: Tuple[str, ...]
    measure: Callable[[Sequence[DeviceOutput]], Scores]


def picture_scores(outputs: Sequence[DeviceOutput]) -> Scores:
    """Return cross-entropy, top-1 and top-5 accuracy of classified pictures."""
    classes = outputs[0].probabilities.shape[1]
    metrics = (
        (mx.metric.CrossEntropy(), 1),
        (mx.metric.Accuracy(), 100),
        (mx.metric.TopKAccuracy(top_k=min(5, classes)), 100),
    )
    for metric, _ in metrics:
        metric.update([o.labels for o in outputs], [o.probabilities for o in outputs])
    values = (unit * float(metric.get()[1]) for metric, unit in metrics)
    return dict(zip(PICTURE_SCORES, values))


def pixel_scores(outputs: Sequence[DeviceOutput]) -> Scores:
    """Return cross-entropy and accuracy over the labels that are not ignored; 0 if all are."""
    sums = [_pixel_sums(output) for output in outputs]  # of all devices, before waiting for one
    count, loss, hits = np.sum([total.asnumpy() for total in sums], axis=0, dtype=np.float64)
    values = (loss / max(count, 1), 100 * hits / max(count, 1))
    return dict(zip(PIXEL_SCORES, map(float, values)))


def _pixel_sums(output: DeviceOutput) -> mx.nd.NDArray:
    """Return how many labels count, their cross-entropy, and how many are right."""
    valid = output.labels != IGNORED_LABEL
    true = mx.nd.pick(output.probabilities, output.labels * valid, axis=1)
    loss = -mx.nd.log(mx.nd.maximum(true, np.finfo(np.float32).tiny)) * valid
    hits = (output.probabilities.argmax(axis=1) == output.labels) * valid
    return mx.nd.concat(valid.sum(), loss.sum(), hits.sum(), dim=0)


SCORING = {
    CLASSIFICATION: Scoring(PICTURE_SCORES, picture_scores),
    SEGMENTATION: Scoring(PIXEL_SCORES, pixel_scores),
}
