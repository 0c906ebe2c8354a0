"""The list of released files and the check of a download."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.weights import save_params
from rnw.weights.ndarray_file import read_arrays, write_arrays
from rnw.weights.npz_file import write_npz
from rnw.weights.released import RELEASED
from rnw.weights.safetensors_file import read_safetensors, write_safetensors
from tests.golden_cases import deterministic_weights, each_checkpoint, fill_network

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
    assert "here: is a folder, expected a regular" in refused("weights", "verify", _folder("here"))


def _folder(name):
    Path(name).mkdir()
    return name


@each_checkpoint()
def test_show(path, rnw):
    code, out, err = rnw("weights", "show", path)
    assert (code, err) == (0, "")
    head, stored, fits, named, *rows = out.splitlines()
    arrays = read_arrays(path)
    assert head.startswith(f"{path}: ")
    assert f", {len(arrays)} arrays, " in head
    assert stored == "format of MXNet 0.8, saved from cpu(0)"
    network = named[len("is for ") :].split(" (")[0]
    assert network in fits[len("fits ") :].split(" (")[0].split(", ")
    expected = [(n, a.dtype.name, "x".join(map(str, a.shape))) for n, a in arrays.items()]
    assert [tuple(row.split()) for row in rows] == expected


def test_show_statistics_of_a_foreign_network(rnw):
    write_arrays("x.params", {"w": np.float32([[1, 2], [np.nan, -3]]), "none": np.zeros((0,))})
    code, out, err = rnw("weights", "show", "x.params", "--stats")
    assert (code, err) == (0, "")
    assert out.splitlines()[2] == "fits no network of the paper"
    assert " ".join(out.splitlines()[4].split()) == "w float32 2x2 -3 to 2, mean 0, 1 NaN"
    assert out.splitlines()[5].split() == ["none", "float64", "0"]


def test_show_json(rnw):
    write_arrays("x.params", {"a": np.float32([1, np.inf]), "b": np.int8([3])})
    code, out, _ = rnw("weights", "show", "x.params", "--stats", "--json")
    shown = json.loads(out)
    assert (code, out.count("\n"), shown["size"]) == (0, 1, Path("x.params").stat().st_size)
    assert [(row["name"], row["dtype"], row["shape"]) for row in shown["arrays"]] == [
        ("a", "float32", [2]),
        ("b", "int8", [1]),
    ]
    content = Path("x.params").read_bytes()
    assert content[shown["arrays"][1]["offset"]] == 3
    assert [(row["maximum"], row["infinities"]) for row in shown["arrays"]] == [(1, 1), (3, 0)]
    assert "Infinity" not in out


@pytest.mark.parametrize(
    ("name", "write", "kind"),
    [
        ("x.safetensors", write_safetensors, "a safetensors file"),
        ("x.npz", write_npz, "a NumPy archive"),
    ],
)
def test_show_files_of_others(rnw, name, write, kind):
    config = configure("28-1-1-1-1-1-1-1", 3, width=1 / 32)
    write(name, deterministic_weights(config))
    code, out, err = rnw("weights", "show", name)
    assert (code, err) == (0, "")
    _, stored, fits, _, first, *rows = out.splitlines()
    assert (stored, fits.split(" (")[0]) == (kind, "fits <size>-1-1-1-1-1-1-1")
    assert first.split() == ["conv1a_weight", "float32", "2x3x3x3"]
    assert len(rows) == len(config.parameters()) - 1
    shown = json.loads(rnw("weights", "show", name, "--json")[1])
    assert shown["format"] == kind
    assert {(row["offset"], row["version"]) for row in shown["arrays"]} == {(None, None)}


def test_show_without_arrays(rnw):
    write_arrays("x.params", {})
    assert rnw("weights", "show", "x.params")[0] == 0


@pytest.fixture
def files():
    a = np.float32([[1, 2], [3, 4]])
    write_arrays("a.params", {"arg:x": a, "arg:y": a, "arg:z": a, "aux:only_moving_mean": a})
    write_arrays("b.params", {"unit.x": a, "y": a + np.float32(0.5), "z": a[:1]})
    write_arrays("c.params", {"x": a, "y": a + np.float32(np.nan), "z": a.astype("f8")})
    write_arrays("same.params", {"z": a, "y": a, "x": a, "only_moving_mean": a})


def test_diff(rnw, files):
    code, out, err = rnw("weights", "diff", "a.params", "b.params")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "only_moving_mean: only in a.params",
        "z: shape (2, 2) and (1, 2)",
        "y: up to 0.5 apart (0.11 of the largest), 4 of 4 values",
        "2 of 3 arrays in both files differ",
    ]
    code, out, _ = rnw("weights", "diff", "b.params", "a.params", "--tolerance", "0.5")
    assert (code, out.splitlines()[2:]) == (1, ["1 of 3 arrays in both files differ"])


def test_diff_of_equal_files(rnw, files):
    expected = (0, "0 of 4 arrays in both files differ\n", "")
    assert rnw("weights", "diff", "a.params", "same.params") == expected


def test_diff_json(rnw, files):
    code, out, _ = rnw("weights", "diff", "a.params", "c.params", "--json")
    assert code == 1
    assert json.loads(out) == {
        "arrays": 3,
        "only_first": ["only_moving_mean"],
        "only_second": [],
        "shapes": {},
        "types": {"z": ["float32", "float64"]},
        "values": [{"name": "y", "largest": None, "relative": None, "count": 4, "size": 4}],
        "equal": False,
    }


def test_files_that_cannot_be_read_are_refused(refused, files):
    Path("page.params").write_text("<!DOCTYPE html>")
    assert "web page" in refused("weights", "show", "page.params")
    assert "web page" in refused("weights", "diff", "a.params", "page.params")
    assert "absent: no such file" in refused("weights", "diff", "absent", "a.params")
    assert "at least 0" in refused("weights", "diff", "a.params", "b.params", "--tolerance", "-1")


HOSTILE = "\x1b[2Jevil\nfits model_a"
SHOWN = r"\x1b[2Jevil\nfits model_a"


def test_names_are_shown_escaped(rnw, refused):
    write_arrays(f"{HOSTILE}.params", {HOSTILE: np.ones(2, np.float32), "a": np.ones(3)})
    write_arrays("b.params", {"a": np.zeros(3), f"b{HOSTILE}": np.ones(1)})
    code, out, err = rnw("weights", "show", f"{HOSTILE}.params")
    assert (code, err) == (0, "")
    assert out.startswith(f"{SHOWN}.params: ")
    assert [line.split("  ")[0] for line in out.splitlines()[-2:]] == [SHOWN, "a"]
    code, out, err = rnw("weights", "diff", f"{HOSTILE}.params", "b.params")
    assert (code, err) == (1, "")
    assert out.splitlines()[:2] == [
        f"{SHOWN}: only in {SHOWN}.params",
        f"b{SHOWN}: only in b.params",
    ]
    assert SHOWN in refused("weights", "verify", f"{HOSTILE}.params")
    refusal = refused("convert", f"{HOSTILE}.params", "x.npz", "--to", "npz", "--features")
    assert f"unexpected {SHOWN} (2,)" in refusal
    assert "\x1b" not in refusal


def test_notes_and_names_of_targets_are_shown_escaped(rnw):
    save_params(fill_network(get_network("model_a1", 8, width=1 / 32)), "x_rna-a1_cls8.params")
    assert rnw("convert", "x_rna-a1_cls8.params", "x.safetensors", "--to", "resnet38d")[0] == 0
    arrays = {**read_safetensors("x.safetensors"), HOSTILE: np.ones(2, np.float32)}
    write_safetensors("x.safetensors", arrays)
    code, out, err = rnw("convert", "x.safetensors", f"{HOSTILE}.npz", "--to", "npz")
    assert (code, out, err) == (0, f"{SHOWN}.npz\n", f"left out: {SHOWN}\n")
