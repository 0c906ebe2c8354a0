"""Batches of samples, made in the caller or ahead of it by threads or processes."""

import contextlib
import queue
import threading
import time
from collections import ChainMap, deque
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from functools import partial
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from rnw.data.processes import END_SECONDS, Processes
from rnw.data.waiting import NOTHING, POLL_SECONDS, Waiting, Watch
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
    `augmentation.ClassifiedPictures` and `crops.LabeledCrops`. With `skip_bad` a picture that
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
    waiting: Waiting,
) -> Iterator[Tuple[Batch, Bad]]:
    """Each row of indices (batches, N) as a batch of N, and the bad pictures met on the way.

    `workers` threads or processes make it ahead; without any, the caller when he asks for it. It
    ends early where `waiting` is told to stop. Raises InputError for a picture that cannot be read
    or that ends a process.
    """
    size = batches.shape[1]
    if workers == 0:
        for indices in batches:
            batch = pictures.new_batch(size)
            yield batch, pictures.fill(batch, epoch, indices, range(size))
        return
    with (_Threads if threads else Processes)(pictures, size, workers, waiting) as team:
        pending: Deque[Any] = deque()
        for place in range(len(batches) + AHEAD):
            if place < len(batches):
                pending.append(team.submit(epoch, batches[place]))
            if place >= AHEAD:
                collected = team.collect(pending.popleft())
                if collected is None:
                    return
                yield collected


class _Threads:
    """Makes each batch by several threads of this process, which ends without them."""

    def __init__(self, pictures: Pictures, size: int, workers: int, waiting: Waiting):
        self._pictures, self._size, self._waiting = pictures, size, waiting
        self._tasks: queue.Queue = queue.Queue()
        self._reading = np.full(workers, NOTHING)
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(workers)
        ]

    def __enter__(self) -> "_Threads":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._tasks.get_nowait()
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:  # but for those that hang
            thread.join(max(0, deadline - time.monotonic()))

    def _work(self, number: int) -> None:
        on_picture = partial(self._reading.__setitem__, number)
        for future, task in iter(self._tasks.get, None):
            try:
                future.set_result(self._pictures.fill(*task, on_picture))
            except Exception as error:  # the caller raises it again
                future.set_exception(error)
            on_picture(NOTHING)

    def submit(self, epoch: int, indices: np.ndarray) -> Tuple[Batch, List[Future]]:
        batch, futures = self._pictures.new_batch(self._size), []
        for first in range(len(self._threads)):
            futures.append(Future())
            rows = range(first, self._size, len(self._threads))
            self._tasks.put((futures[-1], (batch, epoch, indices, rows)))
        return batch, futures

    def collect(self, submitted: Tuple[Batch, List[Future]]) -> Optional[Tuple[Batch, Bad]]:
        batch, futures = submitted
        watch = Watch(self._waiting.patience, self._pictures.maker.images, self._reading)
        while wait_for(futures, POLL_SECONDS).not_done:
            if self._waiting.stopped():
                return None
            watch.look(np.flatnonzero(self._reading != NOTHING))
        return batch, dict(ChainMap(*(future.result() for future in futures)))
