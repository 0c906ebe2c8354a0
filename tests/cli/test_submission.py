"""Packing and checking predictions by the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import LabeledImages
from rnw.data.picture_types import Pair
from rnw.data.sets.catalog import SEGMENTATION
from rnw.evaluation.segmentation.kept import KeptLabels
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import make_dataset


@pytest.fixture
def kept(monkeypatch):
    """A prediction for one of two pictures of a miniature VOC."""
    Path("data").mkdir()
    for name in ("a", "b"):
        Image.fromarray(picture(30, 40, 1)).save(f"data/{name}.jpg")
    pairs = [Pair("a.jpg", None), Pair("b.jpg", None)]
    form = SEGMENTATION["voc"].submission
    row = make_dataset((), 21, name="voc", root=Path("data"), submission=form)
    row = replace(row, read=lambda root, split: LabeledImages(root, pairs))
    monkeypatch.setitem(SEGMENTATION, "voc", row)
    KeptLabels(Path("kept"), row, {}).write("a", np.zeros((30, 40), np.uint8))
    return Path("kept")


def test_what_is_missing_is_named(rnw, kept):
    code, out, err = rnw("submission", "make", kept, "--dataset", "voc", "-o", "mine.tar")
    assert (code, out, err) == (0, "mine.tar: 1 picture\n", "")
    missing = "results/VOC2012/Segmentation/comp6_test_cls/b.png: missing"
    check = ("submission", "check", "mine.tar", "--dataset", "voc")
    assert rnw(*check) == (2, "", f"{missing}\n")
    code, out, err = rnw(*check, "--json")
    assert (code, json.loads(out), err) == (2, {"problems": [missing]}, "")


def test_predictions_of_another_data_set_are_not_packed(refused, kept):
    make = ("submission", "make", kept, "--dataset", "ade20k", "-o", "mine.zip")
    message = refused(*make)
    assert "kept: has predictions for voc, as kept/evaluation.json says, not for ade20k" in message
    assert not Path("mine.zip").exists()
    older = {"weights": ["voc_rna-a1_cls21_s8_ep-0001.params (md5 0)"], "protocol": "flip"}
    Path("kept/evaluation.json").write_text(json.dumps(older))
    assert "has predictions for voc" in refused(*make)


def test_damaged_predictions_are_not_packed(refused, kept):
    Image.fromarray(np.zeros((30, 40), np.uint8)).save("kept/labels/a.png")
    message = refused("submission", "make", kept, "--dataset", "voc", "-o", "mine.tar")
    assert "kept/labels/a.png: expected a label map of 8 bits, with a palette, found" in message
    assert not Path("mine.tar").exists()


def test_numbers_of_another_palette_are_named(rnw, kept):
    """As in a picture that was quantized to an adaptive palette: numbers of other classes."""
    with Image.open("kept/labels/a.png") as image:
        colors = image.convert("RGB")
    colors.paste((30, 170, 9), (0, 0, 9, 9))  # of class 3; class 0 is what is left
    colors.convert("P", palette=1, colors=2).save("kept/labels/a.png")
    code, out, err = rnw("submission", "check", "kept/labels", "--dataset", "voc")
    assert (code, out) == (2, "")
    assert err.startswith("a.png: label ")
    assert " has the color (30, 170, 9) in its palette, Pictures has " in err


def test_nothing_is_wrong(rnw, kept):
    (kept / "labels" / "b.png").write_bytes((kept / "labels" / "a.png").read_bytes())
    code, out, _ = rnw("submission", "check", kept / "labels", "--dataset", "voc")
    assert (code, out) == (0, "kept/labels: nothing is wrong\n")


@pytest.mark.parametrize(
    ("dataset", "split"),
    [("voc", "test"), ("cityscapes", "test"), ("ade20k", "test"), ("pascal-context", "val")],
)
def test_the_split_is_one_that_the_data_set_has(rnw, dataset, split):
    Path("mine").mkdir()
    Path(f"{split}.lst").write_text("a.jpg\n")
    check = ("submission", "check", "mine", "--dataset", dataset, "--data-root", ".")
    code, out, err = rnw(*check)
    assert (code, out) == (2, "")
    assert err.endswith("a.png: missing\n")


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("check", "missing", "--dataset", "voc"), "missing: no such folder or archive"),
        (("check", "kept", "--dataset", "shapes"), "no form of submissions for 'shapes'"),
        (("check", "kept", "--dataset", "cats"), "unknown dataset 'cats'"),
        (("check", "kept", "--dataset", "voc", "--data-root", "x"), "x/a.jpg: no such image"),
        (("make", "x", "--dataset", "voc", "-o", "y.tar"), "x/labels: no predictions"),
    ],
)
def test_refuses(refused, kept, options, wording):
    Path("kept/labels/a.png").rename("kept/a.png")
    assert wording in refused("submission", *options)
