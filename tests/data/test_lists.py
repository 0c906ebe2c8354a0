"""Lists of pictures on disk."""

import pickle
import re
import tracemalloc
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
    assert [path.decode() for path in paths] == ["some folder/grün.JPEG", "b"]
    assert labels.dtype == np.int64
    assert labels.tolist() == [65, 9]


@pytest.mark.parametrize("text", ["3", "3.", "3.000000", "003"])
def test_labels_are_whole_numbers_however_they_are_written(text):
    Path("val.lst").write_text(f"0\t{text}\ta\n1\t12\tb\n")
    assert read_list("val.lst").labels.tolist() == [3, 12]


RULES = {
    b"": "lists no picture",
    b"0\t1\ta\n1 2 b\n": "line 2 has no tab, expected index, label and path .* found '1 2 b'",
    b"1\ta\n": "line 1 has 2 fields, expected index, label and path",
    b"0\t3\t4\ta\n": "line 1 has 2 labels, expected one",
    b"0\t3\ta\tb\n": "line 1 has 4 fields, expected index, label and path",
    b"0\t1\ta\n\n2\t1\tb\n": "line 2 is empty; remove it",
    b"0\tcat\ta\n": "line 1 has label 'cat', expected a whole number from 0 on",
    b"0\t1\ta\n1\t-1\tb\n": "line 2 has label '-1', expected a whole number",
    b"0\t3.5\ta\n": "line 1 has label '3.5', expected a whole number",
    b"0\t.0\ta\n": "line 1 has label '.0', expected",
    b"0\t3.0.0\ta\n": "line 1 has label '3.0.0', expected",
    b"0\t\ta\n": "line 1 has label '', expected",
    b"0\t1\ta\n1\t99999999999999999999\tb\n": "line 2 has label '9+', expected",
    b"0\t1\ta\n1\t1\t\n": "line 2 has an empty path",
    b"0\t1\ta\0b\n": r"line 1 has a NUL byte in the path 'a\\x00b'",
    b"0\t1\t/n01/a\n": "line 1 has the path '/n01/a', which leaves the dataset's folder",
    b"0\t1\ta..b\n1\t1\tn01/../../a\n": "line 2 has the path 'n01/../../a', which leaves",
    b"0\t1\t" + b"x" * 100_000: "line 1 has a path of 100,000 bytes, expected at most 4,095",
}


@pytest.mark.parametrize("content", RULES)
def test_a_list_is_refused_with_the_line_and_the_rule(content):
    Path("a.lst").write_bytes(content)
    with pytest.raises(InputError, match=rf"^a\.lst: {RULES[content]}"):
        read_list("a.lst")


def _read_plainly(content):
    """What a list of lines of good characters says, or None."""
    found = [line.split("\t") for line in re.sub(r"\n\Z", "", content).split("\n")]
    if not all(len(fields) == 3 and fields[2] for fields in found):
        return None
    if not all(re.fullmatch(r"\d+(\.0*)?", label) for _, label, _ in found):
        return None
    return [(int(float(label)), name) for _, label, name in found]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_read_is_what_stands_there(seed):
    random = np.random.RandomState(seed)
    for _ in range(40):
        content = "".join(f"{k}\t{k * 7}{'.00'[: k % 4]}\tx{k}\n" for k in range(5))
        for place in random.randint(0, len(content), random.randint(3)):
            character = random.choice(list("07.\t\na "))
            content = content[:place] + character + content[place + random.randint(2) :]
        Path("a.lst").write_text(content)
        expected = _read_plainly(content)
        try:
            paths, labels = read_list("a.lst")
        except InputError:
            assert expected is None
        else:
            assert list(zip(labels.tolist(), [path.decode() for path in paths])) == expected


def test_a_list_takes_no_more_memory_than_its_file():
    longest = b"y" * 4000
    lines = [b"%d\t1\tx.jpg" % number for number in range(5000)]
    Path("a.lst").write_bytes(b"\n".join([*lines, b"5000\t1\t" + longest]))
    paths, labels = read_list("a.lst")
    assert (len(labels), paths[5000], paths[-2]) == (5001, longest, b"x.jpg")
    assert len(pickle.dumps(paths)) < 3 * Path("a.lst").stat().st_size


def test_reading_a_long_list_takes_little_more_than_its_content_and_numbers():
    count = 150_000
    line = "%d\t%d\tILSVRC2012_img_train/n01440764/n01440764_10026.JPEG\n"
    Path("a.lst").write_text("".join(line % (n, n // 1300) for n in range(count)))
    tracemalloc.start()
    try:
        paths, labels = read_list("a.lst")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < Path("a.lst").stat().st_size + 12 * count + 5e6
    assert paths[count - 1] == b"ILSVRC2012_img_train/n01440764/n01440764_10026.JPEG"
    np.testing.assert_array_equal(labels, np.arange(count) // 1300)


def test_what_is_wrong_far_down_in_a_list_is_found():
    lines = [f"{number}\t{number % 7}\tfolder/{number}.jpg" for number in range(60_000)]
    Path("a.lst").write_text("\n".join(lines))
    paths, labels = read_list("a.lst")
    assert [paths[59_999], len(paths), labels[59_999]] == [b"folder/59999.jpg", 60_000, 59_999 % 7]
    Path("a.lst").write_text("\n".join([*lines[:-1], "59999\t-1\ta.jpg"]))
    with pytest.raises(InputError, match="line 60000 has label '-1'"):
        read_list("a.lst")


def test_refuses_a_missing_list():
    with pytest.raises(InputError, match=r"^a\.lst: cannot be read: No such file"):
        read_list("a.lst")


@pytest.mark.parametrize("name", ["a\tb.JPEG", "a\nb.JPEG", "a\rb.JPEG"])
def test_refuses_names_that_a_line_cannot_hold(name):
    with pytest.raises(InputError, match="rename it"):
        write_list("a.lst", [(0, "fine"), (0, name)])
    assert list(Path().iterdir()) == []
