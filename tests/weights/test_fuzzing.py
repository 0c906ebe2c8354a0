"""Damaged files end in a clean error or a correct read, in bounded memory and time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.weights.fuzzing import LIMIT_MB, MUTATIONS

pytestmark = pytest.mark.slow

FILES = 3000


def _outcomes(files, *command):
    """How often each thing happened to so many files, in a process whose memory is limited."""
    done = subprocess.run(
        [sys.executable, *command, str(files)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert sum(report["outcomes"].values()) == report["files"] == files
    assert report["extra_memory_mb"] < LIMIT_MB
    return report["outcomes"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by means of Linux")
def test_three_thousand_damaged_files():
    outcomes = _outcomes(FILES, "-m", "tests.weights.fuzzing")
    for mutation in MUTATIONS:
        assert outcomes[f"{mutation.__name__} refused"] > FILES / 20
    assert outcomes["flip_bits read"] > FILES / 50


DAMAGED = 1000
STRUCTURED = {  # by the kind of file: what its own mutations must lead to
    "npz": ("set_record refused", "set_record read", "set_array_header refused"),
    "onnx": ("set_field refused", "set_field read"),
    "pth": ("set_record refused", "set_record read", "set_pickle refused", "set_pickle read"),
    "old_pth": ("set_old_pickle refused", "set_old_pickle read"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by means of Linux")
@pytest.mark.parametrize("kind", STRUCTURED)
def test_a_thousand_damaged_files_of_a_kind(kind):
    outcomes = _outcomes(DAMAGED, "-W", "ignore", "-m", "tests.weights.fuzzing_kinds", kind)
    for mutation in ("truncate", "flip_bits", "move_bytes"):
        assert outcomes[f"{mutation} refused"] > DAMAGED / 20
    assert outcomes["flip_bits read"] > DAMAGED / 100
    for end in STRUCTURED[kind]:
        assert outcomes[end] > DAMAGED / 200, end
