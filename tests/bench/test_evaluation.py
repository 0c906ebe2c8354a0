"""Whole evaluations beside the network alone."""

import re

import numpy as np
import pytest
from PIL import Image

from rnw.bench import evaluation as measured
from rnw.bench.peers import Workload
from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES, ONNXRUNTIME
from rnw.networks.layout import configure

NETWORK = "28-1-1-1-1-1-1-1"
SMALL = ("--width", 1 / 16, "--repetitions", 1, "--images", 5, "--engine", ONNXRUNTIME)
needs_onnxruntime = pytest.mark.skipif(
    not ENGINES[ONNXRUNTIME].installed, reason="needs onnxruntime and onnx"
)


def _scores(config, seen):
    """Return a function that gives the same scores for all, and notes what it is given."""

    def forward(data):
        seen.append(data.shape)
        cells = [side // config.stride for side in data.shape[2:]] if config.segmentation else []
        return np.full((len(data), config.classes, *cells), 1 / config.classes, np.float32)

    return forward


@pytest.mark.parametrize(("network", "size"), [(NETWORK, 28), ("fcn_f", 60)])
def test_the_network_alone_is_given_the_batches_of_the_evaluation(tmp_path, network, size):
    work = Workload(configure(network, 3, width=1 / 16), 2, size)
    segmented = work.config.segmentation
    description = measured._make_dataset(tmp_path, 3, 5, segmented=segmented)
    seen = []
    prepare = measured._segmentation if segmented else measured._classification
    result = prepare(_scores(work.config, seen), description, work)(tmp_path / "kept")
    assert result.images == 5
    assert seen == [data.shape for data in measured._batches(work, 5)]


def test_pictures_of_segmentation_networks_have_mixed_sizes_and_label_maps_of_them(tmp_path):
    measured._make_dataset(tmp_path, 3, 8, segmented=True)
    pictures, labels = (sorted((tmp_path / name).iterdir()) for name in ("images", "labels"))
    sizes = [Image.open(path).size for path in pictures]
    assert len(set(sizes)) == len(measured.SEGMENTED)
    assert [Image.open(path).size for path in labels] == sizes
    assert {*np.unique(Image.open(labels[0]))} == {0, 1, 2}


@needs_onnxruntime
@pytest.mark.slow
def test_a_segmentation_network(rnw):
    code, out, err = rnw("bench", "evaluation", "fcn_f", "--size", 60, *SMALL)
    assert (code, err) == (0, "")
    number = r"\d+(\.\d+)?"
    assert re.fullmatch(
        "fcn_f in float32 by onnxruntime, 5 pictures at 60\n"
        rf"evaluation {number} images/s, network {number}\n"
        rf"ratio {number}, of processor time {number}\npeak memory {number} MB\n",
        out,
    )


@pytest.mark.parametrize("images", [0, -1])
def test_refuses_less_than_one(images):
    work = Workload(configure(NETWORK), 1, 28)
    with pytest.raises(InputError, match=f"images is {images}, expected at least 1"):
        measured.bench_evaluation(work, images=images)
