"""Damaged files end in a clean error or a correct read, in bounded memory and time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.weights.fuzzing import LIMIT_MB, MUTATIONS

FILES = 3000


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by means of Linux")
def test_three_thousand_damaged_files():
    done = subprocess.run(
        [sys.executable, "-m", "tests.weights.fuzzing", str(FILES)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert sum(report["outcomes"].values()) == report["files"] == FILES
    assert report["extra_memory_mb"] < LIMIT_MB
    for mutation in MUTATIONS:
        assert report["outcomes"][f"{mutation.__name__} refused"] > FILES / 20
    assert report["outcomes"]["flip_bits read"] > FILES / 50
