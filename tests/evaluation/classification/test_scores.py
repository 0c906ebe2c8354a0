"""Accuracies and their errors, confusions, calibration."""

import numpy as np
import pytest

from rnw.evaluation.classification.scores import (
    accuracy,
    binomial_error,
    calibrate,
    class_accuracies,
    confusion_counts,
    top_classes,
)


def test_the_standard_error_is_that_of_a_binomial_rate():
    assert binomial_error(80.8, 50000) == pytest.approx(0.17615, abs=1e-5)
    hits = np.random.RandomState(0).binomial(400, 0.3, 20000) / 4  # percent of 400 images
    assert binomial_error(30, 400) == pytest.approx(hits.std(), rel=0.02)
    assert binomial_error(100, 10) == binomial_error(0, 10) == 0


def test_accuracies_of_all_and_of_each_class():
    best = np.array([[3, 0, 1, 2, 4], [1, 3, 0, 2, 4], [5, 4, 2, 1, 0], [3, 4, 5, 6, 0]])
    labels = np.array([3, 3, 3, 6])
    found = accuracy(best, labels)
    assert (found.top1, found.top5) == (25, 75)
    assert found.top1_standard_error == found.top5_standard_error == binomial_error(25, 4)
    rows = class_accuracies(best, labels, ["a", "b", "c", "d"])
    assert [row[:3] for row in rows] == [(3, "d", 3), (6, "6", 1)]
    assert [row.top1 for row in rows] == pytest.approx([100 / 3, 0])
    assert [row.top5 for row in rows] == pytest.approx([200 / 3, 100])


def test_the_most_probable_classes_come_first():
    probabilities = np.float32([[0.1, 0.4, 0.1, 0.15, 0.05, 0.2]])
    assert top_classes(probabilities).tolist() == [[1, 5, 3, 0, 2]]


def test_confusions_are_counted_by_true_and_predicted_class():
    labels, predicted = np.array([0, 0, 0, 2, 2]), np.array([0, 2, 2, 2, 1])
    expected = [[1, 0, 2], [0, 0, 0], [0, 1, 1]]
    np.testing.assert_array_equal(confusion_counts(predicted, labels, 3), expected)


def test_the_calibration_error_is_the_mean_gap_of_bins():
    confidence = np.array([0.2, 0.5, 0.75, 0.9, 0.9, 1], np.float32)
    found = calibrate(confidence, np.array([False, True, False, True, True, False]), bins=2)
    np.testing.assert_array_equal(found.counts, [2, 4])  # 0.5 is the upper bound of the first
    np.testing.assert_allclose(found.confidences, [0.35, 0.8875])
    np.testing.assert_allclose(found.accuracies, [0.5, 0.5])
    assert found.error == pytest.approx((2 * 0.15 + 4 * 0.3875) / 6)


def test_bounds_of_bins_belong_to_the_bin_below():
    confidence = np.arange(16, dtype=np.float32) / 15
    found = calibrate(confidence, np.ones(16, bool))
    np.testing.assert_array_equal(found.counts, [2] + [1] * 14)  # 0 is in the first, too
    assert calibrate(np.ones(3, np.float32), np.ones(3, bool)).error == 0
