"""Files as `torch.save` writes them, of whatever a pickle can say, made without PyTorch."""

import io
import pickle
import struct
import zipfile
from functools import partial
from typing import Any, NamedTuple, Tuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
CLASSES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


class Name(NamedTuple):
    """A function or a class of a module."""

    module: str
    name: str


class Call(NamedTuple):
    """What a function gives for some arguments."""

    function: Name
    arguments: Tuple[Any, ...] = ()


class Instance(NamedTuple):
    """An object of a class, with its attributes."""

    kind: Name
    attributes: Any = ()


class Persistent(NamedTuple):
    """What lies outside of the pickle."""

    identity: Tuple[Any, ...]


def storage(key, size, kind="FloatStorage", module="torch"):
    return Persistent(("storage", Name(module, kind), key, "cpu", size))


def rebuilt(stored, shape, strides=None, offset=0, function="_rebuild_tensor_v2", more=()):
    """A view of a storage; strides of an array in C order by default."""
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    hooks = Call(Name("collections", "OrderedDict"))
    arguments = (stored, offset, shape, strides, False, hooks, *more)
    return Call(Name("torch._utils", function), arguments)


def tensors(arrays):
    """A state_dict of arrays, each in a storage of its own, numbered in order."""
    return {
        name: rebuilt(storage(str(key), array.size, CLASSES[array.dtype.str[1:]]), array.shape)
        for key, (name, array) in enumerate(arrays.items())
    }


def opcodes(value, old=False):
    """A value in the pickle language, without beginning and end."""
    inner = partial(opcodes, old=old)
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Call):
        return inner(value.function) + inner(value.arguments) + b"R"
    if isinstance(value, Instance):
        return inner(value.kind) + b")\x81" + inner(value.attributes) + b"b"
    if isinstance(value, Persistent):
        return inner((*value.identity, *[None] * old)) + b"Q"
    if isinstance(value, dict):
        return b"}(" + b"".join(inner(k) + inner(v) for k, v in value.items()) + b"u"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(inner, value)) + b"t"
    return pickle.dumps(value, 2)[2:-1]


def pickled(value, protocol=2, old=False):
    return b"\x80" + bytes([protocol]) + opcodes(value, old) + b"."


def zipped(value, arrays=(), folder="any", members=(), method=zipfile.ZIP_STORED):
    """The bytes of a file of PyTorch 1.6 and later; `members` are further ones."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled(value))
        archive.writestr(f"{folder}/version", b"3\n")
        for key, array in enumerate(arrays):
            archive.writestr(f"{folder}/data/{key}", array.tobytes())
        for name, data in members:
            archive.writestr(f"{folder}/{name}", data)
    return content.getvalue()


def legacy(value, arrays=(), protocol=2, little_endian=True):
    """The bytes of a file of PyTorch before 1.6."""
    machine = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    parts = [pickled(part, protocol, old=True) for part in (MAGIC, 1001, machine, value)]
    parts.append(pickled([str(key) for key in range(len(arrays))], protocol))
    parts += [struct.pack("<q", array.size) + array.tobytes() for array in arrays]
    return b"".join(parts)
