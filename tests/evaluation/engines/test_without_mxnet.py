"""Evaluation in environments that have no MXNet: of this Python, and of others.

RNW_PYTHON_WITHOUT_MXNET names the Python of an environment where `pip install '.[onnx]'` was done,
such as one of Python 3.13 with NumPy 2.
"""

import json
import os
import subprocess
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mxnet as mx
import pytest
from packaging.requirements import Requirement
from PIL import Image

import rnw
from rnw.evaluation.engines.table import ENGINES
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.evaluation.engines.test_agreement import NARROW

NAMED = "RNW_PYTHON_WITHOUT_MXNET"
BROUGHT = ("numpy", "click", "pyyaml", "pillow", "matplotlib", "scipy", "scikit-learn")
ONNX = ("onnx", "onnxruntime")
CLASSIFIER = "digits_rna-28-1-1-1-1-1-1-1_cls10_ep-0001.params"
SEGMENTER = "shapes_rna-28-1-1-1-1-1-1-1_cls5_s8_ep-0001.params"
PICTURE = "photo.png"
IN_TURN = """
import contextlib, io, json, sys
from rnw.cli import main

for arguments in json.loads(sys.argv[1]):
    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            main(arguments)
    except SystemExit as ended:
        assert not ended.code, arguments
    print(json.dumps(shown.getvalue()))
"""


def _closure(names):
    """The installed distributions of these names, and those that they need."""
    found = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform or another version of Python
            continue
        needs = map(Requirement, found[name].requires or ())
        extra = {"extra": ""}
        waiting += [n.name for n in needs if n.marker is None or n.marker.evaluate(extra)]
    return found.values()


def _link(folder):
    """Python of a virtual environment that holds rnw and what its extra `onnx` brings."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for package in _closure((*BROUGHT, *ONNX)):
        for name in {file.parts[0] for file in package.files or ()} - {".."}:
            if not (site / name).exists():
                (site / name).symlink_to(package.locate_file(name))
    return folder / "bin" / "python"


@pytest.fixture(scope="module", params=["this", "named"])
def other(request, tmp_path_factory):
    """Run commands of `rnw` in turn by a Python that has no MXNet; what each of them showed."""
    named = os.environ.get(NAMED)
    if request.param == "named" and not named:
        pytest.skip(f"{NAMED} names no Python")
    python = named if request.param == "named" else _link(tmp_path_factory.mktemp("bare"))
    clean = {**os.environ, "PYTHONPATH": str(Path(rnw.__file__).parents[1])}

    def run(*arguments):
        done = subprocess.run([python, *arguments], capture_output=True, text=True, env=clean)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("-c", "import importlib.util as u; print(u.find_spec('mxnet'))") == "None\n"
    return lambda *commands: run("-c", IN_TURN, json.dumps(commands)).splitlines()


@pytest.fixture
def weights():
    """A classifier and a segmentation network of random values, in files."""
    for prefix, classes, path in (("", 10, CLASSIFIER), ("fcn_", 5, SEGMENTER)):
        net = get_network(f"{prefix}28-1-1-1-1-1-1-1", classes, width=NARROW)
        net.initialize(mx.init.Xavier())
        save_params(net, path)


@pytest.mark.slow
@pytest.mark.skipif(not ENGINES["onnxruntime"].installed, reason="onnxruntime is not installed")
def test_the_scores_are_those_of_mxnet(other, weights, rnw):
    Image.new("RGB", (32, 24), "red").save(PICTURE)
    classify = ("eval-cls", "--flip", "--json", "--weights", CLASSIFIER)
    segment = ("eval-seg", "--scales", "48", "--json", "--weights", SEGMENTER)
    shown = other(
        (*classify, "--predictions", "kept"),
        (*segment, "--save-predictions", "labels"),
        ("predict", "--json", "--weights", CLASSIFIER, PICTURE),
        ("predict", "--weights", SEGMENTER, "-o", "drawn", "--crf", "deeplab", PICTURE),
        ("report", "kept", "--pictures", "1"),
        ("report", "labels", "--pictures", "1"),
        ("figure", "labels", "--random", "1", "-o", "figure.png"),
    )
    found, labeled, told = (json.loads(json.loads(text)) for text in shown[:3])
    code, out, err = rnw(*classify, "--predictions", "mxnet")  # a folder, not taken for the package
    assert code == 0, err
    expected = json.loads(out)
    assert (found.pop("engine"), expected.pop("engine")) == ("onnxruntime", "mxnet")
    assert (found.pop("provider"), expected.pop("provider")) == ("cpu", None)
    assert found == expected
    code, out, err = rnw(*segment)
    assert code == 0, err
    expected = json.loads(out)
    assert labeled["engine"] == told["engine"] == "onnxruntime"
    assert labeled["pixel_accuracy"] == pytest.approx(expected["pixel_accuracy"], abs=0.01)
    assert labeled["mean_iou"] == pytest.approx(expected["mean_iou"], abs=0.01)
    assert Path("drawn/photo_overlay.png").is_file()
