"""Where gradients are summed: in one process, or on the parameter servers of several workers.

Synchronous servers only add. Each worker then makes the same update by itself, so that momentum
lives with the workers and any optimizer can be resumed exactly. Asynchronous servers run it.
"""

import hashlib
import os
import time
from typing import Any, Callable, Dict, Optional, Sequence

import mxnet as mx
import numpy as np
from mxnet.base import _LIB, check_call

from rnw.errors import InputError, look_up
from rnw.training.heartbeat import report_step
from rnw.training.optimizers import WithTallies
from rnw.training.signals import SIGNALS, StopRequest

LAUNCH = "rnw launch --workers 2 --servers 1 -- rnw train-cls --kvstore dist_sync ..."
POLL_SECONDS = 0.05

# Keys beyond the place of any parameter. Those from STATISTICS on are sums over the workers.
FIRST_WORKERS, STATISTICS, SCORES, FINITE = range(1_000_000, 1_000_004)
SLOTS = 16  # numbers under SCORES: those of a step, and what is agreed on


class _Updater:
    """Passes calls on to `update`, from where exceptions are lost: MXNet's call into Python.

    `check` raises what was lost since the last `expect`.
    """

    def __init__(self, update: Callable[..., None]):
        self._update = update
        self._cause: Optional[BaseException] = None

    def __call__(self, *arguments: Any) -> None:
        try:
            self._update(*arguments)
            self._cause = None
        except BaseException as error:
            self._cause = error

    def expect(self) -> None:
        self._cause = RuntimeError("an exception cut the update of a parameter and was lost")

    def check(self) -> None:
        if self._cause is not None:
            raise self._cause


class Local:
    """One process: the gradients of its devices are summed, and one updater changes the weights.

    `rank` is this worker's place among `workers`. A `stop` request that is set before the first
    step is passed on to all workers; `stopping` is the signal that they agreed to stop for.
    """

    rank, workers = 0, 1
    updates_per_step = 1

    def __init__(self, kind: str):
        self._kvstore = mx.kv.create(kind)
        self.stop = StopRequest()
        self.stopping: Optional[int] = None
        self._scores: Dict[str, float] = {}
        self._epochs_done = self._all_epochs_done = 0

    def start(self, parameters: Sequence[mx.gluon.Parameter], updater: Any) -> None:
        """Take over the values of `parameters`, whose keys are their places."""
        self._updater = _Updater(updater)
        self._kvstore._set_updater(self._updater)
        for key, parameter in enumerate(parameters):
            self._kvstore.init(key, parameter.list_data()[0])

    def update(self, key: int, parameter: mx.gluon.Parameter) -> None:
        """Change the parameter on all devices by its gradients on all devices.

        Raises what the updater raises; nothing of such a step may be kept.
        """
        self._apply(key, parameter, parameter.list_grad())

    def _apply(self, key: int, parameter: mx.gluon.Parameter, gradients: Sequence[Any]) -> None:
        self._updater.expect()
        self._kvstore.push(key, gradients, priority=-key)
        self._updater.check()
        self._kvstore.pull(key, parameter.list_data(), priority=-key)

    def agrees(self, facts: Sequence[Any]) -> bool:
        """Tell whether the first worker has the same facts; all wait for each other here."""
        return True

    def total(self, key: int, values: np.ndarray) -> np.ndarray:
        """Return the sum over the workers of arrays of one shape and dtype."""
        return values

    def all_agree(self, finite: bool) -> bool:
        """Tell whether all workers that make a step together have finite gradients."""
        return finite

    def share(self, scores: Dict[str, float]) -> Dict[str, float]:
        """Return the mean of the workers' scores; agree with them on whether to stop."""
        self._scores = scores
        total = self._agree()
        count, *sums = total[: 1 + len(scores)].tolist()
        return {name: value / count for name, value in zip(scores, sums)}

    def _agree(self) -> np.ndarray:
        """Tell scores, progress and whether to stop, and hear what all have told."""
        received = self.stop.received
        told = [bool(self._scores), *self._scores.values()]
        agreed = [self._epochs_done, *(received == number for number in SIGNALS)]
        padding = [0] * (SLOTS - len(told) - len(agreed))
        total = self.total(SCORES, np.array([*told, *padding, *agreed], np.float64))
        self._all_epochs_done, *stops = total[-len(agreed) :]
        self.stopping = next((n for n, asked in zip(SIGNALS, stops) if asked), None)
        return total

    def finish_epoch(self) -> None:
        """Wait for the workers that are still in the epoch."""

    def finish(self) -> None:
        """Let the servers end when all workers have come here and left."""


class _Distributed(Local):
    """One of several workers, on parameter servers. It waits for no other unless it finishes."""

    def __init__(self, kind: str):
        super().__init__("device" if kind == "dist_device_sync" else "local")
        report_step()  # in the next line it waits for all others
        self._servers = mx.kv.create(kind)
        self._set_barrier_before_exit(False)  # a worker that fails would wait for the others
        self.workers = self._servers.num_workers
        self.rank = int(os.environ.get("DMLC_RANK", self._servers.rank))
        self._told: Dict[int, np.ndarray] = {}

    def _set_barrier_before_exit(self, wait: bool) -> None:
        check_call(_LIB.MXKVStoreSetBarrierBeforeExit(self._servers.handle, int(wait)))

    def agrees(self, facts: Sequence[Any]) -> bool:
        digest = hashlib.blake2b(repr([*facts]).encode()).digest()
        mine = mx.nd.array(list(digest))  # by bytes, since servers keep 24 bits of a number
        self._servers.init(FIRST_WORKERS, mine)
        first = self._pull(FIRST_WORKERS, mine)
        return bool(np.array_equal(first, mine.asnumpy()))

    def _pull(self, key: int, like: Any) -> np.ndarray:
        out = mx.nd.zeros_like(like)
        self._servers.pull(key, out=out)
        return out.asnumpy()

    def finish(self) -> None:
        self._set_barrier_before_exit(True)


class Synchronous(_Distributed):
    """All workers make each step together, by the sum of all gradients."""

    def start(self, parameters: Sequence[mx.gluon.Parameter], updater: Any) -> None:
        super().start(parameters, updater)
        values = [parameter.list_data()[0] for parameter in parameters]
        self._servers.init(list(range(len(values))), values)

    def update(self, key: int, parameter: mx.gluon.Parameter) -> None:
        gradients = parameter.list_grad()
        self._servers.push(key, gradients, priority=-key)
        self._servers.pull(key, gradients[:1], priority=-key)
        self._apply(key, parameter, gradients[:1])

    def total(self, key: int, values: np.ndarray) -> np.ndarray:
        mine = mx.nd.array(values, dtype=values.dtype)
        if key not in self._told:
            self._servers.init(key, mine)
        self._told[key] = values
        self._servers.push(key, mine)
        return self._pull(key, mine)

    def all_agree(self, finite: bool) -> bool:
        return bool(self.total(FINITE, np.array([finite], np.float64)) == self.workers)


class Asynchronous(_Distributed):
    """Each worker makes its own steps; the optimizer runs on the servers at each of them.

    The servers keep momentum, so that a run is resumed without it. A total is that of what each
    worker told last.
    """

    def __init__(self, kind: str):
        super().__init__(kind)
        self.updates_per_step = self.workers

    def start(self, parameters: Sequence[mx.gluon.Parameter], updater: Any) -> None:
        self._parameters = parameters
        values = [parameter.list_data()[0] for parameter in parameters]
        self._servers.init(list(range(len(values))), values)
        if self._servers.rank == 0:
            self._servers.set_optimizer(WithTallies(updater.optimizer, STATISTICS))
        self._servers._barrier()

    def update(self, key: int, parameter: mx.gluon.Parameter) -> None:
        self._servers.push(key, parameter.list_grad(), priority=-key)
        self._servers.pull(key, parameter.list_data(), priority=-key)

    def total(self, key: int, values: np.ndarray) -> np.ndarray:
        mine = mx.nd.array(values, dtype=values.dtype)
        first = key not in self._told
        if first:
            self._servers.init(key, mx.nd.zeros_like(mine))
            self._told[key] = np.zeros_like(values)
        self._servers.push(key, mx.nd.array(values - self._told[key], dtype=values.dtype))
        self._told[key] = values
        total = self._pull(key, mine)
        if first:  # no total is without what some worker has not told yet
            self._servers._barrier()
            total = self._pull(key, mine)
        return total

    def finish_epoch(self) -> None:
        self._epochs_done += 1
        self._agree()
        while self.stopping is None and self._all_epochs_done < self.workers * self._epochs_done:
            time.sleep(POLL_SECONDS)
            self._agree()
        for key, parameter in enumerate(self._parameters):
            self._servers.pull(key, parameter.list_data())


KVSTORES = {
    "local": Local,
    "device": Local,
    "dist_sync": Synchronous,
    "dist_device_sync": Synchronous,
    "dist_async": Asynchronous,
}


def open_kvstore(kind: str) -> Local:
    """Return the KVStore of a kind, a row of `KVSTORES`.

    Raises InputError for another, for a distributed one in a process that `rnw launch` did not
    start, and for a local one in a process that it started.
    """
    store = look_up(KVSTORES, kind, "kvstore")
    launched = os.environ.get("DMLC_ROLE") == "worker"
    distributed = issubclass(store, _Distributed)
    if distributed and not launched:
        raise InputError(f"kvstore {kind} needs servers and other workers: start all by `{LAUNCH}`")
    if launched and not distributed:
        raise InputError(f"kvstore {kind} is for one process: under `rnw launch` take dist_sync")
    return store(kind)
