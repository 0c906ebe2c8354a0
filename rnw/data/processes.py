"""Processes that make batches of pictures in memory shared with the parent process.

They start without the parent's `__main__` and without MXNet, whose threads a fork would break, and
they exit when the parent does, however it ends. The shared memory has no name, so that none is left
behind. Messages through a pipe are small, so that a process that does not read them blocks nobody.
"""

import contextlib
import mmap
import os
import pickle
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
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional, Tuple

import cv2
import numpy as np

from rnw.children import die_with
from rnw.data.samples import Bad, Batch, Pictures
from rnw.data.waiting import NOTHING, POLL_SECONDS, Waiting, Watch
from rnw.errors import InputError

LENT = 2  # batches in shared memory that the caller may hold: the previous and the current one
SLOTS = 3 + LENT  # with the batches that are being made
END_SECONDS = 1  # to wait for a killed process, which may hang in the system
_START = "import sys; sys.path[:] = {}; from rnw.data.processes import main; main{}"
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),  # glibc keeps memory for the next picture: asking the
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),  # system for it each time takes a fifth of the time
}
_FOR_CALLER_ALONE = (signal.SIGINT, signal.SIGTERM)


class _Memory:
    """Shared memory: the index of the picture that each process reads, and SLOTS batches.

    file: an open file. size: pictures in a batch. values: numbers in a batch, data and labels.
    """

    def __init__(self, file: int, workers: int, size: int, values: int):
        self._size, self._values = size, values
        self._map = mmap.mmap(file, self.bytes(workers, size, values))
        self.reading = np.frombuffer(self._map, np.int64, workers)

    @staticmethod
    def bytes(workers: int, size: int, values: int) -> int:
        """Return the size in bytes for batches of so many pictures and numbers."""
        return 8 * workers + SLOTS * (8 * size + 4 * values)

    def indices(self, slot: int) -> np.ndarray:
        """Return the indices (N,) int64 of the pictures of a batch."""
        start = 8 * (len(self.reading) + slot * self._size)
        return np.frombuffer(self._map, np.int64, self._size, start)

    def batch(self, slot: int) -> np.ndarray:
        """Return the numbers of a batch, float32; its arrays are views of them."""
        start = 8 * (len(self.reading) + SLOTS * self._size) + slot * 4 * self._values
        return np.frombuffer(self._map, np.float32, self._values, start)


class Processes:
    """Make each batch by several processes, each of which makes some of its rows."""

    def __init__(self, pictures: Pictures, size: int, workers: int, waiting: Waiting):
        self._pictures, self._size, self._waiting = pictures, size, waiting
        shape = workers, size, pictures.values(size)
        self._file = _nameless_file(_Memory.bytes(*shape))
        self._memory = _Memory(self._file, *shape)
        self._lent: Dict[int, weakref.ref] = {}
        self._parts: Dict[int, List[Bad]] = {}
        self._workers: List[_WorkerProcess] = []

    def __enter__(self) -> "Processes":
        self._workers = self._start(range(len(self._memory.reading)))
        return self

    def _start(self, numbers: Iterable[int]) -> List["_WorkerProcess"]:
        self._memory.reading[list(numbers)] = NOTHING
        with _pickled(self._pictures) as pictures:
            files = self._file, pictures
            return [
                _WorkerProcess(n, files, (len(self._memory.reading), self._size)) for n in numbers
            ]

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()
        os.close(self._file)

    def submit(self, epoch: int, indices: np.ndarray) -> int:
        """Start making a batch; return its slot. At most SLOTS - LENT may be under way."""
        held = [slot for slot, flat in self._lent.items() if flat() is not None]
        slot = next(n for n in range(SLOTS) if n not in self._parts and n not in held)
        self._parts[slot] = []
        self._memory.indices(slot)[:] = indices
        for worker in self._workers:
            worker.give((slot, epoch))
        return slot

    def collect(self, slot: int) -> Optional[Tuple[Batch, Bad]]:
        """Wait for the batch in a slot; return it and its bad pictures, or None when stopped."""
        images = self._pictures.maker.images
        watch = Watch(self._waiting.patience, images, self._memory.reading)
        while len(self._parts[slot]) < len(self._workers):
            if self._waiting.stopped():
                return None
            busy = [worker for worker in self._workers if worker.tasks]
            ready = wait([worker.connection for worker in busy], POLL_SECONDS)
            for worker in busy:
                if worker.connection in ready:
                    self._receive(worker)
            watch.look(worker.number for worker in busy)
        return self._lend(slot), dict(ChainMap(*self._parts.pop(slot)))

    def _lend(self, slot: int) -> Batch:
        """Return a batch; a copy if the caller holds LENT batches, as their memory is reused."""
        numbers = self._memory.batch(slot)
        if sum(flat() is not None for flat in self._lent.values()) >= LENT:
            numbers = numbers.copy()
        else:
            self._lent[slot] = weakref.ref(numbers)
        return self._pictures.batch(self._size, numbers)

    def _receive(self, worker: "_WorkerProcess") -> None:
        try:
            reply = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if isinstance(reply, Exception):
            raise reply
        worker.has_answered = True
        self._parts[worker.tasks.popleft()[0]].append(reply)

    def _replace(self, worker: "_WorkerProcess") -> None:
        """Start another process in place of one that died, if pictures may be skipped."""
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
        worker.kill()
        (successor,) = self._start([worker.number])
        self._workers[worker.number] = successor
        for task in worker.tasks:
            successor.give(task)


class _WorkerProcess:
    """The parent's handle of a process, with the tasks that it has not answered.

    files: open files with the shared memory, and with the pictures that `_pickled` wrote. shape:
    the number of processes, and of pictures in a batch.
    """

    def __init__(self, number: int, files: Tuple[int, int], shape: Tuple[int, int]):
        self.number, self.has_answered = number, False
        self.tasks: Deque[Any] = deque()
        self.connection, theirs = Pipe()
        passed = (theirs.fileno(), *files)
        command = _START.format(sys.path, (os.getpid(), passed, number, shape))
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_CALLER_ALONE)  # until it has begun
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.DEVNULL,
                env={**_ENVIRONMENT, **os.environ},
                pass_fds=passed,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()

    def give(self, task: Any) -> None:
        """Send a task: slot and epoch of a batch. A dead process is noticed when it is read."""
        self.tasks.append(task)
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def end(self) -> str:
        """Wait until it ends; return its exit status or the name of the signal."""
        code = self._process.wait()
        return f"status {code}" if code >= 0 else signal.Signals(-code).name

    def kill(self) -> None:
        """Kill it: nothing that it does needs to be finished."""
        self.connection.close()
        self._process.kill()

    def wait(self) -> None:
        """Wait END_SECONDS at most until it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)


def main(caller: int, files: Tuple[int, int, int], number: int, shape: Tuple[int, int]) -> None:
    """Run process `number` of the loader until the pipe to the parent `caller` closes."""
    _leave_signals_to(caller)
    cv2.setNumThreads(0)
    connection_file, memory_file, pictures_file = files
    connection = Connection(connection_file)
    with os.fdopen(pictures_file, "rb") as file, mmap.mmap(file.fileno(), 0) as content:
        pictures = pickle.loads(content)
    workers, size = shape
    memory = _Memory(memory_file, workers, size, pictures.values(size))
    on_picture = partial(memory.reading.__setitem__, number)
    with contextlib.suppress(EOFError, OSError):
        while True:
            slot, epoch = connection.recv()
            batch = pictures.batch(size, memory.batch(slot))
            rows = range(number, size, workers)
            reply = _fill(pictures, batch, epoch, memory.indices(slot), rows, on_picture)
            on_picture(NOTHING)
            connection.send(reply)


def _leave_signals_to(caller: int) -> None:
    """Ignore Ctrl-C and SIGTERM while the parent lives, which decides what they do."""

    def end_without_caller(received: int, frame: Any) -> None:
        if os.getppid() != caller:
            os._exit(128 + received)

    die_with(caller)
    for received in _FOR_CALLER_ALONE:
        signal.signal(received, end_without_caller)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_CALLER_ALONE)


def _fill(pictures: Pictures, *task: Any) -> Any:
    """Return what `Pictures.fill` returns, or the exception that it raises."""
    try:
        return pictures.fill(*task)
    except InputError as error:
        return error
    except Exception:  # the caller raises it again
        return RuntimeError(traceback.format_exc())


@contextlib.contextmanager
def _pickled(pictures: Pictures) -> Iterator[int]:
    """Write pictures to an open file, from which each process reads its own copy."""
    with os.fdopen(_nameless_file(), "wb") as file:
        pickle.dump(pictures, file, pickle.HIGHEST_PROTOCOL)
        file.flush()
        yield file.fileno()


def _nameless_file(size: int = 0) -> int:
    """Open a file of `size` bytes that is in no folder, in memory where the system offers that."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("batches")
    else:
        file, path = tempfile.mkstemp()
        Path(path).unlink()
    os.truncate(file, size)
    return file
