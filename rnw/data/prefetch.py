"""Batches of samples, made in the caller or ahead of it by threads or processes."""

import contextlib
import queue
import threading
import time
from collections import ChainMap, deque
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from functools import partial
from typing import Any, Deque, Generator, List, Optional, Tuple

import numpy as np

from rnw.data.processes import END_SECONDS, Processes
from rnw.data.samples import Bad, Batch, Pictures
from rnw.data.waiting import NOTHING, POLL_SECONDS, Waiting, Watch

AHEAD = 2  # batches that are made while one is used


def prepare(
    pictures: Pictures,
    epoch: int,
    batches: np.ndarray,
    workers: int,
    threads: bool,
    waiting: Waiting,
) -> Generator[Tuple[Batch, Bad], None, None]:
    """Yield a batch of N for each row of indices (batches, N), and the bad pictures in it.

    workers: the number of threads or processes that make batches in advance; 0: each is made when
        it is asked for.
    waiting: its `stopped` ends the iteration early.

    Raises InputError for a picture that cannot be read or that crashes a process.
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
    """Make each batch by several threads of this process, which does not wait for them to exit."""

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
        for thread in self._threads:  # except those that hang
            thread.join(max(0, deadline - time.monotonic()))

    def _work(self, number: int) -> None:
        on_picture = partial(self._reading.__setitem__, number)
        for future, (batch, epoch, indices, rows) in iter(self._tasks.get, None):
            try:
                future.set_result(self._pictures.fill(batch, epoch, indices, rows, on_picture))
            except Exception as error:  # the caller raises it again
                future.set_exception(error)
            on_picture(NOTHING)

    def submit(self, epoch: int, indices: np.ndarray) -> Tuple[Batch, List[Future]]:
        batch = self._pictures.new_batch(self._size)
        futures: List[Future] = [Future() for _ in self._threads]
        for first, future in enumerate(futures):
            rows = range(first, self._size, len(self._threads))
            self._tasks.put((future, (batch, epoch, indices, rows)))
        return batch, futures

    def collect(self, submitted: Tuple[Batch, List[Future]]) -> Optional[Tuple[Batch, Bad]]:
        batch, futures = submitted
        watch = Watch(self._waiting.patience, self._pictures.maker.images, self._reading)
        while wait_for(futures, POLL_SECONDS).not_done:
            if self._waiting.stopped():
                return None
            watch.look(np.flatnonzero(self._reading != NOTHING))
        return batch, dict(ChainMap(*(future.result() for future in futures)))
