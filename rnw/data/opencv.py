"""The training transform with OpenCV, which is faster, and one linear map for all color changes.

It differs from `transforms` in resampling: OpenCV does not widen its kernels where an image
shrinks, so a Gaussian blur comes first. From the same crop it makes the same colors up to 1e-5.
"""

import contextlib
import io
import struct
from typing import Tuple

import cv2
import numpy as np
from PIL import Image

from rnw.data import readers, transforms
from rnw.data.picture_types import IMAGENET, Normalization
from rnw.data.pictures import MAX_PIXELS, open_picture

SOFTENING = 0.45  # the blur nearest to Pillow's Lanczos, tried at 1.3 to 2.2 times smaller
_INTERPOLATIONS = {
    Image.Resampling.LANCZOS: cv2.INTER_CUBIC,
    Image.Resampling.BICUBIC: cv2.INTER_CUBIC,
    Image.Resampling.BILINEAR: cv2.INTER_LINEAR,
}
_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_PADDING = 64  # bytes after the end marker that may be padding
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # of the markers 0xC0 to 0xCF, those that start no frame
_LUMA = np.array(transforms.GREY)


def decode(content: bytes, name: str, *, upright: bool = False) -> np.ndarray:
    """Decode an image file's content to (H, W, 3) uint8 RGB.

    It is as it is stored, or with `upright` turned as its EXIF orientation says.

    OpenCV decodes complete gray or RGB JPEG files, with the same pixels as `readers.decode`, which
    decodes all others. Raises InputError, with `name`, for a file that is not an image.
    """
    if _is_plain_jpeg(content):
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        with contextlib.suppress(cv2.error):  # for a size beyond its limits
            image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
            if image is not None:
                pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                return _turned(pixels, content, name) if upright else pixels
    return readers.decode(content, name, upright=upright)


def _turned(pixels: np.ndarray, content: bytes, name: str) -> np.ndarray:
    with open_picture(io.BytesIO(content), name) as image:
        return readers.turn(pixels, readers.orientation(image))


def _is_plain_jpeg(content: bytes) -> bool:
    """Return whether this is a complete JPEG file of one or three components.

    OpenCV would not report a truncated one. One that is too large is left to `readers.decode`,
    which refuses it before it takes memory.
    """
    if not content.startswith(_START) or _END not in content[-_PADDING:]:
        return False
    place = 2
    while place + 10 <= len(content) and content[place] == 0xFF:
        mark = content[place + 1]
        if 0xC0 <= mark <= 0xCF and mark not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return content[place + 9] in (1, 3) and height * width <= MAX_PIXELS
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False


def resize(image: np.ndarray, height: int, width: int, choice: str = "adaptive") -> np.ndarray:
    """Resample to (height, width, 3) uint8, with a blur first where a side shrinks."""
    how = transforms.interpolation(image.shape[:2], (height, width), choice)
    ratios = image.shape[0] / height, image.shape[1] / width
    if max(ratios) > 1:
        (radius_y, sigma_y), (radius_x, sigma_x) = map(_softening, ratios)
        kernel = 2 * radius_x + 1, 2 * radius_y + 1
        image = cv2.GaussianBlur(image, kernel, sigma_x, sigmaY=sigma_y)
    return cv2.resize(image, (width, height), interpolation=_INTERPOLATIONS[how])


def _softening(ratio: float) -> Tuple[int, float]:
    """Return radius and deviation in pixels of the blur for a side that shrinks `ratio` times."""
    if ratio <= 1:
        return 0, 1.0
    return int(ratio), SOFTENING * (ratio**2 - 1) ** 0.5


def recolor(
    image: np.ndarray,
    random: np.random.RandomState,
    out: np.ndarray,
    normalization: Normalization = IMAGENET,
) -> None:
    """Jitter, light, flip and normalize an image (H, W, 3) uint8 into `out` (3, H, W) float32."""
    mean, deviation = map(np.array, normalization)
    low, high = (((bound - mean) / deviation).astype(np.float32) for bound in (0, 1))
    change = _color_change(np.array(cv2.mean(image)[:3]) / 255, random)
    change[:, 3] -= mean
    change /= deviation[:, None]
    change[:, :3] /= 255
    if transforms.draw_flip(random):
        image = cv2.flip(image, 1)
    colors = cv2.transform(image.astype(np.float32), change.astype(np.float32))
    for channel, plane in enumerate(out):
        np.clip(colors[:, :, channel], low[channel], high[channel], out=plane)


def _color_change(mean: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Draw the affine map (3, 4) of RGB in [0, 1] that the changes of color are together.

    mean: the image's mean RGB (3,), in [0, 1].
    """
    change = np.eye(3, 4)  # RGB, 1 to RGB
    for kind, factor in transforms.draw_jitter(random):
        luma = _LUMA @ change
        change *= factor
        if kind == "contrast":
            change[:, 3] += (1 - factor) * (luma[:3] @ mean + luma[3])
        elif kind == "saturation":
            change += (1 - factor) * luma
    change[:, 3] += transforms.draw_lighting(random)
    change /= 1 + transforms.LIGHTING
    return change
