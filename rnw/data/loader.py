"""Batches in an order and with random numbers that the seed, the epoch and the place decide."""

import contextlib
import logging
from typing import Dict, Iterator, NamedTuple, Optional, Tuple, Union

import numpy as np

from rnw.data.augmentation import DECODERS, Augmentation
from rnw.data.prefetch import Filled, Pictures, prepare
from rnw.data.readers import Examples, ImageList
from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.runtime import cpu_cores

logger = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Data (N, 3, H, W) float32 and labels (N,) float32."""

    data: np.ndarray
    labels: np.ndarray


class Loading(NamedTuple):
    """How pictures in files become batches.

    decoder: a row of `rnw.data.augmentation.DECODERS`. workers: how many processes (or threads)
    make batches ahead, with 0 the caller makes them; with None one less than there are cores.
    skip_bad: a picture that cannot be read, or that ends the process reading it, is warned of and
    gives way to the next one of the list.
    """

    decoder: str = "opencv"
    workers: Optional[int] = None
    threads: bool = False
    skip_bad: bool = False


BY_PROCESSES = Loading()


class Loader:
    """Training batches of `batch` examples, shuffled anew each epoch; what is left over is dropped.

    Examples in memory are taken as they are, pictures in files augmented to (size, size), where
    picture i has random numbers of its own in each epoch: neither workers nor timing change a
    batch. Of each batch, the worker that `part` (rank, workers) names reads its own equal part, in
    order. `skipped` tells what was wrong with bad pictures, by name.

    Raises InputError when there are fewer examples than a batch needs, and for an unknown decoder.
    """

    def __init__(
        self,
        examples: Union[Examples, ImageList],
        batch: int,
        seed: int,
        part: Tuple[int, int] = (0, 1),
        *,
        size: int = 224,
        loading: Loading = BY_PROCESSES,
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
        if loading.workers is None:
            loading = loading._replace(workers=max(1, cpu_cores() - 1))
        if loading.decoder not in DECODERS:
            expected = ", ".join(DECODERS)
            raise InputError(f"unknown decoder {loading.decoder!r}: expected one of {expected}")
        self._loading = loading
        self.decoder = None if isinstance(examples, Examples) else loading.decoder
        augmentation = Augmentation(size, loading.decoder)
        self._pictures = Pictures(examples, augmentation, seed, loading.skip_bad, deadly={})
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
        workers, threads = self._loading.workers, self._loading.threads
        ready = prepare(self._pictures, number, chosen, workers, threads)
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
