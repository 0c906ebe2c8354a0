"""Scores of a training step, from what all devices made of their parts of the batch.

Accuracies are in per cent.
"""

from typing import Sequence

import mxnet as mx
import numpy as np

from rnw.data.labelled import IGNORED
from rnw.training.progress import Scores
from rnw.training.trainer import DeviceOutput


def picture_scores(outputs: Sequence[DeviceOutput]) -> Scores:
    """Cross-entropy, top-1 and top-5 accuracy of classified pictures."""
    classes = outputs[0].probabilities.shape[1]
    metrics = {
        "loss": (mx.metric.CrossEntropy(), 1),
        "top-1": (mx.metric.Accuracy(), 100),
        "top-5": (mx.metric.TopKAccuracy(top_k=min(5, classes)), 100),
    }
    for metric, _ in metrics.values():
        metric.update([o.labels for o in outputs], [o.probabilities for o in outputs])
    return {name: unit * float(metric.get()[1]) for name, (metric, unit) in metrics.items()}


def pixel_scores(outputs: Sequence[DeviceOutput]) -> Scores:
    """Cross-entropy and accuracy over the labels that are not ignored; 0 when all are."""
    sums = [_pixel_sums(output) for output in outputs]  # of all devices, before waiting for one
    count, loss, hits = np.sum([total.asnumpy() for total in sums], axis=0, dtype=np.float64)
    return {"loss": float(loss / max(count, 1)), "accuracy": float(100 * hits / max(count, 1))}


def _pixel_sums(output: DeviceOutput) -> mx.nd.NDArray:
    """How many labels count, their cross-entropy, and how many are right."""
    valid = output.labels != IGNORED
    true = mx.nd.pick(output.probabilities, output.labels * valid, axis=1)
    loss = -mx.nd.log(mx.nd.maximum(true, np.finfo(np.float32).tiny)) * valid
    hits = (output.probabilities.argmax(axis=1) == output.labels) * valid
    return mx.nd.concat(valid.sum(), loss.sum(), hits.sum(), dim=0)
