"""TABLE of the layouts in which datasets lie in folders, each tried in turn."""

import contextlib
import io
import itertools
import logging
import os
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import numpy as np

from rnw.data.label_meaning import Color
from rnw.data.own.description import (
    CLASSIFICATION,
    COLORS,
    FILE,
    INDICES,
    LISTS,
    MASK,
    SEGMENTATION,
    Description,
    Split,
    check_ignored,
    label_name,
    read_description,
)
from rnw.data.own.lists import read_rows
from rnw.data.own.paths import ARRAYS, LABEL_MAPS, PICTURES, find_files, walk_files
from rnw.data.own.splits import find_pairs, with_classes
from rnw.data.pictures import LABEL_FORMATS, open_picture
from rnw.errors import InputError
from rnw.files import read_bytes
from rnw.networks.heads import IGNORED_LABEL

logger = logging.getLogger(__name__)

VAL_FRACTION = 0.1  # of the pictures, where no folder or list is for validation
CLASSES_FILE = "classes.txt"
SPLITS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "img_dir", "JPEGImages", "photos")
VOC_LABELS = ("SegmentationClassAug", "SegmentationClass")
LABEL_FOLDERS = (
    *("labels", "label", "masks", "mask", "annotations", "annotation", "annot", "ann_dir"),
    *("gt", "labelmaps", *VOC_LABELS),
)
LOOKED_AT = 16  # label maps, to see how they are coded
_MASK_VALUES = {0, 255}

Splits = Dict[str, Split]


class Layout(NamedTuple):
    """A way in which a dataset lies in a folder; `find` returns its splits, none if it does not."""

    title: str
    task: str
    find: Callable[[Path], Splits]


def describe(path: Path, val_fraction: Optional[float] = None) -> Description:
    """Return the description of a dataset, from its file or from what is found in its folder.

    val_fraction: the part of the training pictures that is split 'val', which the data may not
        have; by default that which a file says, and 0.1 for a folder without splits for tests.

    Raises InputError for a path that is not there, a file that is no description, a folder in no
    known layout, and a part of data that have a split 'val'.
    """
    if not path.exists():
        raise InputError(f"{path}: no such folder or file")
    if path.is_dir() and not (path / FILE).is_file():
        description = find_layout(path)
    else:
        description = with_classes(read_description(path / FILE if path.is_dir() else path))
    if val_fraction is None:
        if description.val_fraction and not description.holds_out:
            logger.warning("%s: val_fraction holds nothing out: there is a split 'val'", path)
        return description
    return with_part_held_out(description, val_fraction)


def with_part_held_out(description: Description, val_fraction: float) -> Description:
    """Return the description with a part of the training pictures as split 'val'.

    Raises InputError for data that have such a split.
    """
    if "val" in description.splits:
        raise InputError(
            f"{description.place}: has a split 'val', and --val-fraction is for data without one"
        )
    return replace(description, val_fraction=val_fraction)


def find_layout(
    folder: Path,
    val_fraction: float = VAL_FRACTION,
    classes: Tuple[str, ...] = (),
    ignored: Tuple[int, ...] = (),
) -> Description:
    """Return the description of a dataset by the first of `LAYOUTS` in which it lies in `folder`.

    classes, ignored: as in a description, for what folders do not tell.

    Raises InputError for a folder in none of them, or that is not there.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    for layout in LAYOUTS:
        splits = layout.find(folder)
        if splits:
            name = label_name(folder.absolute().name)
            found = Description(layout.task, splits, name=name, root=folder)
            if "val" not in splits and "test" not in splits:
                found = replace(found, val_fraction=val_fraction)
            found = replace(found, classes=classes or _named_classes(folder))
            found = _with_coding(found) if found.segmentation else found
            found = replace(found, ignored=ignored) if ignored else found
            check_ignored(found)
            return with_classes(found)
    titles = "; ".join(layout.title for layout in LAYOUTS)
    raise InputError(
        f"{folder}: is in no known layout of a dataset, expected one of {titles}"
        f"{_unlabeled_lists(folder)}"
    )


def _named_classes(folder: Path) -> Tuple[str, ...]:
    path = folder / CLASSES_FILE
    if not path.is_file():
        return ()
    lines = map(os.fsdecode, read_bytes(path).splitlines())
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _with_coding(description: Description) -> Description:
    """Look at some label maps of the training split for how they are coded."""
    where = description.splits[description.train_split]
    if where.annotations:
        return description
    pairs = find_pairs(description, description.train_split, description.root).pairs
    labels = [description.root / pair.label for pair in pairs if pair.label is not None]
    if not labels:
        description.refuse("labels", "there are no label maps")
    if labels[0].suffix.lower() in ARRAYS:
        return description
    looked_at = labels[:: 1 + (len(labels) - 1) // LOOKED_AT]
    kind = _coding_of(looked_at)
    if kind == COLORS:
        colors = _colors_of(looked_at)
        names = description.classes or tuple(f"class {number}" for number in range(len(colors)))
        if len(names) != len(colors):
            description.refuse("colors", f"{len(colors)} in label maps, {len(names)} classes named")
        return replace(description, labels=COLORS, colors=colors, classes=names)
    return replace(description, labels=kind, ignored=() if kind == MASK else (IGNORED_LABEL,))


def _coding_of(paths: Sequence[Path]) -> str:
    """Those that cannot be read are left to whoever reads all."""
    modes, values = set(), set()
    for path in paths:
        with contextlib.suppress(InputError):
            file = io.BytesIO(read_bytes(path))
            with open_picture(file, str(path), "a label map", LABEL_FORMATS) as image:
                modes.add(image.mode)
                if image.mode in ("L", "1"):
                    values |= set(np.unique(np.array(image)).tolist())
    if modes and modes <= {"RGB", "RGBA"}:
        return COLORS
    return MASK if modes == {"L"} and values == _MASK_VALUES else INDICES


def _colors_of(paths: Sequence[Path]) -> Tuple[Color, ...]:
    """The colors in label maps, the darkest first."""
    found: Set[Color] = set()
    for path in paths:
        with open_picture(io.BytesIO(read_bytes(path)), str(path)) as image:
            colors: Any = image.convert("RGB").getcolors(IGNORED_LABEL)
        if colors is None:
            raise InputError(
                f"{path}: has more than {IGNORED_LABEL} colors, which is no label map of classes"
            )
        found |= {color for _, color in colors}
    return tuple(sorted(found))


def _each_split(find: Callable[[str], Optional[Split]]) -> Splits:
    """The splits for which one of their names is found."""
    splits = {}
    for split, names in SPLITS.items():
        forms = [form(name) for form in (str.lower, str.capitalize) for name in names]
        found = next(filter(None, map(find, forms)), None)
        if found is not None:
            splits[split] = found
    return splits if "train" in splits or "val" in splits else {}


def _lists(folder: Path) -> Splits:
    """Lists of pictures with labels, each named after a split."""

    def find(name: str) -> Optional[Split]:
        for path in _list_files(folder, name):
            if read_rows(path)[0].label:
                return Split(list=path.relative_to(folder).as_posix())
        return None

    return _each_split(find)


def _list_files(folder: Path, name: str) -> Iterator[Path]:
    """The files that may be the list of a split."""
    for place in (folder, folder / "ImageSets" / "Segmentation", folder / "lists"):
        yield from (p for p in (place / f"{name}{end}" for end in LISTS) if p.is_file())


def _unlabeled_lists(folder: Path) -> str:
    """What to say of lists that name no labels, where nothing else tells them."""
    names = [name for forms in SPLITS.values() for name in forms]
    found = next((path for name in names for path in _list_files(folder, name)), None)
    if found is None:
        return ""
    return (
        f"; {found} names no labels: expected a first line such as `filename,label`, or lines of a "
        "picture and its label"
    )


def _lists_of(segmentation: bool) -> Callable[[Path], Splits]:
    def find(folder: Path) -> Splits:
        splits = _lists(folder)
        if not splits:
            return {}
        listing = folder / next(iter(splits.values())).list
        row = read_rows(listing)[0]
        is_map = _is_map(row.label)
        if not is_map and row.label.lower().endswith(PICTURES):
            raise InputError(
                f"{listing}: line {row.line} names {row.label} as the label of {row.picture}, "
                f"expected a class or a label map ({', '.join(LABEL_MAPS)})"
            )
        return splits if is_map == segmentation else {}

    return find


def _is_map(label: str) -> bool:
    return label.lower().endswith(LABEL_MAPS)


def _kaggle(folder: Path) -> Splits:
    """ILSVRC as Kaggle has it."""
    data, solution = "ILSVRC/Data/CLS-LOC", "LOC_val_solution.csv"
    splits = {}
    if (folder / data / "train").is_dir():
        splits["train"] = Split(images=f"{data}/train")
    if (folder / solution).is_file():
        splits["val"] = Split(list=solution)
    return splits


def _voc(folder: Path) -> Splits:
    labels = next((name for name in VOC_LABELS if (folder / name).is_dir()), None)
    if labels is None or not (folder / "JPEGImages").is_dir():
        return {}
    lists = folder / "ImageSets" / "Segmentation"

    def find(name: str) -> Optional[Split]:
        path = lists / f"{name}.txt"
        listed = path.relative_to(folder).as_posix()
        return Split("JPEGImages", labels, listed) if path.is_file() and name != "test" else None

    return _each_split(find) or {"train": Split("JPEGImages", labels)}


def _cityscapes(folder: Path) -> Splits:
    def find(name: str) -> Optional[Split]:
        if not (folder / "gtFine" / name).is_dir():
            return None
        suffix = next(
            (
                end
                for end in ("labelTrainIds", "labelIds")
                if any(folder.glob(f"gtFine/{name}/*/*_{end}.png"))
            ),
            None,
        )
        if suffix is None:
            return None
        return Split(
            f"leftImg8bit/{name}/*/*_leftImg8bit.*", f"gtFine/{name}/*/*_gtFine_{suffix}.png"
        )

    return _each_split(find)


def _coco(folder: Path) -> Splits:
    def find(name: str) -> Optional[Split]:
        for images in (name, f"images/{name}", f"{name}2017", f"{name}2014"):
            last = images.rpartition("/")[2]
            for path in (f"annotations/instances_{last}.json", f"{images}/_annotations.coco.json"):
                if (folder / path).is_file() and (folder / images).is_dir():
                    return Split(images, annotations=path)
        return None

    return _each_split(find)


def _labeled_folders(folder: Path) -> Splits:
    """`images/train` with `labels/train`, `train/images` with `train/labels`, or no splits."""
    for images, labels in itertools.product(IMAGE_FOLDERS, LABEL_FOLDERS):
        splits = _each_split(partial(_labeled_split, folder, images, labels))
        whole = None if splits else _pair_folders(folder, images, labels)
        if whole:
            return {"train": whole}
        if splits:
            return splits
    return {}


def _labeled_split(folder: Path, images: str, labels: str, name: str) -> Optional[Split]:
    found = _pair_folders(folder, f"{images}/{name}", f"{labels}/{name}")
    return found or _pair_folders(folder, f"{name}/{images}", f"{name}/{labels}")


def _annotated_folders(folder: Path) -> Splits:
    """`train` with `trainannot`, as CamVid was published with SegNet."""

    def find(name: str) -> Optional[Split]:
        for end in ("annot", "_labels", "_masks", "_annotations"):
            found = _pair_folders(folder, name, name + end)
            if found:
                return found
        return None

    return _each_split(find)


def _labelme(folder: Path) -> Splits:
    """Pictures with labelme's file beside each."""

    def find(name: str) -> Optional[Split]:
        return _pair_folders(folder, name, name)

    if any(folder.glob("*.json")):
        whole = _pair_folders(folder, ".", ".")
        return {"train": whole} if whole else {}
    return _each_split(find)


def _pair_folders(folder: Path, images: str, labels: str) -> Optional[Split]:
    """The split of pictures and label maps in two folders, with a pattern where names differ."""
    if not ((folder / images).is_dir() and (folder / labels).is_dir()):
        return None
    suffixes = (".json",) if images == labels else LABEL_MAPS
    pictures = {found.key for found in find_files(folder, images, PICTURES)}
    maps = [found.key for found in find_files(folder, labels, suffixes)]
    if not pictures or not maps:
        return None
    if pictures.intersection(maps):
        return Split(images, f"{labels}/**/*.json" if images == labels else labels)
    end = _common_end(pictures, maps)
    return Split(images, f"{labels}/**/*{end}.*") if end else None


def _common_end(pictures: Iterable[str], maps: Sequence[str]) -> str:
    """What most label maps have after the name of their picture, such as '_mask'."""
    ends: Counter = Counter()
    known = set(pictures)
    for name in maps:
        starts = (k for k in range(len(name) - 1, 0, -1) if name[:k] in known)
        ends.update(name[k:] for k in [next(starts, None)] if k)
    if not ends:
        return ""
    end, count = ends.most_common(1)[0]
    return end if 2 * count > len(maps) else ""


def _class_folders(folder: Path) -> Splits:
    def find(name: str) -> Optional[Split]:
        return Split(images=name) if _folders_of_pictures(folder / name) else None

    splits = _each_split(find)
    if splits:
        return splits
    names = _folders_of_pictures(folder)
    if len(names) < 2:
        return {}
    _check_names_of_classes(folder, names)
    return {"train": Split(images=".")}


def _check_names_of_classes(folder: Path, names: Sequence[str]) -> None:
    """Raise InputError for folders of pictures that must be something else than classes."""
    others = (
        "leftImg8bit",
        "gtFine",
        *IMAGE_FOLDERS,
        *LABEL_FOLDERS,
        *itertools.chain(*SPLITS.values()),
    )
    known = {name.lower() for name in others}
    strange = [name for name in names if name.lower() in known]
    if strange:
        raise InputError(
            f"{folder}: is in no known layout of a dataset: {', '.join(strange)} would be taken as "
            "classes. A label map has the name of its picture and ends in "
            f"{', '.join(LABEL_MAPS)}; a description tells of folders that are called otherwise"
        )


def _folders_of_pictures(folder: Path) -> List[str]:
    """The names of the folders in a folder that hold pictures; hidden ones are passed over."""
    if not folder.is_dir():
        return []
    entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    return [e.name for e in entries if not e.name.startswith(".") and _has_pictures(e)]


def _has_pictures(folder: Path) -> bool:
    return any(path.lower().endswith(PICTURES) for path in walk_files(folder))


LAYOUTS: List[Layout] = [
    Layout("lists of pictures and label maps (train.txt)", SEGMENTATION, _lists_of(True)),
    Layout("ILSVRC of Kaggle (LOC_val_solution.csv)", CLASSIFICATION, _kaggle),
    Layout("lists of pictures and classes (train.csv)", CLASSIFICATION, _lists_of(False)),
    Layout("JPEGImages with SegmentationClass", SEGMENTATION, _voc),
    Layout("leftImg8bit with gtFine", SEGMENTATION, _cityscapes),
    Layout("train with annotations/instances_train.json", SEGMENTATION, _coco),
    Layout("images/train with labels/train", SEGMENTATION, _labeled_folders),
    Layout("train with trainannot", SEGMENTATION, _annotated_folders),
    Layout("pictures with labelme's .json beside them", SEGMENTATION, _labelme),
    Layout("train/CLASS/* and val/CLASS/*, or CLASS/*", CLASSIFICATION, _class_folders),
]
