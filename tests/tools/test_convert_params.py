"""The conversion script beside the package does what `rnw convert` does."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden_cases import golden_folder

SCRIPT = Path(__file__).parents[2] / "tools" / "convert_params.py"
RELEASED = golden_folder() / "ilsvrc-cls_rna-a1_cls8_ep-0001.params"


def _script(*arguments):
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("to", ["module", "gluon"])
def test_writes_the_same_file(rnw, to):
    assert _script(RELEASED, "by_script", "--to", to) == (0, "by_script\n", "")
    rnw("convert", RELEASED, "by_command", "--to", to)
    content = Path("by_script").read_bytes()
    assert content == Path("by_command").read_bytes()
    assert (b"arg:conv1a_weight" in content) == (to == "module")
    assert (b"conv1a.conv1a_weight" in content) == (to == "gluon")


@pytest.mark.parametrize(
    "arguments",
    [
        ("absent", "new", "--to", "gluon"),
        ("foreign", "new", "--to", "gluon"),
        ("truncated", "new", "--to", "module"),
        (RELEASED, "foreign", "--to", "module"),
        (RELEASED, "new", "--to", "torch"),
        (RELEASED, "new"),
    ],
)
def test_refuses_the_same(rnw, arguments):
    Path("foreign").write_text("kept")
    Path("truncated").write_bytes(RELEASED.read_bytes()[:1000])
    found = _script(*arguments)
    assert found == rnw("convert", *arguments)
    assert found[:2] == (2, "")
    assert Path("foreign").read_text() == "kept"
    assert not Path("new").exists()


def test_help(rnw):
    assert _script("--help") == rnw("convert", "--help")
    assert _script("--help")[0] == 0
