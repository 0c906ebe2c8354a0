"""Batches in an order that the seed and the epoch alone decide."""

from typing import Iterator, NamedTuple, Tuple

import numpy as np

from rnw.data.readers import Examples
from rnw.data.transforms import normalize
from rnw.errors import InputError


class Batch(NamedTuple):
    """Data (N, 3, H, W) float32 and labels (N,) float32."""

    data: np.ndarray
    labels: np.ndarray


class Loader:
    """Training batches of `batch` examples, shuffled anew each epoch; what is left over is dropped.

    Of each batch, the worker that `part` (rank, workers) names reads its own equal part, in order.
    Raises InputError when there are fewer examples than a batch needs.
    """

    def __init__(self, examples: Examples, batch: int, seed: int, part: Tuple[int, int] = (0, 1)):
        if not 1 <= batch <= len(examples.labels):
            raise InputError(
                f"a batch of {batch} cannot be drawn from {len(examples.labels)} examples: "
                f"expected between 1 and {len(examples.labels)} (--set batch=N)"
            )
        self._examples = examples
        self._batch = batch
        self._seed = seed
        self._rank, self._workers = part
        self.batches_per_epoch = len(examples.labels) // batch

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number` (counted from 0) from batch `start` on."""
        order = np.random.RandomState([self._seed, number]).permutation(len(self._examples.labels))
        for index in range(start, self.batches_per_epoch):
            whole = order[index * self._batch : (index + 1) * self._batch]
            chosen = np.split(whole, self._workers)[self._rank]
            yield Batch(
                normalize(self._examples.images[chosen]),
                self._examples.labels[chosen].astype(np.float32),
            )
