"""The safetensors container against the reference implementation, and what is refused."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from rnw.errors import InputError
from rnw.weights.safetensors_file import ELEMENT_TYPES, read_safetensors, write_safetensors

RNG = np.random.RandomState(0)
ARRAYS = {
    **{
        f"of {name}": RNG.randint(0, 2, (3, 5)).astype(dtype)
        for name, dtype in ELEMENT_TYPES.items()
    },
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "long": RNG.standard_normal(300_001).astype(np.float32),
    "transposed": RNG.standard_normal((4, 6)).astype(np.float32).T,
    'naïve "name"': np.ones((1, 2, 3, 4), np.float16),
}


def _same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(found[name], array, name)


def test_the_reference_implementation_reads_what_is_written():
    write_safetensors("x.safetensors", ARRAYS)
    _same(safetensors.numpy.load_file("x.safetensors"), ARRAYS)
    _same(read_safetensors("x.safetensors"), ARRAYS)
    with open("x.safetensors", "rb") as file:  # noqa: PTH123
        assert (8 + struct.unpack("<Q", file.read(8))[0]) % 8 == 0


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_what_the_reference_implementation_writes_is_read(metadata):
    arrays = {name: np.ascontiguousarray(array) for name, array in ARRAYS.items()}
    safetensors.numpy.save_file(arrays, "x.safetensors", metadata)
    _same(read_safetensors("x.safetensors"), arrays)


def test_an_unknown_element_type_is_not_written():
    with pytest.raises(InputError, match=r"^x\.safetensors: a has type complex64, unknown"):
        write_safetensors("x.safetensors", {"a": np.zeros(2, np.complex64)})
    assert not Path("x.safetensors").exists()


def _file(header, values=b"\0" * 8):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + values


def _entry(dtype="F32", shape=(2,), data_offsets=(0, 8)):
    return {"dtype": dtype, "shape": shape, "data_offsets": data_offsets}


REFUSED = {
    "empty": (b"", "cannot be read"),
    "short": (b"\1\2", "not a safetensors file, or truncated"),
    "long header": (struct.pack("<Q", 1000) + b"{}", "a header of 1000 bytes is announced"),
    "huge header": (struct.pack("<Q", 2**63) + b"{}", "or truncated"),
    "no JSON": (_file(b"{nothing"), "header is unusable"),
    "not UTF-8": (_file(b'{"\xff": 1}'), "header is unusable"),
    "a list": (_file([1]), "header is unusable"),
    "deep": (_file(b"[" * 100_000), "header is unusable"),
    "twice": (_file(b'{"a": 1, "a": 2}'), "a name occurs twice"),
    "no entry": (_file({"a": 1}), "entry for 'a' cannot be used"),
    "surplus key": (_file({"a": {**_entry(), "b": 1}}), "cannot be used"),
    "missing key": (_file({"a": {"dtype": "F32", "shape": [2]}}), "cannot be used"),
    "other type": (_file({"a": _entry("U16")}), "'a' has type U16, expected one of F64, F32, F16"),
    "BF16 of other size": (_file({"a": _entry("BF16")}), "expected 0 to 4"),
    "BF16, negative": (_file({"a": _entry("BF16", shape=[-1])}), "entry for 'a' cannot be used"),
    "type no text": (_file({"a": _entry(["F32"])}), "cannot be used"),
    "negative": (_file({"a": _entry(shape=[-2])}), "cannot be used"),
    "fraction": (_file({"a": _entry(shape=[2.0])}), "cannot be used"),
    "truth": (_file({"a": _entry(shape=[True, 2])}), "cannot be used"),
    "backwards": (_file({"a": _entry(data_offsets=[8, 0])}), "cannot be used"),
    "one offset": (_file({"a": _entry(data_offsets=[8])}), "cannot be used"),
    "other size": (_file({"a": _entry(shape=[3])}), "expected 0 to 12"),
    "overflow": (_file({"a": _entry(shape=[2**62, 4])}), "expected 0 to"),
    "gap": (_file({"a": _entry(data_offsets=[4, 12])}), "expected 0 to 8"),
    "overlap": (_file({"a": _entry(), "b": _entry()}), "expected 8 to 16"),
    "truncated": (_file({"a": _entry()}, b"\0" * 7), "ends at byte 8 of 7"),
    "surplus bytes": (_file({"a": _entry()}, b"\0" * 9), "1 bytes too many"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_damaged_files_are_refused(case):
    content, wording = REFUSED[case]
    Path("x.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"^x\.safetensors: ") as caught:
        read_safetensors("x.safetensors")
    assert wording in str(caught.value)


def test_bfloat16_becomes_float32():
    halves = np.array([0x3F80, 0xC000, 0x7F80], "<u2")
    header = {"b": _entry("BF16", shape=[3, 1], data_offsets=[0, 6])}
    Path("x").write_bytes(_file(header, halves.tobytes()))
    (array,) = read_safetensors("x").values()
    assert (array.dtype, array.tolist()) == (np.float32, [[1], [-2], [np.inf]])


def test_every_shorter_file_is_refused():
    write_safetensors("whole", {"a": np.ones((2, 3), np.float32), "b": np.ones(2, np.float16)})
    content = Path("whole").read_bytes()
    for length in range(len(content)):
        Path("part").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"^part: "):
            read_safetensors("part")


def test_an_absent_file_is_refused():
    with pytest.raises(InputError, match=r"^absent: cannot be read"):
        read_safetensors("absent")
