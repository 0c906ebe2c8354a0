"""Lists of pictures on disk."""

from pathlib import Path

import numpy as np
import pytest

from rnw.data.lists import read_list, write_list
from rnw.errors import InputError


def test_a_list_is_written_as_the_originals():
    write_list("val.lst", [(65, "ILSVRC2012_val/a.JPEG"), (970, "ILSVRC2012_val/b.JPEG")])
    lines = b"0\t65\tILSVRC2012_val/a.JPEG\n1\t970\tILSVRC2012_val/b.JPEG\n"
    assert Path("val.lst").read_bytes() == lines


def test_a_list_is_read():
    Path("val.lst").write_bytes("0\t65\tsome folder/grün.JPEG\r\n1\t9\tb".encode())
    paths, labels = read_list("val.lst")
    assert [path.decode() for path in paths.tolist()] == ["some folder/grün.JPEG", "b"]
    assert labels.dtype == np.int64
    assert labels.tolist() == [65, 9]


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"", "a.lst: names no picture"),
        (b"0\t1\ta\n1 2 b\n", "a.lst: line 2 is not index, label and path"),
        (b"0\tcat\ta\n", "line 1 is not"),
        (b"0\t1\ta\n1\t-1\tb\n", "line 2 is not"),
        (b"0\t1\ta\tb\n", "line 1 is not"),
        (b"0\t1\ta\n\n2\t1\tb\n", "line 2 is not"),
        (b"0\t1\ta\n1\t99999999999999999999\tb\n", "line 2 is not"),
        (b"0\t1\ta\n1\t1\t\n", "line 2 is not"),
        (b"0\t1\ta\0b\n", "line 1 is not"),
    ],
)
def test_refuses_what_is_no_list(content, wording):
    Path("a.lst").write_bytes(content)
    with pytest.raises(InputError, match=wording):
        read_list("a.lst")


def test_refuses_a_missing_list():
    with pytest.raises(InputError, match=r"^a\.lst: cannot be read: No such file"):
        read_list("a.lst")


@pytest.mark.parametrize("name", ["a\tb.JPEG", "a\nb.JPEG"])
def test_refuses_names_that_a_line_cannot_hold(name):
    with pytest.raises(InputError, match="rename it"):
        write_list("a.lst", [(0, "fine"), (0, name)])
    assert list(Path().iterdir()) == []
