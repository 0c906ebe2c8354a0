"""Reader of MATLAB files (versions 5 to 7), as far as datasets need it: numbers, text, structures.

A file is a header and elements, each of which has a type, a length and data. A variable is an
element of type MATRIX, perhaps compressed; it contains elements in turn: class, shape, name and
values. All lengths are checked against the file, since SciPy's reader crashes on damaged files.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Container, Dict, Iterator, List, Mapping, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import read_bytes, reading

LARGEST = 1 << 28  # bytes of a variable that is compressed
_HEADER = 128  # bytes; the last four are the version and the order of bytes
_ORDERS = {b"IM": "<", b"MI": ">"}
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",  # text in UTF-8 and UTF-16
}
_STRUCT, _CHAR, _NUMBERS = (2,), (4,), range(6, 16)  # classes of values

Element = Tuple[int, memoryview]


@dataclass(frozen=True)
class Value:
    """A value in a file, which is parsed when one of the methods is called.

    kind: the type of the element. order: byte order, '<' or '>'. All methods raise ValueError, or
    what `struct` and look-ups raise, for a damaged value and for one of another type.
    """

    kind: int
    data: memoryview
    order: str

    def name(self) -> str:
        """Return the name of a variable; fields of structures have none."""
        return _text(self._parts()[2])

    def numbers(self) -> np.ndarray:
        """Return the numbers as an array of the value's shape, of the type they are stored in."""
        return self._content(_NUMBERS).reshape(self._shape(), order="F")

    def number(self) -> int:
        """Return the integer that a value consists of."""
        return int(self.numbers().reshape(()))

    def text(self) -> str:
        """Return the text of a value."""
        return "".join(map(chr, self._content(_CHAR).tolist()))

    def rows(self) -> List[Dict[str, "Value"]]:
        """Return the structures in an array of them, each as its values by field."""
        length, names, *elements = self._elements(_STRUCT)
        width = int(self._array(length)[0])
        starts = range(0, len(names[1]), width)
        fields = [_text((0, names[1][start : start + width])) for start in starts]
        if len(elements) != len(fields) * int(np.prod(self._shape())):
            raise ValueError(f"{len(elements)} values in structures of {len(fields)} fields")
        values = [Value(*element, self.order) for element in elements]
        return [
            dict(zip(fields, values[start : start + len(fields)]))
            for start in range(0, len(values), len(fields))
        ]

    def _parts(self) -> List[Element]:
        """Return the elements inside: class, shape, name and content."""
        if self.kind != _MATRIX:
            raise ValueError(f"expected a value, found an element of type {self.kind}")
        return list(_elements(self.data, self.order))

    def _shape(self) -> Tuple[int, ...]:
        shape = tuple(self._array(self._parts()[1]).tolist())
        if min(shape) < 0:
            raise ValueError(f"a value of shape {shape}")
        return shape

    def _elements(self, classes: Container[int]) -> List[Element]:
        flags, _, _, *elements = self._parts()
        found = int(self._array(flags)[0]) & 0xFF
        if found not in classes:
            raise ValueError(f"a value of class {found}")
        return elements

    def _content(self, classes: Container[int]) -> np.ndarray:
        return self._array(self._elements(classes)[0])

    def _array(self, element: Element) -> np.ndarray:
        kind, data = element
        return np.frombuffer(data, self.order + _TYPES[kind]).astype(_TYPES[kind])


def read_variables(content: bytes) -> Dict[str, Value]:
    """Return the variables of a file, by name.

    Raises ValueError, or what `struct`, `zlib` and look-ups raise, for a file that is damaged or of
    another format.
    """
    order = _ORDERS.get(content[126:_HEADER], "<")
    if content[124:_HEADER] not in (b"\0\1IM", b"\1\0MI"):
        raise ValueError("it is not a MATLAB file of versions 5 to 7")
    found = {}
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            ((kind, data),) = _elements(_decompress(data), order)
        value = Value(kind, data, order)
        found[value.name()] = value
    return found


def _decompress(data: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    content = stream.decompress(data, LARGEST)
    if not stream.eof:
        raise ValueError(f"a variable is cut off, or has more than {LARGEST:,} bytes")
    return memoryview(content)


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    """Yield type and data of each element; up to four bytes of data are stored in its header."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start, end = place + 8, place + 8 + size + -size % 8
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            start, end = place + 4, place + 8
        if start + size > min(end, len(data)):
            raise ValueError("a value is cut off")
        yield kind, data[start : start + size]
        place = start + size if kind == _COMPRESSED else end


def _text(element: Element) -> str:
    return bytes(element[1]).partition(b"\0")[0].decode()


def read_matlab(
    path: Path, find: Callable[[Mapping[str, Value]], Value], largest: int
) -> np.ndarray:
    """Return labels (H, W), integers, from the variable or field that `find` picks in a file.

    Raises InputError for a file that cannot be read, for one of another format, and for labels that
    are not between 0 and `largest`.
    """
    content = read_bytes(path)
    with reading(path, "a label map", (Exception,)):  # of many kinds when the file is damaged
        labels = find(read_variables(content)).numbers()
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: expected labels of pixels, found {labels.dtype} of shape {labels.shape}"
        )
    if not 0 <= labels.min() <= labels.max() <= largest:
        raise InputError(
            f"{path}: has labels {labels.min()} to {labels.max()}, expected 0 to {largest}"
        )
    return labels
