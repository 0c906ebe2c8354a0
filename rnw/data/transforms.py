"""The paper's image transforms (sections 4 and 6), on (H, W, 3) uint8 arrays.

Those of training draw random numbers from a `RandomState` that is passed in, in the same order as
the original from NumPy's global one: the same seed gives the original's array, bit for bit.
"""

from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from rnw.arrays import check_finite
from rnw.data.picture_types import IMAGENET, Normalization

EXACT_MEAN, EXACT_DEVIATION = map(np.array, IMAGENET)
MEAN, DEVIATION = EXACT_MEAN.astype(np.float32), EXACT_DEVIATION.astype(np.float32)

AREA = (0.08, 1.0)  # share of the image that a training crop covers
ASPECT = (3 / 4, 4 / 3)
CROP_TRIES = 10
JITTER = 0.4
JITTERS = ("brightness", "contrast", "saturation")
LIGHTING = 0.1
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])  # of ImageNet's RGB covariance
EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.814], [-0.5836, -0.6948, 0.4203]]
)
GREY = (0.299, 0.587, 0.114)

Resize = Callable[[np.ndarray, int, int, str], np.ndarray]


def interpolation(
    source: Sequence[int], target: Sequence[int], choice: str = "adaptive"
) -> Image.Resampling:
    """Return Pillow's filter for resizing from `source` to `target`, both (height, width).

    choice: 'adaptive' is Lanczos when both sides shrink, cubic when both grow, linear otherwise;
    'cubic' is always cubic, as the released models were tested.
    """
    if choice == "cubic":
        return Image.Resampling.BICUBIC
    if target[0] < source[0] and target[1] < source[1]:
        return Image.Resampling.LANCZOS
    if target[0] > source[0] and target[1] > source[1]:
        return Image.Resampling.BICUBIC
    return Image.Resampling.BILINEAR


def resize(image: np.ndarray, height: int, width: int, choice: str = "adaptive") -> np.ndarray:
    """Resample to (height, width, 3) uint8, along rows first, as Pillow before 13 always did."""
    how = interpolation(image.shape[:2], (height, width), choice)
    across = Image.fromarray(image).resize((width, image.shape[0]), how)
    return np.array(across.resize((width, height), how))


def scale_shorter_side(
    image: np.ndarray, size: int, choice: str = "adaptive", resize: Resize = resize
) -> np.ndarray:
    """Resample so that the shorter side has `size` pixels, keeping the aspect."""
    height, width = image.shape[:2]
    return _scale(image, size, min(height, width), choice, resize)


def scale_longer_side(
    image: np.ndarray, size: int, choice: str = "adaptive", resize: Resize = resize
) -> np.ndarray:
    """Resample so that the longer side has `size` pixels, keeping the aspect.

    The shorter one keeps at least a pixel.
    """
    height, width = image.shape[:2]
    return _scale(image, size, max(height, width), choice, resize)


def _scale(image: np.ndarray, size: int, side: int, choice: str, resize: Resize) -> np.ndarray:
    if side == size:
        return image
    height, width = (max(int(np.round(size * other / side)), 1) for other in image.shape[:2])
    return resize(image, height, width, choice)


def center_crop(image: np.ndarray, size: int) -> np.ndarray:
    """Return the (size, size, 3) crop in the middle of an image at least that large."""
    top, left = (_middle(side, size) for side in image.shape[:2])
    return image[top : top + size, left : left + size]


def three_crops(image: np.ndarray, size: int) -> np.ndarray:
    """Return crops (3, size, size, 3) at both ends and in the middle of the longer side."""
    height, width = image.shape[:2]
    tops, lefts = [_middle(height, size)] * 3, [_middle(width, size)] * 3
    if height > width:
        tops = [0, tops[1], height - size]
    else:
        lefts = [0, lefts[1], width - size]
    return np.stack([image[y : y + size, x : x + size] for y, x in zip(tops, lefts)])


def five_crops(image: np.ndarray, size: int) -> np.ndarray:
    """Return crops (5, size, size, 3): the four corners and the middle of an image."""
    bottom, right = (side - size for side in image.shape[:2])
    corners = [(y, x) for y in (0, bottom) for x in (0, right)]
    crops = [image[y : y + size, x : x + size] for y, x in corners]
    return np.stack([*crops, center_crop(image, size)])


def _middle(side: int, size: int) -> int:
    return int(np.ceil((side - size) / 2))


def normalize(
    images: np.ndarray,
    mean: Sequence[float] = IMAGENET.mean,
    deviation: Sequence[float] = IMAGENET.deviation,
) -> np.ndarray:
    """Normalize images (..., H, W, 3) uint8 to (..., 3, H, W) float32.

    mean, deviation: three numbers, of RGB in [0, 1]; default: those of ImageNet.

    Raises InputError for NaN and infinity.
    """
    means, deviations = np.asarray(mean, np.float32), np.asarray(deviation, np.float32)
    for name, values in (("pixels", images), ("means", means), ("deviations", deviations)):
        check_finite(name, values)
    planes = np.moveaxis(images, -1, -3)
    out = np.empty(planes.shape, np.float32)
    out[...] = planes
    out /= np.float32(255)
    out -= means[:, None, None]
    out /= deviations[:, None, None]
    return out


class Box(NamedTuple):
    """A crop, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels of the crop as a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def draw_box(height: int, width: int, random: np.random.RandomState) -> Optional[Box]:
    """Draw a crop of random area, aspect and place; return None if none of ten tries fits."""
    for _ in range(CROP_TRIES):
        area = random.uniform(*AREA) * (height * width)
        aspect = random.uniform(*ASPECT)
        sides = [int(np.round(np.sqrt(area / aspect))), int(np.round(np.sqrt(area * aspect)))]
        if random.randint(2) == 0:
            sides.reverse()
        if 0 < sides[0] <= height and 0 < sides[1] <= width:
            top = random.randint(height - sides[0] + 1)
            return Box(top, random.randint(width - sides[1] + 1), *sides)
    return None


def random_sized_crop(
    image: np.ndarray,
    size: int,
    random: np.random.RandomState,
    choice: str = "adaptive",
    resize: Resize = resize,
) -> np.ndarray:
    """Return a random crop, resampled to (size, size, 3) uint8; the middle if none fits."""
    height, width = image.shape[:2]
    box = draw_box(height, width, random)
    if box is None:
        return center_crop(scale_shorter_side(image, size, choice, resize), size)
    return resize(box.cut(image), size, size, choice)


def draw_jitter(random: np.random.RandomState) -> List[Tuple[str, float]]:
    """Draw factors of brightness, contrast and saturation; return them in random order."""
    return [(JITTERS[k], 1 + random.uniform(-JITTER, JITTER)) for k in random.permutation(3)]


def draw_lighting(random: np.random.RandomState) -> np.ndarray:
    """Draw a shift (3,) float32 of RGB along the principal components of ImageNet's colors."""
    return (EIGENVECTORS * random.normal(0, LIGHTING, 3) * EIGENVALUES).sum(1).astype(np.float32)


def draw_flip(random: np.random.RandomState) -> bool:
    """Draw whether to mirror an image."""
    return random.randint(2) == 0


def color_jitter(planes: np.ndarray, random: np.random.RandomState) -> None:
    """Change brightness, contrast and saturation of (3, H, W) float32, in place.

    Raises InputError for NaN and infinity.
    """
    check_finite("pixels", planes)
    for kind, factor in draw_jitter(random):
        if kind == "brightness":
            planes *= factor
        else:
            gray = _gray(planes)
            other = gray.mean() if kind == "contrast" else gray
            planes *= factor
            planes += other * (1 - factor)


def _gray(planes: np.ndarray) -> np.ndarray:
    """Return the luma (H, W) float32 of (3, H, W), summed in float64."""
    total = np.multiply(planes[0], GREY[0], dtype=np.float64)
    for plane, weight in zip(planes[1:], GREY[1:]):
        total += np.multiply(plane, weight, dtype=np.float64)
    return total.astype(np.float32)


def lighting(planes: np.ndarray, random: np.random.RandomState) -> None:
    """Shift the colors of (3, H, W) float32 in place, and divide them by 1.1 as the original does.

    Raises InputError for NaN and infinity.
    """
    check_finite("pixels", planes)
    planes += draw_lighting(random)[:, None, None]
    planes /= 1 + LIGHTING


def recolor(
    image: np.ndarray,
    random: np.random.RandomState,
    out: np.ndarray,
    normalization: Normalization = IMAGENET,
) -> None:
    """Jitter, light, flip and normalize an image (H, W, 3) uint8 into `out` (3, H, W) float32."""
    planes = image.transpose(2, 0, 1).astype(np.float32, order="C")
    planes *= np.float32(1 / 255)
    color_jitter(planes, random)
    lighting(planes, random)
    np.clip(planes, 0, 1, out=planes)
    if draw_flip(random):
        planes = planes[:, :, ::-1]
    for channel, plane in enumerate(planes):
        exact = np.subtract(plane, normalization.mean[channel], dtype=np.float64)
        np.divide(exact, normalization.deviation[channel], out=out[channel], casting="same_kind")
