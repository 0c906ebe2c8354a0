"""Types of the rows of the catalog, each of which describes a dataset completely.

Importing a row needs none of the extras: decoders are imported when pictures are read.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Callable, ClassVar, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from rnw.data.label_meaning import Color, LabelMeaning
from rnw.data.own.description import CLASSIFICATION, SEGMENTATION, Description
from rnw.data.picture_types import IMAGENET, Classified, LabeledSource, Normalization
from rnw.data.sets.publication import (
    ClassNumbers,
    LabeledSplit,
    PackedPublication,
    Publication,
)
from rnw.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """A classification dataset, named as in model labels.

    root: its default folder; None: embedded in the package, without a folder. read: returns the
    examples of a split under a root. recipe: the default recipe; empty: those for datasets of one's
    own. train_split: empty where the dataset is for tests alone. test_split: the split that
    networks are tested on, with crops of `test_scale` times the training crop. publication: what
    `rnw prepare` makes it from; None: there is nothing to prepare. class_ids: official ids of the
    classes, in label order, as in `classes.txt`. class_numbers: the numbers of classes in
    submissions; None: they are numbered from 1. known: in the catalog, not a stand-in for a name
    that is not. description: what tells a dataset of one's own; None: the row itself.
    """

    task: ClassVar[str] = CLASSIFICATION

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
    publication: Union[Publication, PackedPublication, None] = None
    class_ids: Tuple[str, ...] = ()
    class_numbers: Optional[ClassNumbers] = None
    known: bool = True
    description: Optional[Description] = None

    @property
    def normalization(self) -> Normalization:
        """How pictures are normalized: by the description, else as ImageNet's."""
        return IMAGENET if self.description is None else self.description.normalization

    @property
    def published(self) -> Optional[int]:
        """The published number of training images, None without a publication."""
        return None if self.publication is None else self.publication.images.get(self.train_split)


@dataclass(frozen=True)
class SubmissionForm:
    """The form in which a benchmark server takes predictions: an archive of label maps.

    folder: of label maps in the archive. suffixes: allowed suffixes of its name. palette: whether
    label maps have the dataset's colors. fields: the number of fields of a picture's name,
    separated by '_', by which the server identifies it; None: all.
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


class RankingScore(NamedTuple):
    """A benchmark's own score: its title, and its key in the scores of an evaluation."""

    title: str
    key: str


TAR, ZIP = (".tar", ".tgz", ".tar.gz"), (".zip",)  # suffixes of archives
OWN_SUBMISSION = SubmissionForm("", (*ZIP, *TAR), palette=True)  # for whoever judges own data


@dataclass(frozen=True)
class SegmentationDataset:
    """A segmentation dataset, named as in model labels.

    root: its default folder; None: embedded in the package, without a folder. palette: (R, G, B) of
    each class in predictions. read: returns the pictures of a split under a root. counts: the
    published number of pictures by split, None where it is not. largest: (height, width) that no
    picture exceeds; None: it is not published. recipe: the default recipe; empty: those for
    datasets of one's own. test_split: the split that networks are tested on; test_size: the longer
    side there, in pixels. label_ids: the numbers of the classes in published label maps and in
    submissions; None: the classes themselves. meaning: what published label maps are checked
    against; None: embedded. identical_sizes: all pictures have the size `largest`, so that tests
    need no square inputs. publication: what `rnw prepare` makes each split from; None: there is
    nothing to prepare. composed: splits that are the lists of others one after the other, among
    them names of the original. submission: None where there is no server. official_tool: the module
    of the benchmark's own tool for scores; None: it has none that is used here. ranking_score: what
    the benchmark ranks by, if that is none of the usual scores. known: in the catalog, not a
    stand-in for a name that is not. description: what tells a dataset of one's own; None: the
    row itself.
    """

    task: ClassVar[str] = SEGMENTATION

    name: str
    title: str
    root: Optional[Path]
    class_names: Tuple[str, ...]
    palette: Tuple[Color, ...]
    read: Callable[[Path, str], LabeledSource]
    counts: Mapping[str, Optional[int]]
    largest: Optional[Tuple[int, int]]
    recipe: str
    test_size: int
    train_split: str = "train"
    test_split: str = "val"
    label_ids: Optional[Tuple[int, ...]] = None
    meaning: Optional[LabelMeaning] = None
    identical_sizes: bool = False
    publication: Optional[Mapping[str, LabeledSplit]] = None
    composed: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    submission: Optional[SubmissionForm] = None
    official_tool: Optional[str] = None
    ranking_score: Optional[RankingScore] = None
    known: bool = True
    description: Optional[Description] = None

    @property
    def normalization(self) -> Normalization:
        """How pictures are normalized: by the description, else as ImageNet's."""
        return IMAGENET if self.description is None else self.description.normalization

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def parts_of(self, split: str) -> Tuple[str, ...]:
        """Return the splits whose lists a split consists of: itself, unless it is composed."""
        return self.composed.get(split, (split,))

    def published_count(self, split: str) -> Optional[int]:
        """Return the published number of pictures of a split, None where it is not published."""
        counts = [self.counts.get(part) for part in self.parts_of(split)]
        return None if None in counts else sum(filter(None, counts))

    @property
    def validation_split(self) -> str:
        """The split that networks are tested on in training: 'val' where there is one."""
        return "val" if "val" in self.counts else self.test_split


def prepared(name: str) -> Callable[[Path, str], Classified]:
    """Return a function that reads the lists of `rnw prepare NAME` (see `read_listed`)."""

    def read(root: Path, split: str) -> Classified:
        from rnw.data.readers import read_listed  # needs an extra

        return read_listed(root, split, _tool(name))

    return read


def prepared_labeled(
    name: str, meaning: LabelMeaning, composed: Mapping[str, Tuple[str, ...]] = MappingProxyType({})
) -> Callable[[Path, str], LabeledSource]:
    """Return a function that reads such lists with label maps (see `read_labeled`).

    composed: as in a row; a split that has a list of its own all the same is that list.
    """

    def read(root: Path, split: str) -> LabeledSource:
        from rnw.data.labeled import read_labeled  # needs an extra

        return read_labeled(root, split, _tool(name), meaning, composed.get(split, ()))

    return read


def _tool(name: str) -> str:
    return f"`rnw prepare {name}`"


def check_split(dataset: str, split: str, splits: Sequence[str]) -> None:
    """Raise InputError for a split that an embedded dataset does not have."""
    if split not in splits:
        raise InputError(f"{dataset} has no split {split!r}: expected {' or '.join(splits)}")


Row = Union[Dataset, SegmentationDataset]


def note_on_tests(dataset: Row) -> str:
    """Return what is to be said where tests are on the pictures of training, else ''."""
    if dataset.description is not None:
        return dataset.description.note_on_tests
    if dataset.train_split != dataset.test_split:
        return ""
    return (
        f"{dataset.title} has one split: networks are tested on the pictures that they are trained "
        "on, unless another dataset is named"
    )
