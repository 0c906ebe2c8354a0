"""What the guard of a command tells its launcher: whether the command goes on.

The command need not help: Linux tells in /proc which processes are stopped, which compute, and what
is under way on their connections. Steps of training are told by `report_step`, and before them that
a worker waits for the others; who has told of none may be no training.
"""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Dict, Iterable, Iterator, NamedTuple, Optional, Tuple

from rnw.files import parse_json

BEAT_SECONDS = 0.5
IDLE_SHARE = 0.03  # of a core; one tick of the clock in a beat is less
STOPPED = "T"  # the state, in /proc, of a process that SIGSTOP has stopped
CONNECTED = "01"  # the state, there, of a TCP connection that is established
STEPS = "RNW_STEPS"  # the variable that names the file whose time is that of the last step
_MARK = "\x1ernw-beat "  # with which no other line begins
_PROC = Path("/proc")


class Beat(NamedTuple):
    """How a command does, in seconds by the clock of its guard.

    process: of those it started, the one that has been stopped the longest, None when none is.
    stopped: for how long. idle: since something computed, or moved through a connection. step:
    since the last step, None when it has told of none.
    """

    process: Optional[int] = None
    stopped: float = 0
    idle: float = 0
    step: Optional[float] = None

    def line(self) -> str:
        """Return the beat as a line among others."""
        return f"{_MARK}{json.dumps(self)}\n"


def read_beat(line: str) -> Optional[Beat]:
    """Return the beat that a line is; None when it is another line, or half a beat."""
    try:
        return Beat(*parse_json(line[len(_MARK) :])) if line.startswith(_MARK) else None
    except ValueError:
        return None


def report_step() -> None:
    """Tell the guard, where there is one, that training has begun, or that a step of it is done."""
    if STEPS in os.environ:
        with contextlib.suppress(OSError):
            os.utime(os.environ[STEPS])


class Pulse:
    """Takes the beats of a command.

    `variables` are for its environment; `beats` looks at the session that it leads.
    """

    def __init__(self) -> None:
        self._steps = os.memfd_create("steps") if hasattr(os, "memfd_create") else None
        self.variables = {} if self._steps is None else {STEPS: _path(self._steps)}
        self._first = self._told = self._last_told()
        self._computed = self._looked = self._stepped = time.monotonic()
        self._ticks: Dict[int, int] = {}
        self._stopped: Dict[int, float] = {}
        self._queues: Dict[str, str] = {}

    def beats(self, session: int) -> Iterator[Beat]:
        """Yield a beat now, and one each BEAT_SECONDS."""
        while True:
            yield self._beat(session)
            time.sleep(BEAT_SECONDS)

    def _beat(self, session: int) -> Beat:
        now = time.monotonic()
        processes = dict(_processes(session))
        self._note_computing(now, {process: ticks for process, (_, ticks) in processes.items()})
        self._stopped = {
            process: self._stopped.get(process, now)
            for process, (state, _) in processes.items()
            if state == STOPPED
        }
        process = min(self._stopped, key=self._stopped.__getitem__, default=None)
        stopped = 0.0 if process is None else now - self._stopped[process]
        return Beat(process, stopped, now - self._computed, self._since_step(now))

    def _note_computing(self, now: float, ticks: Dict[int, int]) -> None:
        """Where the system tells of no process, there may be one that computes."""
        used = sum(max(0, count - self._ticks.get(process, 0)) for process, count in ticks.items())
        seconds = used / os.sysconf("SC_CLK_TCK")
        queues = _queues(ticks) if ticks else {}
        is_idle = seconds <= IDLE_SHARE * (now - self._looked) and queues == self._queues
        if not ticks or not is_idle:
            self._computed = now
        self._ticks, self._looked, self._queues = ticks, now, queues

    def _since_step(self, now: float) -> Optional[float]:
        told = self._last_told()
        if told != self._told:
            self._told, self._stepped = told, now
        return None if told == self._first else now - self._stepped

    def _last_told(self) -> Optional[int]:
        return None if self._steps is None else os.fstat(self._steps).st_mtime_ns


def _path(file: int) -> str:
    """Return where other processes find an open file of this one."""
    return f"{_PROC}/{os.getpid()}/fd/{file}"


def _processes(session: int) -> Iterator[Tuple[int, Tuple[str, int]]]:
    """State and ticks of processor time of each process of a session, by number."""
    for folder in _PROC.glob("[0-9]*"):
        number = int(folder.name)
        with contextlib.suppress(OSError):  # it has ended
            if os.getsid(number) == session:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                yield number, (fields[0], int(fields[11]) + int(fields[12]))


def _queues(processes: Iterable[int]) -> Dict[str, str]:
    """What waits to be sent and to be read on each TCP connection of some processes.

    It stays as it is where nobody sends, and where a link is cut.
    """
    sockets = set()
    for number in processes:
        with contextlib.suppress(OSError):  # it has ended
            sockets |= {os.readlink(file) for file in (_PROC / str(number) / "fd").iterdir()}
    rows = [row.split() for row in (_PROC / "self/net/tcp").read_text().splitlines()]
    return {
        row[9]: row[4] for row in rows if row[3] == CONNECTED and f"socket:[{row[9]}]" in sockets
    }
