"""What a row of the catalog is: all that the package knows about one dataset.

Reading a row needs none of the extras: what decodes pictures is imported when they are read.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Callable, Mapping, Optional, Sequence, Tuple

from rnw.data.label_meaning import Color, LabelMeaning
from rnw.data.own.description import Description
from rnw.data.picture_types import Classified, LabeledSource
from rnw.data.sets.publication import LabeledSplit, Publication
from rnw.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """A classification dataset, named as in model labels.

    root: where its folder is expected; None: embedded in the package, so that there is none.
    read: gives the examples of a split under a root. recipe: trains on it by default.
    test_split: what it is judged on, in crops `test_scale` times the training crop.
    publication: what `rnw prepare` makes it of; None: nothing is to be prepared. class_ids: what
    names the classes, by label, where data is prepared. known: in the catalog, not a stand-in for
    a name that is not. description: what a dataset of one's own is told by; None: the row itself.
    """

    name: str
    title: str
    root: Optional[Path]
    classes: int
    class_names: Callable[[], Sequence[str]]
    read: Callable[[Path, str], Classified]
    train_split: str
    test_split: str
    recipe: str
    test_scale: Fraction = Fraction(1)
    publication: Optional[Publication] = None
    class_ids: Tuple[str, ...] = ()
    known: bool = True
    description: Optional[Description] = None

    @property
    def published(self) -> Optional[int]:
        """The published number of training images; None where there is no publication."""
        return None if self.publication is None else self.publication.images[self.train_split]


@dataclass(frozen=True)
class SubmissionForm:
    """Predictions as a benchmark server takes them: an archive of label maps.

    folder: where label maps lie in it. suffixes: of the archive's name. palette: label maps have
    the dataset's colors. fields: how many of the fields of a picture's name, joined by '_', the
    server identifies it by; None: all.
    """

    folder: str
    suffixes: Tuple[str, ...]
    palette: bool
    fields: Optional[int] = None

    def key(self, stem: str) -> str:
        """Return what the server identifies a picture by, from its name without suffix."""
        return "_".join(stem.split("_")[: self.fields])

    def path(self, stem: str) -> str:
        """Return the path of a picture's label map in the archive."""
        return str(PurePosixPath(self.folder, f"{stem}.png"))


TAR, ZIP = (".tar", ".tgz", ".tar.gz"), (".zip",)  # suffixes of archives


@dataclass(frozen=True)
class SegmentationDataset:
    """A segmentation dataset, named as in model labels.

    root: where its folder is expected; None: embedded in the package, so that there is none.
    palette: (R, G, B) of each class in predictions. read: gives the pictures of a split under a
    root. counts: pictures by split, where they are published. largest: (height, width) that no
    picture exceeds. recipe: trains on it by default. test_split: what it is judged on; test_size:
    longer side there, in pixels. label_ids: of the classes in the published label maps and in
    submissions; None: the classes themselves. meaning: what published label maps are checked for;
    None: embedded. identical_sizes: all pictures have the size `largest`, so that tests need no
    square inputs. publication: what `rnw prepare` makes each split of; None: nothing is to be
    prepared. submission: None where there is no form for predictions. known: in the catalog, not a
    stand-in for a name that is not. description: what a dataset of one's own is told by; None: the
    row itself.
    """

    name: str
    title: str
    root: Optional[Path]
    class_names: Tuple[str, ...]
    palette: Tuple[Color, ...]
    read: Callable[[Path, str], LabeledSource]
    counts: Mapping[str, int]
    largest: Tuple[int, int]
    recipe: str
    test_size: int
    train_split: str = "train"
    test_split: str = "val"
    label_ids: Optional[Tuple[int, ...]] = None
    meaning: Optional[LabelMeaning] = None
    identical_sizes: bool = False
    publication: Optional[Mapping[str, LabeledSplit]] = None
    submission: Optional[SubmissionForm] = None
    known: bool = True
    description: Optional[Description] = None

    @property
    def classes(self) -> int:
        return len(self.class_names)


def prepared(name: str) -> Callable[[Path, str], Classified]:
    """Return what reads the lists that `tools/prepare.py NAME` writes (see `read_listed`)."""

    def read(root: Path, split: str) -> Classified:
        from rnw.data.readers import read_listed  # needs an extra

        return read_listed(root, split, _tool(name))

    return read


def prepared_labeled(name: str, meaning: LabelMeaning) -> Callable[[Path, str], LabeledSource]:
    """Return what reads lists with label maps, as `prepared` (see `read_labeled`)."""

    def read(root: Path, split: str) -> LabeledSource:
        from rnw.data.labeled import read_labeled  # needs an extra

        return read_labeled(root, split, _tool(name), meaning)

    return read


def _tool(name: str) -> str:
    return f"tools/prepare.py {name}"


def check_split(dataset: str, split: str, splits: Sequence[str]) -> None:
    """Raise InputError for a split that an embedded dataset does not have."""
    if split not in splits:
        raise InputError(f"{dataset} has no split {split!r}: expected {' or '.join(splits)}")
