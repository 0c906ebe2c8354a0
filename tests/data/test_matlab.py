"""MATLAB files, as SciPy writes them and reads them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from rnw.data.matlab import read_matlab, read_variables
from rnw.errors import InputError

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "uint64")
LABELS = np.random.RandomState(0).randint(0, 100, (7, 5))


def _file(compressed=False, **variables):
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [*TYPES, "float32", "float64"])
def test_numbers_are_those_that_scipy_reads(kind, compressed):
    content = _file(compressed, first=LABELS.astype(kind), second=np.array([[3]], kind))
    found, expected = read_variables(content), loadmat(io.BytesIO(content))
    assert list(found) == ["first", "second"]
    assert found["first"].numbers().dtype == expected["first"].dtype
    np.testing.assert_array_equal(found["first"].numbers(), expected["first"])
    assert found["second"].number() == 3


@pytest.mark.parametrize("compressed", [False, True])
def test_structures_are_read_by_row_and_field(compressed):
    rows = np.zeros((3, 1), [("WNID", object), ("number", object), ("children", object)])
    for place, wnid in enumerate(("n01440764", "n1", "")):
        rows[place, 0] = wnid, place, np.arange(place)[None]
    boundaries = np.empty((2, 1), object)
    boundaries[:, 0] = csc_matrix(LABELS), "text"  # which nobody asks for
    found = read_variables(_file(compressed, synsets=rows, other={"x": boundaries, "y": LABELS}))
    read = found["synsets"].rows()
    assert [row["WNID"].text() for row in read[:2]] == ["n01440764", "n1"]
    assert [row["number"].number() for row in read] == [0, 1, 2]
    assert [row["children"].numbers().tolist() for row in read] == [[[]], [[0]], [[0, 1]]]
    (other,) = found["other"].rows()
    np.testing.assert_array_equal(other["y"].numbers(), LABELS)
    for wrong in (other["x"].numbers, other["y"].text, other["y"].rows, found["other"].numbers):
        with pytest.raises(ValueError, match="a value of class"):
            wrong()


def test_the_other_order_of_bytes():
    """As old machines wrote it: one variable `x` of 1 x 2 numbers of 16 bits."""

    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    parts = element(6, struct.pack(">II", 11, 0)) + element(5, struct.pack(">ii", 1, 2))
    parts += struct.pack(">HH4s", 1, 1, b"x") + element(4, struct.pack(">HH", 258, 3))
    content = bytes(124) + b"\1\0MI" + element(14, parts)
    np.testing.assert_array_equal(read_variables(content)["x"].numbers(), [[258, 3]])


@pytest.mark.slow
def test_a_variable_larger_than_the_memory_is_refused():
    packed = zlib.compress(bytes(1 << 29), 1)
    content = _file(x=1)[:128] + struct.pack("<II", 15, len(packed)) + packed
    with pytest.raises(ValueError, match="has more than 268,435,456 bytes"):
        read_variables(content)


@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"", "not a MATLAB file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM", "not a MATLAB file of versions 5 to 7"),
        (_file(x=LABELS), "KeyError"),
        (_file(y="text"), "a value of class 4"),
        (_file(y=LABELS)[:-8], "cut off"),
        (_file(y=LABELS / 2), "expected labels of pixels, found float64"),
        (_file(y=LABELS + 1000), r"has labels 10\d\d to 10\d\d, expected 0 to 100"),
    ],
)
def test_files_without_labels_are_named(content, wording):
    Path("a.mat").write_bytes(content)
    with pytest.raises(InputError, match=rf"^a\.mat: .*{wording}"):
        read_matlab(Path("a.mat"), lambda found: found["y"], 100)


@pytest.mark.parametrize("compressed", [False, True])
def test_mutated_files_are_read_or_refused(compressed):
    whole, random = _file(compressed, y={"z": LABELS.astype(np.uint8)}), np.random.RandomState(0)
    refused = 0
    for _ in range(500):
        content = bytearray(whole)
        for place in random.choice(range(120, len(content)), random.randint(1, 4)):
            content[place] = random.choice([0, 255, content[place] ^ 1 << random.randint(8)])
        Path("a.mat").write_bytes(content)
        try:
            labels = read_matlab(Path("a.mat"), lambda found: found["y"].rows()[0]["z"], 255)
            assert 0 < labels.size <= LABELS.size
        except InputError as error:
            refused += 1
            assert str(error).startswith("a.mat: ")
            assert "\n" not in str(error)
    assert refused > 100
