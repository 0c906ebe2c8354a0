"""Small segmentation datasets and networks for tests."""

import io

import numpy as np
from PIL import Image

from rnw.data.picture_types import IMAGENET
from rnw.data.sets.rows import SegmentationDataset
from rnw.evaluation.segmentation.model import Model, Scorer
from rnw.evaluation.segmentation.protocol import Protocol


class Pictures:
    """Pictures and label maps in memory, with the interface of `LabeledImages`."""

    upright = False
    normalization = IMAGENET

    def __init__(self, images, labels=None):
        self._images, self._labels = images, labels
        self.has_labels = labels is not None

    def __len__(self):
        return len(self._images)

    def name(self, index):
        return f"pictures/{index}.jpg"

    def label_name(self, index):
        return f"labels/{index}.png"

    def read(self, index):
        buffer = io.BytesIO()
        Image.fromarray(self._images[index]).save(buffer, "png")
        return buffer.getvalue()

    def label(self, index):
        return self._labels[index]


def make_dataset(pictures, classes, **fields):
    names = tuple(f"class {number}" for number in range(classes))
    palette = tuple((10 * k % 256, 255 - k, 3 * k % 256) for k in range(classes))
    defaults = {
        "name": "pictures",
        "title": "Pictures",
        "root": None,
        "class_names": names,
        "palette": palette,
        "read": lambda root, split: pictures,
        "counts": {"val": len(pictures), "test": len(pictures)},
        "largest": (500, 500),
        "recipe": "",
        "test_size": 96,
    }
    return SegmentationDataset(**{**defaults, **fields})


def stand_in(classes, seed):
    """The network of the reference data: a linear function of 8x8 blocks, and softmax."""
    weights = np.random.RandomState(seed).standard_normal((classes, 3, 8, 8)) * 0.15

    def forward(data):
        n, _, height, width = data.shape
        blocks = data.astype(np.float64).reshape(n, 3, height // 8, 8, width // 8, 8)
        scores = np.einsum("ncyixj,kcij->nkyx", blocks, weights)
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)

    return forward


def make_model(dataset, *seeds, protocol=None):
    """Stand-ins of some seeds with equal weights."""
    scorers = [Scorer(stand_in(dataset.classes, seed), 8, 1 / len(seeds)) for seed in seeds]
    return Model(scorers, dataset, protocol or Protocol((dataset.test_size,)))


def label_map(height, width, classes, seed):
    """Squares of ten pixels below two lines that are ignored, as in the reference data."""
    shape = (height + 9) // 10, (width + 9) // 10
    small = np.random.RandomState(seed).randint(0, classes, shape).astype(np.uint8)
    labels = np.kron(small, np.ones((10, 10), np.uint8))[:height, :width]
    labels[:2] = 255
    return labels
