"""How fast an evaluation is."""

import time


class Speedometer:
    """Measure images per second, from when it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def rate(self, images: int) -> float:
        """Return the images/s of an evaluation that has computed so many images since."""
        return images / max(time.monotonic() - self._start, 1e-9)
