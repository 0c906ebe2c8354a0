"""The files of `torch.save`, read and written with NumPy alone; code in them is never run.

A pickle describes tensors as views of numbered storages. Since PyTorch 1.6, the pickle and the
values of each storage are members of a zip archive; before, five pickles are followed by all
values::

    pickles   magic number, version, machine, the saved object, numbers of storages
    storage   count (i64), values; one after the other in that order
"""

import io
import math
import mmap
import struct
import zipfile
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from rnw.errors import InputError, naming
from rnw.files import PathLike, atomic_write
from rnw.weights.choices import STATE_DICT
from rnw.weights.ndarray_file import MAX_NAME, windows
from rnw.weights.safetensors_file import release_pages
from rnw.weights.torch_pickle import TorchUnpickler, Unread
from rnw.weights.torch_tensors import CLASSES, NAMES, NoArray, Storage, Tensor, as_array
from rnw.weights.zip_file import ZIP_STARTS, new_member, reading_zip

WRAPPERS = (STATE_DICT, "model_state_dict", "model")  # keys of the weights in checkpoints
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
DESCRIPTION = "/data.pkl"
_OF_TENSORS = "torch._"  # where PyTorch has the functions that make tensors
_SHOWN = 8  # keys of a dictionary without tensors
_FOLDER = "archive"  # in the zip archives that are written


def read_torch(path: PathLike) -> Dict[str, np.ndarray]:
    """Return the tensors of a PyTorch file, or of the `state_dict` in a checkpoint, by name.

    The names of nested dictionaries are joined by dots. bfloat16 becomes float32. Other objects
    beside the weights, such as the settings of a run, are skipped.

    Raises InputError for tensors that are not plain numbers stored in the file, for a file without
    tensors, and what `zipfile` and `pickletools` raise for a damaged one.
    """
    with Path(path).open("rb") as file:
        zipped = file.read(4) in ZIP_STARTS
    with naming(path):
        return _read_zip(path) if zipped else _read_legacy(path)


def _read_zip(path: PathLike) -> Dict[str, np.ndarray]:
    with reading_zip(path) as archive:
        names = archive.namelist()
        (folder,) = (n[: -len(DESCRIPTION)] for n in names if n.endswith(DESCRIPTION))
        if f"{folder}/constants.pkl" in names:
            raise InputError(
                "a TorchScript program, expected weights alone: torch.save(network.state_dict(), "
                "FILE) of what torch.jit.load gives"
            )
        order = f"{folder}/byteorder"
        if order in names and archive.read(order) != b"little":
            raise InputError("saved on a big-endian machine, which is not supported")
        content = _unpickler().load(io.BytesIO(archive.read(folder + DESCRIPTION)))
        return _arrays(content, partial(_member, archive, f"{folder}/data/"))


def _member(archive: zipfile.ZipFile, folder: str, storage: Storage) -> np.ndarray:
    if archive.getinfo(folder + storage.key).compress_type != zipfile.ZIP_STORED:
        raise InputError("its tensors are compressed, as PyTorch does not write them")
    return np.frombuffer(archive.read(folder + storage.key), storage.dtype)


def _read_legacy(path: PathLike) -> Dict[str, np.ndarray]:
    storages: Dict[str, Storage] = {}
    with Path(path).open("rb") as opened:
        # unlike a file it never allocates more for a text than it has bytes
        file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    with file:
        if _unpickler().load(file) != MAGIC or _unpickler().load(file) != VERSION:
            raise InputError("a Python pickle, but not one of torch.save, which is not supported")
        machine = _unpickler().load(file)
        if machine.get("little_endian") is not True:
            raise InputError("saved on a big-endian machine, which is not supported")
        content = _unpickler(storages).load(file)
        keys, start = _unpickler().load(file), file.tell()
    buffer = np.memmap(path, np.uint8, mode="r")
    places = _find_places(buffer, start, [storages[key] for key in keys])
    return _arrays(content, lambda storage: _lying(buffer, places[storage.key], storage))


def _find_places(buffer: np.ndarray, start: int, storages: Iterable[Storage]) -> Dict[str, int]:
    """Return where the values of each storage begin; check the counts before them."""
    places = {}
    for storage in storages:
        count = buffer[start : start + 8].tobytes()
        if len(count) == 8 and count != struct.pack("<q", storage.size):
            raise InputError(f"damaged: the count at byte {start} is not {storage.size}")
        places[storage.key] = start + 8
        start += 8 + storage.size * storage.dtype.itemsize
    if start > buffer.size:
        raise InputError(f"truncated file: {buffer.size} bytes of {start}; download it again")
    if start < buffer.size:
        raise InputError(f"{buffer.size - start} bytes too many after the last tensor")
    return places


def _lying(buffer: np.ndarray, place: int, storage: Storage) -> np.ndarray:
    return buffer[place : place + storage.size * storage.dtype.itemsize].view(storage.dtype)


def _unpickler(storages: Optional[Dict[str, Storage]] = None) -> TorchUnpickler:
    """Return an unpickler that also adds the storages it meets to `storages`."""
    found = {} if storages is None else storages

    def find(identity: Any) -> Storage:
        storage = Storage.identified(identity)
        if found.setdefault(storage.key, storage) != storage:
            raise ValueError(f"two storages are called {storage.key}")
        return storage

    return TorchUnpickler(NAMES, find)


def _arrays(content: Any, values: Callable[[Storage], np.ndarray]) -> Dict[str, np.ndarray]:
    """Return the tensors in a saved object; `values` reads a storage, (size,), called once each."""
    values = lru_cache(maxsize=None)(values)
    arrays: Dict[str, np.ndarray] = {}
    state = _weights_in(content) if isinstance(content, dict) else {}
    for name, tensor in _named_tensors(state):
        if name in arrays:
            raise InputError(f"two tensors are called {name!r}")
        with naming(name):
            arrays[name] = as_array(tensor, values)
    if not arrays:
        raise InputError(_without_tensors(content))
    return arrays


def _without_tensors(content: Any) -> str:
    """Return what a saved object is that has no tensors."""
    objects = [content, *content.values()] if isinstance(content, dict) else [content]
    unread = next((value.name for value in objects if isinstance(value, Unread)), None)
    if unread is not None:
        return (
            f"holds more than weights: {unread}, which may be code and is not read; expected a "
            "file of the weights alone, as torch.save(network.state_dict(), FILE) writes it"
        )
    if not isinstance(content, dict):
        return f"expected a state_dict, found a {type(content).__name__}"
    shown = ", ".join(map(str, [*content][:_SHOWN])) or "nothing"
    return f"contains no tensors: a dictionary of {shown}"


def _weights_in(content: Dict[Any, Any]) -> Dict[Any, Any]:
    inner = next((content[k] for k in WRAPPERS if isinstance(content.get(k), dict)), None)
    return content if inner is None else _weights_in(inner)


def _named_tensors(content: Dict[Any, Any]) -> Iterator[Tuple[str, Any]]:
    """Yield the tensors in `content` and in nested dictionaries; visit each dictionary once."""
    seen = set()
    waiting: List[Tuple[str, Any]] = [("", content)]
    while waiting:
        name, value = waiting.pop()
        if len(name) > MAX_NAME:
            raise InputError(f"a name of {len(name)} characters, at most {MAX_NAME} are supported")
        if isinstance(value, (Tensor, NoArray)):
            yield name, value
        elif isinstance(value, Unread) and value.name.startswith(_OF_TENSORS):
            yield name, NoArray(f"made by {value.name}")
        elif isinstance(value, dict) and id(value) not in seen:
            seen.add(id(value))
            before = f"{name}." * bool(name)
            waiting += [(f"{before}{key}", inner) for key, inner in reversed(value.items())]


def write_torch(
    path: PathLike, arrays: Mapping[str, np.ndarray], key: Optional[str] = None
) -> None:
    """Write a PyTorch file of tensors, or of one dictionary of them called `key`.

    It is written completely or not at all, and its bytes do not depend on the time.

    Raises InputError for an element type that PyTorch does not have.
    """
    for name, array in arrays.items():
        if array.dtype.newbyteorder("<") not in CLASSES:
            raise InputError(f"{path}: {name} has type {array.dtype}, unknown to PyTorch")
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:

        def add(name: str, parts: Iterable[Any]) -> None:
            member = new_member(f"{_FOLDER}/{name}", file.tell())
            with archive.open(member, "w", force_zip64=True) as opened:
                for part in parts:
                    opened.write(part)

        add("data.pkl", [_description(arrays, key)])
        add("byteorder", [b"little"])
        for index, array in enumerate(arrays.values()):
            dtype = array.dtype.newbyteorder("<")
            add(f"data/{index}", (window.astype(dtype, copy=False) for window in windows(array)))
            release_pages(array)
        add("version", [b"3\n"])


def _description(arrays: Mapping[str, np.ndarray], key: Optional[str]) -> bytes:
    """Return the pickle of a dictionary of tensors, whose storages are numbered in its order."""
    tensors = _dictionary(
        {name: _rebuilt(index, array) for index, (name, array) in enumerate(arrays.items())}
    )
    return b"\x80\x02" + (tensors if key is None else _dictionary({key: tensors})) + b"."


def _rebuilt(index: int, array: np.ndarray) -> bytes:
    storage = _named("torch", CLASSES[array.dtype.newbyteorder("<")])
    place = _tuple(_text("storage"), storage, _text(str(index)), _text("cpu"), _number(array.size))
    shape = _tuple(*map(_number, array.shape))
    strides = [math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim)]
    hooks = _named("collections", "OrderedDict") + b")R"
    described = (place + b"Q", _number(0), shape, _tuple(*map(_number, strides)), b"\x89", hooks)
    return _named("torch._utils", "_rebuild_tensor_v2") + _tuple(*described) + b"R"


def _dictionary(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(_text(name) + value for name, value in items.items()) + b"u"


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _number(number: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", number)
