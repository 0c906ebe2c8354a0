"""Accuracies and IoUs from counts of pixels."""

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.segmentation.confusion import Confusion
from tests.golden_cases import each_case, golden_arrays, golden_json

CASES = golden_json("scores", [])


def _label_maps(case):
    """Truth and prediction of each picture, as the reference data was made with."""
    classes, shape = case["classes"], (case["height"], case["width"])
    stream = np.random.RandomState(case["seed"])
    for _ in range(case["images"]):
        truth = stream.randint(0, classes, shape).astype(np.uint8)
        truth[stream.uniform(size=truth.shape) < 0.1] = 255
        right = stream.uniform(size=truth.shape) < 0.6
        other = stream.randint(0, classes, shape)
        prediction = np.where(right, truth, other).astype(np.uint8)
        prediction[prediction == 255] = 0
        yield truth, prediction


@each_case("number", "scores.json", range(len(CASES)))
def test_scores_are_the_originals(number):
    case, expected = CASES[number], golden_arrays("scores")
    confusion = Confusion(case["classes"])
    for truth, prediction in _label_maps(case):
        confusion.add(truth, prediction)
    assert confusion.counts.tolist() == expected[f"{number}_confusion"].tolist()
    assert confusion.pixel_accuracy == expected[f"{number}_pixel_accuracy"]
    assert confusion.class_accuracies.tolist() == expected[f"{number}_class_accuracy"].tolist()
    assert confusion.ious.tolist() == expected[f"{number}_iou"].tolist()
    assert confusion.mean_accuracy == expected[f"{number}_class_accuracy"].mean()
    assert confusion.mean_iou == expected[f"{number}_iou"].mean()
    score = (expected[f"{number}_pixel_accuracy"] + expected[f"{number}_iou"].mean()) / 2
    assert confusion.ade20k_score == score


def test_a_class_without_pixels_counts_as_nought():
    confusion = Confusion(3)
    confusion.add(np.uint8([[0, 1, 255]]), np.uint8([[0, 1, 2]]))
    assert confusion.counts.sum() == 2
    assert confusion.class_accuracies.tolist() == confusion.ious.tolist() == [1, 1, 0]


def test_classes_that_do_not_occur_can_be_left_out():
    """Class 1 is predicted but never true, class 4 neither."""
    confusion = Confusion(5)
    confusion.add(np.uint8([[0, 0, 2, 3, 255]]), np.uint8([[0, 1, 2, 2, 4]]))
    assert confusion.occurring.tolist() == [True, True, True, True, False]
    ious = [1 / 2, 0, 1 / 2, 0]
    scores = confusion.as_dict("abcde")
    assert scores["mean_iou"] == pytest.approx(100 * sum(ious) / 5)
    assert scores["mean_iou_of_occurring_classes"] == pytest.approx(100 * sum(ious) / 4)
    assert (scores["occurring_classes"], scores["pixels_judged"]) == (4, 4)
    assert [row["true_pixels"] for row in scores["per_class"]] == [2, 0, 1, 1, 0]


def test_nothing_but_ignored_pixels_is_no_score():
    confusion = Confusion(2)
    confusion.add(np.uint8([[255, 255]]), np.uint8([[0, 1]]))
    with pytest.raises(InputError, match=r"^a\.png: no pixel is judged: in this and all other"):
        confusion.check_judged("a.png")
    confusion.add(np.uint8([[0]]), np.uint8([[1]]))
    confusion.check_judged("a.png")


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [(np.float64([[np.nan]]), np.uint8([[0]])), (np.uint8([[0]]), np.int64([[-1]]))],
)
def test_what_is_no_label_map_is_refused(truth, prediction):
    with pytest.raises(InputError, match=r"^a (label map|prediction) of \w+64: expected uint8$"):
        Confusion(2).add(truth, prediction)


@pytest.mark.parametrize(
    ("truth", "prediction", "wording"),
    [
        ([[0, 3]], [[0, 0]], "^label 3: expected a class, 0 to 2$"),
        ([[0, 0]], [[0, 7]], "^prediction 7: expected a class, 0 to 2$"),
        ([[0, 0]], [[0], [0]], "^a label map of 2x1 for a prediction of 1x2 pixels$"),
    ],
)
def test_what_is_no_class_is_refused_and_not_counted(truth, prediction, wording):
    confusion = Confusion(3)
    with pytest.raises(InputError, match=wording):
        confusion.add(np.uint8(truth), np.uint8(prediction))
    assert not confusion.counts.any()
