"""Batches of augmented pictures, made in the caller or ahead of it by threads or processes."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Tuple

import numpy as np

from rnw.data.augmentation import Augmentation
from rnw.data.processes import Processes
from rnw.errors import InputError

AHEAD = 2  # batches that are being made while one is used


class Filled(NamedTuple):
    """Rows of a batch that show another picture than asked for, and bad pictures: what is wrong."""

    replaced: Dict[int, int]
    bad: Dict[int, str]


class Pictures(NamedTuple):
    """What a sample is: a picture of `images`, augmented by the numbers of (seed, epoch, index).

    `images` has a length, `name(index)` and `read(index)`, as `readers.ImageList`. With `skip_bad`
    a picture that cannot be read gives way to the next one in the list; `deadly` are those that
    ended a process.
    """

    images: Any
    augmentation: Augmentation
    seed: int
    skip_bad: bool
    deadly: Dict[int, str]

    def batch_shape(self, size: int) -> Tuple[int, ...]:
        """(size, 3, H, W)."""
        return (size, 3, self.augmentation.size, self.augmentation.size)

    def fill(
        self,
        out: np.ndarray,
        epoch: int,
        indices: np.ndarray,
        rows: Iterable[int],
        on_picture: Callable[[int], None] = lambda index: None,
    ) -> Filled:
        """Make those `rows` of `out` (N, 3, H, W) float32 that show the pictures `indices` (N,).

        `on_picture` is told each index before it is read. Raises InputError for a bad picture.
        """
        filled = Filled({}, {})
        random = np.random.RandomState()
        for row in rows:
            for index in self._candidates(int(indices[row])):
                on_picture(index)
                if self._try(out[row], epoch, index, random, filled.bad):
                    break
            if index != indices[row]:
                filled.replaced[row] = index
        return filled

    def _candidates(self, index: int) -> Iterator[int]:
        count = len(self.images)
        for step in range(count):
            yield (index + step) % count
        raise InputError(f"none of the {count} pictures can be read")

    def _try(self, out, epoch, index, random, bad) -> bool:
        try:
            if index in self.deadly:
                raise InputError(self.deadly[index])
            random.seed([self.seed, epoch, index])  # a new stream would take ten times as long
            self.augmentation(self.images.read(index), self.images.name(index), random, out)
        except InputError as error:
            if not self.skip_bad:
                raise
            bad[index] = str(error)
            return False
        except Exception as error:
            raise RuntimeError(f"{self.images.name(index)}: {error!r}") from error
        return True


Prepared = Tuple[np.ndarray, Filled]


def prepare(
    pictures: Pictures,
    epoch: int,
    batches: np.ndarray,
    workers: int,
    threads: bool,
) -> Iterator[Prepared]:
    """Each row of indices (batches, N) as data (N, 3, H, W) float32.

    `workers` threads or processes make it ahead; without any, the caller when he asks for it.
    Raises InputError for a picture that cannot be read or that ends a process.
    """
    size = batches.shape[1]
    if workers == 0:
        for indices in batches:
            data = np.empty(pictures.batch_shape(size), np.float32)
            yield data, pictures.fill(data, epoch, indices, range(size))
        return
    with (_Threads if threads else Processes)(pictures, size, workers) as team:
        pending: Deque[Any] = deque()
        for indices in batches:
            pending.append(team.submit(epoch, indices))
            if len(pending) > AHEAD:
                yield _join(*team.collect(pending.popleft()))
        while pending:
            yield _join(*team.collect(pending.popleft()))


def _join(data: np.ndarray, parts: List[Filled]) -> Prepared:
    filled = Filled({}, {})
    for part in parts:
        filled.replaced.update(part.replaced)
        filled.bad.update(part.bad)
    return data, filled


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

    def submit(self, epoch: int, indices: np.ndarray) -> Tuple[np.ndarray, List[Future]]:
        data = np.empty(self._pictures.batch_shape(self._size), np.float32)
        futures = [
            self._pool.submit(self._pictures.fill, data, epoch, indices, rows)
            for rows in (range(first, self._size, self._workers) for first in range(self._workers))
        ]
        self._futures = [future for future in self._futures if not future.done()] + futures
        return data, futures

    def collect(
        self, submitted: Tuple[np.ndarray, List[Future]]
    ) -> Tuple[np.ndarray, List[Filled]]:
        data, futures = submitted
        return data, [future.result() for future in futures]
