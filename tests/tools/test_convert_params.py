"""The conversion script beside the package does what `rnw convert` does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnw.weights.ndarray_file import write_arrays
from tests.golden_cases import each_checkpoint

SCRIPT = Path(__file__).parents[2] / "tools" / "convert_params.py"


def _script(*arguments):
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("to", ["module", "gluon"])
@each_checkpoint()
def test_writes_the_same_file(rnw, path, to):
    code, out, notes = _script(path, "by_script", "--to", to)
    assert (code, out) == (0, "by_script\n")
    assert rnw("convert", path, "by_command", "--to", to) == (0, "by_command\n", notes)
    content = Path("by_script").read_bytes()
    assert content == Path("by_command").read_bytes()
    assert (b"arg:conv1a_weight" in content) == (to == "module")
    assert (b"conv1a.conv1a_weight" in content) == (to == "gluon")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("absent", "new", "--to", "gluon"),
        ("foreign", "new", "--to", "gluon"),
        ("truncated", "new", "--to", "module"),
        ("whole", "foreign", "--to", "module"),
        ("whole", "new", "--to", "torch"),
        ("whole", "new"),
    ],
)
def test_refuses_the_same(rnw, arguments):
    Path("foreign").write_text("kept")
    write_arrays("whole", {"arg:conv1a_weight": np.ones((4, 3, 3, 3), np.float32)})
    Path("truncated").write_bytes(Path("whole").read_bytes()[:100])
    found = _script(*arguments)
    assert found == rnw("convert", *arguments)
    assert found[:2] == (2, "")
    assert Path("foreign").read_text() == "kept"
    assert not Path("new").exists()


def test_help(rnw):
    assert _script("--help") == rnw("convert", "--help")
    assert _script("--help")[0] == 0
