"""Momentum from `.states` files of other programs: Module's, and `save_states` of gluon.Trainer.

They are pickles, which could run code. Here nothing of them is called: of all that they name only
arrays and bytes are made, and whatever else is left out.
"""

import io
import pickle
import struct
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple, Union

import mxnet as mx

from rnw.errors import InputError
from rnw.files import read_bytes
from rnw.networks.classifier import Network
from rnw.training.trainer import Trainer, trained_parameters
from rnw.weights.ndarray_file import FILE_MAGIC


class _Array:
    """An NDArray of a pickle, as the bytes that MXNet saves it in."""

    def __init__(self, *arguments: Any):
        self.content: bytes = b""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.content = bytes(state["handle"] or b"")

    def array(self) -> mx.nd.NDArray:
        header, no_names = struct.pack("<QQQ", FILE_MAGIC, 0, 1), struct.pack("<Q", 0)
        (found,) = mx.nd.load_frombuffer(header + self.content + no_names)
        return found


class _LeftOut:
    """What stands for anything else: optimizers, schedules, containers of other kinds."""

    def __new__(cls, *arguments: Any, **options: Any) -> "_LeftOut":
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **options: Any):
        pass

    def ignore(self, *arguments: Any) -> None:
        """Take what a pickle adds to an object."""

    __setstate__ = __setitem__ = append = extend = add = ignore


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "mxnet" and name in ("NDArray", "ndarray"):
            return _Array
        return _HARMLESS.get((_RENAMED.get(module, module), name), _LeftOut)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def _reconstruct(kind: Callable[[], Any], *others: Any) -> Any:
    return kind()


_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # since Python 2
_HARMLESS: Dict[Tuple[str, str], Callable[..., Any]] = {
    ("builtins", "bytearray"): bytearray,
    ("_codecs", "encode"): _encode,  # how old protocols store bytes
    ("copyreg", "_reconstructor"): _reconstruct,  # and Python 2 objects
}


class OptimizerStates(NamedTuple):
    """What an optimizer keeps for each parameter, by name or by number.

    of_trainer: the numbers are those of gluon.Trainer, which counts all parameters by sorted name;
    those of Module count the trained ones in the order of the graph, each once for a device.
    """

    kept: Dict[Union[str, int], Tuple[_Array, ...]]
    of_trainer: bool

    def by_name(self, trained: List[str], every: List[str]) -> Dict[str, Tuple[_Array, ...]]:
        """Return them by the names of parameters; raise InputError where the numbers do not fit."""
        if all(isinstance(key, str) for key in self.kept):
            return {str(key): arrays for key, arrays in self.kept.items()}
        names = sorted(every) if self.of_trainer else trained
        devices = 1 if self.of_trainer else max(len(self.kept) // len(trained), 1)
        numbers = {number * devices: name for number, name in enumerate(names)}
        if not self.of_trainer and len(self.kept) != devices * len(trained):
            raise InputError(
                f"has the states of {len(self.kept)} parameters, the network has {len(trained)}"
            )
        return {numbers[key]: self.kept[key] for key in self.kept if key in numbers}


def read_states(path: Path) -> OptimizerStates:
    """Return what a `.states` file holds; raise InputError for a file that is none."""
    content = read_bytes(path)
    try:
        found = _Unpickler(io.BytesIO(content), encoding="latin1").load()
        of_trainer = isinstance(found, tuple)
        states = found[0] if of_trainer else found
        kept = {_key(key): _arrays(value) for key, value in states.items()}
    except Exception as error:  # damaged pickles raise errors of any kind
        raise InputError(
            f"{path}: cannot be read as states of Module or gluon.Trainer ({error})"
        ) from error
    return OptimizerStates(kept, of_trainer)


def _key(key: Any) -> Union[str, int]:
    key = key.decode() if isinstance(key, bytes) else key
    if not isinstance(key, (str, int)):
        raise ValueError(f"a state of {key!r}")
    return key


def _arrays(value: Any) -> Tuple[_Array, ...]:
    values = value if isinstance(value, (tuple, list)) else [] if value is None else [value]
    if not all(isinstance(array, _Array) for array in values):
        raise ValueError("a state that is no array")
    return tuple(values)


def take_momentum(path: Path, net: Network, trainer: Trainer) -> None:
    """Give the optimizer of a run the momentum in a `.states` file.

    Raises InputError, before anything is changed, for a file that is none and where names, shapes
    or the number of arrays differ from those of the run.
    """
    parameters = trained_parameters(net)
    trained = [parameter.name for parameter in parameters]
    try:
        found = read_states(path).by_name(trained, list(net.collect_params()))
        states = {
            key: _fit(parameter, found, trainer.updater.optimizer)
            for key, parameter in enumerate(parameters)
        }
    except InputError as error:
        told = str(error)
        raise InputError(told if told.startswith(str(path)) else f"{path}: {told}") from None
    for key, state in states.items():
        trainer.updater.states[key] = state
        trainer.updater.states_synced[key] = False


def _fit(
    parameter: mx.gluon.Parameter, found: Mapping[str, Tuple[_Array, ...]], optimizer: Any
) -> Any:
    """Return the state of a parameter in the form that the optimizer keeps it in."""
    name, weight = parameter.name, parameter.list_data()[0]
    fresh = optimizer.create_state(0, weight)
    expected = () if fresh is None else fresh if isinstance(fresh, tuple) else (fresh,)
    if name not in found:
        raise InputError(f"has no state of {name}")
    arrays = [kept.array() for kept in found[name]]
    if len(arrays) != len(expected):
        raise InputError(
            f"has {len(arrays)} arrays for {name}, the optimizer of the recipe keeps "
            f"{len(expected)}"
        )
    for array in arrays:
        if array.shape != weight.shape:
            raise InputError(f"has {array.shape} for {name}, expected {weight.shape}")
    if not arrays:
        return None
    return tuple(arrays) if len(arrays) > 1 else arrays[0]
