"""`--pooling` and `--interpolation`: protocols of files that were not released."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.evaluation.segmentation.score_maps import score_map
from rnw.evaluation.segmentation.upsampling import label, upsample
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import stand_in

NETWORK = "28-0-1-1-1-1-1-1"
CLASSIFIER = f"own_rna-{NETWORK}_cls10_ep-0001.params"
SEGMENTER = f"own_rna-{NETWORK}_cls5_s8_ep-0001.params"


@pytest.fixture
def weights(fill):
    """A pooled classifier, a pooled and an unpooled segmentation network; a picture in x.png."""
    save_params(fill(get_network(NETWORK, 10, width=1 / 32)), CLASSIFIER)
    save_params(fill(get_network(f"fcn_{NETWORK}", 5, width=1 / 32)), SEGMENTER)
    Image.fromarray(picture(40, 60, 0)).save("x.png")


def _json(rnw, *words):
    code, out, err = rnw(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def _classes(rnw, *options):
    found = _json(rnw, "predict", "--weights", CLASSIFIER, "x.png", *options)
    return found, found["predictions"][0]["classes"]


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["pad", "caffe", "full"])
def test_poolings_are_those_of_the_network_that_is_built_so(rnw, weights, fill, pooling):
    found, classes = _classes(rnw, "--pooling", pooling)
    told = "" if pooling == "pad" else f" except pooling '{pooling}'"
    assert found["model"]["pooling"] == pooling
    assert found["model"]["recognized_by"] == f"the file name{told}"
    other = f"own_rna-{NETWORK}_cls10_other_ep-0001.params"
    save_params(fill(get_network(NETWORK, 10, width=1 / 32)), other)
    graph = Path(other.replace("0001.params", "symbol.json"))
    code, *_ = rnw(
        "export-symbol",
        NETWORK,
        "--classes",
        "10",
        "--width",
        1 / 32,
        "--pooling",
        pooling,
        "-o",
        "g",
    )
    assert code == 0
    (made,) = Path("g").iterdir()
    made.rename(graph)
    by_graph = _json(rnw, "predict", "--weights", other, "x.png")
    assert by_graph["model"]["pooling"] == pooling
    assert by_graph["predictions"][0]["classes"] == classes


def test_the_convention_of_borders_changes_probabilities(rnw, weights):
    ways = [_classes(rnw, "--pooling", pooling)[1] for pooling in ("pad", "caffe")]
    assert ways[0] != ways[1]
    assert ways[0] == _classes(rnw)[1]
    cubic, classes = _classes(rnw, "--interpolation", "cubic")
    assert classes != ways[0]
    assert cubic["protocol"].endswith("cubic interpolation")


def test_evaluations_say_what_they_were_made_by(rnw, weights):
    options = ("--dataset", "digits", "--pooling", "caffe", "--interpolation", "cubic")
    found = _json(rnw, "eval-cls", "--weights", CLASSIFIER, *options)
    assert (found["interpolation"], found["model"]["pooling"]) == ("cubic", "caffe")
    options = ("-o", "out", "--pooling", "full", "--interpolation", "cubic")
    areas = _json(rnw, "predict", "--weights", SEGMENTER, "x.png", *options)
    assert areas["model"]["pooling"] == "full"
    assert areas["protocol"] == "longer side 500, cubic interpolation"


def test_pictures_and_scores_are_both_resized_by_the_filter():
    image = picture(60, 40, 1)
    maps = {
        how: score_map(stand_in(3, 0), image, 32, 8, interpolation=how)
        for how in ("adaptive", "cubic")
    }
    assert not np.array_equal(maps["adaptive"].scores, maps["cubic"].scores)  # Lanczos or cubic
    for found in maps.values():
        np.testing.assert_array_equal(
            label([found], (20, 13)), upsample(found, (20, 13)).argmax(axis=0)
        )
    shrunk = maps["cubic"]._replace(interpolation="adaptive")
    assert not np.array_equal(upsample(shrunk, (20, 13)), upsample(maps["cubic"], (20, 13)))


def test_poolings_that_leave_borders_out_give_no_maps_of_a_stride(refused, weights):
    options = ("--pooling", "caffe", "-o", "out")
    wording = refused("predict", "--weights", SEGMENTER, "x.png", *options)
    assert "the network gives 62x62 cells for 504x504 pixels, expected one for each 8" in wording


@pytest.mark.parametrize("command", ["eval-cls", "predict"])
def test_poolings_of_a_network_without_any_are_refused(refused, fill, command):
    name = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
    save_params(fill(get_network("model_a1", width=1 / 32)), name)
    pictures = ["x.png"] * (command == "predict")
    wording = refused(command, "--weights", name, *pictures, "--pooling", "caffe")
    assert f"{name}: model_a1 is downsampled by convolutions, not by poolings" in wording
