"""Lists of pictures with label maps, and what is read of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from rnw.data.label_meaning import LabelMeaning
from rnw.data.labelled import (
    Pair,
    read_label,
    read_labelled,
    read_pairs,
    write_label,
    write_pairs,
)
from rnw.errors import InputError

PAIRS = [Pair("a/one.jpg", "b/one.png"), Pair("a/two é.jpg", None)]


def test_a_list_is_read_as_it_was_written():
    write_pairs("train.lst", PAIRS)
    assert Path("train.lst").read_bytes() == "a/one.jpg\tb/one.png\na/two é.jpg\n".encode()
    assert read_pairs("train.lst") == PAIRS


@pytest.mark.parametrize("name", ["a\tb.jpg", "a\nb.jpg", "a\rb.jpg"])
def test_paths_that_a_line_cannot_hold_are_refused(name):
    with pytest.raises(InputError, match="rename it, a list holds no tabs and line breaks"):
        write_pairs("train.lst", [Pair("a.jpg", "a.png"), Pair(name, None)])
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"", "^train.lst: names no picture"),
        (b"a.jpg\ta.png\n0\t3\ta.jpg\n", "^train.lst: line 2 is not a picture, a tab and a label"),
        (b"\n", "^train.lst: line 1 is not"),
        (b"a.jpg\t\n", "^train.lst: line 1 is not"),
    ],
)
def test_what_is_no_list_is_named(content, wording):
    Path("train.lst").write_bytes(content)
    with pytest.raises(InputError, match=wording):
        read_pairs("train.lst")


def test_a_missing_list_names_what_makes_it():
    with pytest.raises(InputError, match=r"^data/x/val\.lst: no such list; tools/x\.py makes it"):
        read_labelled(Path("data/x"), "val", "tools/x.py", LabelMeaning("x", (0, 1)))


def test_label_maps_become_classes():
    labels = np.array([[0, 7, 33], [7, 200, 255]], np.uint8)
    write_label("b/one.png", labels)
    write_pairs("train.lst", PAIRS)
    plain = read_labelled(Path(), "train", "", LabelMeaning("plain", (0, 1)))
    mapped = read_labelled(Path(), "train", "", LabelMeaning("mapped", (7, 33)))
    assert len(plain) == 2
    assert plain.name(0) == "a/one.jpg"
    np.testing.assert_array_equal(plain.label(0), labels)
    np.testing.assert_array_equal(mapped.label(0), [[255, 0, 1], [0, 255, 255]])
    with pytest.raises(InputError, match=r"^a/two é\.jpg: its labels are not published"):
        plain.label(1)


def test_the_indices_of_a_palette_are_the_labels():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(labels)
    image.putpalette([(value * 91) % 256 for value in range(768)])
    image.save("map.png")
    np.testing.assert_array_equal(read_label("map.png"), labels)


@pytest.mark.parametrize("patient", [False, True])
def test_a_truncated_label_map_is_named(monkeypatch, patient):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", patient)  # as gluoncv leaves it
    write_label("map.png", np.random.RandomState(0).randint(0, 9, (80, 80)).astype(np.uint8))
    content = Path("map.png").read_bytes()
    Path("map.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"^map\.png: cannot be read as a label map"):
        read_label("map.png")


def test_colours_are_no_label_map():
    Image.new("RGB", (4, 4)).save("map.png")
    with pytest.raises(InputError, match=r"expected a label map of 8 bits.* found .* mode RGB"):
        read_label("map.png")
    with pytest.raises(InputError, match=r"^absent\.png: no such label map"):
        read_label("absent.png")
