"""Scores of a classifier's probabilities: accuracies, cross-entropy, confusions, calibration."""

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

from rnw.arrays import check_finite

BINS = 15  # of confidence, as Guo et al. take


class Accuracy(NamedTuple):
    """Top-1 and top-5 accuracy in percent, and their binomial standard errors."""

    top1: float
    top5: float
    top1_standard_error: float
    top5_standard_error: float

    def by_k(self) -> List[Tuple[int, float, float]]:
        """Return (k, accuracy, standard error) for top-1 and top-5."""
        return [(1, self.top1, self.top1_standard_error), (5, self.top5, self.top5_standard_error)]


class ClassAccuracy(NamedTuple):
    """Accuracies in percent over the images of one class."""

    label: int
    name: str
    images: int
    top1: float
    top5: float


def top_classes(probabilities: np.ndarray, k: int = 5) -> np.ndarray:
    """Return the `k` most probable classes (N, k) of each row of (N, classes), best first.

    Raises InputError for NaN and infinity.
    """
    check_finite("probabilities", probabilities)
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k]


def top_accuracy(probabilities: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Return the percentage of rows of (N, classes) whose label is among the `k` most probable.

    Raises InputError for NaN and infinity.
    """
    return _hits(top_classes(probabilities, k), labels)


def _hits(best: np.ndarray, labels: np.ndarray) -> float:
    return 100.0 * float(np.mean((best == labels[:, None]).any(axis=1)))


def accuracy(best: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Return the scores of the five most probable classes (N, 5) of each image, best first."""
    top1, top5 = _hits(best[:, :1], labels), _hits(best, labels)
    errors = (binomial_error(value, len(labels)) for value in (top1, top5))
    return Accuracy(top1, top5, *errors)


def binomial_error(per_cent: float, count: int) -> float:
    """Return the standard error of a rate in percent that was found on `count` examples.

    Raises InputError for NaN and infinity.
    """
    check_finite("rates", per_cent)
    return float(np.sqrt(per_cent * (100 - per_cent) / count))


def class_accuracies(
    best: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> List[ClassAccuracy]:
    """Return the scores of (N, 5) class by class, for classes that have images."""
    rows = []
    for label in np.unique(labels).tolist():
        of_class = labels == label
        scores = accuracy(best[of_class], labels[of_class])
        name = names[label] if label < len(names) else str(label)
        rows.append(ClassAccuracy(label, name, int(of_class.sum()), scores.top1, scores.top5))
    return rows


def cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative log of the label's probability over the rows of (N, classes).

    Raises InputError for NaN and infinity.
    """
    check_finite("probabilities", probabilities)
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def confusion_counts(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return counts (classes, classes) int64 of (N,) predictions, by true class and predicted."""
    pairs = labels * classes + predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


class Calibration(NamedTuple):
    """How often predictions of about the same confidence are right.

    Bins of confidence are of equal width, from 0 to 1, each without its lower bound. counts: of
    predictions (bins,) int64. confidences: the mean of each bin; accuracies: the share of each bin
    that is right, both (bins,) float64, and 0 where a bin is empty.
    """

    counts: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, a share of 1.

        It is the mean gap between accuracy and confidence over all predictions: equation 3 of Guo
        et al., On Calibration of Modern Neural Networks, 2017.
        """
        gaps = np.abs(self.accuracies - self.confidences)
        return float((self.counts * gaps).sum() / self.counts.sum())


def calibrate(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Calibration:
    """Return the calibration of predictions: their probabilities (N,), and which are right (N,)."""
    bounds = np.linspace(0, 1, bins + 1)[1:-1].astype(confidence.dtype)
    number = np.searchsorted(bounds, confidence, side="left")
    counts = np.bincount(number, minlength=bins)
    sums = (np.bincount(number, values, minlength=bins) for values in (confidence, right))
    return Calibration(counts, *(total / np.maximum(counts, 1) for total in sums))
