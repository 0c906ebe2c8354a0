"""How much memory a process has used on its devices, how much is free, and giving it back."""

import ctypes
import os
import re
import resource
import sys
from pathlib import Path
from typing import Any, Sequence

from rnw.allowance import unused_memory
from rnw.errors import InputError
from rnw.runtime import import_mxnet

AUTO = "auto"  # in the place of a size: as large as fits into the memory that is free
LARGE_BLOCK = 1 << 20  # bytes
_STATUS = Path("/proc/self/status")
_PEAK = Path("/proc/self/clear_refs")
_MEMORY_INFO = Path("/proc/meminfo")  # of Linux
_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def on_gpus(contexts: Sequence[Any]) -> bool:
    """Whether MXNet contexts, which are all of one kind, are GPUs."""
    return contexts[0].device_type == "gpu"


def used_memory_mb(contexts: Sequence[Any]) -> float:
    """Return the peak memory so far in 10^6 bytes: of the process, or of its GPUs together.

    contexts: MXNet contexts, all GPUs or all CPUs. MXNet gives no memory back to a GPU while it
    runs, so that the memory in use there is the peak.
    """
    if on_gpus(contexts):
        memory_info = import_mxnet().context.gpu_memory_info
        infos = [memory_info(context.device_id) for context in contexts]
        return sum(total - free for free, total in infos) / 1e6
    return process_peak_mb()


def process_peak_mb() -> float:
    """Return the peak of this process alone; Linux's `getrusage` includes that of its parent."""
    if _STATUS.exists():
        return _status_mb("VmHWM")
    return peak_memory_mb(resource.getrusage(resource.RUSAGE_SELF))


def restart_peak() -> float:
    """Let the peak of this process begin anew; return what it holds now, in 10^6 bytes.

    Raises InputError where the system cannot do so, as only Linux can.
    """
    try:
        _PEAK.write_text("5")
    except OSError as error:
        raise InputError(f"{_PEAK}: {error.strerror}; expected Linux, which has it") from error
    return _status_mb("VmRSS")


def give_back_large_blocks(least: int = LARGE_BLOCK) -> None:
    """Let blocks of `least` bytes and more go back to the system as soon as they are freed.

    By itself glibc keeps blocks of up to 32 MiB in its heap, where others leave gaps between them:
    such are feature maps, and the weights that oneDNN arranges anew for every size of pictures.
    """
    _call_libc("mallopt", _M_MMAP_THRESHOLD, least)


def give_back_small_blocks() -> None:
    """Give the system what smaller blocks that were freed hold."""
    _call_libc("malloc_trim", 0)


def _call_libc(name: str, *arguments: int) -> None:
    """Call one of glibc's own functions, which other C libraries lack."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)


def _status_mb(name: str) -> float:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024 / 1e6


def peak_memory_mb(usage: "resource.struct_rusage") -> float:
    """Return the largest resident memory in a resource usage, in 10^6 bytes."""
    return usage.ru_maxrss / 1e6 if sys.platform == "darwin" else usage.ru_maxrss * 1024 / 1e6


def free_memory(contexts: Sequence[Any]) -> int:
    """Return the bytes that are free on the fullest GPU, or in the main memory.

    contexts: MXNet contexts, all GPUs or all CPUs.
    """
    if on_gpus(contexts):
        memory_info = import_mxnet().context.gpu_memory_info
        return min(memory_info(context.device_id)[0] for context in contexts)
    return free_main_memory()


def free_main_memory() -> int:
    """Return the bytes that are free in the main memory, for this container."""
    unused = unused_memory()
    free = _free_on_machine()
    return free if unused is None else min(free, unused)


def _free_on_machine() -> int:
    text = _MEMORY_INFO.read_text() if _MEMORY_INFO.exists() else ""
    found = re.search(r"MemAvailable:\s+(\d+) kB", text)
    if found is not None:
        return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
