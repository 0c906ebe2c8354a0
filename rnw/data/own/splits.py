"""The splits of a described dataset: their pictures with classes or label maps, as sources."""

import hashlib
import logging
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    NoReturn,
    Sequence,
    Tuple,
    TypeVar,
)

import numpy as np

from rnw.data.instances import Instance, Scene, draw_scene, empty_scene
from rnw.data.labeled import LabeledImages
from rnw.data.own.codings import Coding, Labels, labelme_names
from rnw.data.own.description import MASK, UPRIGHT, Description, Split
from rnw.data.own.lists import Row, locate, read_rows, whole_number
from rnw.data.own.paths import (
    LABEL_MAPS,
    PICTURES,
    Found,
    Pairing,
    find_files,
    pair,
    split_folder,
    split_suffix,
)
from rnw.data.picture_types import Pair
from rnw.data.readers import ImageList
from rnw.errors import InputError, did_you_mean
from rnw.files import PathLike, parse_json, read_regular, reading
from rnw.networks.heads import IGNORED_LABEL

MAX_CLASSES = 1_000_000  # more than any dataset has
LOOKED_AT = 64  # label maps of the training split, for classes that no description names
SHOWN = 3  # files, in messages about many
_NUMBER = re.compile(r"[-+]?\d*\.?\d+")
NO_CLASS = "background"  # class 0 where annotations name objects alone

logger = logging.getLogger(__name__)

Known = TypeVar("Known")
OnNote = Callable[[str], None]


def ignore(note: str) -> None:
    """Take no notice."""


class Entry(NamedTuple):
    """A picture below the root, and its class as the data name it; the line of a list, or 0."""

    path: str
    label: str
    line: int = 0


class OwnPictures(LabeledImages):
    """Pictures with label maps of one's own, below a root, as a description says."""

    def __init__(self, root: PathLike, pairs: Sequence[Pair], description: Description):
        super().__init__(root, pairs)
        self.coding = Coding.of(description)
        self.upright = description.orientation == UPRIGHT
        self.normalization = description.normalization

    def label(self, index: int) -> np.ndarray:
        """Return the classes (H, W) uint8, 255 where a pixel is ignored.

        Raises InputError, naming it, for a label map that cannot be read or has values of no class.
        """
        if self.pairs[index].label is None:
            return super().label(index)  # raises
        return self.coding.read(self.label_name(index))

    def examine(self, index: int) -> Labels:
        """Return classes, and the values that are none; raises as `label`, but not for these."""
        return self.coding.examine(self.label_name(index))


class Scenes(OwnPictures):
    """Pictures whose label maps are drawn of annotated objects, by the name of the label map."""

    def __init__(
        self,
        root: PathLike,
        pairs: Sequence[Pair],
        description: Description,
        scenes: Mapping[str, Scene],
    ):
        super().__init__(root, pairs, description)
        self._scenes = scenes

    def label(self, index: int) -> np.ndarray:
        """Return the classes (H, W) uint8, 255 where a crowd is; raises as `draw_scene` does."""
        return draw_scene(self._scenes[str(self.pairs[index].label)])

    def examine(self, index: int) -> Labels:
        """Return classes as `label`; no value is unknown."""
        return Labels(self.label(index), {})


def _where(description: Description, split: str) -> Split:
    """Raises InputError for a split that the description does not have."""
    if split not in description.split_names:
        names = " or ".join(description.split_names)
        raise InputError(f"{description.place}: has no split {split!r}, expected {names}")
    return description.splits.get(split) or description.splits[description.train_split]


def held_out(name: str, fraction: float) -> bool:
    """Return whether a picture is held out of training, which its file's name alone decides."""
    digest = hashlib.blake2b(os.fsencode(split_folder(name)[1]), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2**64


def _of_split(description: Description, split: str, path: str) -> bool:
    """Whether a picture of the training files is one of this split."""
    if not description.holds_out or split not in ("val", description.train_split):
        return True
    return held_out(path, description.val_fraction) == (split == "val")


def _describe_split(description: Description, split: str) -> str:
    """A split in a message that it is empty, with the remedy."""
    held = description.holds_out and split == "val"
    more = f", for which {description.val_fraction:g} of the training pictures are held out: "
    return f"split {split!r}" + (more + "--val-fraction holds out more") * held


def read_entries(
    description: Description, split: str, root: Path, on_note: OnNote = ignore
) -> List[Entry]:
    """Return the pictures of a split of a classification dataset, in the order of list or names.

    `on_note` is told where a list's folders were found elsewhere. Raises InputError for what is
    missing.
    """
    where = _where(description, split)
    if where.list:
        entries = _listed(root, root / where.list, on_note)
    else:
        found = find_files(root, where.images, PICTURES)
        entries = [_classified(file, root / where.images) for file in found]
    entries = [entry for entry in entries if _of_split(description, split, entry.path)]
    if not entries:
        place = root / (where.list or where.images)
        raise InputError(f"{place}: has no pictures of {_describe_split(description, split)}")
    return entries


def _classified(file: Found, where: Path) -> Entry:
    label, slash, _ = file.parts[0].partition("/")
    if not slash and len(file.parts) < 2:
        raise InputError(
            f"{where}: {file.path} is in no folder of a class; expected {where}/CLASS/PICTURE"
        )
    return Entry(file.path, label)


def _listed(root: Path, listing: Path, on_note: OnNote) -> List[Entry]:
    rows = read_rows(listing)
    if not rows[0].label:
        raise InputError(
            f"{listing}: line {rows[0].line} names a picture alone, expected its class too"
        )
    _check_named_once(listing, rows)
    located = _locate(root, listing, [row.picture for row in rows], on_note)
    return [Entry(path, row.label, row.line) for path, row in zip(located, rows)]


def _check_named_once(listing: Path, rows: Sequence[Row]) -> None:
    """Raise InputError for a picture that a list names with two labels."""
    first: Dict[str, Row] = {}
    for row in rows:
        known = first.setdefault(row.picture, row)
        if known.label != row.label:
            raise InputError(
                f"{listing}: line {row.line} names {row.picture} with the label {row.label}, line "
                f"{known.line} with {known.label}: remove one of them"
            )


def _locate(root: Path, listing: Path, names: Sequence[str], on_note: OnNote) -> List[str]:
    located = locate(root, listing, names)
    for folder, place in located.moved.items():
        on_note(f"{listing}: the folder {folder!r} that it names is taken as {place!r}")
    return located.paths


def class_numbers(
    description: Description, entries: Sequence[Entry]
) -> Tuple[np.ndarray, Dict[str, List[Entry]]]:
    """Return the classes (N,) int64 of entries, -1 for names of none, and those by name."""
    names = {name: number for number, name in enumerate(description.classes)}
    by_label: Dict[str, int] = {}
    unknown: Dict[str, List[Entry]] = {}
    numbers = np.empty(len(entries), np.int64)
    for index, entry in enumerate(entries):
        if entry.label not in by_label:
            by_label[entry.label] = _class_number(entry, names)
        numbers[index] = by_label[entry.label]
        if numbers[index] < 0:
            unknown.setdefault(entry.label, []).append(entry)
    return numbers, unknown


def _class_number(entry: Entry, names: Mapping[str, int]) -> int:
    """By name, or in a list by number; -1 for none."""
    if entry.label in names:
        return names[entry.label]
    number = whole_number(entry.label) if entry.line else None
    return -1 if number is None or number >= len(names) else number


def read_classified(description: Description, split: str, root: Path) -> ImageList:
    """Return the pictures of a split of a classification dataset, whose classes are known.

    Raises InputError for what is missing, and for classes that the description does not name.
    """
    where = _where(description, split)
    entries = read_entries(description, split, root, logger.warning)
    numbers, unknown = class_numbers(description, entries)
    if unknown:
        label, *others = unknown
        entry = unknown[label][0]
        source = f"{root / where.list}: line {entry.line}" if entry.line else root / entry.path
        more = f", nor are {', '.join(map(repr, others))}" if others else ""
        raise InputError(
            f"{source}: class {label!r} is none of the {len(description.classes)} classes of "
            f"{description.place}{more or did_you_mean(label, description.classes)}; `classes` of "
            "a description can name those that the training pictures are without"
        )
    paths = [entry.path for entry in entries]
    return ImageList(
        root,
        paths,
        numbers,
        upright=description.orientation == UPRIGHT,
        normalization=description.normalization,
    )


def read_segmented(description: Description, split: str, root: Path) -> OwnPictures:
    """Return the pictures of a split of a segmentation dataset, whose classes are known.

    What has no partner is left out with a warning that names it. Raises InputError for what is
    missing, and where nothing is paired.
    """
    where = _where(description, split)
    if where.annotations:
        pairs, scenes = _annotated(description, split, root, Coding.of(description))
        return Scenes(root, pairs, description, scenes)
    pairing = find_pairs(description, split, root, logger.warning)
    _warn_of_unpaired(root / (where.images or where.list), pairing)
    return OwnPictures(root, pairing.pairs, description)


def find_pairs(
    description: Description, split: str, root: Path, on_note: OnNote = ignore
) -> Pairing:
    """Return the pictures of a split with their label maps, and what has no partner.

    `on_note` as for `read_entries`. Raises InputError for what is missing, and where nothing is
    paired.
    """
    where = _where(description, split)
    if where.list and not where.images:
        pairing = Pairing(_listed_pairs(root, root / where.list, on_note), [], [])
    else:
        pairing = _paired(where, root)
    pairs = [pair for pair in pairing.pairs if _of_split(description, split, pair.image)]
    if not pairs:
        raise InputError(_nothing_found(where, _describe_split(description, split), root, pairing))
    return pairing._replace(pairs=pairs)


def _nothing_found(where: Split, split: str, root: Path, pairing: Pairing) -> str:
    place = root / (where.images or where.list)
    if pairing.pairs or not (pairing.without_label and pairing.without_picture):
        return f"{place}: has no pictures with label maps of {split}"
    picture, label = pairing.without_label[0], pairing.without_picture[0]
    return (
        f"{place}: no picture has a label map of its name in {root / where.labels}, found "
        f"{picture} and {label}; a pattern as labels: {where.labels}/*_mask.png says what belongs "
        "to a name"
    )


def _paired(where: Split, root: Path) -> Pairing:
    pictures = find_files(root, where.images, PICTURES)
    if where.list:
        wanted = {split_suffix(row.picture)[0] for row in read_rows(root / where.list)}
        pictures = [found for found in pictures if found.key in wanted]
        missing = wanted - {found.key for found in pictures}
        if missing:
            raise InputError(
                f"{root / where.list}: names {min(missing)}, and {root / where.images} has no "
                "such picture"
            )
    if not where.labels:
        return Pairing([Pair(found.path, None) for found in pictures], [], [])
    labels = find_files(root, where.labels, LABEL_MAPS)
    if where.list:
        labels = [found for found in labels if found.key in wanted]
    return pair(pictures, labels)


def _listed_pairs(root: Path, listing: Path, on_note: OnNote) -> List[Pair]:
    rows = read_rows(listing)
    _check_named_once(listing, rows)
    pictures = _locate(root, listing, [row.picture for row in rows], on_note)
    if not rows[0].label:
        return [Pair(picture, None) for picture in pictures]
    labels = _locate(root, listing, [row.label for row in rows], on_note)
    return [Pair(*found) for found in zip(pictures, labels)]


def _warn_of_unpaired(place: Path, pairing: Pairing) -> None:
    for what, paths in (
        ("pictures have no label map", pairing.without_label),
        ("label maps have no picture", pairing.without_picture),
    ):
        if paths:
            logger.warning("%s: %d %s and are left out: %s", place, len(paths), what, some(paths))


def some(paths: Sequence[str]) -> str:
    """Return the first few of some names."""
    return ", ".join(paths[:SHOWN]) + ", ..." * (len(paths) > SHOWN)


def _annotated(
    description: Description, split: str, root: Path, coding: Coding
) -> Tuple[List[Pair], Dict[str, Scene]]:
    """Pictures of a COCO file that are in the folder of images, with their scenes by name."""
    where = _where(description, split)
    path = root / where.annotations
    content = _read_coco(path)
    with reading(path, "COCO's annotations", (Exception,)):  # of many kinds in another form
        numbers = {
            row["id"]: coding.number(str(row["name"]), str(path)) for row in content["categories"]
        }
        rows = {row["id"]: row for row in content["images"]}
        scenes = {key: empty_scene(row, path) for key, row in rows.items()}
        for row in content["annotations"]:
            scene = _of_annotation(row, "image_id", scenes, path)
            scene.instances.append(_instance(row, numbers, path))
    names = {key: str(row["file_name"]) for key, row in rows.items()}
    images = where.images.rstrip("/")
    pairs = [Pair(f"{images}/{name}", f"{where.annotations}#{name}") for name in names.values()]
    pairs = sorted(pair for pair in pairs if _of_split(description, split, pair.image))
    by_label = {f"{where.annotations}#{names[key]}": scene for key, scene in scenes.items()}
    if not pairs:
        raise InputError(f"{path}: names no picture of {_describe_split(description, split)}")
    return pairs, by_label


def _read_coco(path: Path) -> Any:
    with reading(path, "COCO's annotations", (ValueError,)):
        content = parse_json(read_regular(path))
    parts = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in parts):
        raise InputError(
            f"{path}: cannot be read as COCO's annotations: expected lists `images`, "
            "`annotations` and `categories`"
        )
    return content


def _of_annotation(
    row: Mapping[str, Any], field: str, known: Mapping[int, Known], path: Path
) -> Known:
    """Return what a field of an annotation refers to; raises InputError for what is not there."""
    if row[field] not in known:
        raise InputError(f"{path}: annotation {row['id']}: {field} {row[field]} is not in the file")
    return known[row[field]]


def _instance(row: Mapping[str, Any], numbers: Mapping[int, int], path: Path) -> Instance:
    return Instance(
        _of_annotation(row, "category_id", numbers, path),
        bool(row.get("iscrowd", 0)),
        float(row.get("area", 0)),
        row["segmentation"],
        f"{path}: annotation {row['id']}",
    )


def with_classes(description: Description) -> Description:
    """Return the description with the names of its classes, found in the data where it has none.

    Raises InputError for data that is missing or does not tell them.
    """
    classes = description.classes
    if not classes:
        find = _segmented_classes if description.segmentation else _listed_classes
        classes = find(description)
    if len(classes) < 2 and not description.segmentation:
        description.refuse("classes", f"found {classes[0]!r} alone, expected two at least")
    return replace(description, classes=classes)


def _listed_classes(description: Description) -> Tuple[str, ...]:
    """Names of folders, sorted, or those of a list; numbers in their order."""
    whole = replace(description, val_fraction=0.0)  # with what is held out
    entries = read_entries(whole, whole.train_split, whole.root)
    labels = {entry.label for entry in entries}
    numbers = {label: whole_number(label) for label in labels}
    if any(number is None for number in numbers.values()):
        _check_numbers(whole, entries)
        return tuple(sorted(labels))
    if entries[0].line:  # of a list: the labels themselves
        last = max(entries, key=lambda entry: numbers[entry.label] or 0)
        largest = numbers[last.label] or 0
        if largest >= MAX_CLASSES:
            _refuse_number(whole, last)
        return tuple(map(str, range(largest + 1)))
    return tuple(sorted(labels, key=lambda label: (numbers[label], label)))


def _check_numbers(description: Description, entries: Sequence[Entry]) -> None:
    """Raise InputError for classes of a list that are all numbers, and not all of classes."""
    if entries[0].line and all(_NUMBER.fullmatch(entry.label) for entry in entries):
        _refuse_number(description, next(e for e in entries if whole_number(e.label) is None))


def _refuse_number(description: Description, entry: Entry) -> NoReturn:
    listing = description.root / _where(description, description.train_split).list
    raise InputError(
        f"{listing}: line {entry.line} has the class {entry.label}, expected names, or whole "
        f"numbers from 0 on, below {MAX_CLASSES:,}"
    )


def _segmented_classes(description: Description) -> Tuple[str, ...]:
    root, split = description.root, description.train_split
    where = _where(description, split)
    if isinstance(description.labels, Mapping):
        return tuple(dict.fromkeys(description.labels.values()))
    if where.annotations:
        path = root / where.annotations
        with reading(path, "COCO's annotations", (Exception,)):  # as above
            rows = sorted(_read_coco(path)["categories"], key=lambda row: row["id"])
            names = [str(row["name"]) for row in rows]
        return (NO_CLASS, *(name for name in names if name != NO_CLASS))
    if description.labels == MASK:
        return NO_CLASS, "object"
    pairing = find_pairs(description, split, root)
    labels = [root / pair.label for pair in pairing.pairs if pair.label is not None]
    if labels and labels[0].suffix == ".json":
        names = sorted({name for path in labels for name in labelme_names(path)} - {NO_CLASS})
        return (NO_CLASS, *names)
    return _numbered_classes(description, labels)


def _numbered_classes(description: Description, labels: Sequence[Path]) -> Tuple[str, ...]:
    """As many as the largest number in some label maps, evenly spread, tells."""
    if not labels:
        description.refuse("classes", "expected the names of the classes, as nothing tells them")
    coding = Coding((), (), description.labels, description.ignored, description.place)
    looked_at = labels[:: 1 + (len(labels) - 1) // LOOKED_AT]
    largest = max((max(coding.examine(path).unknown, default=-1) for path in looked_at), default=-1)
    if largest == -1:
        description.refuse("labels", "expected classes in label maps, all pixels are ignored")
    if not isinstance(largest, int) or not 0 <= largest < IGNORED_LABEL:
        description.refuse(
            "classes", f"expected the names of the classes: label maps have numbers up to {largest}"
        )
    logger.warning(
        "%s: names no classes; %d label maps have the numbers 0 to %d",
        description.place,
        len(looked_at),
        largest,
    )
    return tuple(f"class {number}" for number in range(largest + 1))
