"""Batches: their content and their order."""

import numpy as np
import pytest

from rnw.data.loader import Loader
from rnw.data.picture_types import Examples
from rnw.data.transforms import normalize
from rnw.errors import InputError

COUNT = 23
IMAGES = np.random.RandomState(0).randint(0, 256, (COUNT, 4, 5, 3)).astype(np.uint8)
EXAMPLES = Examples(IMAGES, np.arange(COUNT))


def _order(loader, epoch):
    return [label for batch in loader.epoch(epoch) for label in batch.labels]


@pytest.mark.parametrize(("batch", "batches"), [(1, 23), (5, 4), (12, 1), (23, 1)])
def test_every_example_at_most_once(batch, batches):
    loader = Loader(EXAMPLES, batch, seed=0)
    assert loader.batches_per_epoch == batches
    found = list(loader.epoch(0))
    assert [len(b.labels) for b in found] == [batch] * batches
    order = _order(loader, 0)
    assert len(set(order)) == batch * batches
    assert set(order) <= set(range(COUNT))


def test_labels_belong_to_images():
    for data, labels in Loader(EXAMPLES, 5, seed=0).epoch(1):
        assert (data.dtype, labels.dtype) == (np.float32, np.float32)
        np.testing.assert_array_equal(data, normalize(IMAGES[labels.astype(int)]))


def test_seed_and_epoch_alone_decide_the_order():
    loader = Loader(EXAMPLES, 5, seed=3)
    first, second = _order(loader, 0), _order(loader, 1)
    np.random.seed(99)
    again = Loader(EXAMPLES, 5, seed=3)
    assert _order(again, 1) == second
    assert _order(again, 0) == _order(again, 0) == first


def test_another_seed_or_epoch_is_another_order():
    orders = [_order(Loader(EXAMPLES, 5, seed), epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len(set(map(tuple, orders))) == 9
    assert sorted(_order(Loader(EXAMPLES, 1, 0), 0)) != _order(Loader(EXAMPLES, 1, 0), 0)


def test_all_examples_are_seen_in_the_long_run():
    loader = Loader(EXAMPLES, 12, seed=0)
    assert {label for epoch in range(12) for label in _order(loader, epoch)} == set(range(COUNT))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_read_the_batches_of_one_in_order(workers):
    loaders = [Loader(EXAMPLES, 6, seed=0, part=(rank, workers)) for rank in range(workers)]
    for whole, *parts in zip(
        *(loader.epoch(2, 1) for loader in [Loader(EXAMPLES, 6, 0), *loaders])
    ):
        np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), whole.labels)
        np.testing.assert_array_equal(np.concatenate([part.data for part in parts]), whole.data)
        assert {len(part.labels) for part in parts} == {6 // workers}


@pytest.mark.parametrize("batch", [24, 0, -1])
def test_batches_that_cannot_be_drawn_are_refused(batch):
    with pytest.raises(InputError, match=f"a batch of {batch} cannot be drawn from 23 examples"):
        Loader(EXAMPLES, batch, seed=0)
