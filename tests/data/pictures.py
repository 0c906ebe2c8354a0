"""Folders of pictures, good and bad, and lists of them; imported without MXNet."""

import io
import os
import signal
import time

import cv2
import numpy as np
from PIL import Image

from rnw.data.readers import ImageList

HEIGHT, WIDTH = 40, 56


def colors(seed, height=HEIGHT, width=WIDTH):
    """A smooth picture with some noise, (height, width, 3) uint8."""
    random = np.random.RandomState(seed)
    rough = random.uniform(20, 235, (5, 7, 3)).astype(np.float32)
    smooth = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def encode(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def _encode_mode(mode, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(colors(1)).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _animation():
    frames = [Image.fromarray(colors(seed)) for seed in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def _rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(colors(1), exif=exif)


JPEG = encode(colors(1))
ODD = {
    "gray.jpg": encode(colors(1)[:, :, 0]),
    "cmyk.jpg": _encode_mode("CMYK", "JPEG"),
    "gray16.png": cv2.imencode(".png", colors(1)[:, :, 0] * np.uint16(257))[1].tobytes(),
    "rgb16.png": cv2.imencode(".png", colors(1)[:, :, ::-1] * np.uint16(257))[1].tobytes(),
    "alpha.png": _encode_mode("RGBA", "PNG"),
    "palette.png": _encode_mode("P", "PNG"),
    "animated.gif": _animation(),
    "png_called.jpg": encode(colors(1), "PNG"),
    "progressive.jpg": encode(colors(1), progressive=True),
    "rotated.jpg": _rotated(),
    "padded.jpg": JPEG + bytes(5000),
}
BAD = {
    "truncated.jpg": JPEG[: len(JPEG) // 2],
    "cut_within_the_head.jpg": JPEG[:40],
    "truncated_progressive.jpg": ODD["progressive.jpg"][: len(ODD["progressive.jpg"]) // 2],
    "truncated.png": encode(colors(1), "PNG")[:900],
    "empty.jpg": b"",
    "page.jpg": b"<!DOCTYPE html><html></html>",
    "zeros.jpg": bytes(1000),
    "huge.jpg": JPEG[: JPEG.index(b"\xff\xc0") + 5] + b"\xff" * 4 + JPEG[-20:],
    "mark_only.jpg": b"\xff\xd8\xff\xd9",
}
THIN = encode(np.zeros((1, 60000, 3), np.uint8))  # whole, but of gigabytes at a crop's height


def write_pictures(folder, contents):
    """Write files by name; the list of them, picture i of class i."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return ImageList(folder, list(contents), np.arange(len(contents)))


def good_pictures(count):
    return {f"{index}.jpg": encode(colors(index)) for index in range(count)}


class DeadlyList(ImageList):
    """A list of pictures, one of which ends the process that reads it."""

    deadly = 3

    def read(self, index):
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(index)


class BrokenList(ImageList):
    """A list of pictures whose reading has a fault of its own."""

    def read(self, index):
        return {}[index]


class HangingList(ImageList):
    """A list of pictures, reading one of which takes until there is a file `go_on` beside it."""

    hanging = 3

    def read(self, index):
        while index == self.hanging and not (self.root / "go_on").exists():
            time.sleep(0.01)
        return super().read(index)


class UnreadyList(ImageList):
    """A list of pictures that no process gets to see."""

    def __reduce__(self):
        return signal.pause, ()
