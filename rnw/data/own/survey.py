"""A look at every picture and label map of a dataset before anything is learnt from it."""

import hashlib
import io
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Sequence,
    Tuple,
    Union,
)

import numpy as np

from rnw.data.ahead import ahead
from rnw.data.labeled import check_size
from rnw.data.own.splits import OwnPictures, some
from rnw.data.picture_types import ClassifiedSource, LabeledSource
from rnw.data.pictures import open_picture
from rnw.data.readers import check_aspect, decode, orientation
from rnw.errors import InputError
from rnw.networks.heads import IGNORED_LABEL

Source = Union[ClassifiedSource, LabeledSource]
AHEAD = 32  # pictures that threads read before they are counted

UNREADABLE = "pictures cannot be read"
NO_MAP = "label maps cannot be read"
SIZES_DIFFER = "label maps have another size than their picture"
NO_CLASS = "label maps have values without a class"
NOTHING = "splits have no pixel with a class"
ABSENT = "classes have no picture"
TWICE = "pictures are in several splits"
ROTATED = "pictures are turned by their EXIF orientation"
REFUSED = (UNREADABLE, NO_MAP, SIZES_DIFFER, NO_CLASS, NOTHING)  # no run starts on these


class Looked(NamedTuple):
    """How far a survey is: `step` of `steps` pictures."""

    step: int
    steps: int

    def __str__(self) -> str:
        return f"{self.step}/{self.steps} pictures read"

    def short(self) -> str:
        """Return the same in so few words that a progress bar fits beside them."""
        return "reading"


class Seen(NamedTuple):
    """What is seen of a picture: (height, width), sums of its RGB and of their squares in [0, 1].

    labels: how many pixels, or pictures, have each class (256,). problems: what is wrong, with what
    is said of it; of `unknown` values, how many pixels have each.
    """

    size: Tuple[int, int]
    sums: np.ndarray
    squares: np.ndarray
    digest: bytes
    labels: np.ndarray
    problems: Mapping[str, str]
    unknown: Mapping[Any, int]


@dataclass
class SplitSurvey:
    """What is seen of a split.

    counts: pixels (or pictures) of each class; occurring: pictures that show it. mean, deviation:
    of RGB in [0, 1]. sizes: pictures of each (height, width). mapped: whether they have label maps.
    """

    mapped: bool
    pictures: int = 0
    pixels: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    occurring: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    sums: np.ndarray = field(default_factory=lambda: np.zeros(3))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(3))
    sizes: "Counter[Tuple[int, int]]" = field(default_factory=Counter)

    @property
    def mean(self) -> List[float]:
        return (self.sums / max(self.pixels, 1)).tolist()

    @property
    def deviation(self) -> List[float]:
        variance = self.squares / max(self.pixels, 1) - np.square(self.mean)
        return np.sqrt(np.maximum(variance, 0)).tolist()

    @property
    def ignored(self) -> int:
        """Pixels without a class."""
        return int(self.counts[IGNORED_LABEL]) if self.mapped else 0

    def add(self, seen: Seen) -> None:
        self.pictures += 1
        self.pixels += seen.size[0] * seen.size[1]
        self.sums += seen.sums
        self.squares += seen.squares
        self.sizes[seen.size] += 1
        labels = seen.labels
        self.grow(len(labels))
        self.counts[: len(labels)] += labels
        self.occurring[: len(labels)] += labels > 0

    def grow(self, classes: int) -> None:
        """Make room for the counts of so many classes."""
        grown = max(classes, len(self.counts))
        self.counts, self.occurring = (
            np.pad(found, (0, grown - len(found))) for found in (self.counts, self.occurring)
        )


@dataclass
class Survey:
    """What is seen of a dataset: each split, and what is wrong, with examples of each problem."""

    classes: Sequence[str]
    splits: Dict[str, SplitSurvey] = field(default_factory=dict)
    problems: Dict[str, List[str]] = field(default_factory=dict)
    unknown: "Counter[Any]" = field(default_factory=Counter)

    @property
    def refused(self) -> List[str]:
        """The problems for which no run starts."""
        return [problem for problem in REFUSED if problem in self.problems]

    def note(self, problem: str, example: str) -> None:
        self.problems.setdefault(problem, []).append(example)

    def describe(self, problem: str) -> str:
        """Return a problem with its count and the first examples."""
        examples = self.problems[problem]
        return f"{len(examples)} {problem}: {some(examples)}"

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types."""
        return {
            "classes": list(self.classes),
            "splits": {name: self._split(found) for name, found in self.splits.items()},
            "problems": self.problems,
            "unknown_values": {str(value): count for value, count in self.unknown.most_common()},
            "refused": self.refused,
        }

    def _split(self, found: SplitSurvey) -> Dict[str, Any]:
        number = len(self.classes)
        return {
            "pictures": found.pictures,
            "mean": found.mean,
            "deviation": found.deviation,
            "sizes": {f"{w}x{h}": count for (h, w), count in found.sizes.most_common()},
            "per_class": dict(zip(self.classes, found.counts[:number].tolist())),
            "pictures_with_class": dict(zip(self.classes, found.occurring[:number].tolist())),
            "ignored": found.ignored,
        }


def survey(
    sources: Mapping[str, Source],
    classes: Sequence[str],
    on_step: Callable[[Looked], None] = lambda progress: None,
) -> Survey:
    """Read all pictures of some splits, by several threads, and return what is seen of them.

    What cannot be read is counted as a problem, not raised.
    """
    found = Survey(classes)
    steps = sum(len(source) for source in sources.values())
    done = 0
    places: Dict[bytes, Tuple[str, str]] = {}
    for split, source in sources.items():
        counted = found.splits.setdefault(split, SplitSurvey(not hasattr(source, "labels")))
        counted.grow(len(classes))
        for index, seen in enumerate(ahead(partial(look_at, source), range(len(source)), AHEAD)):
            done += 1
            _take(found, counted, seen)
            name = source.name(index)
            other_split, other = places.setdefault(seen.digest, (split, name))
            if other_split != split:
                found.note(TWICE, f"{name} ({split}) and {other} ({other_split})")
            on_step(Looked(done, steps))
        _note_absent(found, split, counted)
    return found


def _take(found: Survey, counted: SplitSurvey, seen: Seen) -> None:
    for problem, example in seen.problems.items():
        found.note(problem, example)
    found.unknown.update(seen.unknown)
    if UNREADABLE not in seen.problems:
        counted.add(seen)


def _note_absent(found: Survey, split: str, counted: SplitSurvey) -> None:
    """A class that the label maps of a test split are without is not missed."""
    if split == next(iter(found.splits)) and counted.counts.any():
        if not counted.occurring[: len(found.classes)].any():
            found.note(NOTHING, split)
        for number, name in enumerate(found.classes):
            if not counted.occurring[number]:
                found.note(ABSENT, f"{name} ({split})")


def look_at(source: Source, index: int) -> Seen:
    """Return what is seen of a picture and its label map."""
    name = source.name(index)
    problems: Dict[str, str] = {}
    try:
        content = source.read(index)
        image = check_aspect(decode(content, name, upright=source.upright), name)
    except InputError as error:
        digest = name.encode(errors="surrogateescape")
        nothing = np.zeros(3)
        return Seen((0, 0), nothing, nothing, digest, np.zeros(1), {UNREADABLE: str(error)}, {})
    if source.upright and _orientation(content, name) not in (None, 1):
        problems[ROTATED] = name
    values = image.reshape(-1, 3) / np.float32(255)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    size = image.shape[0], image.shape[1]
    sums = values.sum(axis=0, dtype=np.float64)
    squares = np.square(values).sum(axis=0, dtype=np.float64)
    labels, unknown = _labels(source, index, size, problems)
    return Seen(size, sums, squares, digest, labels, problems, unknown)


def _orientation(content: bytes, name: str) -> Any:
    with open_picture(io.BytesIO(content), name) as image:
        return orientation(image)


def _labels(
    source: Source, index: int, size: Tuple[int, int], problems: Dict[str, str]
) -> Tuple[np.ndarray, Mapping[Any, int]]:
    """How often each class occurs in a picture, and values that are none; adds to `problems`."""
    if hasattr(source, "labels"):
        return np.bincount([source.labels[index]]), {}
    if not source.has_labels:
        return np.zeros(1, np.int64), {}
    name = source.label_name(index)
    unknown: Mapping[Any, int] = {}
    try:
        if isinstance(source, OwnPictures):
            labels, unknown = source.examine(index)
            if unknown:
                problems[NO_CLASS] = f"{name}: {source.coding.describe_unknown(unknown)}"
        else:
            labels = source.label(index)
    except InputError as error:
        problems[NO_MAP] = str(error)
        return np.zeros(1, np.int64), {}
    try:
        check_size(labels, size, name, source.name(index))
    except InputError as error:
        problems[SIZES_DIFFER] = str(error)
    return np.bincount(labels.ravel(), minlength=256), unknown
