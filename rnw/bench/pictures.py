"""Pictures to measure with: JPEG files that take as long to read as photographs do."""

from pathlib import Path
from typing import List, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw

Shape = Tuple[int, int]  # height, width in pixels
SHAPE = (375, 500)  # usual in ILSVRC
QUALITY = 90


def make_pictures(folder: Path, count: int, shapes: Sequence[Shape] = (SHAPE,)) -> List[str]:
    """Write `count` JPEGs of about 100 kB into a folder and return their names.

    shapes: height and width in pixels, which the pictures have one after the other.

    Their spectrum falls with frequency as that of photographs does, and they contain some edges.
    """
    names = [f"{index}.jpg" for index in range(count)]
    for index, name in enumerate(names):
        picture = _natural_picture(np.random.RandomState(index), shapes[index % len(shapes)])
        picture.save(folder / name, quality=QUALITY)
    return names


def _natural_picture(random: np.random.RandomState, shape: Shape) -> Image.Image:
    height, width = shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = 1
    waves = np.fft.rfft2(random.standard_normal((3, height, width))) / frequency
    noise = np.fft.irfft2(waves, s=shape)
    noise /= noise.std(axis=(1, 2), keepdims=True)
    colors = 118 + 40 * noise[:1] + 14 * noise
    image = Image.fromarray(np.clip(np.moveaxis(colors, 0, -1), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = random.randint(0, width), random.randint(0, height)
        across, down = random.randint(20, 160, 2)
        color = tuple(random.randint(0, 256, 3).tolist())
        draw.ellipse([left, top, left + across, top + down], fill=color)
    return image
