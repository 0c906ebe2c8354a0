"""Peak memory of a process, as the system counts it."""

import resource
import sys


def peak_memory_mb(usage: "resource.struct_rusage") -> float:
    """Largest resident memory so far, in units of 10^6 bytes."""
    return usage.ru_maxrss / 1e6 if sys.platform == "darwin" else usage.ru_maxrss * 1024 / 1e6
