"""Starts a job of several workers, on this machine or over ssh, and ends all of it when one fails.

Processes find each other by the DMLC_* variables of MXNet's parameter server. Each runs under
`rnw.training.guard`, whose standard input this process holds and whose beats it listens to.
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
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Sequence

from rnw.errors import InputError
from rnw.files import PathLike, reading
from rnw.runtime import LOCAL_WORKERS
from rnw.training.heartbeat import Beat, read_beat
from rnw.training.signals import SIGNALS

THIS_MACHINE = "127.0.0.1"
GUARD = (sys.executable, "-m", "rnw.training.guard")
SERVER = (sys.executable, "-m", "rnw.training.server")
START_SECONDS = 30  # until a guard is there, on a machine that is slow
SSH = ("ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={START_SECONDS}")
SSH_FAILED = 255
LOGINS = 8  # at once on a host; OpenSSH's server refuses some beyond 10 (MaxStartups)
NO_SIGNAL = 0
FORWARDED = (  # beginnings of the names of variables that ssh takes along
    *("PATH", "PYTHON", "LD_LIBRARY_PATH", "CUDA_", "NCCL_"),
    *("DMLC_", "PS_", "MXNET_", "OMP_", "DNNL_", "RNW_"),
)
LAST_LINES = 20
POLL_SECONDS = 0.1
GRACE_SECONDS = 5  # from asking a process to end until it is killed
WAITING_SECONDS = 1  # the same, where all that is left has computed nothing in that time
IDLE_SECONDS = 30  # after a signal, until nobody is expected to do what it asks for
STALL_SECONDS = 600
STALLED_STATUS = 1

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
    """Return the hosts in a file, one on each line as ssh takes them; `#` starts a comment.

    Raises InputError when the file cannot be read or names none.
    """
    with reading(path, damaged=(UnicodeDecodeError,)):
        lines = Path(path).read_text(encoding="utf-8").splitlines()
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
    stall_seconds: float = STALL_SECONDS,
    on_line: LineHook,
) -> None:
    """Run `command` as each of `workers`, beside `servers` parameter servers and a scheduler.

    With `hosts`, workers and servers are dealt over these machines in turn and started by ssh,
    which must not ask for a password; the scheduler is on the first, at `port` (by default one that
    is free here). Python and the working directory must have the same paths everywhere. `on_line`
    gets the name of a process (`worker 0`) and a line it wrote. SIGINT and SIGTERM are passed to
    the workers; a second one kills them, and so does that nothing comes of the first. When this
    process is killed, so are all others; those on a machine that hears nothing of it, as it is
    stopped or the link is cut, end after `stall_seconds` and GRACE_SECONDS.

    A job has stalled when for `stall_seconds` a process was stopped (SIGSTOP), nothing was heard
    from its machine, or no worker has made a step of training while no process used a processor:
    those that compute without steps, or sleep without having begun to train, may take their time.

    Raises InputError for an unknown host, a port here that is taken and where ssh is missing,
    JobFailedError when a process fails or the job has stalled, and JobStoppedError when the workers
    have ended after a signal.
    """
    if port is not None and not hosts:
        _check_port(port)
    job = _Job(on_line, stall_seconds)
    with _reserved_port() as free, _noted_signals() as received, contextlib.closing(job):
        job.run(_places(command, workers, servers, hosts, port or free), received)


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
    """Return the IP address for MXNet, which cannot bind to a name."""
    if host is None:
        return THIS_MACHINE
    name = host.rpartition("@")[2]
    try:
        if host.startswith("-"):  # which ssh would take for an option
            raise OSError(None, "not a name")
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(
            f"host {host}: its address cannot be found: {error.strerror}; write an IPv4 address, "
            "or a name that this machine knows"
        ) from error
    addresses = {family: str(address[0]) for family, *_, address in reversed(found)}
    if socket.AF_INET not in addresses:
        raise InputError(
            f"host {host}: its only address is {addresses[socket.AF_INET6]}, and MXNet's parameter "
            "servers do not use IPv6; write its IPv4 address"
        )
    return addresses[socket.AF_INET]


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """Yield a free port that the system gives to nobody else meanwhile; MXNet can bind to it."""
    with _reusable_socket() as holder:
        holder.bind(("", 0))
        yield holder.getsockname()[1]


def _reusable_socket() -> socket.socket:
    """Return a socket whose port others can bind to while it does not listen, as MXNet's is."""
    unbound = socket.socket()
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return unbound


def _check_port(port: int) -> None:
    with _reusable_socket() as probe:
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(
                f"port {port}: the scheduler cannot have it: {error.strerror}; choose another "
                "--port"
            ) from error


@contextlib.contextmanager
def _noted_signals() -> Iterator[List[int]]:
    """Collect the signals that arrive, in place of what they do otherwise."""
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


class _Clock:
    """Counts from when it was started, or else from when this process was last stopped itself.

    Nobody was listened to before that.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._start = self._looked = time.monotonic()

    def look(self) -> None:
        """Notice that too long a time has passed since it was looked at."""
        if time.monotonic() - self._looked > GRACE_SECONDS:
            self.restart()
        self._looked = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds that it has counted."""
        return time.monotonic() - self._start

    def age(self, seconds: float) -> float:
        """Return the part of an age that counts."""
        return min(seconds, self.seconds)


class _Process:
    """A process under its guard; what it writes goes into `lines`, with its name.

    `beat` is the last one of the guard, `heard` when it came, or is expected. Each is answered:
    a guard on another machine that hears nothing for `silence` seconds ends its command.
    """

    def __init__(self, place: _Place, lines: queue.Queue, silence: float):
        self.name = place.name if place.host is None else f"{place.name} on {place.host}"
        self.is_worker = place.variables["DMLC_ROLE"] == "worker"
        self.last: Deque[str] = deque(maxlen=LAST_LINES)
        self.beat, self.heard = Beat(), time.monotonic() + START_SECONDS
        self._lines, self._line_name, self.host = lines, place.name, place.host
        self.is_started = False
        # of no type, since its streams, which are all pipes here, are optional
        self._popen: Any = _start(_arguments(place, silence), {**os.environ, **place.variables})
        self._readers = [
            threading.Thread(target=read, daemon=True) for read in (self._read, self._listen)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        for line in self._popen.stdout:
            self._show(line)

    def _listen(self) -> None:
        for line in self._popen.stderr:
            beat = read_beat(line)
            if beat is None:  # the guard cannot run the command, or ssh cannot run the guard
                self._show(line)
            else:
                self.beat, self.heard, self.is_started = beat, time.monotonic(), True
                self.send(NO_SIGNAL)

    def _show(self, line: str) -> None:
        self.last.append(line.rstrip("\n"))
        self._lines.put((self._line_name, self.last[-1]))

    @property
    def status(self) -> Optional[int]:
        """The exit status as a shell gives it; None while the process runs."""
        status = self._popen.poll()
        return 128 - status if status is not None and status < 0 else status

    def send(self, number: int) -> None:
        """Pass a signal to the command, or tell its guard that this process is there."""
        with contextlib.suppress(OSError, ValueError):  # it has ended, or is told to
            self._popen.stdin.buffer.write(bytes([number]))
            self._popen.stdin.buffer.flush()

    def kill(self) -> None:
        """Have the guard kill the command."""
        with contextlib.suppress(OSError):
            self._popen.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait until it is gone, killed after `seconds`, and all it wrote is read."""
        try:
            self._popen.wait(max(0, seconds))
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for reader in self._readers:
            reader.join(GRACE_SECONDS)

    def describe_failure(self) -> str:
        """Return how it ended, with its last lines."""
        status = self.status or 0
        how = f"failed with status {status}"
        with contextlib.suppress(ValueError):
            how = f"was killed by {signal.Signals(status - 128).name}"
        if self.host is not None and not self.is_started:
            return "\n  ".join([f"{self.name} could not be started:", *self.last, self._remedy()])
        if not self.last:
            return f"{self.name} {how}"
        return "\n  ".join([f"{self.name} {how}; its last lines:", *self.last])

    def _remedy(self) -> str:
        """Return what to do where ssh has not started the guard."""
        if self.status == SSH_FAILED:
            return f"`ssh {self.host} true` must work without a password or any other question"
        return f"on {self.host} must be {sys.executable} with rnw, and the folder {Path.cwd()}"


def _start(arguments: Sequence[str], environment: Dict[str, str]) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C on a terminal is for the launcher to pass on
        )
    except OSError as error:
        raise InputError(f"{arguments[0]}: cannot be run: {error.strerror}") from error


def _arguments(place: _Place, silence: float) -> List[str]:
    if place.host is None:
        return [*GUARD, "inf", *place.command]
    guarded = [*GUARD, str(silence), *place.command]
    variables = {**os.environ, **place.variables}
    taken = [f"{name}={value}" for name, value in variables.items() if name.startswith(FORWARDED)]
    remote = f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(['env', *taken, *guarded])}"
    return [*SSH, place.host, remote]


class _Job:
    """The processes of a job; none is left when it is closed."""

    def __init__(self, on_line: LineHook, stall_seconds: float):
        self._on_line = on_line
        self._lines: queue.Queue = queue.Queue()
        self._processes: List[_Process] = []
        self._stall_seconds = stall_seconds
        self._clock = _Clock()
        self._is_asked = self._is_closed = False

    def run(self, places: Sequence[_Place], received: Sequence[int]) -> None:
        """Show what is written until the workers have ended; pass on the signals `received`."""
        waiting = [*places]
        while waiting or any(p.is_worker for p in self._running()):
            waiting = [] if received else self._start(waiting)
            self._show(POLL_SECONDS)
            self._clock.look()
            if received:
                self._stop(received)
            if not self._is_closed:
                self._check(received)
        self._wait()
        if received:
            raise JobStoppedError(received[0])

    def _start(self, places: Sequence[_Place]) -> List[_Place]:
        """Start the processes for which their hosts have a login; return the others."""
        silence = self._stall_seconds + GRACE_SECONDS  # the launcher names the cause first
        logins = Counter(p.host for p in self._running() if not p.is_started)
        waiting = []
        for place in places:
            logins[place.host] += 1
            if place.host is not None and logins[place.host] > LOGINS:
                waiting.append(place)
            else:
                self._processes.append(_Process(place, self._lines, silence))
        return waiting

    def _running(self) -> List[_Process]:
        return [process for process in self._processes if process.status is None]

    def _stop(self, received: Sequence[int]) -> None:
        """Pass the first signal on; end all at the second, or when nothing comes of the first."""
        if len(received) > 1:
            self.close()
        elif not self._is_asked:
            self._pass_on(received[0])
            self._is_asked = True
            self._clock.restart()
        else:
            reason = self._find_why_not_to_wait()
            if reason is not None:
                self._on_line("launcher", f"{reason}: kills all")
                self.close()

    def _pass_on(self, number: int) -> None:
        name = signal.Signals(number).name
        self._on_line("launcher", f"passes {name} to the workers; a second one kills them")
        for process in self._processes:
            if process.is_worker:
                process.send(number)

    def _find_why_not_to_wait(self) -> Optional[str]:
        """Why the workers cannot do what a signal asks for; None when they may."""
        if self._clock.seconds > self._stall_seconds:
            return f"the workers still run after {self._stall_seconds:g} s"
        if self._idle_seconds() > IDLE_SECONDS:
            return f"no process has computed anything for {IDLE_SECONDS} s"
        return self._find_frozen(GRACE_SECONDS)

    def _check(self, received: Sequence[int]) -> None:
        """End all processes when one has failed, or the job has stalled."""
        expected = {None, 0}
        if received:  # 1 is that of a worker that had not begun
            expected |= {1, 128 + received[0]}
        failed = next((p for p in self._processes if p.status not in expected), None)
        if failed is not None:
            self._end_all()
            raise JobFailedError(failed.describe_failure(), failed.status or 0)
        stalled = None if received else self._find_stalled()
        if stalled is not None:
            self._end_all()
            raise JobFailedError(
                f"{stalled}; all were ended (--stall-seconds says how long to wait)", STALLED_STATUS
            )

    def _find_stalled(self) -> Optional[str]:
        """Return which process has made no progress for too long, and how that shows."""
        return self._find_frozen(self._stall_seconds) or self._find_deadlock()

    def _find_frozen(self, limit: float) -> Optional[str]:
        for process in self._running():
            beat, unheard = process.beat, time.monotonic() - process.heard
            if self._clock.age(beat.stopped) > limit:
                what = f"its process {beat.process} is stopped"
                return f"{process.name} made no progress for {beat.stopped:.0f} s: {what}"
            if self._clock.age(unheard) > limit:
                what = "its guard, or the machine that it is on, does not answer"
                return f"{process.name} made no progress for {unheard:.0f} s: {what}"
        return None

    def _find_deadlock(self) -> Optional[str]:
        """Look at workers that train only: others may sleep."""
        workers = [process for process in self._running() if process.is_worker]
        steps = {p: step for p in workers if (step := p.beat.step) is not None}
        if len(steps) < len(workers):
            return None
        since = self._clock.age(min(steps.values(), default=0))
        if min(since, self._idle_seconds()) <= self._stall_seconds:
            return None
        last = max(steps, key=steps.__getitem__)
        guess = "" if last.host is None else ": the hosts may not reach each other"
        return f"{last.name} made no step for {steps[last]:.0f} s, and no process computes{guess}"

    def _idle_seconds(self) -> float:
        """Return for how many seconds no process has computed anything."""
        return self._clock.age(min((p.beat.idle for p in self._running()), default=0))

    def _end_all(self) -> None:
        """Ask all to end, and kill them when they have had time for it."""
        for process in self._processes:
            process.send(signal.SIGTERM)
        self._wait()

    def _wait(self) -> None:
        """Show what is written until all have ended; kill what has not in time, or only waits."""
        self._clock.restart()
        while self._running() and self._clock.seconds < GRACE_SECONDS:
            self._show(POLL_SECONDS)
            if self._idle_seconds() > WAITING_SECONDS:
                break
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
        self._is_closed = True
        for process in self._processes:
            process.kill()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self._processes:
            process.wait(deadline - time.monotonic())
