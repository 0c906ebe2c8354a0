"""The initializers of ONNX graphs, read with the onnx package."""

import importlib
from types import ModuleType
from typing import Any, Dict

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike
from rnw.runtime import INSTALL_ONNX
from rnw.weights.ndarray_file import BFLOAT16, as_float32

_FLOATS = ("FLOAT", "DOUBLE", "FLOAT16")
_INTEGERS = ("UINT8", "INT8", "UINT16", "INT16", "INT32", "UINT32", "INT64", "UINT64", "BOOL")
_TYPES = (*_FLOATS, *_INTEGERS)
_BFLOAT16 = "BFLOAT16"


def read_onnx(path: PathLike) -> Dict[str, np.ndarray]:
    """Return the initializers of an ONNX graph, by name; bfloat16 becomes float32.

    Raises InputError without the onnx package and for initializers that are not arrays of numbers
    in the file itself, and what onnx and protobuf raise for a damaged file.
    """
    onnx = require_onnx(f"to read {path}")
    arrays: Dict[str, np.ndarray] = {}
    with naming(path):
        for tensor in onnx.load(str(path), load_external_data=False).graph.initializer:
            if tensor.name in arrays:
                raise InputError(f"two initializers are called {tensor.name!r}")
            arrays[tensor.name] = _array(onnx, tensor)
    return arrays


def read_onnx_metadata(path: PathLike) -> Dict[str, str]:
    """Return the metadata of an ONNX graph, texts by name; raises as `read_onnx` does."""
    onnx = require_onnx(f"to read {path}")
    model = onnx.load(str(path), load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def _array(onnx: Any, tensor: Any) -> np.ndarray:
    names = {number: name for name, number in onnx.TensorProto.DataType.items()}
    kind = names.get(tensor.data_type, f"number {tensor.data_type}")
    if tensor.data_location != onnx.TensorProto.DEFAULT:
        raise InputError(
            f"the values of {tensor.name!r} are in another file: merge both with "
            "onnx.save(onnx.load(FILE), NEW_FILE)"
        )
    if kind == _BFLOAT16 and tensor.raw_data:
        return as_float32(np.frombuffer(tensor.raw_data, BFLOAT16)).reshape(tensor.dims)
    if kind not in _TYPES:
        raise InputError(f"{tensor.name!r} has type {kind}, expected one of {', '.join(_TYPES)}")
    return onnx.numpy_helper.to_array(tensor)


def require_onnx(purpose: str) -> ModuleType:
    """Return the module onnx; raise InputError that says what to install when it is missing."""
    try:
        return importlib.import_module("onnx")
    except ImportError:
        raise InputError(f"onnx is needed {purpose}: {INSTALL_ONNX}") from None
