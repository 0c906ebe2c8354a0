"""A restricted reader of the pickles in which PyTorch describes weights.

A pickle is a program for a stack machine that can import and call anything. Here it can only build
dictionaries, lists and tuples of plain values, and use the names of a table. What it makes by other
names, such as the settings of a run, is left unread.
"""

import pickletools
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

from rnw.errors import InputError

MOST_STEPS = 4_000_000  # far above any real file: about fifty describe a tensor
NEWEST_PROTOCOL = 3
_KEYS = (str, int, float, bool, bytes, type(None))  # a nested tuple could exhaust Python's stack
# opcode: the value that it puts on the stack
_VALUES: Dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), lambda given: given),
    **dict.fromkeys(("BINUNICODE", "BINSTRING", "SHORT_BINSTRING"), lambda given: given),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES"), lambda given: given),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
}


class Unread:
    """Stands for what a pickle makes by a `name` that is not in the table; nothing of it is run."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, *_: Any) -> "Unread":
        return self


class TorchUnpickler:
    """Reads one pickle.

    names: the value of each 'module.name'; functions are called with the pickle's arguments. What
    is made by any other name is `Unread`.
    find: the value of a persistent id, by which PyTorch refers to data outside the pickle.
    """

    def __init__(self, names: Mapping[str, Any], find: Callable[[Any], Any]):
        self._names = names
        self._find = find
        self._stack: List[Any] = []
        self._below: List[List[Any]] = []  # the stacks up to each mark
        self._memo: Dict[int, Any] = {}

    def load(self, file: Any) -> Any:
        """Return the value that the pickle in `file`, or in a map of one, describes.

        The position in the file is then behind the pickle. Raises InputError for other opcodes,
        and LookupError, TypeError or ValueError for a damaged pickle.
        """
        for count, (opcode, given, _) in enumerate(pickletools.genops(file)):
            if count == MOST_STEPS:
                break
            if opcode.name == "STOP":
                return self.pop(1)[0]
            if opcode.name in _VALUES:
                self._stack.append(_VALUES[opcode.name](given))
            elif opcode.name in _STEPS:
                _STEPS[opcode.name](self, given)
            else:
                raise InputError(f"holds more than weights: {opcode.name} in its pickle")
        raise InputError(f"holds more than weights: over {MOST_STEPS} steps in its pickle")

    def protocol(self, number: int) -> None:
        if number > NEWEST_PROTOCOL:
            raise InputError(
                f"saved with pickle protocol {number}, expected 2 or 3; save it again with "
                "torch.save(state_dict, FILE), which takes 2 by itself"
            )

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def pop_to_mark(self) -> List[Any]:
        values, self._stack = self._stack, self._below.pop()
        return values

    def pack(self, values: List[Any]) -> None:
        self._stack.append(tuple(values))

    def extend(self, values: List[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(values)

    def update(self, values: List[Any]) -> None:
        if isinstance(self._stack[-1], dict):
            self._stack[-1].update(as_dictionary(zip(values[::2], values[1::2])))

    def name(self, given: str) -> None:
        name = given.replace(" ", ".", 1)
        self._stack.append(self._names[name] if name in self._names else Unread(name))

    def call(self) -> None:
        function, arguments = self.pop(2)
        self._stack.append(function(*arguments))

    def remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def find(self) -> None:
        self._stack.append(self._find(*self.pop(1)))

    def pop(self, count: int) -> List[Any]:
        if len(self._stack) < count:
            raise IndexError("its pickle takes a value that it did not make")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values


def as_dictionary(pairs: Iterable[Tuple[Any, Any]] = ()) -> Dict[Any, Any]:
    """Return a dictionary of the pairs whose first is safe to use as a key."""
    return {key: value for key, value in pairs if isinstance(key, _KEYS)}


# opcode: what it does with the machine and its argument
_STEPS: Dict[str, Callable[[TorchUnpickler, Any], Any]] = {
    "PROTO": TorchUnpickler.protocol,
    "MARK": lambda machine, _: machine.mark(),
    "TUPLE": lambda machine, _: machine.pack(machine.pop_to_mark()),
    "TUPLE1": lambda machine, _: machine.pack(machine.pop(1)),
    "TUPLE2": lambda machine, _: machine.pack(machine.pop(2)),
    "TUPLE3": lambda machine, _: machine.pack(machine.pop(3)),
    "APPEND": lambda machine, _: machine.extend(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.pop_to_mark()),
    "GLOBAL": TorchUnpickler.name,
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.pop(1),  # attributes, as `_metadata` of a state_dict
    "BINPERSID": lambda machine, _: machine.find(),
    "BINPUT": TorchUnpickler.remember,
    "LONG_BINPUT": TorchUnpickler.remember,
    "BINGET": TorchUnpickler.recall,
    "LONG_BINGET": TorchUnpickler.recall,
}
