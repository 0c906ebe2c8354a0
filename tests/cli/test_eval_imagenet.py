"""Evaluation from the archives of a miniature ImageNet to a submission."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.lists import write_classes
from rnw.data.sets.catalog import DATASETS
from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.model import load_model
from rnw.evaluation.classification.predict import predict
from rnw.evaluation.classification.validate import make_validator
from rnw.files import md5
from rnw.networks.classifier import get_network
from rnw.weights import load_params, save_params
from rnw.weights.released import RELEASED
from tests.cli.conftest import A1, F, narrow_network
from tests.data.prepare.miniature import SYNSETS
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


@pytest.mark.slow
def test_two_scales_flips_and_three_crops(prepared, archives, rnw):
    options = ("--scales", "64,80", "--flip", "--three-crops", "--batch", "7", "--per-class")
    command = ("eval-cls", "--weights", f"weights/{A1}", *options, "--json")
    code, out, err = rnw(*command, "--save-predictions", "p.npz")
    assert (code, err) == (0, "")
    result = json.loads(out)
    lines = [line.split("\t") for line in Path("data/ilsvrc12/val.lst").read_text().splitlines()]
    official = [0, 212, 278, 489]  # of the four classes of 1000
    labels = np.array([official[int(label)] for _, label, _ in lines])
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
    names = DATASETS["ilsvrc-cls"].class_names()
    assert [(row["label"], row["name"], row["images"]) for row in result["per_class"]] == [
        (label, names[label], 3) for label in official
    ]
    assert np.mean([row["top5"] for row in result["per_class"]]) == pytest.approx(result["top5"])
    assert (result["subset"], result["by_name"], result["published"]) == (4, True, None)
    _, shown, _ = rnw(*command[:-1])
    assert "labels of a subset of 4 classes, taken by name as those of all\n" in shown
    rnw("prepare", "ilsvrc-cls", archives, "--subset", "--pack")
    shutil.rmtree("data/ilsvrc12/ILSVRC2012_val")
    of_pack = json.loads(rnw(*command, "--overwrite")[1])
    assert of_pack == {**result, "numbering": None}


@pytest.mark.slow
def test_a_released_file_is_shown_with_its_published_scores(prepared, rnw, monkeypatch):
    assert "published" not in rnw("eval-cls", "--weights", f"weights/{A1}")[1]  # not its content
    row = replace(RELEASED[A1], md5=md5(f"weights/{A1}"))
    monkeypatch.setitem(RELEASED, A1, row)
    code, out, err = rnw("eval-cls", "--weights", f"weights/{A1}")
    assert (code, err) == (0, "")
    assert "center crop of 320, cubic interpolation\n" in out
    assert "published: ILSVRC 2012 val, 320: top-1 error 19.54, top-5 error 4.75\n" in out


def test_an_interrupt_keeps_what_is_computed(prepared, rnw):
    command = ("eval-cls", "--weights", f"weights/{F}", "--batch", "1")
    expected = rnw(*command, "--predictions", "other")

    def interrupt(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    folder = Path("weights", F).with_suffix("")
    with pytest.raises(KeyboardInterrupt):
        model = load_model(f"weights/{F}", [mx.cpu()])
        evaluate(model, batch=1, predictions=folder, on_step=interrupt)
    kept = folder / "val_80_center.npz"
    with np.load(kept) as arrays:
        assert len(arrays["probabilities"]) == 3
    assert rnw(*command) == expected
    with np.load(kept) as arrays:
        assert len(arrays["probabilities"]) == 12


def test_validation_in_training_is_the_same(prepared, rnw):
    net = fill_network(get_network("model_f", width=1 / 32, head="softmax"))
    load_params(net, f"weights/{F}")
    scores = make_validator("ilsvrc-cls", [mx.cpu()])(net)
    result = json.loads(rnw("eval-cls", "--weights", f"weights/{F}", "--json")[1])
    assert scores["top-5"] == pytest.approx(result["top5"])
    assert scores["top-1"] == pytest.approx(result["top1"])


SUBSET = "ilsvrc-cls_rna-f_cls4_ep-0001.params"


def _subset_network(**options):
    """For the four prepared classes alone; it prefers the third."""
    net = fill_network(get_network("model_f", 4, width=1 / 32, **options))
    bias = net.collect_params()["linear4_bias"]
    bias.set_data(bias.data() + mx.nd.array([0, 1, 5, 2]))
    return net


@pytest.mark.slow
@pytest.mark.parametrize("kit", ["given", "kept"])
def test_networks_of_a_subset_are_tested_on_it(prepared, archives, rnw, kit):
    save_params(_subset_network(), SUBSET)
    options = ("--save-predictions", "p.npz", "--per-class")
    if kit == "given":
        shutil.rmtree("data/ilsvrc12/ILSVRC2012_devkit_t12")
        options += ("--devkit", archives / "ILSVRC2012_devkit_t12.tar.gz")
    code, out, err = rnw("eval-cls", "--weights", SUBSET, *options, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    lines = Path("data/ilsvrc12/val.lst").read_text().splitlines()
    labels = np.array([int(line.split("\t")[1]) for line in lines])
    with np.load("p.npz") as arrays:
        best = np.argsort(-arrays["probabilities"], axis=1)
    assert best.shape == (12, 4)
    assert result["top1"] == pytest.approx(100 * np.mean(best[:, 0] == labels))
    assert (result["top5"], result["subset"], result["by_name"]) == (100, 4, False)
    assert [row["name"] for row in result["per_class"]] == sorted(wnid for wnid, _ in SYNSETS)
    numbers = {wnid: number for number, (wnid, _) in enumerate(SYNSETS, 1)}
    ids = [numbers[wnid] for wnid in Path("data/ilsvrc12/classes.txt").read_text().split()]
    assert ids == [3, 2, 1, 4]
    submitted = [list(map(int, line.split())) for line in Path("p.txt").read_text().splitlines()]
    assert submitted == [[ids[k] for k in row] for row in best.tolist()]


def test_predictions_of_a_network_of_a_subset_have_its_names(prepared, rnw):
    save_params(_subset_network(), SUBSET)
    picture = min(Path("data/ilsvrc12/ILSVRC2012_val").iterdir())
    code, out, err = rnw("predict", "--weights", SUBSET, picture, "--json")
    assert (code, err) == (0, "")
    (found,) = json.loads(out)["predictions"]
    names = {row["class"]: row["name"] for row in found["classes"]}
    assert names == dict(enumerate(sorted(wnid for wnid, _ in SYNSETS)))
    shutil.rmtree("data")
    (found,) = predict(load_model(SUBSET, [mx.cpu()]), [_gradient("p.png")])
    assert {name for _, name, _ in found.classes} == {"0", "1", "2", "3"}


def _gradient(path):
    Image.fromarray(np.arange(90 * 90 * 3).reshape(90, 90, 3).astype(np.uint8)).save(path)
    return path


def test_validation_of_a_network_of_a_subset(prepared, rnw):
    save_params(_subset_network(), SUBSET)
    scores = make_validator("ilsvrc-cls", [mx.cpu()])(_subset_network(head="softmax"))
    result = json.loads(rnw("eval-cls", "--weights", SUBSET, "--json")[1])
    assert scores["top-1"] == pytest.approx(result["top1"])
    listing = Path("data/ilsvrc12/val.lst")
    lines = listing.read_text().splitlines()
    lines[2] = lines[2].replace("2\t", "2\t1", 1)
    listing.write_text("\n".join(lines))
    with pytest.raises(
        InputError, match=r"val\.lst: line 3 has label 1\d, expected 0 to 3, the 4 "
    ):
        make_validator("ilsvrc-cls", [mx.cpu()])(_subset_network(head="softmax"))


def test_networks_of_other_classes_are_refused(prepared, refused):
    name = SUBSET.replace("cls4", "cls3")
    save_params(fill_network(get_network("model_f", 3, width=1 / 32)), name)
    message = refused("eval-cls", "--weights", name)
    assert "is for 3 classes, ILSVRC 2012 classification has 1000, and is prepared for 4" in message


def test_labels_beyond_the_classes_are_named(prepared, refused):
    listing = Path("data/ilsvrc12/val.lst")
    lines = listing.read_text().splitlines()
    lines[6] = "6\t1000\tILSVRC2012_val/x.JPEG"
    listing.write_text("\n".join(lines))
    message = refused("eval-cls", "--weights", f"weights/{F}")
    assert "data/ilsvrc12/val.lst: line 7 has label 1000, expected 0 to 3, the 4 classes" in message
    Path("data/ilsvrc12/classes.txt").unlink()  # so that labels are those of the network
    message = refused("eval-cls", "--weights", f"weights/{F}")
    assert "data/ilsvrc12/val.lst: line 7 has label 1000, expected 0 to 999" in message


def test_classes_that_are_none_of_all_are_named(prepared, refused):
    """As folders that are numbered in the order of text, 10 before 2, make them."""
    write_classes("data/ilsvrc12/classes.txt", sorted(map(str, range(1000))))
    wording = "data/ilsvrc12/classes.txt: line 1 is '0', none of the 1000 classes of ILSVRC 2012"
    assert wording in refused("eval-cls", "--weights", f"weights/{F}")


def test_a_bad_picture_is_named(prepared, refused):
    picture = sorted(Path("data/ilsvrc12/ILSVRC2012_val").iterdir())[3]
    picture.write_bytes(b"no picture")
    message = refused("eval-cls", "--weights", f"weights/{F}")
    assert f"{picture.name}: cannot be read as an image" in message


def test_a_picture_too_long_and_thin_is_named(prepared, refused):
    picture = sorted(Path("data/ilsvrc12/ILSVRC2012_val").iterdir())[3]
    Image.new("RGB", (201, 1)).save(picture, "JPEG")
    wording = f"{picture}: a picture of 201 x 1 is too long and thin, expected one side to be at mo"
    assert wording in refused("eval-cls", "--weights", f"weights/{F}")
    assert wording in refused("predict", "--weights", f"weights/{F}", picture)


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


@pytest.mark.slow
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
