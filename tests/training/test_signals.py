"""Asking a run to stop, and ending it at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnw.training.signals import SIGNALS, EndAtOnce, RunStoppedError, StopRequest

LIMIT_SECONDS = 60
WRITING = """
import hashlib, os, sys
from rnw.files import atomic_write
from rnw.training.signals import EndAtOnce, StopRequest

def in_c():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)  # Python's handlers wait for its end

def in_python():
    while True:
        pass

print("ready", flush=True)
with EndAtOnce(), atomic_write("file") as file:
    file.write(b"a part")
    file.flush()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_first_signal_is_noted_and_the_second_does_what_it_always_does(number):
    received = []
    before = signal.signal(number, lambda *_: received.append("second"))
    try:
        with StopRequest() as stop:
            assert stop.received is None
            os.kill(os.getpid(), number)
            assert (stop.received, received) == (number, [])
            os.kill(os.getpid(), number)
            assert received == ["second"]
        os.kill(os.getpid(), number)
        assert received == ["second", "second"]
    finally:
        signal.signal(number, before)


def test_exit_status():
    assert RunStoppedError(signal.SIGTERM).exit_status == 143
    assert "SIGINT" in str(RunStoppedError(signal.SIGINT))


def _send(process, number):
    """Send a signal, and wait until the process has taken it: of two that wait one is lost."""
    process.send_signal(number)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None and f"ShdPnd:\t{0:016x}" not in status.read_text():
        time.sleep(0.001)


@pytest.mark.parametrize("work", ["in_c()", "in_python()"])
@pytest.mark.parametrize(
    ("stop", "numbers", "status"),
    [
        ("", [signal.SIGINT], 130),
        ("", [signal.SIGTERM], 143),
        ("with StopRequest():", [signal.SIGINT] * 2, 130),
        ("with StopRequest():", [signal.SIGTERM] * 2, 143),
        ("with StopRequest(): pass\n    if True:", [signal.SIGINT], 130),
    ],
)
def test_a_process_ends_at_once_and_leaves_no_part(tmp_path, work, stop, numbers, status):
    announced = f"{stop or 'if True:'}\n        os.write(1, b'go')\n        {work}"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{WRITING}    {announced}"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.read(len("ready\ngo")) == b"ready\ngo"
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        for number in numbers:
            _send(process, number)
        assert process.wait(LIMIT_SECONDS) == status
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("to_the_end", "status"), [(True, 7), (False, -signal.SIGTERM)])
def test_a_process_that_has_only_to_end_keeps_its_status(to_the_end, status):
    program = (
        "import os, signal, sys; from rnw.training.signals import EndAtOnce\n"
        f"with EndAtOnce(to_the_end={to_the_end}): pass\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == status


def test_nothing_is_left_of_it():
    before = [signal.getsignal(number) for number in SIGNALS]
    files = len(list(Path("/proc/self/fd").iterdir()))
    with EndAtOnce(), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
    assert stop.received == signal.SIGINT
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert len(list(Path("/proc/self/fd").iterdir())) == files
