"""The order in which an epoch draws its pictures."""

import numpy as np
import pytest

from rnw.data.loader import Loader
from rnw.data.picture_types import Examples
from rnw.data.sampling import balanced_order

LABELS = np.repeat([0, 2, 5], [50, 7, 3])


def test_each_class_comes_as_often_and_each_picture_before_it_comes_again():
    order = balanced_order(LABELS, np.random.RandomState(0))
    assert len(order) == len(LABELS)
    for start in range(0, len(order), 3):  # each class once, in turn
        assert set(LABELS[order[start : start + 3]]) == {0, 2, 5}
    for label, count in zip((0, 2, 5), (50, 7, 3)):
        drawn = order[LABELS[order] == label]
        assert len(drawn) == 20
        for start in range(0, 20, count):
            part = drawn[start : start + count]
            assert len(set(part)) == len(part)
    others = balanced_order(LABELS, np.random.RandomState(1))
    assert not np.array_equal(order, others)
    np.testing.assert_array_equal(order, balanced_order(LABELS, np.random.RandomState(0)))


def test_a_loader_draws_by_it():
    images = np.arange(len(LABELS), dtype=np.uint8)[:, None, None, None] * np.ones(3, np.uint8)
    loader = Loader(Examples(images, LABELS), 6, seed=3, sampler="balanced")
    batches = list(loader.epoch(1))
    assert len(batches) == 10
    for _, labels in batches:
        np.testing.assert_array_equal(np.sort(labels), [0, 0, 2, 2, 5, 5])
    first, second = (next(loader.epoch(number)).data for number in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("labels", [[4], [1, 1, 1]])
def test_one_class_is_drawn_whole(labels):
    order = balanced_order(np.array(labels), np.random.RandomState(0))
    assert sorted(order) == list(range(len(labels)))
