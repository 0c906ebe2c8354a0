"""Evaluation from the archives of a miniature ImageNet to a submission."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.transforms import normalize
from rnw.evaluation.classification import make_validator
from rnw.networks.classifier import get_network
from rnw.weights import load_params
from tests.cli.conftest import A1, F, narrow_network
from tests.golden_cases import fill_network


def _views(path, scale):
    """Three crops and their mirror images."""
    image = Image.open(path).convert("RGB")
    ratio = scale / min(image.size)
    size = tuple(int(np.round(side * ratio)) for side in image.size)
    pixels = np.array(image.resize(size, Image.BICUBIC))
    rest = max(pixels.shape) - scale
    crops = []
    for start in (0, int(np.ceil(rest / 2)), rest):
        cut = slice(start, start + scale)
        crop = pixels[cut] if pixels.shape[0] > pixels.shape[1] else pixels[:, cut]
        crops += [crop, crop[:, ::-1]]
    return normalize(np.stack(crops))


def test_two_scales_flips_and_three_crops(prepared, archives, rnw):
    options = ("--scales", "64,80", "--flip", "--three-crops", "--batch", "7", "--per-class")
    command = ("eval-cls", "--weights", f"weights/{A1}", *options, "--json")
    code, out, err = rnw(*command, "--save-predictions", "p.npz")
    assert (code, err) == (0, "")
    result = json.loads(out)
    lines = [line.split("\t") for line in Path("data/ilsvrc12/val.lst").read_text().splitlines()]
    labels = np.array([int(label) for _, label, _ in lines])
    net = narrow_network("model_a1")
    expected = np.mean(
        [
            [
                mx.nd.softmax(net(mx.nd.array(_views(f"data/ilsvrc12/{path}", scale)))).asnumpy()
                for _, _, path in lines
            ]
            for scale in (80, 64)
        ],
        axis=(0, 2),
    )
    with np.load("p.npz") as arrays:
        np.testing.assert_allclose(arrays["probabilities"], expected, rtol=1e-4, atol=1e-7)
        assert arrays["images"].tolist() == [Path(path).name for _, _, path in lines]
    best = np.argsort(-expected, axis=1)[:, :5]
    assert result["top1"] == pytest.approx(100 * np.mean(best[:, 0] == labels))
    assert result["top5"] == pytest.approx(100 * np.mean((best == labels[:, None]).any(axis=1)))
    assert result["top5"] > 0
    submitted = [list(map(int, line.split())) for line in Path("p.txt").read_text().splitlines()]
    assert submitted == (best + 1).tolist()
    classes = Path("data/ilsvrc12/classes.txt").read_text().split()
    assert [(row["name"], row["images"]) for row in result["per_class"]] == [
        (name, 3) for name in classes
    ]
    assert np.mean([row["top5"] for row in result["per_class"]]) == pytest.approx(result["top5"])
    assert (result["subset"], result["published"]) == (4, None)
    rnw("prepare", "ilsvrc-cls", archives, "--subset", "--pack")
    shutil.rmtree("data/ilsvrc12/ILSVRC2012_val")
    of_pack = json.loads(rnw(*command, "--overwrite")[1])
    assert of_pack == {**result, "numbering": None}


def test_a_released_file_is_shown_with_its_published_scores(prepared, rnw):
    code, out, err = rnw("eval-cls", "--weights", f"weights/{A1}")
    assert (code, err) == (0, "")
    assert "center crop of 320, cubic interpolation\n" in out
    assert "published: ILSVRC 2012 val, 320: top-1 error 19.54, top-5 error 4.75\n" in out


def test_an_interrupt_keeps_what_is_computed(prepared, rnw):
    command = ("eval-cls", "--weights", f"weights/{F}", "--batch", "1")
    expected = rnw(*command, "--predictions", "other")
    picture = sorted(Path("data/ilsvrc12/ILSVRC2012_val").iterdir())[6]
    content = picture.read_bytes()
    picture.unlink()
    os.mkfifo(picture)  # reading it waits
    process = subprocess.Popen(
        [sys.executable, "-m", "rnw", *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    with picture.open("wb"):
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode().strip()) == (130, "stopped; the same command goes on")
    picture.unlink()
    kept = Path("weights", F).with_suffix("") / "val_80_center.npz"
    with np.load(kept) as arrays:
        assert 1 <= len(arrays["probabilities"]) <= 6
    picture.write_bytes(content)
    assert rnw(*command) == expected
    with np.load(kept) as arrays:
        assert len(arrays["probabilities"]) == 12


def test_validation_in_training_is_the_same(prepared, rnw):
    net = fill_network(get_network("model_f", width=1 / 32, head="softmax"))
    load_params(net, f"weights/{F}")
    scores = make_validator("ilsvrc-cls", [mx.cpu()])(net)
    result = json.loads(rnw("eval-cls", "--weights", f"weights/{F}", "--json")[1])
    assert scores["top-5"] * 100 == pytest.approx(result["top5"])
    assert scores["top-1"] * 100 == pytest.approx(result["top1"])


def test_a_bad_picture_is_named(prepared, refused):
    picture = sorted(Path("data/ilsvrc12/ILSVRC2012_val").iterdir())[3]
    picture.write_bytes(b"no picture")
    message = refused("eval-cls", "--weights", f"weights/{F}")
    assert f"{picture.name}: cannot be read as an image" in message


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A ResNet-50 of gluoncv's with random weights, under the name of its file."""
    from gluoncv.model_zoo import get_model

    net = get_model("resnet50_v1")
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 3, 32, 32)))
    path = tmp_path_factory.mktemp("gluoncv") / "resnet50_v1-cc729d95.params"
    net.save_parameters(str(path))
    return net, path


def test_baselines_run_through_the_same_command(prepared, rnw, resnet):
    net, path = resnet
    first = rnw("eval-cls", "--weights", path, "--scales", "64", "--save-predictions", "p.npz")
    assert (first[0], first[2]) == (0, "")
    shutil.copy(path, "mine.params")
    named = ("--weights", "mine.params", "--baseline", "resnet50_v1")
    assert rnw("eval-cls", *named, "--scales", "64")[1] == first[1].rpartition("p.npz and")[0]
    picture = min(Path("data/ilsvrc12/ILSVRC2012_val").iterdir())
    image = Image.open(picture).convert("RGB")
    side = min(image.size)
    size = tuple(int(np.round(64 * length / side)) for length in image.size)
    shrunk, grown = (
        all(f(a, b) for a, b in zip(size, image.size)) for f in (int.__lt__, int.__gt__)
    )
    how = Image.LANCZOS if shrunk else Image.BICUBIC if grown else Image.BILINEAR
    pixels = np.array(image.resize(size, how)) if side != 64 else np.array(image)
    top, left = (int(np.ceil((length - 64) / 2)) for length in pixels.shape[:2])
    crop = pixels[top : top + 64, left : left + 64]
    expected = mx.nd.softmax(net(mx.nd.array(normalize(crop[None])))).asnumpy()[0]
    with np.load("p.npz") as arrays:
        np.testing.assert_allclose(arrays["probabilities"][0], expected, rtol=1e-4, atol=1e-7)


def test_weights_of_another_baseline_are_refused(refused, resnet):
    message = refused("eval-cls", "--weights", resnet[1], "--baseline", "resnet101_v1")
    assert "no weights of gluoncv's resnet101_v1: Parameter 'features.6.6" in message


def test_a_download_without_a_network_says_so(rnw, monkeypatch):
    monkeypatch.setenv("MXNET_HOME", "home")
    monkeypatch.setenv("MXNET_GLUON_REPO", "http://127.0.0.1:9/")
    code, out, err = rnw("eval-cls", "--baseline", "resnet50_v1")
    assert (code, out) == (2, "")
    assert "Error: resnet50_v1: gluoncv cannot download its weights (ConnectionError)" in err


def test_unknown_baselines_are_refused(refused):
    message = refused("eval-cls", "--baseline", "resnet18_v1")
    assert (
        "'resnet18_v1': expected one of resnet50_v1, resnet101_v1, resnet152_v1, vgg16" in message
    )
