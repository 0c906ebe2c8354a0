"""Lists as they are published, and pictures that are elsewhere than their list says."""

import pytest

from rnw.data.own.lists import locate, read_rows, whole_number
from rnw.errors import InputError
from tests.data.own.miniatures import write

A, B = "x/a.jpg", "x/b b.jpg"
LISTS = {
    "ours": ("0\t3\tx/a.jpg\n1\t0\tx/b b.jpg\n", [(1, A, "3"), (2, B, "0")]),
    "im2rec": (
        "17\t3.000000\tx/a.jpg\n4\t0.000000\tx/b b.jpg",
        [(1, A, "3.000000"), (2, B, "0.000000")],
    ),
    "tabs": ("x/a.jpg\ty/a.png\nx/b b.jpg\ty/b.png\n", [(1, A, "y/a.png"), (2, B, "y/b.png")]),
    "blanks": (
        "x/a.jpg  y/a.png\r\n\r\nx/c.jpg y/c.png\r\n",
        [(1, A, "y/a.png"), (3, "x/c.jpg", "y/c.png")],
    ),
    "numbers": ("x/a.jpg 3\nx/b b.jpg 0\n", [(1, A, "3"), (2, B, "0")]),
    "names": ("2007_000032\n2007_000039\n", [(1, "2007_000032", ""), (2, "2007_000039", "")]),
    "csv": (
        '\ufefffilename,label\nx/a.jpg,cat\n"x/b, b.jpg",dog\n',
        [(2, A, "cat"), (3, "x/b, b.jpg", "dog")],
    ),
    "table with tabs": ("label\tfilename\ncat\tx/a.jpg\n", [(2, A, "cat")]),
    "table with semicolons": ("filename;label\nx/a.jpg;big, cat\n", [(2, A, "big, cat")]),
    "columns": ("width,label,image\n5,cat,x/a.jpg\n", [(2, A, "cat")]),
    "kaggle": (
        "ImageId,PredictionString\nval_00048981,n03995372 85 1 499 272 n03995372 0 0 9 9 \n",
        [(2, "val_00048981", "n03995372")],
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_kinds_of_lists(kind):
    text, rows = LISTS[kind]
    root = write({"list.txt": text})
    assert read_rows(root / "list.txt") == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no picture"),
        ("0\t1\t2\ta.jpg\n", "line 1 has 2 labels, expected one"),
        ("a b c d.png\n", "line 1 has 4 fields, expected a picture and its label"),
        ("a.jpg 1\nb.jpg\n", "line 2 names no label, which other lines do: found 'b.jpg'"),
        ("filename,label\na.jpg\n", "line 2 has 1 fields, the first line has more"),
    ],
)
def test_what_is_no_list(text, message):
    root = write({"list.txt": text})
    with pytest.raises(InputError, match=f"^data/list.txt: {message}"):
        read_rows(root / "list.txt")


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("3.000000", 3), ("3.5", None), ("cat", None), ("", None)]
)
def test_whole_numbers(text, number):
    assert whole_number(text) == number


FILES = dict.fromkeys(("train/a.jpg", "labels/a.png", "deep/er/val/c.JPEG", "lists/d.jpg"), b"")


@pytest.mark.parametrize(
    ("name", "path", "moved"),
    [
        ("train/a.jpg", "train/a.jpg", {}),
        ("./train/a.jpg", "train/a.jpg", {}),
        ("/SegNet/CamVid/train/a.jpg", "train/a.jpg", {"/SegNet/CamVid/train": "data/train"}),
        ("/labels/a.png", "labels/a.png", {"/labels": "data/labels"}),
        ("train/a", "train/a.jpg", {}),
        ("c", "deep/er/val/c.JPEG", {".": "data/deep/er/val"}),
        ("val/c.JPEG", "deep/er/val/c.JPEG", {"val": "data/deep/er/val"}),
        ("d.jpg", "lists/d.jpg", {".": "data/lists"}),
    ],
)
def test_pictures_are_found_by_the_end_of_their_path(name, path, moved):
    root = write(FILES)
    found = locate(root, root / "lists/train.txt", [name])
    assert (found.paths, found.moved) == ([path], moved)


def test_one_picture_that_is_missing_does_not_move_the_others():
    root = write(FILES)
    found = locate(root, root / "list.txt", ["train/missing.jpg", "train/a.jpg"])
    assert found.paths == ["train/missing.jpg", "train/a.jpg"]


def test_pictures_that_are_nowhere():
    root = write(FILES)
    with pytest.raises(InputError, match=r"^data/list\.txt: names x/z\.jpg, which is not in data"):
        locate(root, root / "list.txt", ["x/z.jpg"])
