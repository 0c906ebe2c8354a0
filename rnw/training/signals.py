"""Ctrl-C and SIGTERM: finish the step, save, stop; a second one stops at once."""

import signal
import threading
from types import FrameType
from typing import Dict, Optional

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunStoppedError(Exception):
    """A run was asked to stop, and has saved all it needs to go on."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}, everything is saved")
        self.exit_status = 128 + number


class StopRequest:
    """While active, `received` is the number of the signal that asked to stop, or None."""

    def __init__(self):
        self.received: Optional[int] = None
        self._previous: Dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
