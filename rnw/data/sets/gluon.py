"""The datasets of the catalog as Gluon's own `Dataset`, for scripts around its `DataLoader`."""

from pathlib import Path
from typing import Any, Optional, Tuple, Union

import mxnet as mx

from rnw.data.labeled import check_size
from rnw.data.picture_types import Examples
from rnw.data.readers import read_picture
from rnw.data.sets.catalog import ROWS
from rnw.data.sets.reading import read_examples, read_pictures
from rnw.data.sets.rows import Dataset, SegmentationDataset
from rnw.errors import look_up


class GluonClassification(mx.gluon.data.Dataset):
    """The pictures of a split with one class each, in the order of its list.

    An item is (picture, label): (H, W, 3) uint8 RGB and an int. `classes` are the names by label.
    An item raises InputError for a picture that cannot be read.
    """

    def __init__(self, row: Dataset, split: str, root: Optional[Path] = None):
        self.classes = tuple(row.class_names())
        self._examples = read_examples(row, split, root)

    def __len__(self) -> int:
        return len(self._examples.labels)

    def __getitem__(self, index: int) -> Tuple[mx.nd.NDArray, int]:
        index = range(len(self))[index]
        examples = self._examples
        if isinstance(examples, Examples):
            picture = examples.images[index]
        else:
            picture = read_picture(examples, index)
        return _array(picture), int(examples.labels[index])


class GluonSegmentation(mx.gluon.data.Dataset):
    """The pictures of a split with a label for each pixel, in the order of its list.

    An item is (picture, labels): (H, W, 3) uint8 RGB and (H, W) uint8, where 255 is ignored.
    `classes` are the names by label. An item raises InputError for a picture or a label map that
    cannot be read or do not fit each other, and where labels are not published.
    """

    def __init__(self, row: SegmentationDataset, split: str, root: Optional[Path] = None):
        self.classes = row.class_names
        self._pictures = read_pictures(row, split, root)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Tuple[mx.nd.NDArray, mx.nd.NDArray]:
        index = range(len(self))[index]
        pictures = self._pictures
        picture, labels = read_picture(pictures, index), pictures.label(index)
        check_size(labels, picture.shape[:2], pictures.label_name(index), pictures.name(index))
        return _array(picture), _array(labels)


def _array(values: Any) -> mx.nd.NDArray:
    return mx.nd.array(values, dtype=values.dtype)


def get_dataset(
    name: str, split: Optional[str] = None, root: Optional[Path] = None
) -> Union[GluonClassification, GluonSegmentation]:
    """Return a split of a dataset as a `mx.gluon.data.Dataset` of pictures and labels.

    name: one of `rnw.datasets`. split: by default what the dataset is trained on. root: the folder
    of the prepared dataset, by default where its row in `rnw.datasets` expects it.

    Raises InputError for an unknown dataset or split, and for data that is missing.
    """
    row = look_up(ROWS, name, "dataset")
    if isinstance(row, SegmentationDataset):
        return GluonSegmentation(row, split or row.train_split, root)
    return GluonClassification(row, split or row.train_split, root)
