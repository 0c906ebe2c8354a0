"""What is told of a command that may or may not go on."""

import contextlib
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from rnw.training.heartbeat import STEPS, Beat, Pulse, read_beat, report_step

COMPUTE = "print(flush=True)\nwhile True: pass"
SLEEP = "import time; print(flush=True); time.sleep(1000)"
STEP = """
import sys
from rnw.training.heartbeat import report_step
for line in sys.stdin:
    report_step()
    print(flush=True)
"""
BEATS = 60  # in which what is waited for must have come

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@contextlib.contextmanager
def _command(script, pulse):
    """A command that leads a session, once it has written a line (or expects one)."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **pulse.variables, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _first(beats, is_expected):
    return next(beat for beat in islice(beats, BEATS) if is_expected(beat))


def test_a_stopped_process_is_told_until_it_goes_on():
    pulse = Pulse()
    with _command(SLEEP, pulse) as process:
        process.stdout.readline()
        beats = pulse.beats(process.pid)
        assert next(beats)[:2] == (None, 0)
        os.kill(process.pid, signal.SIGSTOP)
        first = _first(beats, lambda beat: beat.process == process.pid)
        second = next(beats)
        assert second.process == process.pid
        assert second.stopped > first.stopped >= 0
        os.kill(process.pid, signal.SIGCONT)
        assert _first(beats, lambda beat: beat.process is None).stopped == 0


def test_who_sleeps_is_idle_for_longer_and_longer():
    pulse = Pulse()
    with _command(SLEEP, pulse) as process:
        process.stdout.readline()
        beats = pulse.beats(process.pid)
        _first(beats, lambda beat: beat.idle > 0)
        idle = [beat.idle for beat in islice(beats, 2)]
        assert 0 < idle[0] < idle[1]


def test_who_computes_is_not_idle():
    pulse = Pulse()
    with _command(COMPUTE, pulse) as process:
        process.stdout.readline()
        beats = pulse.beats(process.pid)
        next(beats)
        _first(beats, lambda beat: beat.idle == 0)


def test_other_sessions_are_not_looked_at():
    pulse = Pulse()
    with _command(COMPUTE, pulse), _command(SLEEP, pulse) as process:
        process.stdout.readline()
        _first(pulse.beats(process.pid), lambda beat: beat.idle > 0)


def test_steps_are_told_from_the_first_one_on():
    pulse = Pulse()
    with _command(STEP, pulse) as process:
        beats = pulse.beats(process.pid)
        assert next(beats).step is None
        ages = []
        for _ in range(2):
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            ages.append([beat.step for beat in islice(beats, 2)])
        assert [age[0] for age in ages] == [0, 0]
        assert all(age[1] > 0 for age in ages)


@pytest.mark.parametrize("path", [None, "/proc/0/fd/0"])
def test_steps_that_nobody_asks_for(monkeypatch, path):
    monkeypatch.delenv(STEPS, raising=False)
    if path is not None:
        monkeypatch.setenv(STEPS, path)
    report_step()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("beat", [Beat(), Beat(123, 4.5, 6.25, 7)])
def test_beats_among_other_lines(beat):
    assert read_beat(beat.line()) == beat
    assert read_beat(beat.line()[:-4]) is None
    assert read_beat(f"said: {beat.line()}") is None
    assert read_beat("\n") is None
