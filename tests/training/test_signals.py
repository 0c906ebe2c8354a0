"""Asking a run to stop."""

import os
import signal

import pytest

from rnw.training.signals import RunStoppedError, StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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
