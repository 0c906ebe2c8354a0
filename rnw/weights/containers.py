"""TABLE of the kinds of files that hold named arrays, told apart by their first bytes."""

import importlib
import struct
import zipfile
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike, atomic_write
from rnw.weights.ndarray_file import FILE_MAGIC, read_arrays, write_arrays
from rnw.weights.safetensors_file import read_safetensors, release_pages, write_safetensors

Arrays = Dict[str, np.ndarray]

STATE_DICT = "state_dict"  # what projects call the weights among other things in a checkpoint


def read_npz(path: PathLike) -> Arrays:
    """All arrays of a NumPy archive.

    Raises InputError for a damaged one and for pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # whatever NumPy and zipfile find wrong with it
        raise InputError(f"{path}: not a NumPy archive, or damaged: {error}") from None


def write_npz(path: PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a NumPy archive, the same bytes at any time; it appears whole or not at all."""
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
            release_pages(array)


def read_torch(path: PathLike) -> Arrays:
    """The tensors of a PyTorch file, of its `state_dict` if that is one of several things in it.

    Raises InputError without PyTorch, and for a file that it cannot read or that holds code.
    """
    torch = require("torch", f"to read {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever PyTorch finds wrong with it
        raise InputError(f"{path}: PyTorch cannot read it as weights: {error}") from None
    if isinstance(content, dict):
        content = content.get(STATE_DICT, content)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a state_dict, found a {type(content).__name__}")
    return {name: _as_array(t) for name, t in content.items() if isinstance(t, torch.Tensor)}


def _as_array(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor if "bfloat16" not in str(tensor.dtype) else tensor.float()).numpy()


def write_torch(
    path: PathLike, arrays: Mapping[str, np.ndarray], key: Optional[str] = None
) -> None:
    """Write a PyTorch file of tensors, or of one dictionary of them called `key`.

    Raises InputError without PyTorch.
    """
    torch = require("torch", f"to write {path} (it is not for a .safetensors file)")
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    with atomic_write(path) as file:
        torch.save(tensors if key is None else {key: tensors}, file)


def read_onnx(path: PathLike) -> Arrays:
    """The initializers of an ONNX graph.

    Raises InputError without the onnx package and for a file that is no such graph.
    """
    onnx = require("onnx", f"to read {path}")
    try:
        initializers = onnx.load(str(path)).graph.initializer
        return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in initializers}
    except Exception as error:  # whatever onnx and protobuf find wrong with it
        raise InputError(f"{path}: not an ONNX graph, or damaged: {error}") from None


def require(module: str, purpose: str) -> ModuleType:
    """An optional module.

    Raises InputError that says what to install when it is not there.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"{module} is needed {purpose}: pip install {module}") from None


class Container(NamedTuple):
    """A kind of file; its names end in one of `suffixes`."""

    suffixes: Tuple[str, ...]
    read: Callable[[PathLike], Arrays]
    write: Optional[Callable[[PathLike, Mapping[str, np.ndarray]], None]]


PARAMS = Container((".params",), read_arrays, write_arrays)
SAFETENSORS = Container((".safetensors",), read_safetensors, write_safetensors)
NPZ = Container((".npz",), read_npz, write_npz)
TORCH = Container((".pth", ".pt"), read_torch, write_torch)
TORCH_CHECKPOINT = Container((".pth", ".pt"), read_torch, partial(write_torch, key=STATE_DICT))
ONNX = Container((".onnx",), read_onnx, None)  # writing one takes the whole network


def container_of(path: PathLike) -> Container:
    """The kind of the file at `path`, by its content; if that is unknown, by its name.

    Where neither tells, and for an empty file, it is PARAMS, whose reader says what is wrong.
    """
    path = Path(path)
    if not path.is_file():
        return PARAMS
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        return PARAMS
    if start[4:] == bytes(4) + b"{":  # first: a length may begin like any other kind of file
        return SAFETENSORS
    if start.startswith(b"PK\x03\x04"):
        return NPZ if _holds_npy(path) else TORCH
    if start.startswith(b"\x80\x02"):  # a pickle: PyTorch before 1.6
        return TORCH
    if start.startswith(b"\x08"):
        return ONNX
    if start[:8] == struct.pack("<Q", FILE_MAGIC):
        return PARAMS
    return next((c for c in (SAFETENSORS, NPZ, TORCH, ONNX) if path.suffix in c.suffixes), PARAMS)


def _holds_npy(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except zipfile.BadZipFile:
        return path.suffix in NPZ.suffixes
