"""Pictures of one textured shape each, with its class; drawn, not read from files.

The shapes have the same sizes as those of `shapes`, so that a network that has learned to classify
them can be trained to segment them.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np

from rnw.data.picture_types import Examples
from rnw.data.sets.rows import Dataset, check_split
from rnw.data.sets.shapes import CLASSES, draw_ground, paint_shape

NAMES = CLASSES[1:]  # without the ground
SIZE = 64  # pixels a side
TRAINING, HELD_OUT = 10_000, 400
TURNS = 4  # training pictures from each drawing, rotated and with other colors


def read_shape_crops(root: Path, split: str) -> Examples:
    """Return pictures of one shape with its class, of split 'train' or 'test'.

    `root` is not used. Raises InputError for another split.
    """
    check_split("shapes-cls", split, ("train", "test"))
    if split == "test":
        return _draw(HELD_OUT, seed=3)
    drawn = _draw(TRAINING // TURNS, seed=2)
    turned = [
        np.roll(np.rot90(drawn.images, turn, (1, 2)), turn, 3) ^ np.uint8(255 * (turn % 2))
        for turn in range(TURNS)
    ]
    return Examples(np.concatenate(turned), np.tile(drawn.labels, TURNS))


def _draw(count: int, seed: int) -> Examples:
    labels = np.arange(count) % len(NAMES)
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    random = np.random.RandomState(seed)
    for image, kind in zip(images, labels + 1):
        image[:] = draw_ground(random, SIZE)
        paint_shape(kind, image, random)
    return Examples(images, labels)


DATASET = Dataset(
    "shapes-cls",
    "drawn shapes, one a picture",
    None,
    len(NAMES),
    lambda: NAMES,
    read_shape_crops,
    "train",
    "test",
    recipe="shapes-cls",
    test_scale=Fraction(8, 7),  # whole pictures
)
