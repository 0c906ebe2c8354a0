"""Which instructions for bfloat16 a CPU is found to have, and what oneDNN may use of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnw
from rnw import instructions

SAPPHIRE_RAPIDS = "avx512bw avx512_bf16 amx_bf16"
ZEN_4 = "avx512bw avx512_bf16"
SKYLAKE = "avx512bw"
HASWELL = "avx2"


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Return a function that gives this machine a CPU with some flags, and oneDNN a limit."""

    def be(flags, limit=None):
        file = tmp_path / "cpuinfo"
        file.write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse2\n")
        monkeypatch.setattr(instructions, "CPU_INFO", file)
        monkeypatch.delenv(instructions.LIMIT)
        if limit:
            monkeypatch.setenv(instructions.LIMIT, limit)

    return be


@pytest.mark.parametrize(
    ("flags", "limit", "multiplies", "emulates"),
    [
        (SAPPHIRE_RAPIDS, "AVX512_CORE_AMX", True, True),
        (SAPPHIRE_RAPIDS, None, False, True),
        (SAPPHIRE_RAPIDS, "avx2", False, False),
        (ZEN_4, None, True, True),
        (ZEN_4, "avx512_core_bf16", True, True),
        (ZEN_4, "AVX512_CORE", False, True),
        (SKYLAKE, None, False, True),
        (HASWELL, None, False, False),
    ],
)
def test_bfloat16(cpu, flags, limit, multiplies, emulates):
    cpu(flags, limit)
    found = instructions.multiplies_bfloat16(), instructions.emulates_bfloat16()
    assert found == (multiplies, emulates)


@pytest.mark.parametrize(
    ("flags", "limit", "multiplies"),
    [
        (SAPPHIRE_RAPIDS, None, True),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_AMX", True),
        (SAPPHIRE_RAPIDS, "AVX512_CORE_BF16", False),
        (ZEN_4, None, True),
        (SKYLAKE, None, False),
    ],
)
def test_a_newer_onednn_uses_tiles_by_itself(cpu, flags, limit, multiplies):
    cpu(flags, limit)
    assert instructions.multiplies_bfloat16(newer=True) == multiplies


def test_a_machine_that_says_nothing_has_no_bfloat16(cpu, tmp_path, monkeypatch):
    cpu(SAPPHIRE_RAPIDS)
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "missing")
    assert not instructions.multiplies_bfloat16()
    assert not instructions.emulates_bfloat16()


@pytest.mark.parametrize(
    ("flags", "limit", "then"),
    [(ZEN_4, None, None), (SAPPHIRE_RAPIDS, "AVX2", "AVX2"), (SAPPHIRE_RAPIDS, "ALL", "ALL")],
)
def test_tiles_change_no_other_cpu_and_no_limit_of_the_user(cpu, flags, limit, then):
    cpu(flags, limit)
    instructions.allow_tiles()
    assert os.environ.get(instructions.LIMIT) == then


@pytest.mark.parametrize("limit", [None, "AVX512_CORE_AMX"])
def test_tiles_are_used_only_where_linux_gives_the_registers(cpu, monkeypatch, limit):
    cpu(SAPPHIRE_RAPIDS, limit)
    monkeypatch.setattr(instructions, "_REQUEST_PERMISSION", -1)  # no request that Linux knows
    instructions.allow_tiles()
    assert not instructions.multiplies_bfloat16()


@pytest.mark.slow
@pytest.mark.skipif(
    instructions.TILES_FLAG not in instructions.cpu_flags(), reason="this CPU has no AMX"
)
def test_importing_mxnet_allows_tiles():
    environment = {**os.environ, "PYTHONPATH": str(Path(rnw.__file__).parents[1])}
    del environment[instructions.LIMIT]
    program = "import rnw, mxnet; from rnw import instructions as i; print(i.multiplies_bfloat16())"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True
    )
    assert done.stdout == b"True\n"
