"""The loss where classes are weighed or labels smoothed, in place of that of a network's head.

The paper's recipes do neither: their networks end in the losses of `rnw.networks.heads`.
"""

from functools import partial
from typing import Optional, Sequence, Tuple, Union

import mxnet as mx
import numpy as np

from rnw.data.ahead import ahead
from rnw.data.picture_types import Classified, LabeledSource
from rnw.networks.heads import IGNORED_LABEL, easy_labels
from rnw.training.recipe import Recipe
from rnw.training.recompute import Result

AHEAD = 32  # label maps that threads read before they are counted


class WeightedLoss:
    """Cross-entropy to smoothed labels, that of each label times the weight of its class.

    class_weights: (classes,). smoothing: the part of a label that is spread evenly over all
    classes, its own among them (Szegedy et al., arXiv 1512.00567, section 7). head: that of the
    network whose loss this replaces; with 'ohem' easy labels are left out, as there.
    """

    def __init__(self, class_weights: Sequence[float], smoothing: float, head: str = "softmax"):
        self.class_weights = np.array(class_weights, np.float32)
        self._smoothing, self._bootstrapped = smoothing, head == "ohem"

    def __call__(self, scores: mx.nd.NDArray, labels: mx.nd.NDArray) -> Result:
        """Return the loss, (1,), to be differentiated, and the probabilities.

        scores: (N, classes), with labels (N,): the loss is the sum over the pictures. Or (N,
        classes, H, W), with labels (N, H, W): it is the sum over the labels that are neither
        ignored nor left out, divided by their number.
        """
        if scores.ndim == 2:
            return self._sum(scores, labels, mx.nd.ones_like(labels))
        cells = scores.transpose((0, 2, 3, 1))  # softmax is fast over the last axis only
        rows, labels = cells.reshape((-1, scores.shape[1])), labels.reshape(-1)
        counted = labels != IGNORED_LABEL
        if self._bootstrapped:
            counted = 1 - easy_labels(mx.nd, mx.nd.softmax(rows.detach()), labels)
        loss, probabilities = self._sum(rows, labels * counted, counted)
        loss = loss / mx.nd.maximum(counted.sum(), 1)
        return loss, probabilities.reshape(cells.shape).transpose((0, 3, 1, 2))

    def __str__(self) -> str:
        weights = ", ".join(f"{weight:.4g}" for weight in self.class_weights.tolist())
        return f"weights of the classes {weights}; labels smoothed by {self._smoothing:g}"

    def _sum(self, rows: mx.nd.NDArray, labels: mx.nd.NDArray, counted: mx.nd.NDArray) -> Result:
        """Return the loss of the rows (n, classes) that are `counted` (n,), and all probabilities.

        No gradient goes through the probabilities.
        """
        log = mx.nd.log_softmax(rows)
        true, spread = mx.nd.pick(log, labels), log.mean(axis=1)
        agreement = (1 - self._smoothing) * true + self._smoothing * spread
        weights = mx.nd.array(self.class_weights, ctx=rows.context).take(labels) * counted
        return -(weights * agreement).sum(), log.detach().exp()


def make_loss(recipe: Recipe, examples: Union[Classified, LabeledSource]) -> Optional[WeightedLoss]:
    """Return the loss of a recipe that is trained on `examples`; None: that of the head.

    Raises InputError for a label map that cannot be read.
    """
    if not recipe.changes_loss:
        return None
    weights = recipe.class_weights or (1.0,) * recipe.classes
    if recipe.balance:
        weights = balanced_weights(count_labels(examples, recipe.classes))
    return WeightedLoss(weights, recipe.label_smoothing, recipe.configure().head)


def balanced_weights(counts: np.ndarray) -> Tuple[float, ...]:
    """Return weights inverse to the number of labels of each class, of mean 1 over all labels.

    The classes that occur then have the same part in the loss, and the learning rate keeps its
    meaning. A class that does not occur has the weight 1.
    """
    occurring = counts > 0
    even = counts.sum() / max(occurring.sum(), 1)  # labels of a class if all had as many
    return tuple(np.where(occurring, even / np.maximum(counts, 1), 1.0).tolist())


def count_labels(examples: Union[Classified, LabeledSource], classes: int) -> np.ndarray:
    """Return how many pictures, or pixels of label maps, are of each class: (classes,) int64.

    Raises InputError for a label map that cannot be read.
    """
    if hasattr(examples, "labels"):
        return np.bincount(examples.labels, minlength=classes)
    counts = np.zeros(IGNORED_LABEL + 1, np.int64)
    for counted in ahead(partial(_count_pixels, examples), range(len(examples)), AHEAD):
        counts += counted
    return counts[:classes]


def _count_pixels(pictures: LabeledSource, index: int) -> np.ndarray:
    return np.bincount(pictures.label(index).ravel(), minlength=IGNORED_LABEL + 1)
