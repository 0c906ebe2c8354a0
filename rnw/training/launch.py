"""Starts a job of several workers, on this machine or over ssh, and ends all of it when one fails.

Processes find each other by the DMLC_* variables of MXNet's parameter server. Each runs under
`rnw.training.guard`, whose standard input this process holds.
"""

import contextlib
import os
import queue
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Sequence

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.runtime import LOCAL_WORKERS
from rnw.training.signals import SIGNALS

THIS_MACHINE = "127.0.0.1"
GUARD = (sys.executable, "-m", "rnw.training.guard")
SERVER = (sys.executable, "-m", "rnw.training.server")
FORWARDED = (  # beginnings of the names of variables that ssh takes along
    *("PATH", "PYTHON", "LD_LIBRARY_PATH", "CUDA_", "NCCL_"),
    *("DMLC_", "PS_", "MXNET_", "OMP_", "DNNL_", "RNW_"),
)
LAST_LINES = 20
POLL_SECONDS = 0.1
GRACE_SECONDS = 5  # from asking a process to end until it is killed

LineHook = Callable[[str, str], None]


class JobFailedError(Exception):
    """A process of a job failed with `exit_status`, and the others were ended."""

    def __init__(self, message: str, exit_status: int):
        super().__init__(message)
        self.exit_status = exit_status


class JobStoppedError(Exception):
    """A job was ended by a signal to its launcher."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_status = 128 + number


def read_hosts(path: PathLike) -> List[str]:
    """The machines that a file names, one a line as ssh takes them; `#` starts a comment.

    Raises InputError when the file cannot be read or names none.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    hosts = [host for line in lines if (host := line.partition("#")[0].strip())]
    if not hosts:
        raise InputError(f"{path}: names no machine: expected one a line")
    return hosts


def launch(
    command: Sequence[str],
    workers: int,
    servers: int = 1,
    *,
    hosts: Sequence[str] = (),
    port: Optional[int] = None,
    on_line: LineHook,
) -> None:
    """Run `command` as each of `workers`, beside `servers` parameter servers and a scheduler.

    With `hosts`, workers and servers are dealt over these machines in turn and started by ssh,
    which must not ask for a password; the scheduler is on the first, at `port` (by default one that
    is free here). Python and the working directory must have the same paths everywhere. `on_line`
    gets the name of a process (`worker 0`) and a line it wrote. SIGINT and SIGTERM are passed to
    the workers, a second one kills them; when this process is killed, so are all others.

    Raises InputError for an unknown host, a port here that is taken and where ssh is missing,
    JobFailedError when a process fails, and JobStoppedError when the workers have ended after a
    signal.
    """
    if port is not None and not hosts:
        _check_port(port)
    places = _places(command, workers, servers, hosts, port or _free_port())
    job = _Job(on_line)
    with _noted_signals() as received, contextlib.closing(job):
        job.start(places)
        job.watch(received)


class _Place(NamedTuple):
    """What runs where: `host` is None on this machine."""

    name: str
    command: Sequence[str]
    variables: Dict[str, str]
    host: Optional[str]


def _places(
    command: Sequence[str], workers: int, servers: int, hosts: Sequence[str], port: int
) -> List[_Place]:
    """Workers first: of several processes that end together, theirs is the message to show."""
    dealt: Sequence[Optional[str]] = hosts or [None]
    addresses = {host: _address(host) for host in dealt}
    if len({address.startswith("127.") for address in addresses.values()}) > 1:
        raise InputError(f"hosts {addresses}: the others cannot reach 127.*: name another address")
    shared = Counter(dealt[rank % len(dealt)] for rank in range(workers))
    job = {
        "DMLC_PS_ROOT_URI": addresses[dealt[0]],
        "DMLC_PS_ROOT_PORT": str(port),
        "DMLC_NUM_WORKER": str(workers),
        "DMLC_NUM_SERVER": str(servers),
        "PYTHONUNBUFFERED": "1",
    }

    def place(name: str, role: str, index: int, what: Sequence[str], **more: str) -> _Place:
        host = dealt[index % len(dealt)]
        own = {"DMLC_ROLE": role, "DMLC_NODE_HOST": addresses[host], **more}
        return _Place(name, what, {**job, **own}, host)

    def share(rank: int) -> Dict[str, str]:
        return {"DMLC_RANK": str(rank), LOCAL_WORKERS: str(shared[dealt[rank % len(dealt)]])}

    return [
        *(place(f"worker {i}", "worker", i, command, **share(i)) for i in range(workers)),
        *(place(f"server {i}", "server", i, SERVER) for i in range(servers)),
        place("scheduler", "scheduler", 0, SERVER),
    ]


def _address(host: Optional[str]) -> str:
    """The IP address that MXNet is to use: it binds to it, which a name does not allow."""
    if host is None:
        return THIS_MACHINE
    name = host.rpartition("@")[2]
    try:
        if host.startswith("-"):  # which ssh would take for an option
            raise OSError("not a name")
        return socket.gethostbyname(name)
    except OSError as error:
        raise InputError(f"host {host}: its address cannot be found: {error}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as MXNet does
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(
                f"port {port}: the scheduler cannot have it: {error.strerror}; choose another "
                "--port"
            ) from error


@contextlib.contextmanager
def _noted_signals() -> Iterator[List[int]]:
    """The signals that arrive, instead of what they do otherwise."""
    received: List[int] = []
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            previous[number] = signal.signal(number, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Process:
    """A process under its guard; what it writes goes into `lines`, with its name."""

    def __init__(self, place: _Place, lines: queue.Queue):
        self.name, self.host = place.name, place.host
        self.is_worker = place.variables["DMLC_ROLE"] == "worker"
        self.last: Deque[str] = deque(maxlen=LAST_LINES)
        self._popen = _start(_arguments(place), {**os.environ, **place.variables})
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()

    def _read(self, lines: queue.Queue) -> None:
        for line in self._popen.stdout:
            self.last.append(line.rstrip("\n"))
            lines.put((self.name, self.last[-1]))

    @property
    def status(self) -> Optional[int]:
        """As a shell gives it; None while it runs."""
        status = self._popen.poll()
        return 128 - status if status is not None and status < 0 else status

    def send(self, number: int) -> None:
        """Pass a signal to the command."""
        with contextlib.suppress(OSError, ValueError):  # it has ended, or is told to
            os.write(self._popen.stdin.fileno(), bytes([number]))

    def kill(self) -> None:
        """Have the guard kill the command."""
        with contextlib.suppress(OSError):
            self._popen.stdin.close()

    def wait(self) -> None:
        """Wait until it is gone and all it wrote is read."""
        try:
            self._popen.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._reader.join(GRACE_SECONDS)

    def describe_failure(self) -> str:
        """How it ended and its last lines."""
        name = self.name if self.host is None else f"{self.name} on {self.host}"
        how = f"failed with status {self.status}"
        with contextlib.suppress(ValueError):
            how = f"was killed by {signal.Signals(self.status - 128).name}"
        if not self.last:
            return f"{name} {how}"
        return "\n  ".join([f"{name} {how}; its last lines:", *self.last])


def _start(arguments: Sequence[str], environment: Dict[str, str]) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C on a terminal is for the launcher to pass on
        )
    except OSError as error:
        raise InputError(f"{arguments[0]}: cannot be run: {error.strerror}") from error


def _arguments(place: _Place) -> List[str]:
    guarded = [*GUARD, *place.command]
    if place.host is None:
        return guarded
    variables = {**os.environ, **place.variables}
    taken = [f"{name}={value}" for name, value in variables.items() if name.startswith(FORWARDED)]
    remote = f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(['env', *taken, *guarded])}"
    return ["ssh", place.host, remote]


class _Job:
    """The processes of a job; none is left when it is closed."""

    def __init__(self, on_line: LineHook):
        self._on_line = on_line
        self._lines: queue.Queue = queue.Queue()
        self._processes: List[_Process] = []

    def start(self, places: Sequence[_Place]) -> None:
        for place in places:
            self._processes.append(_Process(place, self._lines))

    def watch(self, received: Sequence[int]) -> None:
        """Show what is written until the workers have ended; pass on the signals `received`."""
        passed = False
        while any(p.status is None for p in self._processes if p.is_worker):
            self._show(POLL_SECONDS)
            if len(received) > 1:
                self.close()
            elif received and not passed:
                self._pass_on(received[0])
                passed = True
            self._check(received)
        self._wait()
        if received:
            raise JobStoppedError(received[0])

    def _pass_on(self, number: int) -> None:
        name = signal.Signals(number).name
        self._on_line("launcher", f"passes {name} to the workers; a second one kills them")
        for process in self._processes:
            if process.is_worker:
                process.send(number)

    def _check(self, received: Sequence[int]) -> None:
        """End all processes when one has failed."""
        if len(received) > 1:
            return
        expected = {None, 0}
        if received:  # 1 is that of a worker that had not begun
            expected |= {1, 128 + received[0]}
        failed = next((p for p in self._processes if p.status not in expected), None)
        if failed is not None:
            for process in self._processes:
                process.send(signal.SIGTERM)
            self._wait()
            raise JobFailedError(failed.describe_failure(), failed.status)

    def _wait(self) -> None:
        """Show what is written until all have ended; kill what has not in time."""
        deadline = time.monotonic() + GRACE_SECONDS
        while any(p.status is None for p in self._processes) and time.monotonic() < deadline:
            self._show(POLL_SECONDS)
        self.close()
        while not self._lines.empty():
            self._show(POLL_SECONDS)

    def _show(self, seconds: float) -> None:
        """Show the lines there are, waiting for the first one."""
        with contextlib.suppress(queue.Empty):
            self._on_line(*self._lines.get(timeout=seconds))
            while True:
                self._on_line(*self._lines.get_nowait())

    def close(self) -> None:
        """Kill what still runs."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
