"""Measurements in turn: by processes that answer requests, and as ratios.

The number of threads and the peak memory belong to a process, so what is compared is measured in
processes of its own. They are asked in turn, so that the load of the machine is the same for all.
"""

import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import Any, Callable, Sequence, Tuple, TypeVar

from rnw.errors import InputError

Opened = TypeVar("Opened", bound="Worker")


class Worker:
    """A process that calls `make(*arguments)` and then answers requests by the function it gives.

    make: a function at the top of a module. name: of what the process measures, for messages. The
    process ends with the `with` block that it is opened by.

    What `make` or its function raises is raised here; InputError where the process dies.
    """

    def __init__(self, name: str, make: Callable[..., Callable[[str], Any]], *arguments: Any):
        self._name = name
        spawn = multiprocessing.get_context("spawn")
        self._connection, other = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(other, make, arguments), daemon=True)
        self._process.start()
        other.close()
        try:
            self._answer()
        except BaseException:
            self.stop()
            raise

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def ask(self, request: str) -> Any:
        """Return the answer of the process to a request."""
        self._connection.send(request)
        return self._answer()

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join()
            raise InputError(
                f"the process of {self._name!r} ended with status {self._process.exitcode} "
                "(negative: a signal); is there memory enough? try a smaller batch or size"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(
    connection: Connection, make: Callable[..., Callable[[str], Any]], arguments: Sequence[Any]
) -> None:
    try:
        answer = make(*arguments)
        connection.send("ready")
        while True:
            connection.send(answer(connection.recv()))
    except Exception as error:  # whatever it is, the other side is to raise it
        connection.send(error)


def check_counts(**counts: int) -> None:
    """Raise InputError for the first of some numbers that is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} is {count}, expected at least 1")


def run_python(*arguments: str) -> Tuple[bytes, resource.struct_rusage]:
    """Run Python in a new process; return what it prints and the resources that it used.

    Raises InputError when it fails.
    """
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE) as process:
        printed = process.stdout.read() if process.stdout else b""
        _, process.returncode, usage = os.wait4(process.pid, 0)
    if process.returncode:
        raise InputError(f"python {' '.join(arguments)} failed; its errors are shown above")
    return printed, usage


def seconds_of(run: Callable[[], Any]) -> float:
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median ratio of measurements that were taken in turn."""
    return statistics.median(n / d for n, d in zip(numerators, denominators))


def ratio_and_noise(
    numerators: Sequence[float], denominators: Sequence[float]
) -> Tuple[float, float]:
    """Return the median ratio of measurements in turn, and half the distance of its quartiles."""
    ratios = [n / d for n, d in zip(numerators, denominators)]
    return median_and_noise(ratios)


def median_and_noise(values: Sequence[float]) -> Tuple[float, float]:
    """Return the median of measurements, and half the distance of their quartiles."""
    return statistics.median(values), half_quartile_distance(values)


def half_quartile_distance(values: Sequence[float]) -> float:
    """Return half the distance between the quartiles of numbers, 0 for a single one."""
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / 2
