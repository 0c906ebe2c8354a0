"""Training of segmentation by the command line: a short run, and what is refused."""

import json
import re
from dataclasses import replace
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.shapes import SPLITS
from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize
from rnw.training.recipes import RECIPES
from rnw.weights import save_params

NETWORK = "28-0-1-1-1-1-1-1"
LABEL = f"shapes_rna-{NETWORK}_cls5_s8"
SETTINGS = (f"network={NETWORK}", "width=0.03125", "crop=32", "origin=32", "batch=500", "epochs=2")
SHORT = (
    *("--dataset", "shapes", "--workers", 0),
    *(word for setting in SETTINGS for word in ("--set", setting)),
)
LINE = r"lr 0\.\d+, \S+ left: loss (\d+\.\d+), accuracy (\d+\.\d+) %, \d+ images/s"


@pytest.fixture
def classifier():
    """A file of a classification network of the same family."""
    net = get_network(NETWORK, 4, width=1 / 32)
    initialize(net, [mx.cpu()], np.random.RandomState(1))
    path = Path(f"own_rna-{NETWORK}_cls4_ep-0003.params")
    save_params(net, path)
    return path


@pytest.mark.slow
def test_run(rnw, classifier):
    options = ("--cpus", 2, "--output", "out", "--val-every", 1, "--keep", 1, "--tensorboard")
    code, out, err = rnw("train-seg", *SHORT, *options, "--init", classifier)
    assert (code, err) == (0, "")
    taken, *epochs, path = out.splitlines()
    assert taken == (
        f"{classifier}: 81 entries taken; re-initialized: conv6a_weight, conv6a_bias, "
        "linear5_weight, linear5_bias; left in the file: linear4_weight, linear4_bias"
    )
    assert path == f"out/{LABEL}_ep-0002.params"
    for line, number in zip(epochs[::2], (1, 2)):
        assert re.fullmatch(rf"epoch {number}/2, {LINE}", line)
    for line in epochs[1::2]:
        scores = r"loss \d+\.\d+, accuracy \d+\.\d+ %, mean-iou \d+\.\d+ %"
        assert re.fullmatch(rf"epoch \d/2, validation: {scores}(, the best so far)?", line)
    best = json.loads(Path("out", f"{LABEL}.best.json").read_text())
    kept = {path.name for path in Path("out").glob("*.params")}
    assert kept == {best["file"], f"{LABEL}_ep-0002.params"}
    symbol, args, auxs = mx.model.load_checkpoint(f"out/{LABEL}_ep", 2)
    assert args["linear5_weight"].shape == (5, 16, 3, 3)
    assert set(auxs) == set(symbol.list_auxiliary_states())
    assert rnw("plot", "out", "-o", "curves.svg")[0] == 0
    shown = Path("curves.svg").read_text()
    assert "100 - mean IoU, validation" in shown
    assert "top-1" not in shown


def test_labels_that_are_numbered_for_training_are_refused(refused):
    """Cityscapes' published maps hold ids; some other code writes 0 to 18 and 255 instead."""
    Path("data").mkdir()
    Image.fromarray(np.zeros((32, 40, 3), np.uint8)).save("data/a.png")
    labels = np.arange(32 * 40, dtype=np.uint8).reshape(32, 40) % 20
    Image.fromarray(np.where(labels == 19, 255, labels)).save("data/b.png")
    Path("data/train.lst").write_text("a.png\tb.png\n")
    options = ("--recipe", "cityscapes", "--data-root", "data", "--set", "starts_from=")
    few = ("--set", "batch=1", "--set", "width=0.03125")
    message = refused("train-seg", *options, *few)
    assert "data/b.png: has labels of 0 to 18 and 255, as if numbered from 0 (trainIds)" in message
    assert not Path("output").exists()


def test_another_family_is_refused(refused, classifier):
    message = refused("train-seg", *SHORT, "--set", "width=0.0625", "--init", classifier)
    assert "it probably has another width" in message
    assert not Path("output").exists()


@pytest.mark.slow
def test_dry_run(rnw):
    code, out, err = rnw("train-seg", *SHORT, "--cpus", 2, "--dry-run", "--set", "batch=4")
    assert (code, err) == (0, "")
    recipe, shown = out[: out.index("}") + 1], out[out.index("}") + 2 :].splitlines()
    assert json.loads(recipe)["crop"] == 32
    assert shown[:2] == [
        "2 images of 32x32 on each of 2 devices",
        "1,000 images: 250 steps an epoch, 500 in all",
    ]
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_both_phases_of_another_network(rnw, classifier, monkeypatch):
    """The second starts from the file that the same options made the first one write."""
    first = replace(RECIPES["cityscapes"], epochs=1, crop=32, origin=32, batch=20)
    second = replace(RECIPES["cityscapes_linear"], epochs=1, crop=32, origin=32, batch=20)
    monkeypatch.setitem(SPLITS, "train", (40, 0))
    monkeypatch.setitem(RECIPES, "cityscapes", first)
    monkeypatch.setitem(RECIPES, "cityscapes_linear", second)
    options = ("--dataset", "shapes", "--output", "out", "--cpus", 2, "--workers", 0)
    for setting in (f"network={NETWORK}", "width=0.03125", "classes=5"):
        options += ("--set", setting)
    path = f"out/{LABEL}_ep-0001.params"
    planned = rnw("train-seg", "--recipe", "cityscapes_linear", *options, "--dry-run")[1]
    assert f"starts from {path}, which is not there" in planned.splitlines()
    code, out, err = rnw(
        "train-seg",
        "--recipe",
        "cityscapes",
        *options,
        "--init",
        classifier,
        "--set",
        "loss=softmax",
    )
    assert (code, err, out.splitlines()[-1]) == (0, "", path)
    code, out, err = rnw("train-seg", "--recipe", "cityscapes_linear", *options)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{path}: 85 entries taken"
    assert out.splitlines()[-1] == f"out/{LABEL}_x1-140_ep-0001.params"


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        ("--recipe resnet", "unknown recipe 'resnet': expected one of model_a, "),
        ("--recipe digits", "recipe digits is for `rnw train-cls`"),
        ("--dataset mnist", "unknown dataset 'mnist': expected one of "),
        ("--dataset digits", "digits: is a dataset for classification, expected one for segm"),
        ("--dataset shapes --set speed=3", "cannot set 'speed=3': expected key=value, key one of"),
        ("--dataset shapes --set rates=1", "rates is (1.0,), expected two numbers"),
        ("--dataset shapes --set crop=0", "crop is 0, expected 1 to 16384"),
        ("--dataset shapes --set classifier=3", "classifier is '3', expected one of"),
        ("--dataset shapes --cpus 3", "a batch of 8 cannot be cut into 3"),
        ("--dataset shapes --init none.params", "none.params: "),
        (
            "--recipe voc --dataset shapes --set classes=5",
            "models/ilsvrc-cls_rna-a1_cls1000_ep-0001.params: not there",
        ),
        (
            "--recipe voc_linear --dataset shapes --set classes=5 --output out",
            "out/shapes_rna-a1_cls5_s8_ep-0039.params: not there, and recipe voc_linear starts "
            "from it: train recipe voc first, with the same --output and network",
        ),
    ],
)
def test_refused_runs_write_nothing(refused, arguments, wording):
    assert wording in refused("train-seg", *arguments.split())
    assert list(Path().iterdir()) == []


def test_classification_refuses_recipes_of_segmentation(refused):
    assert "recipe voc is for `rnw train-seg`" in refused("train-cls", "--recipe", "voc")
