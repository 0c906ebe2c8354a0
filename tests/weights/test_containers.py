"""Files of all kinds: told apart by content, read and written the same at any time."""

import sys
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
    require,
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


def test_initializers_of_a_graph_are_read():
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), "graph")
    assert container_of("graph") is ONNX
    found = ONNX.read("graph")
    np.testing.assert_array_equal(found["b"], ARRAYS["b"])


@pytest.mark.parametrize(
    ("name", "content", "wording"),
    [
        ("x.safetensors", b"<!DOCTYPE html>", "not a safetensors file, or truncated"),
        ("x.npz", b"<!DOCTYPE html>", "not a NumPy archive, or damaged"),
        ("x.npz", b"\x93NUMPY\x01\x00\x02\x00{}", "not a NumPy archive, or damaged"),
        ("x.npz", b"PK\x03\x04rest", "not a NumPy archive, or damaged"),
        ("x.onnx", b"<!DOCTYPE html>", "not an ONNX graph, or damaged"),
        ("x.onnx", b"\x08\xff", "not an ONNX graph, or damaged"),
        ("x.safetensors", b"", "the file is empty; download or copy it again"),
        ("x.onnx", b"", "the file is empty; download or copy it again"),
        ("x.params", b"<!DOCTYPE html>", "not a .params file of MXNet"),
        ("x", b"<!DOCTYPE html>", "not a .params file of MXNet"),
    ],
)
def test_other_content_is_explained_by_the_name(name, content, wording):
    Path(name).write_bytes(content)
    with pytest.raises(InputError, match=rf"^{name}: ") as caught:
        container_of(name).read(name)
    assert wording in str(caught.value)


def test_pickled_objects_are_refused():
    np.savez("x.npz", a=np.array([print], dtype=object))
    with pytest.raises(InputError, match=r"^x\.npz: not a NumPy archive"):
        container_of("x.npz").read("x.npz")


def test_pytorch_files_need_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    Path("x.pth").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InputError, match=r"^torch is needed to read x\.pth: pip install torch$"):
        container_of("x.pth").read("x.pth")
    with pytest.raises(InputError, match=r"^torch is needed to write y\.pth .*\.safetensors"):
        TORCH.write("y.pth", ARRAYS)
    assert [path.name for path in Path().iterdir()] == ["x.pth"]


def test_modules_that_are_there_are_imported():
    assert require("onnx", "here") is onnx
