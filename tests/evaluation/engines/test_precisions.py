"""Evaluation in bfloat16 by the engines that compute in it, told and kept as such."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnw import instructions
from rnw.data.sets import shapes
from rnw.evaluation.engines.table import ENGINES, MXNET
from rnw.evaluation.segmentation.kept_scores import read_scores
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.weights.test_precision import run

NARROW = 1 / 16
CLASSIFIER = "digits_rna-28-1-1-1-1-1-1-1_cls10_ep-0001.params"
SEGMENTER = "shapes_rna-28-1-1-1-1-1-1-1_cls5_s8_ep-0001.params"
TESTS = [
    ("eval-cls", "--weights", CLASSIFIER, "--predictions"),
    ("eval-seg", "--weights", SEGMENTER, "--scales", "48", "--save-scores"),
]
PROGRAM = """
import json, sys
from rnw.cli import main
from rnw.data.sets import shapes
shapes.SPLITS["val"] = 2, 1  # two pictures
for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as stopped:
        if stopped.code:
            raise
"""


@pytest.fixture
def weights(fill):
    """A classifier and a segmentation network in files."""
    for prefix, classes, path in (("", 10, CLASSIFIER), ("fcn_", 5, SEGMENTER)):
        save_params(fill(get_network(f"{prefix}28-1-1-1-1-1-1-1", classes, width=NARROW)), path)


def _kept(folder):
    """The probabilities of digits and the scores of the first picture of shapes."""
    with np.load(f"{folder}-cls/test_28_center.npz") as arrays:
        digits = arrays["probabilities"]
    first = min(Path(f"{folder}-seg/48").iterdir())
    return digits, read_scores(first)[0].scores


@pytest.mark.parametrize("test", TESTS)
def test_a_precision_that_cannot_be_had_is_refused(test, weights, refused):
    """AVX2 in tests: see conftest.py."""
    line = refused(*test, "kept", "--precision", "bfloat16", "--force-precision")
    assert "precision bfloat16: this CPU cannot compute in it; leave it out" in line
    assert not Path("kept").exists()


def test_networks_of_gluoncv_are_computed_in_float32(refused):
    line = refused("eval-cls", "--weights", "vgg16-e660d456.params", "--precision", "float16")
    assert "is computed in float32 alone; leave out --precision float16" in line


@pytest.mark.slow
@pytest.mark.skipif(
    instructions.EMULATION_FLAG not in instructions.cpu_flags(),
    reason="this CPU cannot compute in bfloat16",
)
def test_bfloat16(rnw, weights, monkeypatch):
    monkeypatch.setitem(shapes.SPLITS, "val", (2, 1))  # as in the program
    engines = [name for name in (MXNET, "openvino") if ENGINES[name].installed]
    for test in TESTS:
        assert rnw(*test, f"exact-{test[0][-3:]}")[0] == 0
    options = ("--precision", "bfloat16", "--force-precision", "--json")
    commands = [
        (*test, f"{engine}-{test[0][-3:]}", "--engine", engine, *options)
        for engine in engines
        for test in TESTS
    ]
    told = [json.loads(line) for line in run("-c", PROGRAM, json.dumps(commands)).splitlines()]
    assert [(each["engine"], each["precision"]) for each in told] == [
        (engine, "bfloat16") for engine in engines for _ in TESTS
    ]
    for engine in engines:
        for found, exact in zip(_kept(engine), _kept("exact")):
            assert 1e-4 < np.abs(found - exact).max() < 0.1
    for test in TESTS:
        status, _, err = rnw(*test, f"mxnet-{test[0][-3:]}")
        assert status == 2
        assert "precision bfloat16, now float32" in err
