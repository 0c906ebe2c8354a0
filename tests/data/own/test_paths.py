"""Files found by folder and pattern, and paired by name."""

import pytest

from rnw.data.own.paths import find_files, pair, split_suffix, walk_files
from rnw.data.picture_types import Pair
from rnw.errors import InputError
from tests.data.own.miniatures import write

NAMES = """
images/b.jpg images/sub/a.JPG images/notes.txt images/.hidden.jpg labels/b_mask.png
labels/sub/a_mask.png city/aachen/x_leftImg8bit.png city/bonn/y_leftImg8bit.png
"""
FILES = dict.fromkeys(NAMES.split(), b"")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("images", {"b": "images/b.jpg", "sub/a": "images/sub/a.JPG"}),
        ("images/*.jpg", {"b": "images/b.jpg"}),
        ("./labels/**/*_mask.*", {"b": "./labels/b_mask.png", "sub/a": "./labels/sub/a_mask.png"}),
        ("city/*/*_leftImg8bit.png", {"aachen/x": "city/aachen/x_leftImg8bit.png",
                                      "bonn/y": "city/bonn/y_leftImg8bit.png"}),
        ("images/?.jpg", {"b": "images/b.jpg"}),
    ],
)  # fmt: skip
def test_files_of_a_folder_or_pattern(where, found):
    root = write(FILES)
    files = find_files(root, where, (".jpg", ".png"))
    assert {file.key: file.path for file in files} == found


def test_a_folder_elsewhere(tmp_path):
    root = write(FILES)
    elsewhere = str((root / "images").absolute())
    assert [f.path for f in find_files(root / "labels", elsewhere, (".jpg",))] == [
        f"{elsewhere}/b.jpg",
        f"{elsewhere}/sub/a.JPG",
    ]
    with pytest.raises(InputError, match=r"^data/nothing: no such folder"):
        find_files(root, "nothing", (".jpg",))


def test_links_to_folders_are_followed_once():
    root = write({"real/a.jpg": b""})
    (root / "linked").mkdir()
    (root / "linked/cats").symlink_to((root / "real").absolute())
    (root / "linked/again").symlink_to((root / "linked").absolute())
    assert list(walk_files(root / "linked")) == ["cats/a.jpg"]


def test_pairing():
    root = write(FILES)
    found = pair(
        find_files(root, "images", (".jpg",)), find_files(root, "labels/*_mask.*", (".png",))
    )
    assert found.pairs == [Pair("images/b.jpg", "labels/b_mask.png")]
    assert (found.without_label, found.without_picture) == (["images/sub/a.JPG"], [])


def test_two_pictures_of_one_name():
    root = write({"a.jpg": b"", "a.png": b""})
    with pytest.raises(InputError, match=r"^a\.jpg and a\.png: have the same name"):
        pair(find_files(root, ".", (".jpg", ".png")), [])


@pytest.mark.parametrize(
    ("path", "parts"),
    [("a/b.c.png", ("a/b.c", ".png")), ("a.b/c", ("a.b/c", "")), (".x", (".x", ""))],
)
def test_suffix(path, parts):
    assert split_suffix(path) == parts
