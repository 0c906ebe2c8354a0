"""`python -m tests.training.interrupting PLACE SIGNAL... -- OPTIONS`: `rnw OPTIONS`, interrupted.

It sends itself the signals when its optimizer is made (PLACE 0), or in the middle of update PLACE.
"""

import os
import sys

from rnw.cli import main
from rnw.training.optimizers import OPTIMIZERS, TorchNesterov

PARAMETER = 3  # of the update, in whose midst the signals arrive


def _interrupting(place, numbers):
    def interrupt():
        for number in numbers:
            os.kill(os.getpid(), number)

    class Interrupting(TorchNesterov):
        def __init__(self, **options):
            super().__init__(**options)
            if place == 0:
                interrupt()

        def update(self, index, *arguments):
            if index == PARAMETER and self.num_update == place:
                interrupt()
            super().update(index, *arguments)

    return Interrupting


if __name__ == "__main__":
    end = sys.argv.index("--")
    place, *numbers = map(int, sys.argv[1:end])
    OPTIMIZERS["torch_nesterov"] = _interrupting(place, numbers)
    sys.argv[1:] = sys.argv[end + 1 :]
    main()
