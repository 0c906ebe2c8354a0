"""Files of all kinds: told apart by content, read and written the same at any time."""

import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

from rnw.errors import InputError
from rnw.weights.containers import (
    NPZ,
    ONNX,
    PARAMS,
    SAFETENSORS,
    TORCH,
    container_of,
    read_weights,
)

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones((2,), np.float16)}
WRITTEN = {"params": PARAMS, "safetensors": SAFETENSORS, "npz": NPZ}


@pytest.mark.parametrize("kind", WRITTEN)
def test_content_tells_the_kind(kind):
    container = WRITTEN[kind]
    container.write("another.onnx", ARRAYS)
    assert container_of("another.onnx") is container
    found = container.read("another.onnx")
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("beginning", [b"\x08\x01", b"\x80\x02"], ids=["ONNX", "pickle"])
def test_a_header_whose_length_begins_like_another_kind(beginning):
    """One header in 32 has a length whose first byte is that of an ONNX graph."""
    name = "n" * (int.from_bytes(beginning, "little") - 55)
    SAFETENSORS.write("x", {name: ARRAYS["a"]})
    assert Path("x").read_bytes().startswith(beginning + bytes(6) + b"{")
    assert container_of("x") is SAFETENSORS
    np.testing.assert_array_equal(container_of("x").read("x")[name], ARRAYS["a"])


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_same_arrays_are_the_same_bytes(kind, monkeypatch):
    WRITTEN[kind].write("one", ARRAYS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    WRITTEN[kind].write("two", ARRAYS)
    assert Path("one").read_bytes() == Path("two").read_bytes()


def test_numpy_reads_and_writes_archives():
    NPZ.write("ours.npz", ARRAYS)
    with np.load("ours.npz") as archive:
        assert archive.files == list(ARRAYS)
        np.testing.assert_array_equal(archive["b"], ARRAYS["b"])
    np.savez_compressed("numpys.npz", **ARRAYS)
    np.testing.assert_array_equal(container_of("numpys.npz").read("numpys.npz")["b"], ARRAYS["b"])


def test_graphs_are_known_by_their_content():
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), "graph")
    assert container_of("graph") is ONNX
    np.testing.assert_array_equal(read_weights("graph")["b"], ARRAYS["b"])


PAGE = "this is a web page saved under that name, download the file itself"
FOREIGN = {
    "a page": ("x.safetensors", b"<!DOCTYPE html>", f"not a safetensors file: {PAGE}"),
    "a page for npz": ("x.npz", b"<!DOCTYPE html>", f"not a NumPy archive: {PAGE}"),
    "a page for onnx": ("x.onnx", b"<!DOCTYPE html>", f"not an ONNX graph: {PAGE}"),
    "a page for params": ("x.params", b"<!DOCTYPE html>", PAGE),
    "a page for nothing": ("x", b"<!DOCTYPE html>", "not a .params file of MXNet"),
    "an answer": ("x.pth?dl=0", b"Not Found", 'what a server answered instead of the file: "Not F'),
    "a tar": (
        "x.pth.tar",
        bytes(257) + b"ustar\0" + bytes(249),
        "not a PyTorch file: this is a tar",
    ),
    "an array": ("x.npz", b"\x93NUMPY\x01\x00\x02\x00{}", "this is a NumPy .npy file: one array"),
    "a cut npz": ("x.npz", b"PK\x03\x04rest", "truncated file: its end is missing; download or"),
    "a cut pth": ("x.pth", b"PK\x03\x04rest", "truncated file: its end is missing; download or"),
    "no graph": ("x.onnx", b"\x08\xff", "not an ONNX graph, or damaged: "),
    "nothing": ("x.safetensors", b"", "the file is empty; download or copy it again"),
    "nothing for onnx": ("x.onnx", b"", "the file is empty; download or copy it again"),
    "a header alone": (
        "x.safetensors",
        b"\x02" + bytes(7) + b"{}",
        "a safetensors file that holds no",
    ),
    "zip without members": (
        "x.npz",
        b"PK\x05\x06" + bytes(18),
        "a NumPy archive that holds no arr",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_other_content_is_explained(case):
    name, content, wording = FOREIGN[case]
    Path(name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_weights(name)
    assert str(caught.value).startswith(f"{name}: ")
    assert wording in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_alone_is_no_array():
    header = b'{"__metadata__":{"a":"b"}}'
    Path("x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(
        InputError, match=r"^x\.safetensors: a safetensors file that holds no arrays$"
    ):
        read_weights("x.safetensors")


@pytest.mark.parametrize("path", ["folder", "absent", "a\0b", "pipe"])
def test_what_is_no_file_is_refused(path):
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with pytest.raises(InputError, match=r"is (a folder|a named pipe), expected|no such file"):
        read_weights(path)


def test_a_zip_archive_of_other_things_is_refused():
    with zipfile.ZipFile("x.pth", "w") as archive:
        archive.writestr("model.params", b"")
    with pytest.raises(
        InputError, match=r"^x\.pth: a zip archive, but not of .*'model\.params'; unp"
    ):
        read_weights("x.pth")


@pytest.mark.parametrize("name", ["", "a\0b"])
@pytest.mark.parametrize("kind", ["params", "safetensors"])
def test_names_that_are_none_are_refused(kind, name):
    WRITTEN[kind].write("x", {name: ARRAYS["a"]})
    with pytest.raises(InputError) as caught:
        read_weights("x")
    assert str(caught.value) == f"x: an array is called {name!r}, expected a name in UTF-8"


@pytest.mark.parametrize("name", ["x.pth", "x.pt", "x.pth.tar", "folder.npz/x.pth.tar?dl=0"])
def test_names_of_pytorch_files(name):
    assert TORCH.names(name)
    assert not NPZ.names(name)
