"""The short form of a run that is disturbed: two faults, and one process that trains."""

import subprocess
import sys

import pytest

from tests.jobs import ROOT
from tests.soak.__main__ import UNSHARE


def _may_make_namespaces():
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.waits
@pytest.mark.slow
@pytest.mark.skipif(not _may_make_namespaces(), reason="this system lets its user make no disk")
def test_a_disturbed_run_ends_as_one_that_never_was(tmp_path):
    faults = ("newest state damaged", "disk full")
    form = ("--minutes", "0", "--every", "0", "--workers", "1", "--faults", *faults)
    command = (sys.executable, "-m", "tests.soak", str(tmp_path / "soak"), *form)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert "resumed 2 times (disk full 1, newest state damaged 1)" in ended.stdout
    assert ended.stdout.endswith("epochs: equal byte for byte\n")
