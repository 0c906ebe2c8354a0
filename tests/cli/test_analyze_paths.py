"""Gradient paths and sub-networks by the command line."""

import csv
import json
import math
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model

from rnw.analysis.path_report import (
    CAPTION,
    PICTURE,
    RECORD,
    TABLE,
    Measured,
    measure,
    save_report,
)
from rnw.analysis.paths import PathLength
from rnw.analysis.subjects import Subject, load_subject, tell_apart
from rnw.data.sets.catalog import find_dataset
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.model import load_model
from rnw.evaluation.classification.protocol import Protocol
from rnw.locks import alone_in
from rnw.networks.classifier import get_network
from rnw.runtime import make_contexts
from rnw.weights import save_params
from tests.data.sets.test_cifar import folder as cifar10_folder  # noqa: F401
from tests.golden_cases import fill_network

FAST = ("--samples", 2, "--examples", 4)


@pytest.mark.slow
def test_report(rnw, checkpoint, tmp_path):
    code, out, err = rnw("analyze", "paths", "--weights", checkpoint, *FAST, "-o", "found")
    assert (code, err) == (0, "")
    line, picture = out.splitlines()
    assert picture == "found/paths.png"
    assert line.startswith("28-1-1-1-1-1-1-1 (width 0.03125): 7 units, effective depth ")
    expected = measure(load_subject(checkpoint, make_contexts()[0]), 2, 4)
    folder = tmp_path / "found"
    (network,) = json.loads((folder / RECORD).read_text())["networks"]
    assert network["lengths"] == [row._asdict() for row in expected.lengths]
    assert (network["units"], network["effective_depth"]) == (7, expected.depth)
    with (folder / TABLE).open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in rows] == [row.mean for row in expected.lengths]
    assert [int(row["paths"]) for row in rows] == [1, 7, 21, 35, 35, 21, 7, 1]
    caption = (folder / CAPTION).read_text()
    assert f"{expected}.\n  Network: 28-1-1-1-1-1-1-1 (10 classes" in caption
    assert f"-symbol.json.\n  Weights: {checkpoint.name}. 4 examples of digits, split" in caption
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_resnet_of_our_own(rnw, tmp_path):
    """Its paths are those of bottleneck units; the caption tells of the ReLU behind their sums."""
    weights = tmp_path / "shapes-cls_resnet50_cls4_ep-0001.params"
    save_params(fill_network(get_network("resnet50", 4, width=1 / 32)), weights)
    code, out, err = rnw("analyze", "paths", "--weights", weights, "--samples", 1, "--examples", 2)
    assert (code, err) == (0, "")
    assert out.startswith("resnet50 (width 0.03125): 16 units, effective depth ")
    (network,) = json.loads((tmp_path / "paths" / RECORD).read_text())["networks"]
    assert [row["paths"] for row in network["lengths"]] == [math.comb(16, k) for k in range(17)]
    totals = [row["total"] for row in network["lengths"]]
    depth, share = network["effective_depth"], 0.9 * sum(totals)
    assert sum(totals[:depth]) < share <= sum(totals[: depth + 1])
    caption = (tmp_path / "paths" / CAPTION).read_text()
    assert "a ReLU behind the sum" in " ".join(caption.split())


@pytest.mark.slow
def test_a_file_in_the_place_of_the_folder_is_noticed_before_measuring(refused, checkpoint):
    found = refused("analyze", "paths", "--weights", checkpoint, *FAST, "-o", checkpoint)
    assert f"{checkpoint}/paths.csv: cannot be written: {checkpoint} is no folder" in found


@pytest.mark.slow
@pytest.mark.parametrize("command", ["paths", "unravel"])
@pytest.mark.parametrize(
    ("value", "wording"), [(np.nan, "are not finite"), (0, "all gradients at the input are zero")]
)
def test_gradients_that_say_nothing_are_refused(refused, tmp_path, command, value, wording):
    weights = tmp_path / "digits_rna-28-1-1-1-1-1-1-1_cls10_ep-0001.params"
    net = fill_network(get_network("28-1-1-1-1-1-1-1", 10, width=1 / 32))
    net.collect_params()["conv1a_weight"].data()[:] = value
    save_params(net, weights)
    found = refused("analyze", command, "--weights", weights, *FAST)
    assert f"28-1-1-1-1-1-1-1 (width 0.03125) ({weights.name}): " in found
    assert wording in found
    assert not (tmp_path / "paths").exists()


def test_report_of_a_network_of_one_unit(tmp_path):
    rows = [PathLength(k, 1, 1, *[2.0 - k] * 6) for k in (0, 1)]
    network = Measured("tiny", "x.params", "digits", "val", 2, 16, 0, rows)
    assert str(network) == (
        "tiny: 1 unit, effective depth 1 (1 by exact sums, 1 if all paths were alike); mean norms "
        "2.00e+00 at length 0, 1.00e+00 at length 1"
    )
    save_report([network], tmp_path)
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / TABLE).read_text().splitlines()
    assert lines[1:] == ["tiny,0,1,1" + ",2.0" * 6, "tiny,1,1,1" + ",1.0" * 6]


def test_stages_of_a_run_are_told_apart():
    digits = find_dataset("digits")
    subject = Subject("tiny", "", [], digits, digits.classes, Protocol((28,)), mx.cpu())
    weights = ("x_ep-0010.params", "x_ep-0200.params", "x.npz")
    stages = [subject._replace(weights=name) for name in weights]
    found = tell_apart([*stages, subject._replace(name="other")])
    names = [each.name for each in found]
    assert names == ["tiny, epoch 10", "tiny, epoch 200", "tiny, x.npz", "other"]


@pytest.mark.slow
def test_two_reports_are_not_written_into_one_folder(refused, checkpoint):
    with alone_in(Path("paths")):
        err = refused("analyze", "paths", "--weights", checkpoint)
    assert err.startswith("Error: paths: another run is writing there")
    assert not Path("paths").exists()


@pytest.mark.slow
def test_report_is_not_overwritten(rnw, refused, checkpoint):
    command = ("analyze", "paths", "--weights", checkpoint, *FAST)
    assert rnw(*command)[0] == 0
    assert "paths/paths.csv: exists already" in refused(*command)
    assert rnw(*command, "--overwrite")[0] == 0


@pytest.mark.slow
def test_resnet_of_gluoncv_on_cifar10(rnw, refused, cifar10_folder, tmp_path):  # noqa: F811
    net = get_model("cifar_resnet20_v1")
    net.initialize()
    net(mx.nd.zeros((1, 3, 32, 32)))  # which tells its parameters their shapes
    weights = tmp_path / "cifar_resnet20_v1-mine.params"
    net.save_parameters(str(weights))
    command = ("analyze", "paths", "--weights", weights, *FAST)
    assert "data/cifar10/test_batch.bin: no such file" in refused(*command)
    code, out, err = rnw(*command, "--data-root", cifar10_folder)
    assert (code, err) == (0, "")
    assert out.startswith("cifar_resnet20_v1: 9 units, effective depth ")
    assert "3 examples of cifar10, split test" in (tmp_path / "paths" / CAPTION).read_text()


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("--network", "model_z"), "unknown network 'model_z'"),
        (("--network", "fcn_a1"), "fcn_a1: is a segmentation network"),
        (("--network", "cifar_resnet9_v1"), "gluoncv has no network 'cifar_resnet9_v1'"),
        (("--weights", "digits_rna-a_cls10_ep-0001.params"), "no such file"),
    ],
)
def test_paths_refuses(refused, arguments, wording):
    assert wording in refused("analyze", "paths", *arguments)


@pytest.mark.slow
def test_network_that_is_not_trained(rnw, tmp_path):
    network = ("--network", "28-1-1-1-1-1-1-1", "--dataset", "digits")
    code, _, err = rnw("analyze", "paths", *network, "--samples", 1, "--examples", 1)
    assert (code, err) == (0, "")
    assert "initial values, not trained" in (tmp_path / "paths" / CAPTION).read_text()


@pytest.mark.slow
def test_unravel(rnw, checkpoint):
    code, out, err = rnw("analyze", "unravel", "--weights", checkpoint, *FAST, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert [row["index"] for row in result["sub_networks"]] == list(range(8))
    whole = evaluate(load_model(checkpoint, make_contexts()))
    assert result["sub_networks"][-1]["together"] == pytest.approx(whole.top1)
    assert result["trained_end_to_end"] == pytest.approx(100 * result["effective_depth"] / 7)


def test_unravel_as_text(rnw, checkpoint):
    code, out, err = rnw("analyze", "unravel", "--weights", checkpoint, *FAST, "--images", 8)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[-8:]] == [f"M_{i}" for i in range(8)]
