"""Waiting for processes or threads that read pictures, with warnings about slow ones."""

import logging
import time
from typing import Callable, Dict, Iterable, NamedTuple, Optional, Tuple

import numpy as np

from rnw.data.picture_types import PictureSource

NOTHING = -1  # stands for no picture
POLL_SECONDS = 0.1  # between two looks at the readers

logger = logging.getLogger(__name__)


def never() -> bool:
    """Return False: never stop waiting."""
    return False


class Waiting(NamedTuple):
    """How to wait: warn about a picture after `patience` seconds; end once `stopped()`."""

    patience: float
    stopped: Callable[[], bool]


class Watch:
    """Warns, once for each, about pictures that are being read for more than `patience` seconds.

    reading: for each reader the index of its picture among `images`, or NOTHING.
    """

    def __init__(self, patience: float, images: PictureSource, reading: np.ndarray):
        self._patience, self._images, self._reading = patience, images, reading
        self._since: Dict[int, Tuple[Optional[int], float]] = {}

    def look(self, readers: Iterable[int]) -> None:
        """Look at these readers, which have something to do."""
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
