"""Pictures with a label for each pixel: what the segmentation data sets are read as."""

from pathlib import Path
from typing import Mapping, NamedTuple, Optional, Sequence

import numpy as np
from PIL import Image

from rnw.data.readers import read_file
from rnw.errors import InputError
from rnw.files import PathLike

IGNORED = 255


class Pair(NamedTuple):
    """Paths of a picture and of its label map, relative to the root; None: not published."""

    image: str
    label: Optional[str]


class LabelledImages:
    """Pictures in files under `root`, in the order of a list, with label maps.

    ids: from the labels in the files to classes; others are ignored. None: they are classes.
    """

    def __init__(
        self, root: PathLike, pairs: Sequence[Pair], ids: Optional[Mapping[int, int]] = None
    ):
        self.root = Path(root)
        self.pairs = pairs
        self._table = None if ids is None else _lookup_table(ids)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def has_labels(self) -> bool:
        """Whether label maps are published."""
        return all(pair.label is not None for pair in self.pairs)

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

        Raises InputError, naming it, for a label map that is missing or no map of 8 bits.
        """
        path = self.root / str(self.pairs[index].label)
        labels = read_label(path)
        return labels if self._table is None else self._table[labels]


def _lookup_table(ids: Mapping[int, int]) -> np.ndarray:
    table = np.full(256, IGNORED, np.uint8)
    for label, class_number in ids.items():
        table[label] = class_number
    return table


def read_label(path: PathLike) -> np.ndarray:
    """A label map (H, W) uint8: a grey picture, or the indices of one with a palette.

    Raises InputError for a file that is missing or another kind of picture.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P"):
                raise InputError(
                    f"{path}: expected a label map of 8 bits, grey or with a palette, found a "
                    f"picture of mode {image.mode}"
                )
            return np.array(image)
    except FileNotFoundError:
        raise InputError(f"{path}: no such label map") from None
    except InputError:
        raise
    except Exception as error:  # Pillow raises whatever its parsers meet in damaged files
        raise InputError(f"{path}: cannot be read as a label map: {error}") from error
