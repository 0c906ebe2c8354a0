"""The diagnosis as the command line shows it."""

import json
import sys
from importlib.util import find_spec

import mxnet as mx
import pytest

from rnw.doctor import RUNTIMES

WHAT = ["Python", "numpy", "click", "pillow", "opencv-python", "gluoncv", "scikit-learn"]
WHAT += ["CPU", "bfloat16 on the CPU", "Memory", "/dev/shm", "MXNet"]
WHAT += [title for package, title in RUNTIMES.items() if find_spec(package)] + ["GPUs"]

pytestmark = pytest.mark.skipif(
    mx.runtime.Features().is_enabled("CUDA"), reason="what is expected is that of a CPU build"
)


@pytest.fixture(autouse=True)
def no_driver(monkeypatch):
    monkeypatch.setattr("rnw.gpus.DRIVER_LIBRARY", "libcuda-absent.so.1")


@pytest.fixture
def gpu_build(tmp_path, monkeypatch):
    """A GPU build of MXNet installed over the CPU build, without its CUDA libraries."""
    (tmp_path / "mxnet_cu112-1.9.1.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: mxnet-cu112\nVersion: 1.9.1\n"
    (tmp_path / "mxnet_cu112-1.9.1.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(tmp_path)


def test_sound_machine(rnw):
    code, out, err = rnw("doctor")
    assert (code, err) == (0, "")
    rows = {line[2:24].strip(): line[24:] for line in out.splitlines()}
    assert list(rows) == WHAT
    assert rows["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert rows["MXNet"] == f"{mx.__version__}, CPU build"
    assert {line[0] for line in out.splitlines()} == {" "}


def test_json(rnw):
    code, out, err = rnw("doctor", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    findings = json.loads(out)["findings"]
    assert [finding["what"] for finding in findings] == WHAT
    assert all(set(finding) == {"what", "found", "advice"} for finding in findings)
    assert {finding["advice"] for finding in findings} == {""}
    assert findings[-1]["found"] == "0"


def test_problem(rnw, gpu_build):
    code, out, err = rnw("doctor")
    assert (code, err) == (1, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    place = lines.index("! MXNet builds mxnet and mxnet-cu112")
    assert lines[place + 1].startswith("-> they overwrite each other: make a fresh environment")
    place = lines.index("! libcudnn.so.8 not found")
    assert lines[place + 1] == "-> pip install '.[cu112]' in the rnw checkout brings it"


def test_problem_in_json(rnw, gpu_build):
    code, out, err = rnw("doctor", "--json")
    assert (code, err) == (1, "")
    advice = {finding["what"]: finding["advice"] for finding in json.loads(out)["findings"]}
    assert [what for what in advice if not advice[what]] == WHAT
    assert {"MXNet builds", "libcudnn.so.8", "libcublas.so.11"} < set(advice)
