"""How label maps of one's own say the class of a pixel: by number, by color, or in an array.

A label map is a picture, an array (`.npy`, `.mat`), or the outlines of labelme (`.json`).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

import numpy as np
from PIL import Image, ImageDraw

from rnw.data.label_meaning import Color
from rnw.data.matlab import Value, read_variables
from rnw.data.own.description import COLORS, MASK, OTHERS, PALETTE, Description
from rnw.data.own.description import Value as PixelValue
from rnw.data.pictures import LABEL_FORMATS, MAX_PIXELS, open_picture
from rnw.errors import InputError, did_you_mean, naming
from rnw.files import PathLike, parse_json, read_regular, reading
from rnw.networks.heads import IGNORED_LABEL

NUMBERS = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes
COLORED = ("RGB", "RGBA")
BACKGROUND, IGNORE = "_background_", "__ignore__"  # labelme's names
_WHITE = 255


class Labels(NamedTuple):
    """Classes (H, W) uint8 of a label map, 255 where ignored.

    unknown: how many pixels have each number or color that is no class; they are ignored here.
    """

    classes: np.ndarray
    unknown: Mapping[PixelValue, int]


@dataclass(frozen=True)
class Coding:
    """The fields of a description that tell what label maps mean; see `Description`."""

    classes: Tuple[str, ...]
    colors: Tuple[Color, ...]
    labels: Union[str, Mapping[int, str]]
    ignored: Union[str, Tuple[PixelValue, ...]]
    place: str

    @classmethod
    def of(cls, description: Description) -> "Coding":
        """Return the coding of a description whose classes are known."""
        d = description
        return cls(d.classes, d.colors, d.labels, d.ignored, d.place)

    def read(self, path: PathLike) -> np.ndarray:
        """Return the classes (H, W) uint8 in a label map, 255 where a pixel is ignored.

        Raises InputError, naming it, for a file that cannot be read, is no label map, or has
        numbers or colors that are neither classes nor ignored.
        """
        found = self.examine(path)
        if found.unknown:
            raise InputError(f"{path}: {self.describe_unknown(found.unknown)}")
        return found.classes

    def describe_unknown(self, unknown: Mapping[PixelValue, int]) -> str:
        """Return what to say of pixels that are no class, the most frequent first."""
        value, count = max(unknown.items(), key=lambda item: item[1])
        kind = "color" if isinstance(value, tuple) else "number"
        others = f" and {len(unknown) - 1} other {kind}s" if len(unknown) > 1 else ""
        return (
            f"{count:,} pixels have the {kind} {value}{others}, none of the {len(self.classes)} "
            f"classes of {self.place}: add it to `classes`{self._field} or to `ignored` there"
        )

    @property
    def _field(self) -> str:
        numbered = isinstance(self.labels, Mapping)
        return " and `labels`" if numbered else " and `colors`" if self.labels == COLORS else ""

    def examine(self, path: PathLike) -> Labels:
        """Return what a label map holds; raises InputError for one that cannot be read."""
        if Path(path).suffix.lower() == ".json":
            return Labels(_draw_labelme(path, self), {})
        return self._decode(self._read_values(path))

    def _read_values(self, path: PathLike) -> np.ndarray:
        """Numbers (H, W), or colors (H, W, 3) uint8."""
        suffix = Path(path).suffix.lower()
        if suffix == ".npy":
            return _check_array(_read_npy(path), path)
        if suffix == ".mat":
            return _check_array(_read_mat(path), path)
        return self._read_picture(path)

    def _read_picture(self, path: PathLike) -> np.ndarray:
        content = _content(path)
        with open_picture(io.BytesIO(content), str(path), "a label map", LABEL_FORMATS) as image:
            if self.labels == PALETTE and image.mode != "P":
                raise InputError(
                    f"{path}: has no palette, which `labels: palette` of {self.place} tells; "
                    "`labels: indices` takes gray ones too"
                )
            if self.labels == COLORS:
                return np.array(image if image.mode == "RGB" else image.convert("RGB"))
            if image.mode in COLORED:
                raise InputError(
                    f"{path}: has colors, where {self.place} tells numbers of classes: give the "
                    "color of each class as `colors`, and `labels: colors`"
                )
            if image.mode not in NUMBERS:
                raise InputError(f"{path}: is of mode {image.mode}, expected numbers or colors")
            return np.array(image)

    def _decode(self, values: np.ndarray) -> Labels:
        if values.ndim == 3:
            packed = values.astype(np.int32) @ np.array((1 << 16, 1 << 8, 1), np.int32)
            found = self._look_up(packed)
            return Labels(found.classes, {_unpack(v): n for v, n in found.unknown.items()})
        if self.labels == MASK:
            values = np.where(values == _WHITE, 1, values)
        return self._look_up(values)

    def _look_up(self, values: np.ndarray) -> Labels:
        """The classes of numbers, by those that the description knows."""
        table = self._table()
        known = np.array(sorted(table) or [-1], np.int64)  # -1 in no label map of pictures
        classes = np.array([table.get(k, IGNORED_LABEL) for k in known.tolist()], np.uint8)
        place = np.searchsorted(known, values).clip(max=len(known) - 1)
        is_known = known[place] == values
        labels = np.where(is_known, classes[place], np.uint8(IGNORED_LABEL))
        if self.ignored == OTHERS or is_known.all():
            return Labels(labels, {})
        unknown, counts = np.unique(values[~is_known], return_counts=True)
        return Labels(labels, dict(zip(unknown.tolist(), counts.tolist())))

    def _table(self) -> Dict[int, int]:
        """The class of each number, or color as one number."""
        ignored = () if isinstance(self.ignored, str) else self.ignored
        kind = tuple if self.labels == COLORS else int  # the number 255 is not the color blue
        table = {_packed(value): IGNORED_LABEL for value in ignored if isinstance(value, kind)}
        if isinstance(self.labels, Mapping):
            return {**table, **{k: self.classes.index(name) for k, name in self.labels.items()}}
        if self.labels == COLORS:
            return {**table, **{_packed(color): k for k, color in enumerate(self.colors)}}
        return {**{k: k for k in range(len(self.classes))}, **table}

    def number(self, name: str, where: str) -> int:
        """Return the class called `name`; raises InputError, naming the place, for another."""
        if name not in self.classes:
            nearest = did_you_mean(name, self.classes)
            raise InputError(f"{where}: {name!r} is none of the classes of {self.place}{nearest}")
        return self.classes.index(name)


def _packed(value: PixelValue) -> int:
    if isinstance(value, int):
        return value
    red, green, blue = value
    return red << 16 | green << 8 | blue


def _unpack(value: PixelValue) -> Color:
    number = _packed(value)
    return number >> 16, number >> 8 & 0xFF, number & 0xFF


def _content(path: PathLike) -> bytes:
    with reading(path, "a label map"):
        try:
            return read_regular(path)
        except FileNotFoundError:
            raise InputError(f"{path}: no such label map") from None


def _check_array(values: np.ndarray, path: PathLike) -> np.ndarray:
    if values.ndim != 2 or not values.size or values.dtype.kind not in "iub":
        raise InputError(
            f"{path}: expected whole numbers of pixels, found {values.dtype} of shape "
            f"{values.shape}"
        )
    return values.astype(np.int64)


def _read_npy(path: PathLike) -> np.ndarray:
    """An array of numbers, whose size is that of the file: nothing larger is made room for."""
    content = _content(path)
    file = io.BytesIO(content)
    with reading(path, "an array of labels", (Exception,)):  # of many kinds when it is damaged
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, fortran, kind = read(file)
        if kind.hasobject or int(np.prod(shape, dtype=object)) > MAX_PIXELS:
            raise ValueError(f"it holds {kind} of shape {shape}")
        values = np.frombuffer(content, kind, int(np.prod(shape)), file.tell())
    return values.reshape(shape, order="F" if fortran else "C")


def _read_mat(path: PathLike) -> np.ndarray:
    """The one array of two dimensions among the variables, or SBD's segmentation."""
    content = _content(path)
    with reading(path, "an array of labels", (Exception,)):  # as above
        variables = read_variables(content)
        if "GTcls" in variables:
            return variables["GTcls"].rows()[0]["Segmentation"].numbers()
        found = {name: values for name, value in variables.items() for values in _arrays(value)}
    if len(found) != 1:
        raise InputError(
            f"{path}: expected one array of labels, found {', '.join(found) or 'none'}"
        )
    return next(iter(found.values()))


def _arrays(value: Value) -> List[np.ndarray]:
    try:
        values = value.numbers()
    except ValueError:  # of another kind
        return []
    return [values] if values.ndim == 2 and values.size > 1 else []


def _draw_labelme(path: PathLike, coding: Coding) -> np.ndarray:
    """The shapes of labelme's file, later ones over earlier ones, on class 0."""
    content = _content(path)
    with reading(path, "labelme's shapes", (Exception,)):  # of many kinds in another form
        found = parse_json(content)
        size = int(found["imageWidth"]), int(found["imageHeight"])
        shapes = [
            (str(s["label"]), s.get("shape_type") or "polygon", _points(s)) for s in found["shapes"]
        ]
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise InputError(f"{path}: is for a picture of {size[0]} x {size[1]}")
    image = Image.new("L", size, 0)
    draw = ImageDraw.Draw(image)
    for name, kind, points in shapes:
        number = _number(name, coding, path)
        with naming(path):
            _draw_shape(draw, kind, points, number)
    return np.array(image)


def labelme_names(path: PathLike) -> List[str]:
    """Return the names of the shapes in labelme's file, but for those that stand for no class."""
    content = _content(path)
    with reading(path, "labelme's shapes", (Exception,)):  # as above
        names = [str(shape["label"]) for shape in parse_json(content)["shapes"]]
    return [name for name in names if name not in (BACKGROUND, IGNORE)]


def _number(name: str, coding: Coding, path: PathLike) -> int:
    special: Dict[str, int] = {BACKGROUND: 0, IGNORE: IGNORED_LABEL}
    known: Optional[int] = special.get(name)
    return coding.number(name, str(path)) if known is None else known


def _points(shape: Mapping[str, Any]) -> List[Tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if not np.isfinite(points).all():
        raise ValueError(f"a point of {points} is not finite")
    return points


def _draw_shape(
    draw: ImageDraw.ImageDraw, kind: str, points: List[Tuple[float, float]], number: int
) -> None:
    if kind == "polygon" and len(points) > 2:
        draw.polygon(points, fill=number, outline=number)
    elif kind == "rectangle" and len(points) == 2:
        (left, right), (top, bottom) = map(sorted, zip(*points))
        draw.rectangle((left, top, right, bottom), fill=number)
    elif kind == "circle" and len(points) == 2:
        (x, y), (x2, y2) = points
        radius = ((x - x2) ** 2 + (y - y2) ** 2) ** 0.5
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=number)
    else:
        raise InputError(
            f"has a shape of type {kind!r} of {len(points)} points, expected a polygon, a "
            "rectangle or a circle"
        )
