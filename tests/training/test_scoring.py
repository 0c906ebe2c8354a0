"""Scores of training steps over several devices."""

import mxnet as mx
import numpy as np
import pytest

from rnw.training.scoring import picture_scores, pixel_scores
from rnw.training.trainer import DeviceOutput


def _output(probabilities, labels, device):
    context = mx.cpu(device)
    return DeviceOutput(mx.nd.array(probabilities, context), mx.nd.array(labels, context))


def test_pixels_of_all_devices_count_alike():
    """One device has one label that counts, the other three; class 2 has no probability at all."""
    first = np.array([[[[0.7, 0.1]], [[0.2, 0.1]], [[0.1, 0.8]]]])
    second = np.array(
        [[[[0.5, 0.2]], [[0.4, 0.8]], [[0.1, 0]]], [[[0.6, 1]], [[0.2, 0]], [[0.2, 0]]]]
    )
    outputs = [
        _output(first, [[[0, 255]]], 0),
        _output(second, [[[1, 2]], [[255, 0]]], 1),
    ]
    scores = pixel_scores(outputs)
    losses = -np.log([0.7, 0.4, np.finfo(np.float32).tiny, 1])
    assert scores == {"loss": pytest.approx(losses.mean(), rel=1e-5), "accuracy": 50}


def test_accuracies_of_pictures_are_in_per_cent():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.8, 0.1, 0.1]])
    outputs = [_output(probabilities[:2], [0, 1], 0), _output(probabilities[2:], [2, 1], 1)]
    loss = -np.log([0.5, 0.7, 0.7, 0.1]).mean()
    assert picture_scores(outputs) == {"loss": pytest.approx(loss), "top-1": 75, "top-5": 100}


def test_nothing_but_ignored_labels():
    assert pixel_scores([_output(np.ones((1, 2, 1, 1)), [[[255]]], 0)]) == {
        "loss": 0,
        "accuracy": 0,
    }
