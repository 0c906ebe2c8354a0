"""Initializers of ONNX graphs: the types that are read, and what is refused by name."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from rnw.errors import InputError
from rnw.weights.containers import read_weights
from rnw.weights.onnx_file import require_onnx

TYPES = ("f4", "f8", "f2", "u1", "i1", "u2", "i2", "i4", "u4", "i8", "u8", "?")
ARRAYS = {f"of {dtype}": np.arange(6).reshape(2, 3).astype(dtype) for dtype in TYPES}


def _save(*tensors):
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    Path("x.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())


def _refusal():
    with pytest.raises(InputError) as caught:
        read_weights("x.onnx")
    assert str(caught.value).startswith("x.onnx: ")
    return str(caught.value)[len("x.onnx: ") :]


def test_initializers_are_read():
    _save(*(onnx.numpy_helper.from_array(array, name) for name, array in ARRAYS.items()))
    found = read_weights("x.onnx")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, name)


def test_values_in_fields_of_their_type_are_read():
    types = onnx.TensorProto
    _save(
        onnx.helper.make_tensor("f", types.FLOAT, (2,), [1.5, -2]),
        onnx.helper.make_tensor("i", types.INT64, (), [-3]),
    )
    found = read_weights("x.onnx")
    assert (found["f"].tolist(), found["i"].tolist()) == ([1.5, -2], -3)


def test_bfloat16_becomes_float32():
    raw = np.array([0x3F80, 0xC000], "<u2").tobytes()
    _save(onnx.helper.make_tensor("b", onnx.TensorProto.BFLOAT16, (2, 1), raw, raw=True))
    (array,) = read_weights("x.onnx").values()
    assert (array.dtype, array.tolist()) == (np.float32, [[1], [-2]])


def _float8():
    return onnx.helper.make_tensor("a", onnx.TensorProto.FLOAT8E4M3FN, (1,), b"\0", raw=True)


def _elsewhere():
    tensor = onnx.numpy_helper.from_array(ARRAYS["of f4"], "a")
    onnx.external_data_helper.set_external_data(tensor, "../../etc/passwd")
    return tensor


REFUSED = {
    "text": (lambda: onnx.helper.make_tensor("a", onnx.TensorProto.STRING, (1,), [b"x"]), "STRING"),
    "float8": (_float8, "'a' has type FLOAT8E4M3FN, expected one of FLOAT, DOUBLE, "),
    "elsewhere": (_elsewhere, "the values of 'a' are in another file: merge both with onnx."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_array_of_numbers_is_refused(case):
    make, wording = REFUSED[case]
    _save(make())
    assert wording in _refusal()


def test_other_shapes_than_values_are_refused():
    tensor = onnx.numpy_helper.from_array(ARRAYS["of f4"], "a")
    tensor.dims[0] = 10**12
    _save(tensor)
    assert _refusal().startswith("not an ONNX graph, or damaged: ")


def test_one_name_twice_is_refused():
    _save(*[onnx.numpy_helper.from_array(ARRAYS["of f4"], "a")] * 2)
    assert _refusal() == "two initializers are called 'a'"


def test_a_name_that_is_not_utf8_is_refused():
    _save(onnx.numpy_helper.from_array(ARRAYS["of f4"], "NAME"))
    Path("x.onnx").write_bytes(Path("x.onnx").read_bytes().replace(b"NAME", b"N\xff\xfeE"))
    assert _refusal().endswith("expected a name in UTF-8")


def test_graphs_need_the_onnx_package(monkeypatch):
    _save(onnx.numpy_helper.from_array(ARRAYS["of f4"], "a"))
    monkeypatch.setitem(sys.modules, "onnx", None)
    expected = r"^onnx is needed to read x\.onnx: pip install '\.\[onnx\]' in the rnw checkout$"
    with pytest.raises(InputError, match=expected):
        read_weights("x.onnx")


def test_modules_that_are_there_are_imported():
    assert require_onnx("here") is onnx
