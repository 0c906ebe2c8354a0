"""Waiting for those who read pictures: what it says, and when it ends."""

import logging
import time
from typing import Callable, Dict, Iterable, NamedTuple, Optional, Tuple

import numpy as np

from rnw.data.picture_types import PictureSource

NOTHING = -1  # is being read
POLL_SECONDS = 0.1  # from one look at those who are waited for to the next

logger = logging.getLogger(__name__)


def never() -> bool:
    """Wait for as long as it takes."""
    return False


class Waiting(NamedTuple):
    """How to wait: what takes `patience` seconds is warned of; `stopped()` ends the waiting."""

    patience: float
    stopped: Callable[[], bool]


class Watch:
    """Warns, once for each, of what is waited for too long. It begins with the waiting.

    reading: for each reader the index of its picture among `images`, or NOTHING.
    """

    def __init__(self, patience: float, images: PictureSource, reading: np.ndarray):
        self._patience, self._images, self._reading = patience, images, reading
        self._since: Dict[int, Tuple[Optional[int], float]] = {}

    def look(self, readers: Iterable[int]) -> None:
        """Look at those who have something to do."""
        now = time.monotonic()
        for reader in readers:
            index = int(self._reading[reader])
            seen, since = self._since.get(reader, (None, now))
            if seen != index:
                since = now
            elif now - since >= self._patience:
                self._warn(index)
                since = float("inf")
            self._since[reader] = index, since

    def _warn(self, index: int) -> None:
        what = "a process that is to read pictures has not begun after"
        if index != NOTHING:
            what = f"{self._images.name(index)}: is still being read after"
        logger.warning("%s %g s; waiting for it", what, self._patience)
