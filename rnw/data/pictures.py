"""TABLE of picture formats, recognized by content, and the one way in which Pillow opens a picture.

Other formats are never passed to Pillow, which would start other programs for some of them.
"""

import contextlib
import re
import warnings
from typing import BinaryIO, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageFile

from rnw.errors import InputError, naming

MAX_BYTES = (1 << 29) - 1  # of a file, as of a record in a RecordIO file
MAX_PIXELS = 178_956_970  # more are a decompression bomb by Pillow's default
DIMMEST = 16  # of 255: what the brightest of 16-bit pixels must reach, or their range is another
REMEDY = "convert it to PNG or JPEG"

FORMATS = {  # by the names that Pillow gives them
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "BMP": rb"BM",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "GIF": rb"GIF8[79]a",
    "PPM": rb"P[1-6Ff]\s",
}
LABEL_FORMATS = ("PNG", "BMP", "TIFF", "GIF", "PPM")  # those that keep every value
_NOT_READ = {
    "AVIF": rb"....ftyp(?:....)*?avi[fs]",
    "HEIC": rb"....ftyp(?:he[iv][cmsx]|m[is]f[12])",
    "JPEG XL": rb"\xff\x0a|\0{3}\x0cJXL ",
    "JPEG 2000": rb"\0{3}\x0cjP  |\xff\x4f\xff\x51",
    "EPS": rb"%!PS|\xc5\xd0\xd3\xc6",
    "PDF": rb"%PDF",
    "SVG": rb"(?:\xef\xbb\xbf)?\s*(?:<[?!][^>]*>\s*)*<svg\b",
    "Photoshop": rb"8BPS",
}
_HEAD = 1024  # bytes by which a format is recognized

# Pillow's warnings are about pictures that are refused here, or that are read all the same.
warnings.filterwarnings("ignore", module=r"PIL\.")


def _find_format(head: bytes, table: Mapping[str, bytes]) -> str:
    """Return the name in `table` of the format that starts with `head`, or an empty string."""
    return next((name for name, start in table.items() if re.match(start, head, re.DOTALL)), "")


def _check_format(head: bytes, formats: Sequence[str]) -> str:
    """Return the format of a file that starts with `head`; raise InputError for others."""
    found = _find_format(head, FORMATS)
    if found in formats:
        return found
    if found:
        raise InputError(f"its format is {found}, expected one of {', '.join(formats)}")
    other = _find_format(head, _NOT_READ)
    if other:
        raise InputError(f"its format is {other}; {REMEDY}")
    raise InputError(f"it starts with {head[:16]!r}" if head else "it is empty")


@contextlib.contextmanager
def open_picture(
    file: BinaryIO, name: str, what: str = "an image", formats: Sequence[str] = tuple(FORMATS)
) -> Iterator[ImageFile.ImageFile]:
    """Open a picture's file with Pillow as a context; pixels are not decoded yet.

    name, what: the file and what it is read as, for messages.

    Raises InputError for another format than `formats`, for more than MAX_PIXELS, and for whatever
    Pillow raises in the block.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # gluoncv sets it, to read the rest as gray or class 0
    with naming(f"{name}: cannot be read as {what}"):
        found = _check_format(file.read(_HEAD), formats)
        file.seek(0)
    try:
        with Image.open(file, formats=(found,)) as image:
            _check_pixels(image)
            yield image
            return
    except InputError:
        raise
    except Image.UnidentifiedImageError:
        problem = f"a {found} file that is damaged or of an uncommon kind"
    except Image.DecompressionBombError:
        problem = f"it has more than {MAX_PIXELS:,} pixels; scale it down"
    except Exception as error:  # Pillow raises whatever its parsers meet in damaged files
        problem = str(error) or type(error).__name__
    raise InputError(f"{name}: cannot be read as {what}: {problem}")


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError


def to_rgb(image: ImageFile.ImageFile) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8 of an opened picture, without its alpha channel.

    Of 16 bits per channel the upper 8 are kept, since 257 times an 8-bit value is the same color.
    Floating-point values are from 0 to 1, or to 255. Raises InputError for values beyond, and for
    16-bit or floating-point pictures that would become nearly black, since their range is another.
    """
    if not _is_deep(image):
        return _colors(image)
    pixels = _numbers_to_rgb(np.array(image)) if _is_numbers(image) else _colors(image)
    if pixels.max() < DIMMEST:
        raise InputError(
            f"it would be black, its brightest pixel {pixels.max()} of 255, expected at least "
            f"{DIMMEST}: its values use too little of the range of 16 bits or floating point; "
            "scale them, or save it with 8 bits"
        )
    return pixels


def _colors(image: Image.Image) -> np.ndarray:
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _is_numbers(image: Image.Image) -> bool:
    """Return whether Pillow gives the pixels as they are stored, in 16 or 32 bits."""
    return image.mode.startswith(("I", "F"))


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Return whether a picture, not yet decoded, has more than 8 bits per channel."""
    if _is_numbers(image):
        return True
    kinds = [tile[3] for tile in image.tile]  # how pixels are unpacked
    if image.format == "PPM":
        return any(isinstance(kind, tuple) and kind[-1] > 255 for kind in kinds)
    return image.format in ("PNG", "TIFF") and ";16" in str(kinds)


def _numbers_to_rgb(values: np.ndarray) -> np.ndarray:
    """Convert gray values (H, W), of 16 bits or floating point, to (H, W, 3) uint8."""
    whole = np.issubdtype(values.dtype, np.integer)
    low, high = values.min(), values.max()
    most = 65535 if whole else 1 if high <= 1 else 255
    if not (low >= 0 and high <= most):  # true for NaN, too
        raise InputError(
            f"its values are from {low:g} to {high:g}, expected from 0 to "
            f"{'65535' if whole else '1, or to 255'}; scale them, or save it with 8 bits"
        )
    return gray_to_rgb((values >> 8 if whole else np.rint(values * (255 / most))).astype(np.uint8))


def gray_to_rgb(gray: np.ndarray) -> np.ndarray:
    """Return gray values (H, W) as colors (H, W, 3)."""
    return np.repeat(gray[:, :, None], 3, axis=2)
