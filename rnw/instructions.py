"""Instructions of this CPU for bfloat16, and which of them oneDNN, MXNet's library, may use."""

import ctypes
import os
from pathlib import Path
from typing import Set

CPU_INFO = Path("/proc/cpuinfo")  # of Linux
BFLOAT16_FLAG, TILES_FLAG, EMULATION_FLAG = "avx512_bf16", "amx_bf16", "avx512bw"

# The variable that limits which instructions oneDNN uses, and its values that allow the above.
LIMIT = "DNNL_MAX_CPU_ISA"
EVERYTHING, TILES = "ALL", "AVX512_CORE_AMX"  # to oneDNN 2.4 everything is without tiles
FOR_BFLOAT16 = (EVERYTHING, TILES, "AVX512_CORE_BF16")
FOR_EMULATION = (*FOR_BFLOAT16, "AVX512_CORE_VNNI", "AVX512_CORE")

# Linux gives a process the registers of AMX when it asks: arch_prctl(2), on x86-64.
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18


def allow_tiles() -> None:
    """Let oneDNN use AMX, where the CPU has it; it must be called before MXNet is imported.

    oneDNN 2.4, that of MXNet 1.9.1, uses AMX only where it is told to, and does not ask Linux for
    the registers, without which the process is killed. Results in float32 do not depend on it. A
    limit that the user has set is left alone.
    """
    if _limit(TILES) == TILES and TILES_FLAG in cpu_flags():
        os.environ[LIMIT] = TILES if _get_tile_registers() else EVERYTHING


def multiplies_bfloat16(*, newer: bool = False) -> bool:
    """Return whether oneDNN multiplies faster in bfloat16 than in float32.

    On a CPU with AMX, AVX-512 alone is slower than float32. newer: of a oneDNN later than 2.4, such
    as OpenVINO's, to which everything includes tiles.
    """
    flags = cpu_flags()
    if TILES_FLAG in flags:
        return _limit() == TILES or (newer and _limit() == EVERYTHING)
    return BFLOAT16_FLAG in flags and _limit() in FOR_BFLOAT16


def emulates_bfloat16() -> bool:
    """Return whether oneDNN can compute in bfloat16 at all, at whatever speed."""
    return EMULATION_FLAG in cpu_flags() and _limit() in FOR_EMULATION


def _limit(default: str = EVERYTHING) -> str:
    return os.environ.get(LIMIT, default).upper()


def cpu_flags() -> Set[str]:
    """Return what this CPU can do, by Linux's names; nothing on other systems."""
    return set(CPU_INFO.read_text().split()) if CPU_INFO.exists() else set()


def _get_tile_registers() -> bool:
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0
