"""How much memory a process has taken on its devices, and how much is left."""

import os
import re
import resource
import sys
from pathlib import Path
from typing import Any, Sequence

from rnw.runtime import import_mxnet

_STATUS = Path("/proc/self/status")
_MEMORY_INFO = Path("/proc/meminfo")  # of Linux


def used_memory_mb(contexts: Sequence[Any]) -> float:
    """Largest memory so far, in units of 10^6 bytes: of the process, or of its GPUs together.

    contexts: of MXNet, all of one kind.
    MXNet returns nothing to a GPU before it ends, so that what is taken is the largest.
    """
    if contexts[0].device_type == "gpu":
        memory_info = import_mxnet().context.gpu_memory_info
        infos = [memory_info(context.device_id) for context in contexts]
        return sum(total - free for free, total in infos) / 1e6
    return _peak_of_process_mb()


def _peak_of_process_mb() -> float:
    """`getrusage` of Linux includes what the parent had when it started this process."""
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    return peak_memory_mb(resource.getrusage(resource.RUSAGE_SELF))


def peak_memory_mb(usage: "resource.struct_rusage") -> float:
    """Largest resident memory of a process that has ended, or so far, in units of 10^6 bytes."""
    return usage.ru_maxrss / 1e6 if sys.platform == "darwin" else usage.ru_maxrss * 1024 / 1e6


def free_memory(contexts: Sequence[Any]) -> int:
    """Bytes that are free on each GPU, or in the main memory.

    contexts: of MXNet, all of one kind.
    """
    if contexts[0].device_type == "gpu":
        memory_info = import_mxnet().context.gpu_memory_info
        return min(memory_info(context.device_id)[0] for context in contexts)
    if _MEMORY_INFO.exists():
        found = re.search(r"MemAvailable:\s+(\d+) kB", _MEMORY_INFO.read_text())
        return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
