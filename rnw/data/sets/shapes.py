"""Textured shapes on textured ground, with a label for each pixel; drawn, not read from files."""

import io
from pathlib import Path
from typing import Dict, Iterator, Tuple

import numpy as np

from rnw.data.picture_types import IMAGENET
from rnw.data.sets.rows import SegmentationDataset, check_split

CLASSES = ("ground", "disc", "square", "triangle", "ring")
SIZE = 96  # pixels a side
TRAINING, HELD_OUT = 1000, 100
SPLITS = {"train": (TRAINING, 0), "val": (HELD_OUT, 1)}  # pictures, and the seed of their drawing
_COLORS = ((128, 128, 128), (230, 80, 60), (70, 130, 230), (90, 190, 90), (240, 190, 60))


class Shapes:
    """`count` pictures of up to three shapes, which depend on `seed` and the index alone.

    Each is drawn when it is first read, and kept in memory. The interface is that of
    `rnw.data.picture_types.LabeledSource`.
    """

    has_labels = True
    upright = False
    normalization = IMAGENET

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
        """Return the content of a PNG file, and its classes (SIZE, SIZE) uint8."""
        if index not in self._drawn:
            from PIL import Image  # of an extra, which the catalog must not need

            random = np.random.RandomState([self._seed, index])
            image = draw_ground(random, SIZE)
            label = np.zeros((SIZE, SIZE), np.uint8)
            for _ in range(random.randint(1, 4)):
                kind = random.randint(1, len(CLASSES))
                label[paint_shape(kind, image, random)] = kind
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "png")
            self._drawn[index] = buffer.getvalue(), label
        return self._drawn[index]


def read_shapes(root: Path, split: str) -> Shapes:
    """Return split 'train' or 'val'; `root` is not used. Raises InputError for another split."""
    check_split("shapes", split, tuple(SPLITS))
    return Shapes(*SPLITS[split])


def paint_shape(kind: int, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Draw a shape of class `kind` on a picture (H, H, 3) uint8; return its mask (H, H)."""
    inside = _inside(kind, len(image), random)
    image[inside] = _texture(random, len(image))[inside]
    return inside


def draw_ground(random: np.random.RandomState, size: int) -> np.ndarray:
    """Return ground without shapes, (size, size, 3) uint8, in colors near gray."""
    return _grating(random.uniform(60, 200, (2, 1)) + random.normal(0, 6, (2, 3)), random, size)


def _texture(random: np.random.RandomState, size: int) -> np.ndarray:
    """Return the texture of a shape, (size, size, 3), in more saturated colors than the ground."""
    levels = np.stack([random.uniform(low, low + 75, 2) for low in (0, 90, 180)], axis=1)
    return _grating(levels[:, random.permutation(3)], random, size)


def _grating(colors: np.ndarray, random: np.random.RandomState, size: int) -> np.ndarray:
    """Return a grating of two colors (2, 3), of random direction and pitch, with noise."""
    y, x = np.mgrid[:size, :size]
    angle, pitch = random.uniform(0, np.pi), random.uniform(4, 16)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / pitch) > 0
    noise = random.normal(0, 12, (size, size, 3))
    return np.clip(colors[wave.astype(int)] + noise, 0, 255).astype(np.uint8)


def _inside(kind: int, size: int, random: np.random.RandomState) -> np.ndarray:
    """Return the mask (size, size) of a shape of class `kind`, of random place, size and angle."""
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


DATASET = SegmentationDataset(
    "shapes",
    "drawn shapes",
    None,
    CLASSES,
    _COLORS,
    read_shapes,
    {"train": TRAINING, "val": HELD_OUT},
    (SIZE, SIZE),
    recipe="shapes",
    test_size=128,  # enlarged: a shape is then several cells wide at stride 8
    identical_sizes=True,
)
