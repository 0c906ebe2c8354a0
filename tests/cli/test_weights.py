"""The list of released files and the check of a download."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from rnw.weights.released import RELEASED

A1 = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
FILES = {  # name: (MD5, published scores), from the original's README
    "ilsvrc-cls_rna-a_cls1000_ep-0001.params": ("2421c1945b6797cecd3f89db14ca73f6", [19.20, 4.73]),
    A1: ("ff21f45d6bf03284100dcbec571edfad", [19.54, 4.75]),
    "voc_rna-a1_cls21_s8_ep-0001.params": ("a34628a63d5f62dcb98c29c4e281f332", [80.84]),
    "voc_rna-a1_cls21_s8_coco_ep-0001.params": ("328c0eca0c45b6345ada2f95edce68d4", [82.86]),
    "cityscapes_rna-a1_cls19_s8_ep-0001.params": ("226b3e861a6be7d0dc84e537f4eab154", [78.08]),
    "ade20k_rna-a1_cls150_s8_ep-0001.params": (
        "1faf29850bfa194678f0b8e1cbbffa98",
        [80.55, 43.34],
    ),
}


def test_list(rnw):
    code, out, err = rnw("weights")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[::2] == [f"{md5}  {name}" for name, (md5, _) in FILES.items()]
    for line, (_, scores) in zip(lines[1::2], FILES.values()):
        assert all(f" {score:.2f}" in line for score in scores)


def test_json(rnw):
    code, out, err = rnw("weights", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    rows = json.loads(out)["files"]
    found = {row["name"]: (row["md5"], [value for _, value in row["scores"]]) for row in rows}
    assert found == FILES
    a, a1, voc, *_, ade = rows
    assert (a["pooling"], a["interpolation"], a["test_size"]) == ("caffe", "cubic", 320)
    assert (a1["pooling"], a1["interpolation"], a1["flip"]) == ("pad", "cubic", False)
    assert (voc["test_size"], voc["flip"], voc["steps"]) == (500, True, 1)
    assert (ade["split"], ade["steps"]) == ("ADE20K val", 2)


def test_verify_accepts_the_released_content_under_any_name(rnw, monkeypatch):
    Path("renamed").write_bytes(b"weights")
    row = dataclasses.replace(RELEASED[A1], md5=hashlib.md5(b"weights").hexdigest())
    monkeypatch.setitem(RELEASED, A1, row)
    code, out, err = rnw("weights", "verify", "renamed")
    assert (code, err) == (0, "")
    assert out.startswith(f"renamed: the released {A1} (ILSVRC 2012 val, 320: top-1 error 19.54")


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        (
            A1,
            "expected md5 ff21f45d6bf03284100dcbec571edfad, found d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        ("other.params", "md5 d174ab98d277d9f5a5611c2c9f419d9f is none of the 6 released files"),
    ],
)
def test_verify_refuses_other_content(refused, name, wording):
    Path(name).write_text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    assert wording in refused("weights", "verify", name)


def test_verify_refuses_what_is_no_file(refused):
    assert "absent: cannot be read" in refused("weights", "verify", "absent")
    assert "here: cannot be read" in refused("weights", "verify", _folder("here"))


def _folder(name):
    Path(name).mkdir()
    return name
