"""Weights files are checked, read, compared and converted where only NumPy and click are there."""

import hashlib
import json
import os
import subprocess
import venv
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

import rnw
from rnw.weights.ndarray_file import read_arrays
from tests.golden_cases import each_checkpoint

PACKAGES = ("numpy", "click")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Python of a virtual environment that holds rnw and what it requires, but no MXNet."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "rnw").symlink_to(Path(rnw.__file__).parent)
    for package in PACKAGES:
        files = distribution(package).files or ()
        for name in {file.parts[0] for file in files} - {".."}:
            (site / name).symlink_to(distribution(package).locate_file(name))
    return folder / "bin" / "python"


@pytest.fixture
def bare(python):
    def run(*arguments, status=0):
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run([python, *arguments], capture_output=True, text=True, env=clean)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


def test_mxnet_is_not_there(bare):
    for module in ("mxnet", "gluoncv", "PIL", "cv2", "pytest"):
        assert f"No module named '{module}'" in bare("-c", f"import {module}", status=1)
    assert "MXNet is not installed" in bare("-m", "rnw", "predict", "--weights", "x", "x", status=2)


@pytest.mark.slow
@each_checkpoint()
def test_a_legacy_checkpoint_is_listed_verified_and_converted(path, bare):
    arrays = read_arrays(path)
    shown = json.loads(bare("-m", "rnw", "weights", "show", "--stats", "--json", path))
    assert [entry["name"] for entry in shown["arrays"]] == list(arrays)
    assert [entry["mean"] for entry in shown["arrays"]] == pytest.approx(
        [float(array.mean(dtype=np.float64)) for array in arrays.values()], rel=1e-6, abs=1e-9
    )
    refused = bare("-m", "rnw", "weights", "verify", path, status=2)
    assert hashlib.md5(path.read_bytes()).hexdigest() in refused
    assert f"a complete .params file of {len(arrays)} arrays" in refused
    bare("-m", "rnw", "convert", path, "gluon.params", "--to", "gluon")
    assert len(read_arrays("gluon.params")) == len(arrays)
    assert "0 of " in bare("-m", "rnw", "weights", "diff", path, "gluon.params")


def test_released_files_are_listed(bare):
    assert bare("-m", "rnw", "weights").count(".params") == 6
