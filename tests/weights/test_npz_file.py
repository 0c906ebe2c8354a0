"""NumPy's archives: what is read, what is refused, and a disk that is full."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.weights.containers import read_weights
from rnw.weights.ndarray_file import BFLOAT16
from rnw.weights.npz_file import write_npz

TYPES = ("f4", "f8", "f2", "u1", "i1", "u2", "i2", "i4", "u4", "i8", "u8", "?", ">f4", BFLOAT16)
ARRAYS = {f"of {np.dtype(t).str}": np.arange(6, dtype="u8").astype("u2").astype(t) for t in TYPES}
ARRAYS.update(turned=np.arange(6.0).reshape(2, 3).T, scalar=np.array(3), empty=np.zeros((0, 2)))


def _same(found):
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, name)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read(save):
    save("x.npz", **ARRAYS)
    _same(read_weights("x.npz"))


def test_numpy_reads_what_is_written():
    write_npz("x.npz", ARRAYS)
    with np.load("x.npz") as archive:
        _same({name: archive[name] for name in archive.files})


def _npy(array, **options):
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asarray(array), **options)
    return content.getvalue()


ONE = _npy(np.ones((2, 3), np.float32))
REFUSED = {
    "objects": (_npy(np.array([print], object)), "'a.npy' has type object, expected numbers of"),
    "text": (_npy(np.array(["x"])), "'a.npy' has type <U1, expected numbers of at most 64 bits"),
    "complex": (_npy(np.ones(2, complex)), "'a.npy' has type complex128"),
    "long": (_npy(np.ones(2, np.longdouble)), "'a.npy' has type float128"),
    "fields": (_npy(np.ones(2, [("b", "<f4")])), "'a.npy' has type [('b', '<f4')]"),
    "version 3": (_npy(np.ones(2), version=(3, 0)), "'a.npy' has .npy version (3, 0), expected"),
    "short": (ONE[:-1], "'a.npy' of shape (2, 3) has 23 bytes of values"),
    "surplus": (ONE + b"\0", "'a.npy' of shape (2, 3) has 25 bytes of values"),
    "huge": (ONE.replace(b"(2, 3)", b"(2**9,3)"[:6]), "not a NumPy archive, or damaged: "),
    "negative": (ONE.replace(b"(2, 3)", b"(-2,-3)"[:6]), "not a NumPy archive, or damaged: "),
    "no array": (b"nothing", "not a NumPy archive, or damaged: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_members_that_are_no_arrays_of_numbers_are_refused(case):
    content, wording = REFUSED[case]
    with zipfile.ZipFile("x.npz", "w") as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(InputError, match=r"^x\.npz: ") as caught:
        read_weights("x.npz")
    assert str(caught.value)[len("x.npz: ") :].startswith(wording)


def test_other_members_are_refused():
    with zipfile.ZipFile("x.npz", "w") as archive:
        archive.writestr("a.npy", ONE)
        archive.writestr("b", ONE)
    with pytest.raises(
        InputError, match=r"^x\.npz: not a NumPy archive: 'b' in it is not a \.npy file$"
    ):
        read_weights("x.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused():
    with zipfile.ZipFile("x.npz", "w") as archive:
        archive.writestr("a.npy", ONE)
        archive.writestr("a.npy", ONE)
    with pytest.raises(
        InputError, match=r"^x\.npz: two members of the archive have the same name$"
    ):
        read_weights("x.npz")


FIELDS = {  # of the central directory: place, other bytes
    "version": (6, b"\xff\x00"),
    "encryption": (8, b"\x01\x00"),
    "method": (10, b"\x63\x00"),
    "a name that is not UTF-8": (46, b"\xff"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_what_zipfile_does_not_read_is_refused(case):
    np.savez("x.npz", a=np.ones(3))
    content = bytearray(Path("x.npz").read_bytes())
    place, other = FIELDS[case]
    start = content.index(b"PK\x01\x02")
    content[start + place : start + place + len(other)] = other
    content[start + 9] |= 8 * case.startswith("a name")  # the names are said to be UTF-8
    Path("x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"^x\.npz: not a NumPy archive, or damaged: "):
        read_weights("x.npz")


def test_a_wrong_checksum_asks_for_another_download():
    np.savez("x.npz", a=np.arange(100))
    content = bytearray(Path("x.npz").read_bytes())
    content[400] ^= 1
    Path("x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"Bad CRC-32 for file 'a\.npy'; download it again$"):
        read_weights("x.npz")


def test_an_archive_that_grows_without_bounds_is_refused_before_it_does(monkeypatch):
    np.savez_compressed("x.npz", a=np.zeros(1 << 16))
    assert read_weights("x.npz")["a"].size == 1 << 16
    monkeypatch.setattr("rnw.weights.zip_file.MOST_UNPACKED", 1 << 18)
    with pytest.raises(
        InputError, match=r"^x\.npz: would unpack to 524,416 bytes, which no weights"
    ):
        read_weights("x.npz")


FULL = """
import resource, signal, sys
import numpy as np
from rnw.errors import InputError
from rnw.weights.containers import CONTAINERS
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
arrays = {"a": np.ones(1000, np.float32), "b": np.ones(30_000, np.float32)}
for container in CONTAINERS[:4]:
    for limit in (0, 100, 5_000, 60_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            container.write("x", arrays)
        except InputError as error:
            print(error)
"""


def test_a_full_disk_is_told_once_and_leaves_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["x: cannot be written: File too large"] * 16
    assert list(tmp_path.iterdir()) == []
