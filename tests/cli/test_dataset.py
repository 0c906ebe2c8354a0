"""`rnw dataset`: descriptions made of folders, and what is said and shown of a dataset."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rnw.data.own.description import read_description
from tests.cli.test_report import BROWSER, PHONE, WINDOW, _browse
from tests.data.own.miniatures import class_folders, pairs, picture, png, write


@pytest.fixture
def street():
    """A folder of pictures and label maps of three classes, and one more that is no class."""
    return write({
        **pairs("street/train/{}.jpg", "street/trainannot/{}.png"),
        **pairs("street/val/{}.jpg", "street/valannot/{}.png", "cd"),
    }) / "street"  # fmt: skip


def test_from_a_folder_to_a_page(rnw, street):
    code, out, err = rnw("dataset", "init", street)
    assert (code, err.count("names no classes")) == (0, 1)
    assert out.startswith("segmentation of 3 classes: class 0, class 1, class 2\ntrain: train with")
    text = (street / "dataset.yaml").read_text()
    assert "# Names in the order of the numbers, from 0 on.\nclasses: [class 0, " in text
    assert read_description(street / "dataset.yaml").root == street
    code, out, err = rnw("dataset", "check", street)
    assert code == 0, err
    assert "street train: 2 pictures\n  sizes: 16x12 (2)\n" in out
    assert re.search(r"\d+ +\d+\.\d\d % +2 pictures  2 class 2\n", out)
    assert out.endswith("nothing is wrong\n")
    assert rnw("dataset", "show", street, "-o", "page.html")[0] == 0
    page = Path("page.html").read_text()
    assert page.count("<img") == 4
    assert "http" not in re.sub("<style>.*?</style>", "", page, flags=re.DOTALL)


def test_what_is_given_is_in_the_description(rnw, street):
    given = ("--classes", "ground, cat", "--ignored", "2", "-o", "mine.yaml")
    assert rnw("dataset", "init", street, *given)[0] == 0
    found = read_description(Path("mine.yaml"))
    assert (found.classes, found.ignored, found.root) == (("ground", "cat"), (2,), street)
    assert rnw("dataset", "check", "mine.yaml")[0] == 0
    code, _, err = rnw("dataset", "init", street, *given)
    assert (code, "mine.yaml: exists already" in err) == (2, True)
    assert "expected numbers" in rnw("dataset", "init", street, "--ignored", "x", "-o", "y")[2]


def test_what_belongs_to_several_splits_is_told_once(rnw):
    write({**pairs("images/{}.jpg", "labels/{}.png", "abcdefgh"), "images/z.jpg": picture()})
    code, _, err = rnw("dataset", "check", "data", "--val-fraction", "0.5")
    assert (code, err.count("have no label map and are left out: images/z.jpg")) == (0, 1)


def test_a_fraction_is_held_out(rnw):
    class_folders(count=30)
    out = rnw("dataset", "init", "data", "--val-fraction", "0.25")[1]
    assert "val: 25 % of the training pictures, by a hash of the name\n" in out
    found = json.loads(rnw("dataset", "check", "data", "--json")[1])
    pictures = [split["pictures"] for split in found["splits"].values()]
    assert sum(pictures) == 60
    assert 2 < pictures[1] < 30
    found = json.loads(rnw("dataset", "check", "data", "--json", "--val-fraction", "0")[1])
    assert found["splits"]["train"]["pictures"] == 60


def test_a_dataset_that_is_wrong_ends_with_a_status(rnw, street):
    assert rnw("dataset", "init", street)[0] == 0
    (street / "trainannot/a.png").write_bytes(png(np.full((12, 16), 9, np.uint8)))
    code, out, _ = rnw("dataset", "check", street)
    assert code == 1
    expected = "error: 1 label maps have values without a class: data/street/trainannot/a.png: 192"
    assert expected in out
    assert rnw("dataset", "check", street, "--split", "val")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        ("init nothing", "nothing: no such folder"),
        ("init .", ".: is in no known layout of a dataset, expected one of lists of"),
        ("init data --val-fraction 0.5", "data: has a split 'val', and --val-fraction is for data"),
        (
            "init data --classes a,b,a",
            "--classes a,b,a: expected names that differ, joined by commas",
        ),
        (
            "init data --classes a,,b",
            "--classes a,,b: expected names that differ, joined by commas",
        ),
        (
            "check data --val-fraction 0.5",
            "data: has a split 'val', and --val-fraction is for data",
        ),
        ("check nothing", "unknown dataset 'nothing': expected one of ilsvrc-cls, "),
        ("check digits", "is embedded in the package: there are no files"),
        ("check ./nothing", "nothing: no such folder or file"),
    ],
)
def test_refuses(refused, arguments, wording):
    class_folders("train", "val")
    assert wording in refused("dataset", *arguments.split())


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")
def test_a_browser_shows_the_page_in_a_window_and_on_a_phone(rnw, street):
    assert rnw("dataset", "show", street, "-o", "page.html")[0] == 0
    seen, picture = _browse(Path("page.html").read_text())
    for view, width in zip(seen, (WINDOW[0], PHONE)):
        assert view["width"] == width
        assert view["scrolled"] <= width
        assert len(view["images"]) == 4
        assert min(view["images"]) > 0
    assert len(picture.convert("RGB").getcolors(WINDOW[0] * WINDOW[1])) > 100
