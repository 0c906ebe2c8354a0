"""`python -m rnw.training.guard SECONDS COMMAND...`: runs what shall not outlive its launcher.

Each byte on standard input is the number of a signal to pass on, or 0, which is none; its end, also
when a launcher or the connection to it dies, kills the command and all that it started. So does
that nothing comes for SECONDS (`inf`: however long), as through a link that is cut. Standard output
has all that the command writes, standard error the beats of `rnw.training.heartbeat`, of which the
first is from before the command. The exit status is the command's, 128 more than the number of the
signal that killed it.
"""

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import threading
from functools import partial

from rnw.children import die_with
from rnw.training.heartbeat import Beat, Pulse
from rnw.training.signals import SIGNALS

NOT_FOUND = 127


def main() -> None:
    """Run the command of the command line and exit as it does."""
    silence, *command = sys.argv[1:]
    pulse = Pulse()
    _tell(Beat())
    try:
        child = subprocess.Popen(
            command,
            env={**os.environ, **pulse.variables},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with, os.getpid()),
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]}: cannot be run: {error.strerror}\n")
        sys.exit(NOT_FOUND)
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: _signal(child.pid, number))
    threading.Thread(target=_obey, args=(child.pid, float(silence)), daemon=True).start()
    threading.Thread(target=_beat, args=(pulse, child.pid), daemon=True).start()
    status = child.wait()
    _signal(child.pid, signal.SIGKILL)  # what it may have left behind
    sys.exit(status if status >= 0 else 128 - status)


def _obey(group: int, silence: float) -> None:
    launcher = sys.stdin.fileno()
    limit = silence if math.isfinite(silence) else None
    while select.select([launcher], [], [], limit)[0]:
        received = os.read(launcher, 1)
        if not received:
            break
        _signal(group, received[0])
    _signal(group, signal.SIGKILL)


def _beat(pulse: Pulse, session: int) -> None:
    with contextlib.suppress(OSError):  # the launcher has ended
        for beat in pulse.beats(session):
            _tell(beat)


def _tell(beat: Beat) -> None:
    os.write(sys.stderr.fileno(), beat.line().encode())


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    main()
