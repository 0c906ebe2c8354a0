"""What a description of a dataset, `dataset.yaml`, says; rnw/data/README.md shows one."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NoReturn, Optional, Tuple, Union

from rnw.data.label_meaning import Color
from rnw.data.picture_types import IMAGENET, Normalization
from rnw.errors import InputError, check_fields, did_you_mean, naming
from rnw.files import PathLike, read_yaml
from rnw.networks.heads import IGNORED_LABEL

FILE = "dataset.yaml"  # the description in the folder of a dataset
LARGEST_SIDE = 65_535  # pixels: what a JPEG file can have
LONGEST_NAME = 100  # letters; file names have more parts, and 255 in all
LARGEST = 16 << 20  # bytes; descriptions are written by hand
CLASSIFICATION, SEGMENTATION = "classification", "segmentation"
TASKS = (CLASSIFICATION, SEGMENTATION)
INDICES, PALETTE, COLORS, MASK = "indices", "palette", "colors", "mask"
CODINGS = (INDICES, PALETTE, COLORS, MASK)
UPRIGHT, STORED = "upright", "stored"
SMALLEST_DEVIATION = 0.001  # a quarter of a gray level; less would only enlarge noise
OTHERS = "others"  # ignored: all that is no class
LISTS = (".lst", ".txt", ".csv", ".tsv")  # suffixes of lists
WILDCARDS = re.compile(r"[*?]")
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")

Value = Union[int, Color]  # of a pixel in a label map
Triple = Tuple[float, float, float]


@dataclass(frozen=True)
class Split:
    """Where the pictures of a split and their labels are, relative to the root.

    images: a folder, or a pattern with `*` (any part of a name), `**` (any folders) and `?`; in a
        classification dataset the first folder below it, or the first `*`, is the class.
    labels: a folder or pattern of label maps, each with the name of its picture.
    list: a list of pictures with labels, or beside `images` and `labels` of the names to take.
    annotations: a file of COCO's form with the outlines of objects in `images`.
    """

    images: str = ""
    labels: str = ""
    list: str = ""
    annotations: str = ""


@dataclass(frozen=True)
class Description:
    """A dataset as its description says; every field but `task` and `splits` has a default.

    task: 'classification' or 'segmentation'. splits: by name; 'train', 'val' and 'test' are used.
    name: as in model labels. root: the folder that holds the data. classes: names in the order of
        their numbers; none: they are found in folders, lists and label maps.
    colors: (R, G, B) of each class; none: those of PASCAL VOC.
    labels: how label maps say the class of a pixel: 'indices' (its number), 'palette' (its number,
        in a picture with a palette), 'colors' (its color), 'mask' (0 or 255, and two classes), or
        the class of each number, by name.
    ignored: numbers or colors of pixels without a class, or 'others'.
    test_size: longer side of pictures in tests, in pixels; none: that of the pictures.
    mean, deviation: of red, green and blue in [0, 1], by which pictures are normalized; none: those
        of ImageNet.
    orientation: 'upright', as EXIF data say, or 'stored'.
    val_fraction: part of the training pictures that is split 'val', where there is no such split.
    """

    task: str
    splits: Mapping[str, Split]
    name: str = ""
    root: Path = Path()
    classes: Tuple[str, ...] = ()
    colors: Tuple[Color, ...] = ()
    labels: Union[str, Mapping[int, str]] = INDICES
    ignored: Union[str, Tuple[Value, ...]] = (IGNORED_LABEL,)
    test_size: Optional[int] = None
    mean: Optional[Triple] = None
    deviation: Optional[Triple] = None
    orientation: str = UPRIGHT
    val_fraction: float = 0.0
    file: Optional[Path] = field(default=None, compare=False)

    @property
    def segmentation(self) -> bool:
        return self.task == SEGMENTATION

    @property
    def normalization(self) -> Normalization:
        """How pictures are normalized, by ImageNet's numbers where the fields have none."""
        return Normalization(self.mean or IMAGENET.mean, self.deviation or IMAGENET.deviation)

    @property
    def place(self) -> str:
        """Where the description is, for messages."""
        return str(self.file or self.root)

    @property
    def split_names(self) -> Tuple[str, ...]:
        """The splits, with the one that is taken from the training pictures."""
        return (*self.splits, "val") if self.holds_out else tuple(self.splits)

    @property
    def holds_out(self) -> bool:
        """Whether split 'val' is a part of the training pictures."""
        return self.val_fraction > 0 and "val" not in self.splits

    @property
    def train_split(self) -> str:
        return "train" if "train" in self.splits else next(iter(self.splits))

    @property
    def test_split(self) -> str:
        """What a network is judged on."""
        names = self.split_names
        return next((name for name in ("val", "test") if name in names), self.train_split)

    @property
    def held_out(self) -> float:
        """The part of the training pictures that split 'val' is taken from, 0 where none is."""
        return self.val_fraction if self.holds_out else 0.0

    @property
    def note_on_tests(self) -> str:
        """What is to be said where tests are on the pictures of training, else empty."""
        if self.test_split in ("val", "test"):
            return ""
        return (
            f"{self.name} has no split val or test: networks are tested on the pictures that they "
            "are trained on; train and test with --val-fraction 0.1 to hold a part of them out"
        )

    def refuse(self, field_name: str, problem: str) -> NoReturn:
        """Raise an InputError about a field of the description."""
        raise InputError(f"{self.place}: {field_name}: {problem}")


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        shown = {True: "true", False: "false"}.get(value, value) if value is not None else "nothing"
        raise InputError(f"expected text, found {shown} (quote words such as 'no' and 'null')")
    return str(value)


def _one_of(words: Tuple[str, ...]) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            nearest = did_you_mean(str(value), words)
            raise InputError(f"expected {' or '.join(words)}, found {value!r}{nearest}")
        return str(value)

    return parse


def _name(value: Any) -> str:
    name = _text(value)
    if label_name(name) != name:
        raise InputError(
            f"expected at most {LONGEST_NAME} letters, digits and any of '.+-', as it is a part of "
            f"file names, found {name!r}; {label_name(name)!r} will do"
        )
    return name


def _folder(value: Any) -> Path:
    try:
        return Path(_text(value)).expanduser()
    except RuntimeError:
        raise InputError(f"expected a folder, found {value!r}, below that of no user") from None


def _names(value: Any) -> Tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InputError("expected a list of names")
    names = tuple(map(_text, value))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"has {twice!r} twice")
    return names


def _color(value: Any) -> Color:
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    numbers = list(bytes.fromhex(match[1])) if match else value
    if (
        not isinstance(numbers, list)
        or len(numbers) != 3
        or not all(type(number) is int and 0 <= number <= 255 for number in numbers)
    ):
        raise InputError(f"expected [R, G, B] of 0 to 255 or '#rrggbb', found {value!r}")
    return (numbers[0], numbers[1], numbers[2])


def _colors(value: Any) -> Tuple[Color, ...]:
    if not isinstance(value, list):
        raise InputError("expected a list of colors")
    return tuple(map(_color, value))


def _ignored(value: Any) -> Union[str, Tuple[Value, ...]]:
    if value == OTHERS:
        return OTHERS
    if isinstance(value, str) and not _HEX.fullmatch(value):
        nearest = did_you_mean(value, [OTHERS])
        raise InputError(f"expected numbers, colors or {OTHERS}, found {value!r}{nearest}")
    values = value if isinstance(value, list) else [value]
    return tuple(found if type(found) is int else _color(found) for found in values)


def _coding(value: Any) -> Union[str, Dict[int, str]]:
    if not isinstance(value, dict):
        return _one_of(CODINGS)(value)
    wrong = next((number for number in value if type(number) is not int), None)
    if wrong is not None or not value:
        raise InputError(f"expected numbers with the class of each, found {wrong!r}")
    return {number: _text(name) for number, name in value.items()}


def _size(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= LARGEST_SIDE:
        raise InputError(f"expected a whole number, 1 to {LARGEST_SIDE}, found {value!r}")
    return value


def _triple(lowest: float) -> Callable[[Any], Triple]:
    """Of numbers from `lowest` to 1."""

    def parse(value: Any) -> Triple:
        numbers = value if isinstance(value, list) else []
        if len(numbers) != 3 or not all(_is_number(n) and lowest <= n <= 1 for n in numbers):
            raise InputError(
                f"expected three numbers from {lowest:g} to 1, of red, green and blue as "
                f"`rnw dataset check` prints them, found {value!r}"
            )
        return (float(numbers[0]), float(numbers[1]), float(numbers[2]))

    return parse


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fraction(value: Any) -> float:
    if not _is_number(value) or not 0 <= value < 1:
        raise InputError(f"expected a number from 0 on and below 1, found {value!r}")
    return float(value)


def _splits(value: Any) -> Dict[str, Split]:
    if not isinstance(value, dict) or not value:
        raise InputError("expected the name of each split and where its pictures are")
    return {_text(name): _split(_text(name), where) for name, where in value.items()}


def _split(name: str, value: Any) -> Split:
    if isinstance(value, str):
        is_list = value.endswith(LISTS) and not WILDCARDS.search(value)
        return Split(list=value) if is_list else Split(images=value)
    known = [part.name for part in dataclasses.fields(Split)]
    if not isinstance(value, dict) or not value:
        raise InputError(f"{name}: expected a folder, a pattern, a list, or {', '.join(known)}")
    with naming(name):
        check_fields(value, known)
    split = Split(**{key: _text(found) for key, found in value.items()})
    if not (split.images or split.list):
        raise InputError(f"{name}: expected `images` or `list`")
    return split


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "task": _one_of(TASKS),
    "splits": _splits,
    "name": _name,
    "root": _folder,
    "classes": _names,
    "colors": _colors,
    "labels": _coding,
    "ignored": _ignored,
    "test_size": _size,
    "mean": _triple(0),
    "deviation": _triple(SMALLEST_DEVIATION),
    "orientation": _one_of((UPRIGHT, STORED)),
    "val_fraction": _fraction,
}


def label_name(text: str) -> str:
    """Return text as the name of a dataset, which is a part of the names of weights files."""
    return re.sub(r"[^A-Za-z0-9.+]+", "-", text)[:LONGEST_NAME].strip("-.") or "own"


def read_description(path: PathLike) -> Description:
    """Read a description, YAML or JSON; its root is relative to the folder of the file.

    Raises InputError, naming file and field, for what is none.
    """
    return make_description(read_yaml(path, "a description of a dataset", LARGEST), Path(path))


def make_description(content: Any, path: Path) -> Description:
    """Return the description of these fields, which are those of the file `path`.

    Raises InputError, naming file and field, for what is none.
    """
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected fields such as `task` and `splits`")
    with naming(path):
        check_fields(content, _FIELDS)
    for key in ("task", "splits"):
        if key not in content:
            raise InputError(f"{path}: has no field {key!r}, which every description needs")
    fields = {}
    for key, value in content.items():
        with naming(f"{path}: {key}"):
            fields[key] = _FIELDS[key](value)
    fields["root"] = path.parent / fields.get("root", "")
    fields.setdefault("name", label_name(_called(path)))
    description = Description(**fields, file=path)
    _check(description)
    return description


def _called(path: Path) -> str:
    """What a dataset is called after its description: the file, or the folder of `dataset.yaml`."""
    return path.absolute().parent.name if path.name == FILE else path.stem


def _check(description: Description) -> None:
    """Raise InputError for fields that contradict each other."""
    classes, colors = description.classes, description.colors
    limit = len(classes) or IGNORED_LABEL
    if description.segmentation and limit > IGNORED_LABEL:
        description.refuse("classes", f"has {limit} names, label maps hold {IGNORED_LABEL} at most")
    if colors and len(colors) != limit:
        description.refuse("colors", f"has {len(colors)} colors for {len(classes)} classes")
    if description.labels == COLORS and not colors:
        description.refuse("colors", "expected the color of each class, which label maps are told")
    if len(set(colors)) < len(colors) and description.labels == COLORS:
        description.refuse("colors", "two classes have the same color")
    if isinstance(description.labels, Mapping):
        for name in description.labels.values():
            if name not in classes:
                nearest = did_you_mean(name, classes)
                description.refuse("labels", f"{name!r} is none of the classes{nearest}")
    if description.labels == MASK and len(classes) not in (0, 2):
        description.refuse("classes", f"has {len(classes)} names, a mask has two: what is 0 first")
    check_ignored(description)
    if not description.segmentation:
        for name, split in description.splits.items():
            if split.labels or split.annotations:
                description.refuse(f"splits: {name}", "label maps are for task segmentation")
        return
    for name, split in description.splits.items():
        if split.images and not (split.labels or split.annotations) and name != "test":
            description.refuse(f"splits: {name}", "expected `labels`, where the label maps are")


def check_ignored(description: Description) -> None:
    """Raise InputError for ignored numbers where label maps have colors, and the other way round.

    The default, a number, stands for nothing where label maps have colors.
    """
    default = (IGNORED_LABEL,)
    if isinstance(description.ignored, str) or description.ignored == default:
        return
    for value in description.ignored:
        if isinstance(value, int) and description.labels == COLORS:
            found = f"{value} is a number, label maps have colors, such as [0, 0, 0]"
            description.refuse("ignored", found)
        if not isinstance(value, int) and description.labels != COLORS:
            found = f"{list(value)} is a color, label maps have numbers, such as {IGNORED_LABEL}"
            description.refuse("ignored", f"{found}, unless `labels: colors` says otherwise")


def write_description(description: Description, comments: Mapping[str, str]) -> str:
    """Return the text of a description; `comments` stand above the fields that they are about."""
    lines: List[str] = []
    for name, value in _plain(description).items():
        lines += [f"# {line}" for line in comments.get(name, "").splitlines()]
        rows = value.items() if name == "splits" else ()
        lines += [f"{name}:" if rows else f"{name}: {_flow(value)}"]
        lines += [f"  {_flow(split)}: {_flow(where)}" for split, where in rows]
        lines.append("")
    return "\n".join(lines)


def _flow(value: Any) -> str:
    """A value as YAML that may follow a name on its line."""
    import yaml  # takes time that the catalog need not spend

    text = yaml.safe_dump(
        value, sort_keys=False, default_flow_style=True, allow_unicode=True, width=96
    )
    return str(text).replace("\n...\n", "").rstrip("\n")


def _plain(description: Description) -> Dict[str, Any]:
    """The fields that are no defaults, in plain types."""
    found: Dict[str, Any] = {}
    for part in dataclasses.fields(description):
        value = getattr(description, part.name)
        if part.name == "file" or (part.name not in ("task", "splits") and value == part.default):
            continue
        found[part.name] = _plain_value(value)
    return found


def _plain_value(value: Any) -> Any:
    if isinstance(value, Split):
        return {k: v for k, v in dataclasses.asdict(value).items() if v}
    if isinstance(value, Mapping):
        return {key: _plain_value(found) for key, found in value.items()}
    if isinstance(value, tuple):
        return [_plain_value(found) for found in value]
    return str(value) if isinstance(value, Path) else value
