"""Textured shapes on textured ground with exact labels, drawn when they are asked for."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ground", "disc", "square", "triangle", "ring")
SIZE = 96  # pixels a side
TRAINING, HELD_OUT = 400, 100


class Shapes:
    """`count` pictures of up to three shapes, a function of `seed` and the index alone.

    The interface is that of `rnw.data.labelled.LabelledImages`.
    """

    has_labels = True

    def __init__(self, count: int, seed: int):
        self._count, self._seed = count, seed

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return f"shapes/{self._seed}-{index:04d}.png"

    def label_name(self, index: int) -> str:
        return f"the labels of {self.name(index)}"

    def read(self, index: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self._draw(index)[0]).save(buffer, "png")
        return buffer.getvalue()

    def label(self, index: int) -> np.ndarray:
        return self._draw(index)[1]

    def _draw(self, index: int):
        """(SIZE, SIZE, 3) uint8 and its classes (SIZE, SIZE) uint8."""
        random = np.random.RandomState([self._seed, index])
        image = _texture(random)
        label = np.zeros((SIZE, SIZE), np.uint8)
        for _ in range(random.randint(1, 4)):
            kind = random.randint(1, len(CLASSES))
            inside = _inside(kind, random)
            image[inside] = _texture(random)[inside]
            label[inside] = kind
        return image, label


def read_shapes(root: Path, split: str) -> Shapes:
    """Split 'train' or 'val'; `root` is not used."""
    return Shapes(HELD_OUT, seed=1) if split == "val" else Shapes(TRAINING, seed=0)


def _texture(random: np.random.RandomState) -> np.ndarray:
    """Two colours in a grating of random direction and pitch, with noise."""
    y, x = np.mgrid[:SIZE, :SIZE]
    angle, pitch = random.uniform(0, np.pi), random.uniform(4, 16)
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / pitch) > 0
    colours = random.uniform(0, 255, (2, 3))
    noise = random.normal(0, 12, (SIZE, SIZE, 3))
    return np.clip(colours[wave.astype(int)] + noise, 0, 255).astype(np.uint8)


def _inside(kind: int, random: np.random.RandomState) -> np.ndarray:
    """Where a shape of class `kind`, of random place, size and angle, lies."""
    radius = random.uniform(0.14, 0.3) * SIZE
    centre = random.uniform(radius, SIZE - radius, 2)
    angle = random.uniform(0, 2 * np.pi)
    y, x = (np.mgrid[:SIZE, :SIZE] - centre[:, None, None]) / radius
    u, v = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    distance = np.hypot(u, v)
    return {
        "disc": distance < 1,
        "square": np.maximum(np.abs(u), np.abs(v)) < 0.75,
        "triangle": (v < 0.5) & (v > np.sqrt(3) * np.abs(u) - 1),
        "ring": (distance < 1) & (distance > 0.55),
    }[CLASSES[kind]]
