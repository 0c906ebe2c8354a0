"""Lists of pictures with label maps, and what is read of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from rnw.data.label_meaning import LabelMeaning
from rnw.data.labeled import read_label, read_labeled, read_pairs, write_label, write_pairs
from rnw.data.picture_types import Pair
from rnw.errors import InputError

PAIRS = [Pair("a/one.jpg", "b/one.png"), Pair("a/two é.jpg", "b/two é.png")]
UNLABELED = [Pair(pair.image, None) for pair in PAIRS]


def test_a_list_is_read_as_it_was_written():
    write_pairs("train.lst", PAIRS)
    content = "a/one.jpg\tb/one.png\na/two é.jpg\tb/two é.png\n"
    assert Path("train.lst").read_bytes() == content.encode()
    assert read_pairs("train.lst") == PAIRS
    Path("train.lst").write_bytes(content.replace("\n", "\r\n").encode())
    assert read_pairs("train.lst") == PAIRS


def test_a_list_without_any_label_map_is_one_of_pictures_alone():
    write_pairs("test.lst", UNLABELED)
    assert Path("test.lst").read_bytes() == "a/one.jpg\na/two é.jpg\n".encode()
    assert read_pairs("test.lst") == UNLABELED
    assert not read_labeled(Path(), "test", "", LabelMeaning("the dataset", (0, 1))).has_labels


@pytest.mark.parametrize("name", ["a\tb.jpg", "a\nb.jpg", "a\rb.jpg"])
def test_paths_that_a_line_cannot_hold_are_refused(name):
    with pytest.raises(InputError, match="rename it, a list holds no tabs and line breaks"):
        write_pairs("train.lst", [Pair("a.jpg", "a.png"), Pair(name, None)])
    assert list(Path().iterdir()) == []


RULES = {
    b"": "lists no picture",
    b"a.jpg\ta.png\n0\t3\ta.jpg\n": "line 2 has 3 fields, expected a picture and a label map",
    b"\n": "line 1 is empty; remove it",
    b"a.jpg\t\n": "line 1 has an empty path",
    b"a.jpg b.jpg\n": "line 1 has no tab, expected a picture and a label map",
    b"/JPEGImages/x.JPG /Labels/x.png\n": "line 1 has no tab, .* found '/JPEGImages/x.JPG /L",
    b"a.jpg,a.png\n": "line 1 has no tab",
    b"a.jpg\ta.png\nb.jpg\n": "line 2 has no label map, which other lines have",
    b"a.jpg\nb.jpg\tb.png\n": "line 1 has no label map, which other lines have",
    b"/a.jpg\t/a.png\n": "line 1 has the path '/a.jpg', which leaves the dataset's folder",
    b"a.jpg\t../a.png\n": "line 1 has the path '../a.png', which leaves the dataset's folder",
    b"a.jpg\ta\0.png\n": "line 1 has a NUL byte",
    b"x" * 100_000: "line 1 has a path of 100,000 bytes, expected at most 4,095",
}


@pytest.mark.parametrize("content", RULES)
def test_a_list_is_refused_with_the_line_and_the_rule(content):
    Path("train.lst").write_bytes(content)
    with pytest.raises(InputError, match=rf"^train\.lst: {RULES[content]}"):
        read_pairs("train.lst")


@pytest.mark.parametrize("name", ["a.jpg/b.png", "my photo.jpg", "a.jpg.png", "a.b c.png"])
def test_names_of_one_picture_are_no_two(name):
    Path("test.lst").write_text(name)
    assert read_pairs("test.lst") == [Pair(name, None)]


def test_a_missing_list_names_what_makes_it():
    with pytest.raises(InputError, match=r"^data/x/val\.lst: no such list; tools/x\.py makes it"):
        read_labeled(Path("data/x"), "val", "tools/x.py", LabelMeaning("x", (0, 1)))


def test_label_maps_become_classes():
    labels = np.array([[0, 7, 33], [7, 200, 255]], np.uint8)
    write_label("b/one.png", labels)
    write_pairs("train.lst", PAIRS)
    plain = read_labeled(Path(), "train", "", LabelMeaning("plain", (0, 1)))
    mapped = read_labeled(Path(), "train", "", LabelMeaning("mapped", (7, 33)))
    assert len(plain) == 2
    assert plain.name(0) == "a/one.jpg"
    np.testing.assert_array_equal(plain.label(0), labels)
    np.testing.assert_array_equal(mapped.label(0), [[255, 0, 1], [0, 255, 255]])
    write_pairs("train.lst", UNLABELED)
    with pytest.raises(InputError, match=r"^a/two é\.jpg: its labels are not published"):
        read_labeled(Path(), "train", "", LabelMeaning("x", (0, 1))).label(1)


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


def test_colors_are_no_label_map():
    Image.new("RGB", (4, 4)).save("map.png")
    with pytest.raises(InputError, match=r"expected a label map of 8 bits.* found .* mode RGB"):
        read_label("map.png")
    with pytest.raises(InputError, match=r"^absent\.png: no such label map"):
        read_label("absent.png")
    with pytest.raises(InputError, match=r"^\.: is a folder, expected a regular file$"):
        read_label(".")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM"])
def test_label_maps_of_formats_that_keep_them_are_read(kind):
    labels = np.arange(120, dtype=np.uint8).reshape(10, 12)
    Image.fromarray(labels).save("map", kind)
    np.testing.assert_array_equal(read_label("map"), labels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_label_maps_of_formats_that_change_them_are_refused(kind):
    Image.new("L", (12, 10), 5).save("map", kind)
    with pytest.raises(InputError, match=f"^map: cannot be .* its format is {kind}, expected"):
        read_label("map")
