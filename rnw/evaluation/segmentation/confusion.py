"""Scores of label maps from exact counts of pixels: accuracies and IoUs (Tables 2 to 7).

Scores are shares of 1 here, and percent wherever they are shown or written.
"""

import math
from typing import Any, Dict, Sequence

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.heads import IGNORED_LABEL


class Confusion:
    """Counts (classes, classes) int64 of pixels, by true class and predicted class.

    As in the original, a class that no true pixel has gets accuracy and IoU 0 and counts in means;
    only `mean_iou_of_occurring` leaves out those that do not occur.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count the pixels of a label map and what was predicted, uint8 of one shape.

        Pixels of true label 255 are not judged. Raises InputError for other labels without a class
        and for arrays of another type or shape.
        """
        for what, array in (("label map", truth), ("prediction", prediction)):
            if array.dtype != np.uint8:
                raise InputError(f"a {what} of {array.dtype}: expected uint8")
        if truth.shape != prediction.shape:
            raise InputError(
                f"a label map of {_size(truth)} for a prediction of {_size(prediction)} pixels"
            )
        pairs = truth.astype(np.intp) << 8
        pairs |= prediction
        counts = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
        counts = counts[:IGNORED_LABEL]
        self._check("label", counts.any(axis=1))
        self._check("prediction", counts.any(axis=0))
        self.counts += counts[: self.classes, : self.classes]

    def _check(self, what: str, found: np.ndarray) -> None:
        unknown = np.flatnonzero(found[self.classes :])
        if len(unknown):
            raise InputError(
                f"{what} {unknown[0] + self.classes}: expected a class, 0 to {self.classes - 1}"
            )

    def check_judged(self, first: PathLike) -> None:
        """Raise InputError where no pixel was counted, of label maps of which `first` is one."""
        if not self.judged:
            raise InputError(
                f"{first}: no pixel is judged: in this and all other label maps every pixel is to "
                "be ignored; check that they are those of the dataset"
            )

    @property
    def judged(self) -> int:
        """The number of pixels that were counted."""
        return int(self.counts.sum())

    @property
    def true_pixels(self) -> np.ndarray:
        """How many of them (classes,) each class has in truth."""
        return self.counts.sum(axis=1)

    @property
    def occurring(self) -> np.ndarray:
        """Whether a class (classes,) is the true or the predicted one of a pixel."""
        return self.counts.any(axis=0) | self.counts.any(axis=1)

    @property
    def pixel_accuracy(self) -> float:
        """The share of pixels whose class is predicted."""
        return float(self._hits.sum() / max(self.judged, 1))

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
        """The mean of the IoUs of all classes, 0 for one that does not occur: the original's."""
        return float(self.ious.mean())

    @property
    def mean_iou_of_occurring(self) -> float:
        """The mean of the IoUs of the classes that occur, nan where no pixel is judged.

        Cityscapes' tool, mmseg and torchmetrics count like this.
        """
        return float(self.ious[self.occurring].mean()) if self.judged else math.nan

    @property
    def ade20k_score(self) -> float:
        """What ADE20K ranks by: the mean of pixel accuracy and mean IoU."""
        return (self.pixel_accuracy + self.mean_iou) / 2

    def as_dict(self, class_names: Sequence[str]) -> Dict[str, Any]:
        """Return all scores in plain types, in percent."""
        columns = (self.true_pixels, 100 * self.class_accuracies, 100 * self.ious)
        rows = zip(class_names, *(column.tolist() for column in columns))
        return {
            "pixels_judged": self.judged,
            "pixel_accuracy": 100 * self.pixel_accuracy,
            "mean_accuracy": 100 * self.mean_accuracy,
            "mean_iou": 100 * self.mean_iou,
            "mean_iou_of_occurring_classes": 100 * self.mean_iou_of_occurring,
            "occurring_classes": int(self.occurring.sum()),
            "ade20k_score": 100 * self.ade20k_score,
            "per_class": [
                {"class": k, "name": name, "true_pixels": true, "accuracy": accuracy, "iou": iou}
                for k, (name, true, accuracy, iou) in enumerate(rows)
            ],
        }

    @property
    def _hits(self) -> np.ndarray:
        return np.diagonal(self.counts)

    @property
    def _true(self) -> np.ndarray:
        return np.maximum(self.true_pixels, 1)


def _size(labels: np.ndarray) -> str:
    return "x".join(map(str, labels.shape[::-1]))
