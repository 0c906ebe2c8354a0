"""Arrays under a checksum."""

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.training.sealed import SEAL, read_sealed, write_sealed
from rnw.weights.ndarray_file import read_arrays, write_arrays

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.zeros(3, np.uint8)}


def test_arrays_come_back(tmp_path):
    write_sealed(tmp_path / "file", ARRAYS)
    found = read_sealed(tmp_path / "file")
    assert list(found) == ["b", "a"]
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_the_container_is_that_of_weights(tmp_path):
    write_sealed(tmp_path / "file", ARRAYS)
    assert list(read_arrays(tmp_path / "file")) == [SEAL, "b", "a"]


def test_each_byte_counts(tmp_path):
    path = tmp_path / "file"
    write_sealed(path, ARRAYS)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match=f"^{path}: "):
            read_sealed(path)


def test_a_file_without_a_checksum_is_named(tmp_path):
    write_arrays(tmp_path / "file", ARRAYS)
    with pytest.raises(InputError, match="file: has no checksum, as those of earlier versions"):
        read_sealed(tmp_path / "file")


def test_what_cannot_be_stored_leaves_the_file(tmp_path):
    path = tmp_path / "file"
    write_sealed(path, ARRAYS)
    with pytest.raises(InputError, match=f"^{path}: c has type complex64"):
        write_sealed(path, {"c": np.zeros(1, np.complex64)})
    assert list(read_sealed(path)) == ["b", "a"]
    assert list(tmp_path.iterdir()) == [path]
