"""The paper's image transforms (sections 4 and 6), on (H, W, 3) uint8 arrays."""

from typing import Tuple

import numpy as np
from PIL import Image

MEAN = np.float32([0.485, 0.456, 0.406])  # of ImageNet, RGB in [0, 1]
DEVIATION = np.float32([0.229, 0.224, 0.225])


def interpolation(
    source: Tuple[int, int], target: Tuple[int, int], choice: str = "adaptive"
) -> int:
    """Pillow's filter for resizing (h, w) `source` to `target`.

    choice: 'adaptive' takes Lanczos when both sides shrink, cubic when both grow, linear otherwise;
    'cubic' always takes that, as the released models were tested.
    """
    if choice == "cubic":
        return Image.BICUBIC
    if target[0] < source[0] and target[1] < source[1]:
        return Image.LANCZOS
    if target[0] > source[0] and target[1] > source[1]:
        return Image.BICUBIC
    return Image.BILINEAR


def resize(image: np.ndarray, height: int, width: int, choice: str = "adaptive") -> np.ndarray:
    """Resample to (height, width, 3) uint8."""
    how = interpolation(image.shape[:2], (height, width), choice)
    return np.array(Image.fromarray(image).resize((width, height), how))


def scale_shorter_side(image: np.ndarray, size: int, choice: str = "adaptive") -> np.ndarray:
    """Resample so that the shorter side has `size` pixels, keeping the aspect."""
    height, width = image.shape[:2]
    if min(height, width) == size:
        return image
    if width <= height:
        return resize(image, int(np.round(size * height / width)), size, choice)
    return resize(image, size, int(np.round(size * width / height)), choice)


def center_crop(image: np.ndarray, size: int) -> np.ndarray:
    """The (size, size, 3) middle of an image at least that large."""
    top, left = (int(np.ceil((side - size) / 2)) for side in image.shape[:2])
    return image[top : top + size, left : left + size]


def three_crops(image: np.ndarray, size: int) -> np.ndarray:
    """(3, size, size, 3): both ends and the middle of an image along its longer side."""
    height, width = image.shape[:2]
    top, left = (int(np.ceil((side - size) / 2)) for side in (height, width))
    if height > width:
        corners = [(y, left) for y in (0, top, height - size)]
    else:
        corners = [(top, x) for x in (0, left, width - size)]
    return np.stack([image[y : y + size, x : x + size] for y, x in corners])


def five_crops(image: np.ndarray, size: int) -> np.ndarray:
    """(5, size, size, 3): the four corners and the middle of an image."""
    bottom, right = (side - size for side in image.shape[:2])
    corners = [(y, x) for y in (0, bottom) for x in (0, right)]
    crops = [image[y : y + size, x : x + size] for y, x in corners]
    return np.stack([*crops, center_crop(image, size)])


def normalize(images: np.ndarray) -> np.ndarray:
    """(..., H, W, 3) uint8 to (..., 3, H, W) float32: zero mean and unit deviation on ImageNet."""
    scaled = images.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(np.moveaxis((scaled - MEAN) / DEVIATION, -1, -3))
