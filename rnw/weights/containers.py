"""TABLE of the file formats that contain named arrays, recognized by their first bytes.

Files may come from anywhere. Each reader lists what it accepts; whatever else it raises becomes, in
`read_weights`, an InputError of one line that names the file.
"""

import contextlib
import re
import struct
import zipfile
from functools import partial
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.weights.choices import STATE_DICT
from rnw.weights.labels import plain_name
from rnw.weights.ndarray_file import FILE_MAGIC, open_weights, read_arrays, write_arrays
from rnw.weights.npz_file import SUFFIX, read_npz, write_npz
from rnw.weights.onnx_file import read_onnx, read_onnx_metadata
from rnw.weights.recognition import START, explain
from rnw.weights.safetensors_file import (
    read_safetensors,
    read_safetensors_metadata,
    write_safetensors,
)
from rnw.weights.torch_file import DESCRIPTION, read_torch, write_torch
from rnw.weights.zip_file import ZIP_STARTS

Arrays = Dict[str, np.ndarray]

_PICKLE = re.compile(rb"\x80[\x02-\x05]")  # and protocol; PyTorch before 1.6


class Container(NamedTuple):
    """A file format: its title, suffixes of file names, and functions to read and write it.

    read_metadata: returns texts by name that lie beside the arrays, which `write` then takes as
    `metadata`; None: the format has no room for them.
    """

    title: str
    suffixes: Tuple[str, ...]
    read: Callable[[PathLike], Arrays]
    write: Optional[Callable[..., None]]
    read_metadata: Optional[Callable[[PathLike], Dict[str, str]]] = None

    def names(self, path: PathLike) -> bool:
        """Return whether the name of the file at `path` has one of the suffixes."""
        return plain_name(path).endswith(self.suffixes)


_TORCH_SUFFIXES = (".pth", ".pt", ".pth.tar")  # the last is not a tar archive

PARAMS = Container("a .params file of MXNet", (".params",), read_arrays, write_arrays)
SAFETENSORS = Container(
    "a safetensors file",
    (".safetensors",),
    read_safetensors,
    write_safetensors,
    read_safetensors_metadata,
)
NPZ = Container("a NumPy archive", (".npz",), read_npz, write_npz)
TORCH = Container("a PyTorch file", _TORCH_SUFFIXES, read_torch, write_torch)
TORCH_CHECKPOINT = TORCH._replace(write=partial(write_torch, key=STATE_DICT))
# writing takes the whole network
ONNX = Container("an ONNX graph", (".onnx",), read_onnx, None, read_onnx_metadata)
CONTAINERS = (PARAMS, SAFETENSORS, NPZ, TORCH, ONNX)


def read_weights(path: PathLike) -> Arrays:
    """Return all arrays of a file of any format, by name, in the file's order.

    Raises InputError for a file that cannot be read, is damaged, or contains anything but named
    arrays of numbers.
    """
    container = container_of(path)
    with _reading(path, container):
        arrays = container.read(path)
    if not arrays and container is not PARAMS:
        raise InputError(f"{path}: {container.title} that holds no arrays")
    for name in arrays:
        _check_name(path, name)
    return arrays


def read_metadata(path: PathLike) -> Dict[str, str]:
    """Return the texts by name beside the arrays of a file; none where its format has no room.

    Raises InputError as `read_weights` does.
    """
    container = container_of(path)
    if container.read_metadata is None:
        return {}
    with _reading(path, container):
        return container.read_metadata(path)


@contextlib.contextmanager
def _reading(path: PathLike, container: Container) -> Iterator[None]:
    """Raise InputError for whatever a reader raises."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of the libraries that read it, whose list cannot be complete
        why = " ".join(str(error).split()) or type(error).__name__
        cure = "; download it again" * isinstance(error, zipfile.BadZipFile)  # a wrong checksum
        raise InputError(f"{path}: not {container.title}, or damaged: {why}{cure}") from error


def _check_name(path: PathLike, name: Any) -> None:
    """Raise InputError for a name that is not text, or that other formats cannot store."""
    with contextlib.suppress(UnicodeEncodeError, AttributeError):
        if name.encode() and "\0" not in name:
            return
    raise InputError(f"{path}: an array is called {name!r}, expected a name in UTF-8")


def container_of(path: PathLike) -> Container:
    """Return the format of the file at `path`, by its content; if that is unknown, by its name.

    If both are unknown, and for an empty file, it is PARAMS, whose reader explains the problem.

    Raises InputError where there is no file, and for known formats that contain no weights.
    """
    with open_weights(path) as file:
        start = file.read(START)
    found = _by_content(path, start)
    if found is not None or not start:
        return found or PARAMS
    container = next((c for c in CONTAINERS if c.names(path)), PARAMS)
    kind = explain(start)
    if kind and container is not PARAMS:
        raise InputError(f"{path}: not {container.title}: this is {kind}")
    return container


def _by_content(path: PathLike, start: bytes) -> Optional[Container]:
    if start[4:9] == bytes(4) + b"{":  # first: a length may begin like any other format
        return SAFETENSORS
    if start.startswith(ZIP_STARTS):
        return _by_members(path)
    if _PICKLE.match(start):
        return TORCH
    if start.startswith(b"\x08"):
        return ONNX
    return PARAMS if start[:8] == struct.pack("<Q", FILE_MAGIC) else None


def _by_members(path: PathLike) -> Container:
    named = TORCH if TORCH.names(path) else NPZ
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except Exception:  # its reader will say what is wrong
        return named
    if any(member.endswith(DESCRIPTION) for member in members):
        return TORCH
    if not members or any(member.endswith(SUFFIX) for member in members):
        return NPZ
    raise InputError(
        f"{path}: a zip archive, but not of NumPy or PyTorch: it holds {members[0]!r}; unpack it "
        "and give the file inside"
    )
