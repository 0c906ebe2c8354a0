"""Inspection of weights files: arrays, networks that fit, differences between two files."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.layout import LINEAR, SEGMENTATION_CLASSIFIERS, NetworkConfig, configure
from rnw.networks.zoo import LEVELS, MAX_UNITS, NetworkSpec, find_network, network_names
from rnw.weights.containers import PARAMS, container_of, read_weights
from rnw.weights.fit import channels_of, is_resnet, resnet_of, width_of
from rnw.weights.formats import read_parameters
from rnw.weights.meaning import Meaning, meaning_of
from rnw.weights.ndarray_file import BFLOAT16, Entry, as_float32, list_arrays, windows

Shape = Tuple[int, ...]

_CLASSIFIER = re.compile(r"linear\d+_weight")
_FIRST_OF_UNIT = re.compile(r"bn(\d)[ab]\d*_branch2a_gamma")


@dataclass(frozen=True)
class Inspection:
    """The content of a weights file.

    kind: its format, such as 'a safetensors file'. fits: the networks whose parameters have exactly
    these names and shapes, which are the same for Model A, A1 and A2, and for D and F. meaning: the
    network according to a graph beside the file or its name; None when neither indicates one that
    fits the content. problem: why it is None.
    """

    path: Path
    kind: str
    size: int  # bytes
    entries: List[Entry]
    fits: List[NetworkConfig]
    meaning: Optional[Meaning]
    problem: str

    @property
    def values(self) -> int:
        return sum(entry.array.size for entry in self.entries)

    @property
    def versions(self) -> List[str]:
        found = {entry.version for entry in self.entries if entry.version}
        return sorted(found, key=lambda version: int(version.split(".")[1]))

    @property
    def devices(self) -> List[str]:
        return sorted({entry.device for entry in self.entries if entry.device})


def inspect(path: PathLike) -> Inspection:
    """List a weights file and find the network that it is for; of `.params`, no value is read.

    Raises InputError for a file that cannot be read.
    """
    path = Path(path)
    container = container_of(path)
    entries = list_arrays(path) if container is PARAMS else _list_others(path)
    parameters = read_parameters(path)
    meaning, problem = None, ""
    try:
        meaning = meaning_of(path, parameters)
    except InputError as error:
        problem = str(error)
    fits = fitting_networks({name: array.shape for name, array in parameters.items()})
    size = path.stat().st_size
    return Inspection(path, container.title, size, entries, fits, meaning, problem)


def _list_others(path: Path) -> List[Entry]:
    """Return the arrays of a file of another format than MXNet's, by the names there."""
    return [Entry(name, array, "", None, 0) for name, array in read_weights(path).items()]


def fitting_networks(shapes: Mapping[str, Shape]) -> List[NetworkConfig]:
    """Return the networks of the paper, of any width and number of classes, with these parameters.

    They include the ResNets that it compares with. If no network of the table fits, return the one
    of that structure, called `<size>-...`, since the parameters do not depend on the input size.
    """
    found = {name: tuple(shape) for name, shape in shapes.items()}
    classes = next((s[0] for name, s in found.items() if s and _CLASSIFIER.fullmatch(name)), None)
    kinds = (LINEAR, *SEGMENTATION_CLASSIFIERS) if classes else (LINEAR,)
    fits = []
    for spec in _candidates(found):
        for kind in kinds:
            try:
                config = configure(
                    spec,
                    classes,
                    width=width_of(found),
                    channels=channels_of(found),
                    classifier=kind,
                    head="logits" if classes else "features",
                )
            except InputError:  # no network has that width
                continue
            if {p.name: p.shape for p in config.parameters()} == found:
                fits.append(config)
    return fits


def _candidates(names: Mapping[str, Shape]) -> List[NetworkSpec]:
    """Return the networks of the table with these units on each level, or the structure itself."""
    firsts = filter(None, map(_FIRST_OF_UNIT.fullmatch, names))
    counts = Counter(int(match[1]) for match in firsts)
    units = tuple(counts[level] for level in range(1, LEVELS + 1))
    if is_resnet(names):
        try:
            return [resnet_of(units[1:5])]
        except InputError:  # an unknown one
            return []
    known = [spec for spec in map(find_network, network_names()) if spec.units == units]
    if known or not all(units[1:]) or sum(units) > MAX_UNITS:
        return known
    structure = "-".join(map(str, units))
    return [replace(find_network(f"224-{structure}"), name=f"<size>-{structure}")]


class Statistics(NamedTuple):
    """Statistics of an array's finite values (None if there are none), and counts of others."""

    minimum: Optional[float]
    maximum: Optional[float]
    mean: Optional[float]
    nans: int
    infinities: int


def statistics(array: np.ndarray) -> Statistics:
    """Compute the statistics of an array of a file, piece by piece in float64."""
    least, most, total, count, nans = np.inf, -np.inf, 0.0, 0, 0
    for window in windows(array):
        numbers = _numbers(window)
        finite = numbers[np.isfinite(numbers)]
        nans += int(np.isnan(numbers).sum())
        if finite.size:
            least, most = min(least, finite.min()), max(most, finite.max())
            total, count = total + finite.sum(), count + finite.size
    infinities = array.size - count - nans
    if not count:
        return Statistics(None, None, None, nans, infinities)
    return Statistics(float(least), float(most), float(total / count), nans, infinities)


def _numbers(window: np.ndarray) -> np.ndarray:
    return (as_float32(window) if window.dtype == BFLOAT16 else window).astype(np.float64)


class ValueDifference(NamedTuple):
    """The difference between two arrays of one name and shape.

    `count` values of `size` differ. `largest` is the largest absolute difference (infinite where
    only one side is NaN), `relative` the same over the largest finite magnitude in either array.
    """

    name: str
    largest: float
    relative: float
    count: int  # type: ignore[assignment] # it hides that of a tuple
    size: int


@dataclass(frozen=True)
class Comparison:
    """What differs between two weights files, by the original's names, the largest first."""

    arrays: int  # names in both
    only_first: List[str]
    only_second: List[str]
    shapes: Dict[str, Tuple[Shape, Shape]]
    types: Dict[str, Tuple[str, str]]
    values: List[ValueDifference]

    @property
    def equal(self) -> bool:
        return not (self.only_first or self.only_second or self.shapes or self.types or self.values)


def compare(first: PathLike, second: PathLike, tolerance: float = 0.0) -> Comparison:
    """Compare two weights files of any formats, name by name.

    tolerance: the largest absolute difference that does not count. NaN equals NaN.

    Raises InputError for a file that cannot be read and a tolerance below 0.
    """
    if not tolerance >= 0:
        raise InputError(f"tolerance {tolerance}: expected at least 0")
    ours, theirs = read_parameters(first), read_parameters(second)
    both = {name: (array, theirs[name]) for name, array in ours.items() if name in theirs}
    alike = {name: (a, b) for name, (a, b) in both.items() if a.shape == b.shape}
    differences = [_difference(name, a, b, tolerance) for name, (a, b) in alike.items()]
    return Comparison(
        len(both),
        [name for name in ours if name not in theirs],
        [name for name in theirs if name not in ours],
        {name: (a.shape, b.shape) for name, (a, b) in both.items() if a.shape != b.shape},
        {
            name: (type_name(a.dtype), type_name(b.dtype))
            for name, (a, b) in both.items()
            if a.dtype != b.dtype
        },
        sorted((d for d in differences if d.count), key=lambda d: -d.largest),
    )


def type_name(dtype: np.dtype) -> str:
    """Return the name of an element type, such as 'float32' or 'bfloat16'."""
    return "bfloat16" if dtype == BFLOAT16 else dtype.name


def _difference(name: str, a: np.ndarray, b: np.ndarray, tolerance: float) -> ValueDifference:
    largest = magnitude = 0.0
    count = 0
    for left, right in zip(windows(a), windows(b)):
        apart, scale = _distances(left, right)
        exceeding = apart[apart > tolerance]
        count += exceeding.size
        largest = max(largest, exceeding.max(initial=0.0))
        magnitude = max(magnitude, scale)
    relative = largest / magnitude if magnitude else float(largest)
    return ValueDifference(name, float(largest), float(relative), count, a.size)


def _distances(left: np.ndarray, right: np.ndarray) -> Tuple[np.ndarray, float]:
    """Return absolute differences of two windows, and the largest finite magnitude in them."""
    a, b = _numbers(left), _numbers(right)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        apart = np.abs(a - b)
    apart[np.isnan(apart)] = np.inf
    apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    if left.dtype.kind == right.dtype.kind == "i":  # float64 would take 2**53 + 1 for 2**53
        apart = np.where(left == right, 0, np.maximum(apart, 1))
    magnitudes = (np.abs(x[np.isfinite(x)]).max(initial=0) for x in (a, b))
    return apart, max(magnitudes)
