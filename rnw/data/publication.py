"""How the authors of a data set publish it: archives, checksums, counts and annotations."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, Optional, Tuple

SPLITS = ("train", "val")


class Form(NamedTuple):
    """A form in which the pictures of a split are published.

    `archive` holds them under `inside`, and they go to `folder`; extracted already, they lie in a
    folder called one of `extracted`. `flat`: in no class folders, so that annotations are needed.
    """

    archive: str
    md5: Optional[str]  # None: not published
    folder: str
    extracted: Tuple[str, ...]
    inside: str = ""
    flat: bool = False


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
    """Where annotations are: in an archive, or in a folder of that name that holds `probe`."""

    archive: str
    md5: str
    extracted: str
    probe: str
    read: Callable[[Path], Annotations]


@dataclass(frozen=True)
class Publication:
    """A data set as published; `class_of` gives the class of a folder of pictures."""

    classes: int
    images: Mapping[str, int]
    forms: Mapping[str, Tuple[Form, ...]]
    annotations: AnnotationFiles
    class_of: Callable[[str], str] = str
