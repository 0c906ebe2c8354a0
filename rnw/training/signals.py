"""Ctrl-C and SIGTERM: the first has a run finish its step, save and stop; others end it at once."""

import ctypes
import os
import signal
import threading
from types import FrameType
from typing import Any, Dict, Optional

from rnw.files import open_parts

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunStoppedError(Exception):
    """A run was asked to stop, and has saved all that it needs to be resumed."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}, everything is saved")
        self.exit_status = 128 + number


class _Handlers:
    """While active, `_receive(number, frame)` is called for SIGNALS, in the main thread alone."""

    def __init__(self) -> None:
        self._previous: Dict[int, Any] = {}

    def __enter__(self) -> Any:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.getsignal(number) for number in SIGNALS}
            self._begin()
            for number in SIGNALS:
                signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._previous:
            self._restore()
            self._end()

    def _begin(self) -> None:
        """Prepare before the first signal can be received."""

    def _end(self) -> None:
        """Clean up after the last one."""

    def _receive(self, number: int, frame: Optional[FrameType]) -> None:
        raise NotImplementedError

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


class EndAtOnce(_Handlers):
    """While active, Ctrl-C and SIGTERM end the process at once; its status is 128 and their number.

    No exception is raised, which might be lost in a call from C, or cut what is to stay whole; what
    was being written is removed. A `StopRequest` in it takes its first signal. A thread sees to all
    this, since Python's own handlers wait for MXNet's calls, which take as long as a step.

    to_the_end: the process has nothing to do afterwards but to end. Signals then do nothing more,
    so that its status tells what it did.
    """

    def __init__(self, to_the_end: bool = False):
        super().__init__()
        self._to_the_end = to_the_end
        self.spares_next = False

    def _begin(self) -> None:
        received, self._told = os.pipe()
        os.set_blocking(self._told, False)
        self._watcher = threading.Thread(target=self._watch, args=(received,), daemon=True)
        self._watcher.start()
        self._previous_wakeup = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)

    def _restore(self) -> None:
        if self._to_the_end:
            self._previous = dict.fromkeys(SIGNALS, signal.SIG_IGN)
        super()._restore()

    def _end(self) -> None:
        signal.set_wakeup_fd(self._previous_wakeup)
        os.close(self._told)
        self._watcher.join()

    def _watch(self, received: int) -> None:
        """Python writes the number of each signal into the pipe as soon as it arrives."""
        for byte in iter(lambda: os.read(received, 1), b""):
            if byte[0] not in SIGNALS:
                continue
            if not self.spares_next:
                self._receive(byte[0], None)
            self.spares_next = False
        os.close(received)

    def _receive(self, number: int, frame: Optional[FrameType]) -> None:
        c = ctypes.PyDLL(None)  # keeps the lock of Python: no thread writes another file meanwhile
        for part in open_parts():
            c.unlink(os.fsencode(part))
        os._exit(128 + number)


class StopRequest(_Handlers):
    """While active, `received` is the number of the signal that asked to stop, or None.

    A second one does what it does without this: where `EndAtOnce` is active, it ends the process.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: Optional[int] = None

    def _begin(self) -> None:
        self._spare(True)

    def _end(self) -> None:
        if self.received is None:
            self._spare(False)

    def _spare(self, spares: bool) -> None:
        for handler in self._previous.values():
            owner = getattr(handler, "__self__", None)
            if isinstance(owner, EndAtOnce):
                owner.spares_next = spares

    def _receive(self, number: int, frame: Optional[FrameType]) -> None:
        first = self.received is None
        if first:
            self.received = number
        self._restore()
        if not first:
            signal.raise_signal(number)
