"""How the authors of a dataset publish it: archives, checksums, counts and annotations."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from rnw.data.picture_types import Pair

SPLITS = ("train", "val")


class Form(NamedTuple):
    """A form in which the pictures of a split are published.

    `archive` holds them under `inside`, and they go to `folder`; extracted already, they lie in a
    folder called one of `extracted` that has `probe` in it. `flat`: in no class folders, so that
    annotations are needed.
    """

    archive: str
    md5: Optional[str]  # None: not published
    folder: str
    extracted: Tuple[str, ...]
    inside: str = ""
    flat: bool = False
    probe: str = ""


class Annotations(NamedTuple):
    """What is published about the pictures: the classes in label order, and how many each has.

    `val` gives the class of a validation picture by its name without suffix.
    """

    classes: Tuple[str, ...]
    train: Mapping[str, int]
    val: Mapping[str, str]

    def images(self, split: str) -> Mapping[str, int]:
        """The number of pictures of each class."""
        return self.train if split == "train" else Counter(self.val.values())


class AnnotationFiles(NamedTuple):
    """Where annotations are: in an archive, or in a folder of that name that holds `probe`.

    `kept` are files beside `probe` (the last of them) that are needed when the data is prepared.
    """

    archive: str
    md5: str
    extracted: str
    probe: str
    read: Callable[[Path], Annotations]
    kept: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Publication:
    """A dataset as published.

    `class_of` gives the class of a folder of pictures, whose name is `class_kind`, as the regular
    expression `class_names` has it.
    """

    classes: int
    images: Mapping[str, int]
    forms: Mapping[str, Tuple[Form, ...]]
    annotations: AnnotationFiles
    class_kind: str
    class_names: str
    class_of: Callable[[str], str] = str


class Rendering(NamedTuple):
    """Label maps that are published in another form than pictures, here made of `source`.

    `items` finds in the dataset's folder what a map is drawn of, by its path in `folder` without
    suffix; `draw` gives its labels (H, W) uint8.
    """

    folder: str
    source: str
    items: Callable[[Path], Mapping[str, Any]]
    draw: Callable[[Any], np.ndarray]


class LabeledSplit(NamedTuple):
    """A split of a segmentation dataset as published.

    parts: what it is found in, each in one of several forms; renderings: label maps to be drawn;
    pairs: its pictures and label maps, in the order of the list, from the dataset's folder.
    """

    parts: Tuple[Tuple[Form, ...], ...]
    pairs: Callable[[Path], List[Pair]]
    renderings: Tuple[Rendering, ...] = ()
