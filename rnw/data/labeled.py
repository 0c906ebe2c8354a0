"""Pictures with label maps, and the lists that name them, in which segmentation data is stored.

As in the original, a line of a list has the path of a picture, a tab, and the path of its label
map. In a list without labels, such as that of a test split, it has the path of the picture alone.
"""

import io
import os
import re
from pathlib import Path
from typing import Iterable, Iterator, List, Mapping, Optional, Sequence

import numpy as np
from PIL import Image

from rnw.data.label_meaning import LabelMeaning
from rnw.data.lists import fields_problem, list_file, path_problem, quote, read_lines
from rnw.data.picture_types import IMAGENET, Pair
from rnw.data.pictures import LABEL_FORMATS, open_picture
from rnw.data.readers import read_file
from rnw.errors import InputError
from rnw.files import PathLike, atomic_write
from rnw.networks.heads import IGNORED_LABEL

MODES = {"L": "gray", "P": "with a palette"}  # of label maps
_SUFFIX = rb"\.(?:jpe?g|png|bmp|tiff?|gif|webp)"
_TWO_PICTURES = re.compile(rb"(?i)%s[^\w/.].*%s$" % (_SUFFIX, _SUFFIX))


class LabeledImages:
    """Pictures with label maps, in files under `root`, in the order of a list.

    ids: the class of each label in the files; other labels are ignored. None: labels are classes.
    meaning: what label maps are checked against when they are read.
    """

    upright = False
    normalization = IMAGENET

    def __init__(
        self,
        root: PathLike,
        pairs: Sequence[Pair],
        ids: Optional[Mapping[int, int]] = None,
        meaning: Optional[LabelMeaning] = None,
    ):
        self.root = Path(root)
        self.pairs = pairs
        self._meaning = meaning
        self._table = None if ids is None else _lookup_table(ids)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def has_labels(self) -> bool:
        """Whether label maps are published."""
        return all(pair.label is not None for pair in self.pairs)

    def names(self) -> Iterator[str]:
        """Return the paths in the list, in order: each picture, and its label map if it has one."""
        return (name for pair in self.pairs for name in pair if name is not None)

    def name(self, index: int) -> str:
        """Return the path of a picture, for messages and for the names of predictions."""
        return str(self.root / self.pairs[index].image)

    def label_name(self, index: int) -> str:
        """Return the path of a label map."""
        return str(self.root / str(self.pairs[index].label))

    def read(self, index: int) -> bytes:
        """Return the content of a picture's file; raise InputError when it cannot be read."""
        return read_file(self.name(index))

    def label(self, index: int) -> np.ndarray:
        """Return the classes (H, W) uint8 of a picture's pixels, 255 where they are ignored.

        Raises InputError for a label map that is missing or does not have 8 bits, and for one whose
        numbers do not stand for the dataset's classes (see `LabelMeaning`).
        """
        name = self.pairs[index].label
        if name is None:
            raise InputError(f"{self.name(index)}: its labels are not published")
        labels = read_label(self.root / name, self._meaning)
        return labels if self._table is None else self._table[labels]


def _lookup_table(ids: Mapping[int, int]) -> np.ndarray:
    table = np.full(256, IGNORED_LABEL, np.uint8)
    for label, class_number in ids.items():
        table[label] = class_number
    return table


def read_label(
    path: PathLike, meaning: Optional[LabelMeaning] = None, modes: Iterable[str] = MODES
) -> np.ndarray:
    """Read a label map (H, W) uint8: a gray picture, or the indices of one with a palette.

    modes: Pillow's modes of the pictures that are accepted.

    Raises InputError for a file that is missing, for a picture of another mode or of a lossy
    format, and where its numbers do not agree with `meaning`.
    """
    expected = " or ".join(MODES[mode] for mode in modes)
    content = read_file(path, "a label map")
    with open_picture(io.BytesIO(content), str(path), "a label map", LABEL_FORMATS) as image:
        if image.mode not in modes:
            raise InputError(
                f"{path}: expected a label map of 8 bits, {expected}, found a picture of mode "
                f"{image.mode}"
            )
        if meaning is not None:
            meaning.check(image, path)
        return np.array(image)


def check_size(labels: np.ndarray, size: Sequence[int], label: PathLike, image: PathLike) -> None:
    """Raise InputError unless labels (H, W) have the `size` (H, W) of their picture.

    label, image: the paths of both, for the message.
    """
    height, width = size
    if labels.shape != (height, width):
        turned = (
            "one is turned: `orientation: stored` in a description leaves pictures as they are "
            "stored, `upright` turns them as their EXIF data say"
        )
        remedy = turned if labels.shape == (width, height) else "they do not belong together"
        raise InputError(
            f"{label}: a label map of {labels.shape[1]} x {labels.shape[0]}, its picture {image} "
            f"is {width} x {height}; {remedy}"
        )


def write_label(path: PathLike, labels: np.ndarray) -> None:
    """Write labels (H, W) uint8 as a gray PNG file, completely or not at all."""
    with atomic_write(path) as file:
        Image.fromarray(labels).save(file, "png")


def read_labeled(
    root: Path, split: str, tool: str, meaning: LabelMeaning, parts: Sequence[str] = ()
) -> LabeledImages:
    """Return the pictures in the list `<split>.lst` under `root`.

    tool: the command that makes the list, for the message when it is missing.
    meaning: what the numbers in the label maps stand for.
    parts: splits whose lists, one after the other, are taken where there is no such list.

    Raises InputError for a list that is missing or malformed.
    """
    composed = parts and not (root / f"{split}.lst").exists()
    names = parts if composed else (split,)
    paths = [list_file(root, name, tool, embedded="shapes") for name in names]
    pairs = [pair for path in paths for pair in read_pairs(path)]
    return LabeledImages(root, pairs, meaning.classes, meaning)


def read_pairs(path: PathLike) -> List[Pair]:
    """Read a list: the pictures in it, each with its label map unless the whole list has none.

    Raises InputError for a file that is missing, or with the first line that is malformed.
    """
    lines = read_lines(path)[:-1].split(b"\n")
    labeled = any(b"\t" in line for line in lines)
    for number, line in enumerate(lines, 1):
        problem = _problem(line, labeled)
        if problem:
            raise InputError(f"{path}: line {number} {problem}")
    fields = (os.fsdecode(line).partition("\t") for line in lines)
    return [Pair(image, label if labeled else None) for image, _, label in fields]


def _problem(line: bytes, labeled: bool) -> Optional[str]:
    """Return what is wrong with a line, as it follows the number of the line, or None."""
    names = line.split(b"\t")
    if len(names) > 2 or not line.strip() or (len(names) == 1 and _TWO_PICTURES.search(line)):
        return fields_problem(line, "a picture and a label map")
    if labeled and len(names) == 1:
        return f"has no label map, which other lines have: found {quote(line)}"
    return next(filter(None, map(path_problem, names)), None)


def write_pairs(path: PathLike, pairs: Iterable[Pair]) -> None:
    """Write a list, completely or not at all.

    Raises InputError for a path with a tab or line break.
    """
    with atomic_write(path) as file:
        for pair in pairs:
            names = [name for name in pair if name is not None]
            if any(set(name) & set("\t\r\n") for name in names):
                raise InputError(f"{pair.image!r}: rename it, a list holds no tabs and line breaks")
            file.write(b"\t".join(map(os.fsencode, names)) + b"\n")
