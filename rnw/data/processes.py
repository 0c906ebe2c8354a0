"""Processes that make batches of pictures in memory shared with the caller.

They start without the caller's `__main__` and without MXNet, whose threads a fork would break, and
end with their pipe to the caller, however he ends. The memory has no name, so that none is left.
"""

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import weakref
from collections import ChainMap, deque
from functools import partial
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Deque, Dict, List, Tuple

import cv2
import numpy as np

from rnw.errors import InputError

if TYPE_CHECKING:
    from rnw.data.prefetch import Bad, Batch, Pictures

LENT = 2  # batches of the memory that a caller may hold: the one before, and the one asked for
SLOTS = 3 + LENT  # and those that are being made
NOTHING = -1  # is being read
_START = "import sys; sys.path[:] = {}; from rnw.data.processes import main; main({}, {}, {})"
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),  # keeps memory for the next picture: to get it anew
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),  # each time takes a fifth of the time (glibc)
}
_FOR_CALLER_ALONE = (signal.SIGINT, signal.SIGTERM)


class _Memory:
    """In an open file: the index of the picture that each process reads, and SLOTS batches."""

    def __init__(self, file: int, workers: int, values: int):
        self._values = values
        self._map = mmap.mmap(file, self.size(workers, values))
        self.reading = np.frombuffer(self._map, np.int64, workers)

    @staticmethod
    def size(workers: int, values: int) -> int:
        """Bytes that are needed for batches of so many numbers."""
        return 8 * workers + SLOTS * 4 * values

    def batch(self, slot: int) -> np.ndarray:
        """The numbers of one of the batches, float32; its arrays have it as their `base`."""
        start = 8 * len(self.reading) + slot * 4 * self._values
        return np.frombuffer(self._map, np.float32, self._values, start)


class Processes:
    """Makes each batch by several processes, each its own rows."""

    def __init__(self, pictures: "Pictures", size: int, workers: int):
        self._pictures, self._size = pictures, size
        values = pictures.values(size)
        self._file = _nameless_file(_Memory.size(workers, values))
        self._memory = _Memory(self._file, workers, values)
        self._lent: Dict[int, weakref.ref] = {}
        self._parts: Dict[int, List[Bad]] = {}
        self._workers: List[_Worker] = []

    def __enter__(self) -> "Processes":
        for number in range(len(self._memory.reading)):
            self._workers.append(_Worker(number, self._file))
        for worker in self._workers:  # which start meanwhile
            self._instruct(worker)
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.stop()
        os.close(self._file)

    def submit(self, epoch: int, indices: np.ndarray) -> int:
        """Have a batch made; its slot. No more than SLOTS - LENT may be under way."""
        held = [slot for slot, flat in self._lent.items() if flat() is not None]
        slot = next(n for n in range(SLOTS) if n not in self._parts and n not in held)
        self._parts[slot] = []
        for worker in self._workers:
            worker.give((slot, epoch, indices))
        return slot

    def collect(self, slot: int) -> Tuple["Batch", "Bad"]:
        """The batch in a slot, and the bad pictures met on the way."""
        while len(self._parts[slot]) < len(self._workers):
            busy = {worker.connection: worker for worker in self._workers if worker.tasks}
            for connection in wait(list(busy)):
                self._receive(busy[connection])
        return self._lend(slot), dict(ChainMap(*self._parts.pop(slot)))

    def _lend(self, slot: int) -> "Batch":
        """A caller who keeps batches gets copies, since the memory is used again."""
        numbers = self._memory.batch(slot)
        if sum(flat() is not None for flat in self._lent.values()) >= LENT:
            numbers = numbers.copy()
        else:
            self._lent[slot] = weakref.ref(numbers)
        return self._pictures.batch(self._size, numbers)

    def _receive(self, worker: "_Worker") -> None:
        try:
            reply = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if isinstance(reply, Exception):
            raise reply
        worker.has_answered = True
        self._parts[worker.tasks.popleft()[0]].append(reply)

    def _bury(self, worker: "_Worker") -> None:
        """Put another in the place of one that died, if pictures may be skipped."""
        cause = worker.end()
        index = int(self._memory.reading[worker.number])
        error = f"a process that was to read pictures died ({cause})"
        if index != NOTHING:
            error = (
                f"{self._pictures.maker.images.name(index)}: the process reading it died ({cause})"
            )
            self._pictures.deadly[index] = error
        if not self._pictures.skip_bad or (index == NOTHING and not worker.has_answered):
            raise InputError(error)
        worker.stop()
        successor = _Worker(worker.number, self._file)
        self._workers[worker.number] = successor
        self._instruct(successor)
        for task in worker.tasks:
            successor.give(task)

    def _instruct(self, worker: "_Worker") -> None:
        self._memory.reading[worker.number] = NOTHING
        worker.send((self._pictures, len(self._workers), self._size))


class _Worker:
    """A process as the caller sees it, with the tasks that it has not answered."""

    def __init__(self, number: int, memory: int):
        self.number, self.has_answered = number, False
        self.tasks: Deque[Any] = deque()
        self.connection, theirs = Pipe()
        command = _START.format(sys.path, theirs.fileno(), memory, number)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_CALLER_ALONE)  # which it inherits
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.DEVNULL,
                env={**_ENVIRONMENT, **os.environ},
                pass_fds=(theirs.fileno(), memory),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()

    def give(self, task: Any) -> None:
        """Add to what it is to do: slot, epoch and indices of a batch."""
        self.tasks.append(task)
        self.send(task)

    def send(self, message: Any) -> None:
        """Send, unless it died: that shows when its answer is read."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def end(self) -> str:
        """How it ended, once it has."""
        code = self._process.wait()
        return f"status {code}" if code >= 0 else signal.Signals(-code).name

    def stop(self) -> None:
        """End it at once: nothing that it does is worth waiting for."""
        self.connection.close()
        self._process.kill()
        self._process.wait()


def main(connection_file: int, memory_file: int, number: int) -> None:
    """What process `number` does until the caller closes the connection."""
    cv2.setNumThreads(0)
    connection = Connection(connection_file)
    with contextlib.suppress(EOFError, OSError):
        pictures, workers, size = connection.recv()
        memory = _Memory(memory_file, workers, pictures.values(size))
        on_picture = partial(memory.reading.__setitem__, number)
        while True:
            slot, epoch, indices = connection.recv()
            rows = range(number, len(indices), workers)
            batch = pictures.batch(size, memory.batch(slot))
            reply = _fill(pictures, batch, epoch, indices, rows, on_picture)
            on_picture(NOTHING)
            connection.send(reply)


def _fill(pictures: "Pictures", *task: Any) -> Any:
    """What `Pictures.fill` gives, or the exception that it raises."""
    try:
        return pictures.fill(*task)
    except InputError as error:
        return error
    except Exception:  # the caller raises it again
        return RuntimeError(traceback.format_exc())


def _nameless_file(size: int) -> int:
    """An open file of `size` bytes that no folder holds: in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("batches")
    else:
        file, path = tempfile.mkstemp()
        Path(path).unlink()
    os.truncate(file, size)
    return file
