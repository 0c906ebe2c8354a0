"""Types that datasets are read as: arrays in memory, or encoded pictures by index."""

from typing import TYPE_CHECKING, Iterable, NamedTuple, Optional, Protocol, Union

from rnw.networks.inputs import IMAGENET as IMAGENET
from rnw.networks.inputs import Normalization

if TYPE_CHECKING:
    import numpy as np  # which rows of the catalog must not need

INTERPOLATIONS = ("adaptive", "cubic")  # see `rnw.data.transforms.interpolation`


class Examples(NamedTuple):
    """Images (N, H, W, 3) uint8 with their classes (N,) int64."""

    images: "np.ndarray"
    labels: "np.ndarray"


class Pair(NamedTuple):
    """Paths of a picture and its label map, relative to the dataset's folder; None: no labels."""

    image: str
    label: Optional[str]


class PictureSource(Protocol):
    """Encoded pictures (JPEG, PNG, ...) that are read one at a time.

    upright: whether they are to be turned as their EXIF orientation says, as photographs of one's
    own are; those of the paper's datasets are taken as stored. normalization: how a network that is
    trained on them gets them.
    """

    upright: bool
    normalization: Normalization

    def __len__(self) -> int: ...

    def names(self) -> Iterable[Union[str, bytes]]:
        """Return what identifies the pictures, in order."""

    def name(self, index: int) -> str:
        """Return the path of a picture, for messages and for the names of predictions."""

    def read(self, index: int) -> bytes:
        """Return the content of a picture's file; raise InputError when it cannot be read."""


class ClassifiedSource(PictureSource, Protocol):
    """Pictures with one class each: `labels` (N,) int64."""

    labels: "np.ndarray"


class LabeledSource(PictureSource, Protocol):
    """Pictures with a label for each pixel."""

    @property
    def has_labels(self) -> bool:
        """Whether label maps are published."""

    def label_name(self, index: int) -> str:
        """Return the path of a label map, for messages."""

    def label(self, index: int) -> "np.ndarray":
        """Return classes (H, W) uint8, 255 where a pixel is ignored; raise InputError for none."""


Classified = Union[Examples, ClassifiedSource]
