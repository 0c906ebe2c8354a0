"""Batches of samples, made in the caller or ahead of it by threads or processes."""

from collections import ChainMap, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Tuple

import numpy as np

from rnw.data.processes import Processes
from rnw.errors import InputError

AHEAD = 2  # batches that are being made while one is used


class Batch(NamedTuple):
    """Data (N, 3, H, W) float32 and labels (N,) or (N, H', W') float32."""

    data: np.ndarray
    labels: np.ndarray


Bad = Dict[int, str]  # pictures, and what is wrong with each


class Pictures(NamedTuple):
    """What a sample is: what `maker` makes of a picture by the numbers of (seed, epoch, index).

    `maker` has `images` with a length and `name(index)`, the shapes `data_shape` and `label_shape`
    of a sample, and is called with an index, random numbers, and arrays for both, as
    `augmentation.ClassifiedPictures` and `crops.LabelledCrops`. With `skip_bad` a picture that
    cannot be read gives way to the next one in the list; `deadly` are those that ended a process.
    """

    maker: Any
    seed: int
    skip_bad: bool
    deadly: Bad

    def values(self, size: int) -> int:
        """How many numbers a batch of so many samples is."""
        return size * int(np.prod(self.maker.data_shape) + np.prod(self.maker.label_shape))

    def batch(self, size: int, memory: np.ndarray) -> Batch:
        """A batch in `memory`, float32, which both of its arrays are views of."""
        labels = size * int(np.prod(self.maker.label_shape))
        return Batch(
            memory[:-labels].reshape(size, *self.maker.data_shape),
            memory[-labels:].reshape(size, *self.maker.label_shape),
        )

    def new_batch(self, size: int) -> Batch:
        """A batch in memory of its own."""
        return self.batch(size, np.empty(self.values(size), np.float32))

    def fill(
        self,
        batch: Batch,
        epoch: int,
        indices: np.ndarray,
        rows: Iterable[int],
        on_picture: Callable[[int], None] = lambda index: None,
    ) -> Bad:
        """Make those `rows` of a batch that show the pictures `indices` (N,); the bad ones.

        `on_picture` is told each index before it is read. Raises InputError for a bad picture.
        """
        bad: Bad = {}
        random = np.random.RandomState()
        for row in rows:
            for index in self._candidates(int(indices[row])):
                on_picture(index)
                sample = batch.data[row], batch.labels[row, ...]
                if self._try(sample, epoch, index, random, bad):
                    break
        return bad

    def _candidates(self, index: int) -> Iterator[int]:
        count = len(self.maker.images)
        for step in range(count):
            yield (index + step) % count
        raise InputError(f"none of the {count} pictures can be read")

    def _try(self, sample, epoch, index, random, bad) -> bool:
        try:
            if index in self.deadly:
                raise InputError(self.deadly[index])
            random.seed([self.seed, epoch, index])  # a new stream would take ten times as long
            self.maker(index, random, *sample)
        except InputError as error:
            if not self.skip_bad:
                raise
            bad[index] = str(error)
            return False
        except Exception as error:
            raise RuntimeError(f"{self.maker.images.name(index)}: {error!r}") from error
        return True


def prepare(
    pictures: Pictures,
    epoch: int,
    batches: np.ndarray,
    workers: int,
    threads: bool,
) -> Iterator[Tuple[Batch, Bad]]:
    """Each row of indices (batches, N) as a batch of N, and the bad pictures met on the way.

    `workers` threads or processes make it ahead; without any, the caller when he asks for it.
    Raises InputError for a picture that cannot be read or that ends a process.
    """
    size = batches.shape[1]
    if workers == 0:
        for indices in batches:
            batch = pictures.new_batch(size)
            yield batch, pictures.fill(batch, epoch, indices, range(size))
        return
    with (_Threads if threads else Processes)(pictures, size, workers) as team:
        pending: Deque[Any] = deque()
        for indices in batches:
            pending.append(team.submit(epoch, indices))
            if len(pending) > AHEAD:
                yield team.collect(pending.popleft())
        while pending:
            yield team.collect(pending.popleft())


class _Threads:
    """Makes each batch by several threads of this process."""

    def __init__(self, pictures: Pictures, size: int, workers: int):
        self._pictures, self._size, self._workers = pictures, size, workers
        self._pool = ThreadPoolExecutor(workers)
        self._futures: List[Future] = []

    def __enter__(self) -> "_Threads":
        return self

    def __exit__(self, *exception: object) -> None:
        for future in self._futures:
            future.cancel()
        self._pool.shutdown()

    def submit(self, epoch: int, indices: np.ndarray) -> Tuple[Batch, List[Future]]:
        batch = self._pictures.new_batch(self._size)
        futures = [
            self._pool.submit(self._pictures.fill, batch, epoch, indices, rows)
            for rows in (range(first, self._size, self._workers) for first in range(self._workers))
        ]
        self._futures = [future for future in self._futures if not future.done()] + futures
        return batch, futures

    def collect(self, submitted: Tuple[Batch, List[Future]]) -> Tuple[Batch, Bad]:
        batch, futures = submitted
        return batch, dict(ChainMap(*(future.result() for future in futures)))
