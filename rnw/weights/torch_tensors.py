"""TABLE of the names in PyTorch's pickles: storages, tensors as views of them, and other values.

What is made by any other name is not read.
"""

import math
from typing import Any, Callable, Dict, NamedTuple, Tuple, Union

import numpy as np

from rnw.errors import InputError
from rnw.weights.ndarray_file import BFLOAT16, as_float32
from rnw.weights.torch_pickle import as_dictionary

# storage class: its element type
_STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BFLOAT16,
    "ByteStorage": np.dtype("u1"),
    "CharStorage": np.dtype("i1"),
    "ShortStorage": np.dtype("<i2"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
    "BoolStorage": np.dtype("?"),
}
CLASSES = {dtype: name for name, dtype in _STORAGES.items()}
# storages that are not converted, whose size is needed
_OTHER_STORAGES = {
    "ComplexFloatStorage": np.dtype("<c8"),
    "ComplexDoubleStorage": np.dtype("<c16"),
    "QInt8Storage": np.dtype("i1"),
    "QUInt8Storage": np.dtype("u1"),
    "QInt32Storage": np.dtype("<i4"),
    "UntypedStorage": np.dtype("u1"),
}


class Storage(NamedTuple):
    """`size` values of one type, stored in the file under `key`."""

    dtype: np.dtype
    key: str
    size: int

    @classmethod
    def identified(cls, identity: Any) -> "Storage":
        """Return the storage of a persistent id; raise ValueError for anything else."""
        kind, dtype, key, _device, size, *view = identity
        if kind != "storage" or any(view) or not isinstance(dtype, np.dtype):
            raise ValueError("its pickle refers to something else than a storage")
        if not isinstance(key, str) or not _is_count(size):
            raise ValueError(f"a storage called {key} of {size} values")
        return cls(dtype, key, size)


class Tensor(NamedTuple):
    """A view of a storage; strides and offset count values."""

    storage: Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]


class NoArray(NamedTuple):
    """A tensor that NumPy cannot represent, and the reason."""

    reason: str


def as_array(tensor: Union[Tensor, NoArray], values: Callable[[Storage], np.ndarray]) -> np.ndarray:
    """Return a tensor as a read-only view of what `values` returns for its storage.

    bfloat16 becomes float32. Raises InputError for tensors that are not plain numbers stored in the
    file.
    """
    if isinstance(tensor, NoArray):
        raise InputError(f"{tensor.reason}, expected a dense tensor of plain numbers")
    storage, offset, shape, strides = tensor
    if storage.dtype not in CLASSES:
        raise InputError(f"has type {storage.dtype}, expected real numbers")
    size = math.prod(shape)
    if size > storage.size:
        raise InputError(
            f"shape {shape} has {size} values, of which {storage.size} are in the file (is it "
            "expanded?): save what .contiguous() makes of it"
        )
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
    if len(shape) != len(strides) or (size and last >= storage.size):
        raise InputError(f"damaged: shape {shape} goes beyond {storage.size} values")
    found = values(storage)
    if found.shape != (storage.size,):
        raise InputError(f"damaged: {found.size} values, expected {storage.size}")
    steps = tuple(stride * storage.dtype.itemsize for stride in strides)
    start = found[offset:] if size else found
    array = np.lib.stride_tricks.as_strided(start, shape, steps, writeable=False)
    return as_float32(array) if storage.dtype == BFLOAT16 else array


def _is_count(number: Any) -> bool:
    return type(number) is int and number >= 0


def _tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    _grad: Any = False,
    _hooks: Any = (),
    metadata: Any = None,
) -> Union[Tensor, NoArray]:
    if metadata:
        return NoArray(f"a view of other values ({', '.join(metadata)})")
    if not isinstance(storage, Storage) or not all(map(_is_count, (offset, *size, *stride))):
        raise ValueError(f"a tensor of shape {size}")
    return Tensor(storage, offset, tuple(size), tuple(stride))


def _typed_tensor(
    _storage: Any,
    _offset: Any,
    _size: Any,
    _stride: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Any,
    _metadata: Any = None,
) -> NoArray:
    return NoArray(f"has type {dtype}")


def _subclass_tensor(function: Any, _class: Any, arguments: Any, _state: Any) -> Any:
    return function(*arguments)


def _none(reason: str) -> Callable[..., NoArray]:
    return lambda *_: NoArray(reason)


def _ignored(*_: Any) -> None:
    """Return None for objects beside the weights that are not needed, such as NumPy scalars."""


_FLOATS = ("float16", "float32", "float64", "bfloat16", "complex32", "complex64", "complex128")
_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
_SMALL = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
_QUANTIZED = ("qint8", "quint8", "qint32", "quint4x2", "quint2x4")
_IGNORED = {
    "torch": ("Size", "device", "per_tensor_affine", "per_channel_affine"),
    "torch.serialization": ("_get_layout",),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("scalar", "_reconstruct"),
    "numpy._core.multiarray": ("scalar", "_reconstruct"),
    "_codecs": ("encode",),
    "builtins": ("set", "dict", "list", "complex", "bytearray"),
    "__builtin__": ("set", "dict", "list", "complex", "bytearray"),
}
# all that a pickle may name: a function of our own, or a value
NAMES: Dict[str, Any] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._tensor._rebuild_from_type_v2": _subclass_tensor,
    "torch._utils._rebuild_sparse_tensor": _none("sparse"),
    "torch._utils._rebuild_qtensor": _none("quantized"),
    "torch._utils._rebuild_meta_tensor_no_storage": _none("on the meta device, without values"),
    "torch._utils._rebuild_nested_tensor": _none("nested"),
    **dict.fromkeys(("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter")),
    **{
        f"{module}.{name}": dtype
        for module in ("torch", "torch.cuda", "torch.storage")
        for name, dtype in {**_STORAGES, **_OTHER_STORAGES}.items()
    },
    **{f"torch.{name}": name for name in (*_FLOATS, *_INTEGERS, *_SMALL, *_QUANTIZED)},
    "collections.OrderedDict": as_dictionary,
    "collections.defaultdict": lambda *_: {},
    "collections.Counter": lambda *_: {},
    **{f"{module}.{name}": _ignored for module, names in _IGNORED.items() for name in names},
}
