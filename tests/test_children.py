"""Processes that end with their parent; those that read pictures do so in tests/data."""

import signal
import subprocess
import sys

import pytest

DIE = """
import os
from rnw.children import die_with
die_with(os.getppid())
print("lives on", flush=True)
die_with(os.getpid())  # which no parent of it can be
print("was to be dead")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot tie processes so")
def test_who_has_lost_the_parent_already_is_killed():
    done = subprocess.run([sys.executable, "-c", DIE], stdout=subprocess.PIPE, text=True)
    assert done.stdout == "lives on\n"
    assert done.returncode == -signal.SIGKILL
