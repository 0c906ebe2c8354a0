"""What happens to a run of hours: each fault strikes it, and returns how the run must end of it.

That is its exit status and the words that must be in what it prints.
"""

import contextlib
import os
import signal
import subprocess

from tests.soak.disturbed import stop_while_saving

FILL = "fill"  # the file that fills the disk
LOST_JOB = 1  # the status of a job that has stalled


def _killed(run, number):
    """How a run ends one of whose processes was killed."""
    if run.is_leader(number):
        return (-signal.SIGKILL,)
    return (128 + signal.SIGKILL, "was killed by SIGKILL")


def kill(run, dice):
    """One process, whichever, is killed at a random moment."""
    number = dice.choice(run.processes())
    os.kill(number, signal.SIGKILL)
    return _killed(run, number)


def kill_while_saving(run, dice):
    """The process that saves the state is killed while it does."""
    number = stop_while_saving(run)
    os.kill(number, signal.SIGKILL)
    return _killed(run, number)


def damage(run, dice):
    """The run is killed while it saves, and of its newest state a part is cut off or changed."""
    ends = kill_while_saving(run, dice)
    run.check_end(*ends)
    content = bytearray(run.state.read_bytes())
    place = dice.randrange(len(content))
    if dice.random() < 0.5:
        del content[place:]
    else:
        content[place] ^= 1 << dice.randrange(8)
    run.state.write_bytes(content)
    return ends


def stop(run, dice):
    """The run is asked to stop, by Ctrl-C or otherwise."""
    number = dice.choice((signal.SIGINT, signal.SIGTERM))
    run.signal(number)
    words = f"stopped by {number.name}", "run the same command with --resume to continue"
    return (128 + number, *words)


def fill_the_disk(run, dice):
    """Nothing is left of the disk but less than a state takes, until the run has ended."""
    fill = run.folder.parent / FILL
    spare = dice.randrange(run.state.stat().st_size)
    with fill.open("wb") as file:
        with contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(1 << 16))
        file.truncate(max(0, os.fstat(file.fileno()).st_size - spare))
    try:
        run.check_end(2, "cannot be written: No space left on device")
    finally:
        fill.unlink()
    return (2,)


def freeze(run, dice):
    """A process of a job is stopped, and never goes on: the job ends when it has stalled."""
    _, *others = run.processes()
    os.kill(dice.choice(others), signal.SIGSTOP)
    return (LOST_JOB, "made no progress for")


def cut_the_link(run, dice):
    """The processes of a job no longer reach each other: it ends when it has stalled."""
    _set_link("down")
    try:
        run.check_end(LOST_JOB, "made no step for", "no process computes")
    finally:
        _set_link("up")
    return (LOST_JOB,)


def _set_link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


FAULTS = {
    "killed": kill,
    "killed while saving": kill_while_saving,
    "newest state damaged": damage,
    "stopped": stop,
    "disk full": fill_the_disk,
}
FAULTS_OF_JOBS = {**FAULTS, "frozen": freeze, "link cut": cut_the_link}
