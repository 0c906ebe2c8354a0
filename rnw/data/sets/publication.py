"""How the authors of a dataset publish it: archives, checksums, counts and annotations."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from rnw.data.picture_types import Pair

if TYPE_CHECKING:
    import numpy as np  # which the catalog must not need


class Form(NamedTuple):
    """A form in which the pictures of a split are published.

    archive: contains them under `inside`. folder: where they are extracted to. extracted: names of
    folders that contain them extracted already, if `probe` is there. flat: there are no class
    folders, so that annotations are needed.
    """

    archive: str
    md5: Optional[str]  # None: not published
    folder: str
    extracted: Tuple[str, ...]
    inside: str = ""
    flat: bool = False
    probe: str = ""


class Annotations(NamedTuple):
    """What is published about the pictures.

    classes: in label order. train: the number of training pictures of each class; None: it is not
    told. val: the class of each validation picture, by its name without suffix.
    """

    classes: Tuple[str, ...]
    train: Optional[Mapping[str, int]]
    val: Mapping[str, str]

    def images(self, split: str) -> Optional[Mapping[str, int]]:
        """Return the number of pictures of each class, None where it is not told."""
        return self.train if split == "train" else Counter(self.val.values())


class AnnotationFiles(NamedTuple):
    """The annotations, in an archive or in the folder `extracted` that contains `probe`.

    kept: files beside `probe`, `probe` last, that are still needed when the data is prepared.
    """

    archive: str
    md5: Optional[str]  # None: not published
    extracted: str
    probe: str
    read: Callable[[Path], Annotations]
    kept: Tuple[str, ...] = ()


class ClassNumbers(NamedTuple):
    """The numbers that a benchmark server gives to the classes, under the `name` that it has.

    `find` looks for the file or folder that holds them in a folder, and returns None where there is
    none; `read` returns the number of each class id in it, or raises InputError.
    """

    name: str
    find: Callable[[Path], Optional[Path]]
    read: Callable[[Path], Dict[str, int]]


@dataclass(frozen=True)
class Publication:
    """A classification dataset as published.

    classes: their number. images: the number of pictures by split. forms: the forms of each split.
    annotations: those that there are, the best first; one is enough. class_kind: what the name of a
    class folder is, for messages; class_names: a regular expression for a class. class_of: the
    class of a folder of pictures. optional: splits that are prepared where they are found.
    """

    classes: int
    images: Mapping[str, int]
    forms: Mapping[str, Tuple[Form, ...]]
    annotations: Tuple[AnnotationFiles, ...]
    class_kind: str
    class_names: str
    class_of: Callable[[str], str] = str
    optional: Tuple[str, ...] = ()


class PackedPublication(NamedTuple):
    """A classification dataset as published: few files that hold all pictures, read as they are.

    forms: those in which the files are published. images: the number of pictures by split.
    """

    forms: Tuple[Form, ...]
    images: Mapping[str, int]


class Rendering(NamedTuple):
    """Label maps that are not published as pictures, and are drawn from `source` to `folder`.

    items: from the dataset's folder to what each map is drawn from, by its path in `folder` without
    suffix. draw: from such an item to labels (H, W) uint8.
    """

    folder: str
    source: str
    items: Callable[[Path], Mapping[str, Any]]
    draw: Callable[[Any], "np.ndarray"]


class LabeledSplit(NamedTuple):
    """A split of a segmentation dataset as published.

    parts: what it consists of, each in one of several forms. renderings: label maps to be drawn.
    pairs: from the dataset's folder to its pictures and label maps, in the order of the list.
    misfits: some label maps are published in another size than their picture, and are left out.
    """

    parts: Tuple[Tuple[Form, ...], ...]
    pairs: Callable[[Path], List[Pair]]
    renderings: Tuple[Rendering, ...] = ()
    misfits: bool = False
