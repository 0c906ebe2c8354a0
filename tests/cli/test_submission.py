"""Packing and checking predictions by the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.catalog import SEGMENTATION
from rnw.data.labelled import LabelledImages, Pair
from rnw.evaluation.kept_labels import KeptLabels
from tests.data.test_transforms import picture
from tests.evaluation.segments import make_dataset


@pytest.fixture
def kept(monkeypatch):
    """A prediction for one of two pictures of a miniature VOC."""
    Path("data").mkdir()
    for name in ("a", "b"):
        Image.fromarray(picture(30, 40, 1)).save(f"data/{name}.jpg")
    pairs = [Pair("a.jpg", None), Pair("b.jpg", None)]
    row = make_dataset((), 21, name="voc", root=Path("data"))
    row = replace(row, read=lambda root, split: LabelledImages(root, pairs))
    monkeypatch.setitem(SEGMENTATION, "voc", row)
    KeptLabels(Path("kept"), row, {}).write("a", np.zeros((30, 40), np.uint8))
    return Path("kept")


def test_what_is_missing_is_named(rnw, kept):
    code, out, err = rnw("submission", "make", kept, "--dataset", "voc", "-o", "mine.tar")
    assert (code, out, err) == (0, "mine.tar: 1 pictures\n", "")
    missing = "results/VOC2012/Segmentation/comp6_test_cls/b.png: missing"
    check = ("submission", "check", "mine.tar", "--dataset", "voc")
    assert rnw(*check) == (2, "", f"{missing}\n")
    code, out, err = rnw(*check, "--json")
    assert (code, json.loads(out), err) == (2, {"problems": [missing]}, "")


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
        (("check", "kept", "--dataset", "cats"), "unknown data set 'cats'"),
        (("check", "kept", "--dataset", "voc", "--data-root", "x"), "x/a.jpg: no such image"),
        (("make", "x", "--dataset", "voc", "-o", "y.tar"), "x/labels: no predictions"),
    ],
)
def test_refuses(refused, kept, options, wording):
    Path("kept/labels/a.png").rename("kept/a.png")
    assert wording in refused("submission", *options)
