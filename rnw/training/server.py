"""`python -m rnw.training.server`: the scheduler or a parameter server, as DMLC_ROLE says.

MXNet serves inside its import. When something fails there, as an optimizer, it prints and goes on,
and the workers get weights that no longer change: here such a process ends with status 1.
"""

import importlib
import os
import sys
import traceback
from typing import Any


def _end(unraisable: Any) -> None:
    traceback.print_exception(
        unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback, file=sys.stderr
    )
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    """Serve until all workers are done."""
    sys.unraisablehook = _end  # called for what is raised inside MXNet's calls into Python
    try:
        importlib.import_module("mxnet")
    finally:
        sys.unraisablehook = sys.__unraisablehook__


if __name__ == "__main__":
    main()
