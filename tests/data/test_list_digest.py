"""Telling one list of pictures from another."""

import numpy as np
import pytest

from rnw.data.labeled import LabeledImages
from rnw.data.list_digest import list_digest
from rnw.data.lists import read_list
from rnw.data.picture_types import Examples, Pair
from rnw.data.readers import ImageList
from rnw.data.recordio import PackedImages, write_pack
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.reading import read_examples
from rnw.data.sets.shapes import Shapes
from tests.data.pictures import JPEG

LINES = ["0\t1\ta/x.jpg", "1\t0\ta/y.jpg", "2\t1\tb/x.jpg"]


def _listed(folder, lines=LINES):
    path = folder / "train.lst"
    path.write_text("".join(f"{line}\n" for line in lines))
    return ImageList(folder, *read_list(path))


def test_the_same_list_anywhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    numbered = [f"9{line}" for line in LINES]
    assert list_digest(_listed(tmp_path)) == list_digest(_listed(tmp_path / "elsewhere", numbered))
    assert len(list_digest(_listed(tmp_path))) == 16


@pytest.mark.parametrize(
    "lines",
    [
        [LINES[1], LINES[0], LINES[2]],
        LINES[:2],
        ["0\t0\ta/x.jpg", "1\t1\ta/y.jpg", LINES[2]],
        ["0\t1\tb/x.jpg", LINES[1], "2\t1\ta/x.jpg"],
        ["0\t1\ta/x.jpga/", "1\t0\ty.jpg", LINES[2]],
    ],
)
def test_another_list(tmp_path, lines):
    assert list_digest(_listed(tmp_path)) != list_digest(_listed(tmp_path, lines))


def test_a_pack_is_its_list(tmp_path):
    images = _listed(tmp_path)
    for name in ("a/x.jpg", "a/y.jpg", "b/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    write_pack(images, tmp_path / "train.rec")
    packed = PackedImages(tmp_path / "train.rec", read_list(tmp_path / "train.lst"))
    assert list_digest(packed) == list_digest(images)


def test_label_maps_count():
    def of(*pairs):
        return list_digest(LabeledImages("root", [Pair(*pair) for pair in pairs]))

    found = {
        of(("a", "b"), ("c", "d")),
        of(("c", "d"), ("a", "b")),
        of(("a", "d"), ("c", "b")),
        of(("a", None), ("c", None)),
    }
    assert len(found) == 4


def test_embedded_ones():
    digits = read_examples(find_dataset("digits"), "train")
    turned = Examples(digits.images, digits.labels[::-1])
    test = read_examples(find_dataset("digits"), "test")
    found = {list_digest(examples) for examples in (digits, turned, test)}
    assert len(found) == 3
    assert list_digest(Examples(digits.images, digits.labels.astype(np.int32))) in found
    assert list_digest(Shapes(3, seed=0)) != list_digest(Shapes(3, seed=1))
