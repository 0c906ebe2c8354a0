"""Scores of label maps from exact counts of pixels: accuracies and IoUs (Tables 2 to 7)."""

from typing import Any, Dict, Sequence

import numpy as np

from rnw.data.labelled import IGNORED
from rnw.errors import InputError


class Confusion:
    """Counts (classes, classes) int64 of pixels, by true class and predicted class.

    As in the original, a class that no true pixel has gets accuracy and IoU 0 and counts in means.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count the pixels of a label map and what was predicted, uint8 of one shape.

        Pixels of true label 255 are ignored. Raises InputError for other labels without a class.
        """
        if truth.shape != prediction.shape:
            raise InputError(
                f"a label map of {_size(truth)} for a prediction of {_size(prediction)} pixels"
            )
        pairs = truth.astype(np.intp) << 8
        pairs |= prediction
        counts = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
        counts = counts[:IGNORED]
        self._check("label", counts.any(axis=1))
        self._check("prediction", counts.any(axis=0))
        self.counts += counts[: self.classes, : self.classes]

    def _check(self, what: str, found: np.ndarray) -> None:
        unknown = np.flatnonzero(found[self.classes :])
        if len(unknown):
            raise InputError(
                f"{what} {unknown[0] + self.classes}: expected a class, 0 to {self.classes - 1}"
            )

    @property
    def pixel_accuracy(self) -> float:
        """The share of pixels whose class is predicted."""
        return float(self._hits.sum() / max(self.counts.sum(), 1))

    @property
    def class_accuracies(self) -> np.ndarray:
        """The share (classes,) of each class's pixels that are predicted as such."""
        return self._hits / self._true

    @property
    def ious(self) -> np.ndarray:
        """Intersection over union (classes,) of the true and the predicted pixels of a class."""
        return self._hits / (self._true + self.counts.sum(axis=0) - self._hits)

    @property
    def mean_accuracy(self) -> float:
        """The mean of the class accuracies."""
        return float(self.class_accuracies.mean())

    @property
    def mean_iou(self) -> float:
        """The mean of the IoUs."""
        return float(self.ious.mean())

    @property
    def mean_iou_of_present(self) -> float:
        """The mean of the IoUs of classes that true pixels have, 1 where there are none."""
        present = self.counts.any(axis=1)
        return float(self.ious[present].mean()) if present.any() else 1.0

    @property
    def ade20k_score(self) -> float:
        """What ADE20K ranks by: the mean of pixel accuracy and mean IoU."""
        return (self.pixel_accuracy + self.mean_iou) / 2

    def as_dict(self, class_names: Sequence[str]) -> Dict[str, Any]:
        """All scores in plain types, in per cent."""
        rows = zip(class_names, self.class_accuracies.tolist(), self.ious.tolist())
        return {
            "pixel_accuracy": 100 * self.pixel_accuracy,
            "mean_accuracy": 100 * self.mean_accuracy,
            "mean_iou": 100 * self.mean_iou,
            "ade20k_score": 100 * self.ade20k_score,
            "per_class": [
                {"class": number, "name": name, "accuracy": 100 * accuracy, "iou": 100 * iou}
                for number, (name, accuracy, iou) in enumerate(rows)
            ],
        }

    @property
    def _hits(self) -> np.ndarray:
        return np.diagonal(self.counts)

    @property
    def _true(self) -> np.ndarray:
        return np.maximum(self.counts.sum(axis=1), 1)


def _size(labels: np.ndarray) -> str:
    return "x".join(map(str, labels.shape[::-1]))
