"""Textured shapes on textured ground: with a label for each pixel, or one shape a picture.

The shapes of both are of the same sizes, so that what learnt to classify them can learn to
segment them.
"""

import io
from pathlib import Path
from typing import Dict, Iterator, Tuple

import numpy as np
from PIL import Image

from rnw.data.readers import Examples, check_split

CLASSES = ("ground", "disc", "square", "triangle", "ring")
SIZE = 96  # pixels a side
TRAINING, HELD_OUT = 1000, 100
SPLITS = {"train": (TRAINING, 0), "val": (HELD_OUT, 1)}  # pictures, and the seed of their drawing
CROP_SIZE = 64  # of a picture of one shape
CROPS_TRAINING, CROPS_HELD_OUT = 10_000, 400
TURNS = 4  # of each drawing to train on, by a quarter and with other colors


class Shapes:
    """`count` pictures of up to three shapes, a function of `seed` and the index alone.

    They are drawn when they are asked for first, and kept. The interface is that of
    `rnw.data.labeled.LabeledImages`.
    """

    has_labels = True

    def __init__(self, count: int, seed: int):
        self._count, self._seed = count, seed
        self._drawn: Dict[int, Tuple[bytes, np.ndarray]] = {}

    def __len__(self) -> int:
        return self._count

    def names(self) -> Iterator[str]:
        return map(self.name, range(self._count))

    def name(self, index: int) -> str:
        return f"shapes/{self._seed}-{index:04d}.png"

    def label_name(self, index: int) -> str:
        return f"the labels of {self.name(index)}"

    def read(self, index: int) -> bytes:
        return self._draw(index)[0]

    def label(self, index: int) -> np.ndarray:
        return self._draw(index)[1].copy()

    def _draw(self, index: int) -> Tuple[bytes, np.ndarray]:
        """A PNG file, and its classes (SIZE, SIZE) uint8."""
        if index not in self._drawn:
            random = np.random.RandomState([self._seed, index])
            image = _ground(random, SIZE)
            label = np.zeros((SIZE, SIZE), np.uint8)
            for _ in range(random.randint(1, 4)):
                kind = random.randint(1, len(CLASSES))
                label[_paint(kind, image, random)] = kind
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "png")
            self._drawn[index] = buffer.getvalue(), label
        return self._drawn[index]


def read_shapes(root: Path, split: str) -> Shapes:
    """Split 'train' or 'val'; `root` is not used. Raises InputError for another split."""
    check_split("shapes", split, tuple(SPLITS))
    return Shapes(*SPLITS[split])


def read_shape_crops(root: Path, split: str) -> Examples:
    """Pictures of one shape, its class without the ground, split 'train' or 'test'.

    `root` is not used.
    """
    check_split("shapes-cls", split, ("train", "test"))
    if split == "test":
        return _draw_crops(CROPS_HELD_OUT, seed=3)
    drawn = _draw_crops(CROPS_TRAINING // TURNS, seed=2)
    turned = [
        np.roll(np.rot90(drawn.images, turn, (1, 2)), turn, 3) ^ np.uint8(255 * (turn % 2))
        for turn in range(TURNS)
    ]
    return Examples(np.concatenate(turned), np.tile(drawn.labels, TURNS))


def _draw_crops(count: int, seed: int) -> Examples:
    labels = np.arange(count) % (len(CLASSES) - 1)
    images = np.empty((count, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    random = np.random.RandomState(seed)
    for image, kind in zip(images, labels + 1):
        image[:] = _ground(random, CROP_SIZE)
        _paint(kind, image, random)
    return Examples(images, labels)


def _paint(kind: int, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Draw a shape of class `kind` on the picture; where it lies."""
    inside = _inside(kind, len(image), random)
    image[inside] = _texture(random, len(image))[inside]
    return inside


def _ground(random: np.random.RandomState, size: int) -> np.ndarray:
    return _grating(random.uniform(60, 200, (2, 1)) + random.normal(0, 6, (2, 3)), random, size)


def _texture(random: np.random.RandomState, size: int) -> np.ndarray:
    """That of a shape, in saturated colors, which the ground has not."""
    levels = np.stack([random.uniform(low, low + 75, 2) for low in (0, 90, 180)], axis=1)
    return _grating(levels[:, random.permutation(3)], random, size)


def _grating(colors: np.ndarray, random: np.random.RandomState, size: int) -> np.ndarray:
    """Two colors (2, 3) in a grating of random direction and pitch, with noise."""
    y, x = np.mgrid[:size, :size]
    angle, pitch = random.uniform(0, np.pi), random.uniform(4, 16)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / pitch) > 0
    noise = random.normal(0, 12, (size, size, 3))
    return np.clip(colors[wave.astype(int)] + noise, 0, 255).astype(np.uint8)


def _inside(kind: int, size: int, random: np.random.RandomState) -> np.ndarray:
    """Where a shape of class `kind`, of random place, size and angle, lies."""
    radius = random.uniform(0.14, 0.3) * SIZE  # in pictures of any size
    center = random.uniform(radius, size - radius, 2)
    angle = random.uniform(0, 2 * np.pi)
    y, x = (np.mgrid[:size, :size] - center[:, None, None]) / radius
    u, v = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    distance = np.hypot(u, v)
    return {
        "disc": distance < 1,
        "square": np.maximum(np.abs(u), np.abs(v)) < 0.75,
        "triangle": (v < 0.5) & (v > np.sqrt(3) * np.abs(u) - 1),
        "ring": (distance < 1) & (distance > 0.55),
    }[CLASSES[kind]]
