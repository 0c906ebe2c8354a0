"""How often each class was taken for each other one, and the scores of segmentation from that."""

import numpy as np

from rnw.data.labelled import IGNORED


class Confusion:
    """Counts pixels by their true and predicted class: `counts` (classes, classes) int64."""

    def __init__(self, classes: int):
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count the pixels of two uint8 arrays of one shape; a truth of 255 is ignored."""
        classes = len(self.counts)
        valid = truth != IGNORED
        pairs = truth[valid].astype(np.int64) * classes + prediction[valid]
        self.counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels that are right; 0 when there are none."""
        return float(np.trace(self.counts) / max(self.counts.sum(), 1))

    @property
    def class_accuracies(self) -> np.ndarray:
        """Share of each class's pixels that are right; 0 where it has none."""
        return np.diag(self.counts) / np.maximum(self.counts.sum(axis=1), 1)

    @property
    def ious(self) -> np.ndarray:
        """Intersection over union of each class; 0 where it is neither true nor predicted."""
        unions = self.counts.sum(axis=0) + self.counts.sum(axis=1) - np.diag(self.counts)
        return np.diag(self.counts) / np.maximum(unions, 1)

    @property
    def mean_accuracy(self) -> float:
        """The mean of the classes' accuracies, absent classes included."""
        return float(self.class_accuracies.mean())

    @property
    def mean_iou(self) -> float:
        """The mean of the classes' intersections over unions, absent classes included."""
        return float(self.ious.mean())
