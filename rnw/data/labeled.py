"""Pictures with a label for each pixel: what the segmentation datasets are read as.

A list has a line for each picture: its path and that of its label map, with a tab between them, as
the original's; in a list without labels, as of a test split, the path alone.
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
from rnw.data.picture_types import Pair
from rnw.data.pictures import LABEL_FORMATS, open_picture
from rnw.data.readers import read_file
from rnw.errors import InputError
from rnw.files import PathLike, atomic_write
from rnw.networks.heads import IGNORED_LABEL

IGNORED = IGNORED_LABEL
MODES = {"L": "gray", "P": "with a palette"}  # of label maps
_SUFFIX = rb"\.(?:jpe?g|png|bmp|tiff?|gif|webp)"
_TWO_PICTURES = re.compile(rb"(?i)%s[^\w/.].*%s$" % (_SUFFIX, _SUFFIX))


class LabeledImages:
    """Pictures in files under `root`, in the order of a list, with label maps.

    ids: from the labels in the files to classes; others are ignored. None: they are classes.
    meaning: what label maps are checked for when they are read.
    """

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
        """What the list names, in its order: each picture, and its label map where there is one."""
        return (name for pair in self.pairs for name in pair if name is not None)

    def name(self, index: int) -> str:
        """Path of a picture, for messages and for the names of predictions."""
        return str(self.root / self.pairs[index].image)

    def label_name(self, index: int) -> str:
        """Path of a label map."""
        return str(self.root / str(self.pairs[index].label))

    def read(self, index: int) -> bytes:
        """A picture's file as it is; raises InputError when it cannot be read."""
        return read_file(self.name(index))

    def label(self, index: int) -> np.ndarray:
        """Classes (H, W) uint8, 255 where a pixel is to be ignored.

        Raises InputError, naming it, for a label map that is missing or no map of 8 bits, and for
        one whose numbers mean something else (see `LabelMeaning`).
        """
        name = self.pairs[index].label
        if name is None:
            raise InputError(f"{self.name(index)}: its labels are not published")
        labels = read_label(self.root / name, self._meaning)
        return labels if self._table is None else self._table[labels]


def _lookup_table(ids: Mapping[int, int]) -> np.ndarray:
    table = np.full(256, IGNORED, np.uint8)
    for label, class_number in ids.items():
        table[label] = class_number
    return table


def read_label(
    path: PathLike, meaning: Optional[LabelMeaning] = None, modes: Iterable[str] = MODES
) -> np.ndarray:
    """A label map (H, W) uint8: a gray picture, or the indices of one with a palette.

    modes: Pillow's, of the pictures that are taken.

    Raises InputError for a file that is missing or another kind of picture, as one whose format
    does not keep every value, and where its numbers have another `meaning`.
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
    """Check that labels (H, W) have the `size` (H, W) of their picture.

    Raises InputError, naming the files of both, when they have not.
    """
    height, width = size
    if labels.shape != (height, width):
        raise InputError(
            f"{label}: a label map of {labels.shape[1]} x {labels.shape[0]}, its picture {image} "
            f"is {width} x {height}; they do not belong together"
        )


def write_label(path: PathLike, labels: np.ndarray) -> None:
    """Write labels (H, W) uint8 as a gray PNG file, whole or not at all."""
    with atomic_write(path) as file:
        Image.fromarray(labels).save(file, "png")


def read_labeled(root: Path, split: str, tool: str, meaning: LabelMeaning) -> LabeledImages:
    """The pictures of `<split>.lst` under `root`; `meaning` of the numbers in their label maps.

    Raises InputError for a list that is missing, which names the `tool` that makes it.
    """
    path = list_file(root, split, tool, embedded="shapes")
    ids = None if meaning.is_plain else {label: k for k, label in enumerate(meaning.ids)}
    return LabeledImages(root, read_pairs(path), ids, meaning)


def read_pairs(path: PathLike) -> List[Pair]:
    """The pictures that a list names, each with its label map unless the whole list has none.

    Raises InputError for a file that is missing or no list, with a line and the rule it breaks.
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
    """What is wrong with a line, said after its number; None if nothing is."""
    names = line.split(b"\t")
    if len(names) > 2 or not line.strip() or (len(names) == 1 and _TWO_PICTURES.search(line)):
        return fields_problem(line, "a picture and a label map")
    if labeled and len(names) == 1:
        return f"has no label map, which other lines have: found {quote(line)}"
    return next(filter(None, map(path_problem, names)), None)


def write_pairs(path: PathLike, pairs: Iterable[Pair]) -> None:
    """Write a list, whole or not at all.

    Raises InputError for a path that a line cannot hold.
    """
    with atomic_write(path) as file:
        for pair in pairs:
            names = [name for name in pair if name is not None]
            if any(set(name) & set("\t\r\n") for name in names):
                raise InputError(f"{pair.image!r}: rename it, a list holds no tabs and line breaks")
            file.write(b"\t".join(map(os.fsencode, names)) + b"\n")
