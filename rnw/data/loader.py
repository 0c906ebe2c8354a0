"""Batches in an order and with random numbers that the seed, the epoch and the place decide."""

import contextlib
import logging
from typing import Dict, Iterator, NamedTuple, Optional, Tuple, Union

import numpy as np

from rnw.data.augmentation import Augmentation
from rnw.data.prefetch import Filled, Pictures, prepare
from rnw.data.readers import Examples, ImageList
from rnw.data.transforms import normalize
from rnw.errors import InputError

logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Data (N, 3, H, W) float32 and labels (N,) float32."""

    data: np.ndarray
    labels: np.ndarray


class Loader:
    """Training batches of `batch` examples, shuffled anew each epoch; what is left over is dropped.

    Examples in memory are taken as they are; pictures in files go through `augmentation`, made
    ahead by `workers` processes (or threads), or by the caller when there are none. Example i has
    random numbers of its own in each epoch, so that neither workers nor timing change a batch.
    Of each batch, the worker that `part` (rank, workers) names reads its own equal part, in order.

    With `skip_bad`, a picture that cannot be read, or that ends the process reading it, is warned
    of and gives way to the next one of the list; `skipped` tells by name what was wrong.

    Raises InputError when there are fewer examples than a batch needs.
    """

    def __init__(
        self,
        examples: Union[Examples, ImageList],
        batch: int,
        seed: int,
        part: Tuple[int, int] = (0, 1),
        *,
        augmentation: Optional[Augmentation] = None,
        workers: int = 0,
        threads: bool = False,
        skip_bad: bool = False,
    ):
        if not 1 <= batch <= len(examples.labels):
            raise InputError(
                f"a batch of {batch} cannot be drawn from {len(examples.labels)} examples: "
                f"expected between 1 and {len(examples.labels)} (--set batch=N)"
            )
        self._examples = examples
        self._batch = batch
        self._seed = seed
        self._rank, self._parts = part
        self._workers, self._threads = workers, threads
        if not isinstance(examples, Examples):
            self._pictures = Pictures(examples, augmentation, seed, skip_bad, deadly={})
        self.skipped: Dict[str, str] = {}
        self.batches_per_epoch = len(examples.labels) // batch

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number` (counted from 0) from batch `start` on.

        Close it (or let it end) to end its processes. Raises InputError for a bad picture.
        """
        order = np.random.RandomState([self._seed, number]).permutation(len(self._examples.labels))
        batches = order[: self.batches_per_epoch * self._batch].reshape(-1, self._batch)
        chosen = np.split(batches[start:], self._parts, axis=1)[self._rank]
        if isinstance(self._examples, Examples):
            for indices in chosen:
                yield self._labelled(normalize(self._examples.images[indices]), indices)
            return
        ready = prepare(
            self._pictures, number, chosen, chosen.shape[1], self._workers, self._threads
        )
        with contextlib.closing(ready):
            for indices, (data, filled) in zip(chosen, ready):
                yield self._labelled(data, self._shown(indices, filled))

    def _labelled(self, data: np.ndarray, indices: np.ndarray) -> Batch:
        return Batch(data, self._examples.labels[indices].astype(np.float32))

    def _shown(self, indices: np.ndarray, filled: Filled) -> np.ndarray:
        """The pictures that a batch shows; new bad ones are noted."""
        for index, message in filled.bad.items():
            name = self._examples.name(index)
            if name not in self.skipped:
                self.skipped[name] = message
                logger.warning("%s; skipped", message)
        shown = indices.copy()
        shown[list(filled.replaced)] = list(filled.replaced.values())
        return shown
