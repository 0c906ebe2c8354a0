"""Data of one's own, from training to predictions, with nothing but a folder and the weights."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from rnw.data.own.splits import held_out
from rnw.data.sets.reading import read_examples
from rnw.evaluation.classification.model import load_model, picture_reader
from rnw.evaluation.segmentation.model import load_model as load_segmentation_model
from rnw.runtime import make_contexts
from tests.data.own.miniatures import class_folders, pairs, png, write

NARROW = ("--set", "width=0.0625", "--set", "epochs=1", "--workers", "0")
CLASSIFIER = ("--set", "network=28-0-1-1-1-1-1-1", "--set", "batch=8", *NARROW)
SEGMENTER = ("--set", "crop=16", "--set", "origin=16", *NARROW)


def test_class_folders_from_training_to_names(rnw):
    class_folders("train", "val", count=8)
    code, out, err = rnw("train-cls", "--dataset", "data", *CLASSIFIER, "--val-every", "1")
    assert code == 0, err
    assert "trained by recipe scratch-cls; --recipe chooses another\n" in err
    weights = Path("output/data_rna-28-0-1-1-1-1-1-1_cls2_ep-0001.params")
    assert out.endswith(f"{weights}\n")
    assert (
        json.loads(Path("output/data_rna-28-0-1-1-1-1-1-1_cls2.json").read_text())["classes"] == 2
    )
    Path("output").rename("moved")
    weights = "moved" / weights.relative_to("output")
    code, out, err = rnw("eval-cls", "--weights", weights, "--save-predictions", "best.npz")
    assert code == 0, err
    assert out.startswith("data val, 16 images\n")
    assert "numbered" not in out
    assert "best.txt, numbers: none, but the names of pictures and classes\n" in out
    lines = [line.split("\t") for line in Path("best.txt").read_text().splitlines()]
    assert len({picture for picture, *_ in lines}) == 16
    assert {tuple(sorted(classes)) for _, *classes in lines} == {("cat", "dog")}
    assert rnw("report", weights.with_suffix(""))[0] == 0
    page = weights.with_suffix("").joinpath("report.html").read_text()
    assert "0 cat" in page and "1 dog" in page and "image/jpeg" in page
    code, out, err = rnw("predict", "--weights", weights, "data/val/cat/0.jpg")
    assert code == 0, err
    assert set(re.findall(r"\d  (\w+)$", out, re.MULTILINE)) == {"cat", "dog"}
    assert "numbered" not in err


def _street():
    write({
        **pairs("street/train/{}.jpg", "street/trainannot/{}.png", "abcd"),
        **pairs("street/val/{}.jpg", "street/valannot/{}.png", "ef"),
        "street.yaml": """
task: segmentation
root: street
splits:
  train: {images: train, labels: trainannot}
  val: {images: val, labels: valannot}
classes: [ground, cat, dog]
colors: ["#000000", "#ff0000", "#0000ff"]
test_size: 16
""",
    }, ".")  # fmt: skip


def test_what_is_noted_of_a_list_is_said_once(rnw, monkeypatch):
    monkeypatch.setattr(logging.getLogger("rnw"), "propagate", False)  # to handlers of tests
    _street()
    lines = [f"home/me/train/{name}.jpg home/me/trainannot/{name}.png" for name in "abcd"]
    Path("street/train.txt").write_text("\n".join(lines))
    text = Path("street.yaml").read_text()
    Path("street.yaml").write_text(re.sub("train: {.*", "train: {list: train.txt}", text))
    Path("street/trainannot/d.png").unlink()
    code, _, err = rnw("train-seg", "--dataset", "street.yaml", *SEGMENTER)
    assert (code, "trainannot/d.png" in err) == (2, True)
    assert [line for line in err.splitlines() if line.startswith("street/train.txt: ")] == [
        "street/train.txt: the folder 'home/me/train' that it names is taken as 'street/train'",
        "street/train.txt: the folder 'home/me/trainannot' that it names is taken as "
        "'street/trainannot'",
    ]


@pytest.mark.slow
def test_label_maps_from_training_to_figures(rnw):
    _street()
    code, _, err = rnw("train-seg", "--dataset", "street.yaml", *SEGMENTER)
    assert code == 0, err
    weights = Path("output/street_rna-56-0-1-1-1-1-1-1_cls3_s8_ep-0001.params")
    Path("street.yaml").unlink()
    code, out, err = rnw("eval-seg", "--weights", weights, "--save-predictions", "kept")
    assert code == 0, err
    assert out.startswith("street val, 2 images\n")
    assert re.search(r"^ .* cat$", out, re.MULTILINE)
    assert rnw("figure", "kept", "-o", "figure.png")[0] == 0
    split = ("--split", "train", "--save-predictions", "trained")
    assert rnw("eval-seg", "--weights", weights, *split)[0] == 0
    assert rnw("figure", "trained", "-o", "trained.png")[:2] == (0, "trained.png\n")
    code, out, err = rnw("report", "kept")
    assert code == 0, err
    assert "dog" in Path("kept/report.html").read_text()
    assert rnw("submission", "make", "kept", "-o", "street.zip")[:2] == (
        0,
        "street.zip: 2 pictures\n",
    )
    check = ("submission", "check", "street.zip", "--dataset", "kept/dataset.yaml")
    assert rnw(*check, "--split", "val")[:2] == (0, "street.zip: nothing is wrong\n")
    assert rnw("convert", weights, "best.safetensors", "--to", "safetensors")[0] == 0
    command = ("predict", "--weights", "best.safetensors", "-o", "converted", "street/val/e.jpg")
    code, out, err = rnw(*command)
    assert (code, "numbered" in err) == (0, False)
    code, _, err = rnw("eval-seg", "--weights", "best.safetensors")
    assert (code, "street/val.lst: no such list of the dataset that the weights" in err) == (
        2,
        True,
    )
    assert set(re.findall(r"%.*  (\w+)$", out, re.MULTILINE)) <= {"ground", "cat", "dog"}
    code, out, err = rnw("predict", "--weights", weights, "-o", "seen", "street/val/e.jpg")
    assert code == 0, err
    assert set(re.findall(r"%.*  (\w+)$", out, re.MULTILINE)) <= {"ground", "cat", "dog"}


def test_no_run_starts_on_data_that_are_wrong(rnw):
    _street()
    Path("street/trainannot/b.png").write_bytes(png(np.full((12, 16), 9, np.uint8)))
    arguments = ("train-seg", "--dataset", "street.yaml", *SEGMENTER)
    code, _, message = rnw(*arguments)
    assert code == 2
    assert "street.yaml: 1 label maps have values without a class: " in message
    assert "--unchecked trains all the same" in message
    assert not Path("output").exists()
    code, _, message = rnw(*arguments, "--unchecked")
    assert code == 2
    assert "street/trainannot/b.png: 192 pixels have the number 9, none of the 3" in message


@pytest.mark.slow
def test_a_part_is_held_out(rnw):
    class_folders(count=20)
    held = {share: sum(held_out(f"{n}.jpg", share) for n in range(20)) for share in (0.1, 0.4)}
    assert 0 < held[0.1] < held[0.4]
    arguments = ("train-cls", "--dataset", "data", *CLASSIFIER, "--val-every", "1")
    code, _, err = rnw(*arguments, "--dry-run")
    assert code == 0, err
    said = "data: {} % of the training pictures are held out as split val, by a hash of the file's"
    assert said.format(10) in err
    code, _, err = rnw(*arguments, "--val-fraction", "0.4")
    assert code == 0, err
    assert said.format(40) in err
    settings = json.loads(Path("output/data_rna-28-0-1-1-1-1-1-1_cls2.json").read_text())
    assert settings["dataset"] == "data#val-fraction=0.4"
    weights = ("--weights", "output/data_rna-28-0-1-1-1-1-1-1_cls2_ep-0001.params")
    for options, share in (
        ((), 0.4),
        (("--dataset", "data"), 0.1),
        (("--dataset", "data", "--val-fraction", "0.4"), 0.4),
    ):
        code, out, err = rnw("eval-cls", *weights, *options, "--overwrite")
        assert code == 0, err
        assert out.startswith(f"data val, {2 * held[share]} images\n")
        assert said.format(f"{100 * share:g}") in err


def test_a_part_of_label_maps_is_held_out(rnw):
    write(pairs("images/{}.jpg", "labels/{}.png", "abcdefghij"))
    held = sum(held_out(f"{name}.jpg", 0.4) for name in "abcdefghij")
    options = ("--dataset", "data", "--val-fraction", "0.4")
    code, _, err = rnw("train-seg", *options, *SEGMENTER, "--set", "batch=2")
    assert code == 0, err
    weights = "output/data_rna-56-0-1-1-1-1-1-1_cls3_s8_ep-0001.params"
    code, out, err = rnw("eval-seg", "--weights", weights, "--scales", "16")
    assert code == 0, err
    assert 0 < held < 10
    assert out.startswith(f"data val, {held} images\n")


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("train-cls",), "'--val-fraction' is of a dataset: give '--dataset'"),
        (("eval-seg", "--weights", "x"), "'--val-fraction' is of a dataset: give '--dataset'"),
        (("train-seg", "--dataset", "voc"), "voc: --val-fraction is for a dataset of your own"),
        (("train-cls", "--dataset", "data"), "data: has a split 'val', and --val-fraction is for"),
        (("train-cls", "--dataset", "few", "--val-every", "1"), "--val-fraction holds out more"),
    ],
)
def test_what_a_part_cannot_be_of(rnw, arguments, wording):
    class_folders("train", "val")
    class_folders(count=1, root="few")
    code, _, message = rnw(*arguments, "--val-fraction", "0.001")
    assert code == 2
    assert wording in message


STUDY = ("study", "depth-width", "--dataset", "data", "--seeds", "1", "--budget", "parameters=9000")
NETWORKS = ("--units", "0-1-1-1-1-1-1", "--units", "0-2-2-2-2-2-2", "--set", "epochs=1")


@pytest.mark.slow
def test_a_study(rnw):
    class_folders("train", "val", count=4)
    released = Path("models/ilsvrc-cls_rna-a1_cls1000_ep-0001.params")  # is no start for a study
    released.parent.mkdir()
    released.touch()
    code, out, err = rnw(*STUDY, *NETWORKS)
    assert code == 0, err
    assert "trained by recipe scratch-cls; --recipe chooses another\n" in err
    runs = [line.split()[0] for line in out.splitlines() if ", seed 0: top-1 " in line]
    assert runs == ["56-0-2-2-2-2-2-2", "56-0-1-1-1-1-1-1"]


def test_a_study_is_of_data_without_errors(rnw):
    class_folders("train", "val", count=4)
    Path("data/val/cat/1.jpg").write_text("no picture")
    code, _, message = rnw(*STUDY, *NETWORKS)
    assert code == 2
    assert "data: 1 pictures cannot be read: " in message
    assert not Path("output").exists()


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (STUDY, "data: is a dataset for segmentation, expected one for classification"),
        (
            ("analyze", "paths", "--network", "a", "--dataset", "data"),
            "data: is a dataset for segmentation, expected one for classification",
        ),
    ],
)
def test_analyses_are_of_classes(rnw, arguments, wording):
    write(pairs("images/{}.jpg", "labels/{}.png"))
    code, _, message = rnw(*arguments)
    assert code == 2
    assert message.splitlines()[-1] == f"Error: {wording}"


@pytest.mark.slow
def test_paths_of_a_network_trained_on_it(rnw):
    class_folders("train", "val", count=8)
    assert rnw("train-cls", "--dataset", "data", *CLASSIFIER)[0] == 0
    weights = ("--weights", "output/data_rna-28-0-1-1-1-1-1-1_cls2_ep-0001.params")
    fast = ("--samples", "1", "--examples", "2")
    Path("data").rename("moved")
    code, _, message = rnw("analyze", "paths", *weights, *fast)
    assert code == 2
    assert "data/val: no such folder" in message
    code, out, err = rnw("analyze", "paths", *weights, *fast, "--dataset", "moved")
    assert (code, err) == (0, "")
    assert "6 units" in out


COLORS_OF_ITS_OWN = "mean: [0.3, 0.5, 0.7]\ndeviation: [0.1, 0.2, 0.3]\n"


def _scores(rnw, *options):
    """What a network says of a picture: probabilities, or shares of classes."""
    code, out, err = rnw("predict", "--json", *options)
    assert code == 0, err
    (found,) = json.loads(out)["predictions"]
    return found


def _of_bytes(rnw, weights, picture):
    """What a graph that normalizes by itself says of a picture (H, W, 3) uint8: probabilities."""
    options = ("--input", "uint8", "--softmax", "--to", "onnx")
    assert rnw("convert", weights, "x.onnx", *options)[0] == 0
    session = onnxruntime.InferenceSession("x.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {"data": picture[None]})[0][0].tolist()


def test_pictures_are_normalized_as_in_training(rnw):
    class_folders("train", "val", count=4)
    splits = "splits: {train: train, val: val}\n"
    write({"own.yaml": f"task: classification\nroot: data\n{splits}{COLORS_OF_ITS_OWN}"}, ".")
    code, _, err = rnw("train-cls", "--dataset", "own.yaml", *CLASSIFIER)
    assert code == 0, err
    weights = Path("output/own_rna-28-0-1-1-1-1-1-1_cls2_ep-0001.params")
    options = ("--weights", weights, "data/val/cat/0.jpg")
    found = _scores(rnw, *options)
    assert _scores(rnw, *options, "--dataset", "data") == found  # it says nothing of colors
    kept = Path("output/own_rna-28-0-1-1-1-1-1-1_cls2.dataset.yaml")
    assert "\nmean: [0.3, 0.5, 0.7]\n" in kept.read_text()
    Path("own.yaml").unlink()
    model = load_model(weights, make_contexts())
    assert model.normalization == ((0.3, 0.5, 0.7), (0.1, 0.2, 0.3))
    read = picture_reader(read_examples(model.dataset, "val"))
    (crop,) = model.protocol.cut(read(0), 28)
    data = (crop / 255 - (0.3, 0.5, 0.7)) / (0.1, 0.2, 0.3)
    scores = model.forward(data.transpose(2, 0, 1)[None].astype(np.float32))
    told = {row["class"]: row["probability"] for row in found["classes"]}
    assert [told[0], told[1]] == pytest.approx(scores[0].tolist(), abs=1e-5)
    assert _of_bytes(rnw, weights, crop) == pytest.approx(scores[0].tolist(), abs=1e-5)
    kept.unlink()
    assert _scores(rnw, *options, "--dataset", "data") != found


def test_label_maps_of_pictures_normalized_as_in_training(rnw):
    _street()
    Path("street.yaml").write_text(Path("street.yaml").read_text() + COLORS_OF_ITS_OWN)
    assert rnw("train-seg", "--dataset", "street.yaml", *SEGMENTER)[0] == 0
    weights = Path("output/street_rna-56-0-1-1-1-1-1-1_cls3_s8_ep-0001.params")
    (scorer,) = load_segmentation_model([weights], make_contexts()).scorers
    assert scorer.normalization == ((0.3, 0.5, 0.7), (0.1, 0.2, 0.3))
    Path("street.yaml").write_text(Path("street.yaml").read_text().replace("0.5", "0.6"))
    code, _, message = rnw("train-seg", "--dataset", "street.yaml", *SEGMENTER, "--resume")
    assert code == 2
    assert "normalization was [[0.3, 0.5, 0.7], [0.1, 0.2, 0.3]], now [[0.3, 0.6, 0.7]" in message


@pytest.mark.slow
def test_a_test_on_pictures_of_training_is_told(rnw):
    class_folders(count=8)
    whole = ("--dataset", "data", "--val-fraction", "0")
    said = (
        "data has no split val or test: networks are tested on the pictures that they are trained"
    )
    code, _, err = rnw("train-cls", *whole, *CLASSIFIER, "--dry-run")
    assert code == 0, err
    assert said in err
    assert rnw("train-cls", *whole, *CLASSIFIER)[0] == 0
    weights = Path("output/data_rna-28-0-1-1-1-1-1-1_cls2_ep-0001.params")
    code, out, err = rnw("eval-cls", "--weights", weights)
    assert code == 0, err
    assert out.startswith("data train, 16 images\n")
    assert said in out
    assert rnw("report", weights.with_suffix(""))[0] == 0
    assert said in weights.with_suffix("").joinpath("report.html").read_text()


def _graph(weights):
    return json.loads(Path(weights.replace("0001.params", "symbol.json")).read_text())["nodes"]


@pytest.mark.slow
def test_classes_are_weighed(rnw):
    class_folders("train", "val", count=4)
    fields = ("--set", "balance=true", "--set", "label_smoothing=0.1")
    arguments = ("train-cls", "--dataset", "data", *CLASSIFIER, "--val-every", "1")
    code, _, err = rnw(*arguments, *fields)
    assert code == 0, err
    weights = "output/data_rna-28-0-1-1-1-1-1-1_cls2_ep-0001.params"
    log = Path("output/data_rna-28-0-1-1-1-1-1-1_cls2.log").read_text()
    assert "weights of the classes 1, 1; labels smoothed by 0.1\n" in log
    assert _graph(weights)[-1]["op"] == "SoftmaxOutput"
    code, _, err = rnw("eval-cls", "--weights", weights)
    assert code == 0, err
    assert rnw(*arguments, *fields, "--resume")[0] == 0
    code, _, message = rnw(*arguments, "--resume")
    assert code == 2
    assert "balance was True, now None; " in message
