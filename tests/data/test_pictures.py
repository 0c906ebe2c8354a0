"""Which pictures are read, and what is said of the others, by both decoders."""

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from rnw.data import opencv, readers
from rnw.data.labeled import read_label
from rnw.data.pictures import MAX_PIXELS
from rnw.errors import InputError
from rnw.files import LARGEST
from tests.data.pictures import BAD, JPEG, ODD, colors, encode

RGB = colors(1)
GREY = RGB[:, :, 0]
DEEP = (".png", ".tiff")
decoders = pytest.mark.parametrize("decode", [opencv.decode, readers.decode])


def _deep(pixels, suffix):
    """Gray or RGB numbers of more than 8 bits, as they are, in a file."""
    return cv2.imencode(suffix, pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


@decoders
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_what_users_have_is_read(kind, decode):
    found = decode(encode(RGB, kind), "a").astype(int)
    assert found.shape == RGB.shape
    assert np.abs(found - RGB).mean() < 20


def _box(brands):
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands


OTHERS = {
    "HEIC": _box(b"heic\0\0\0\0mif1heic"),
    "AVIF": _box(b"avif\0\0\0\0avifmif1"),
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "PDF": b"%PDF-1.7\n",
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "Photoshop": b"8BPS\0\1",
}


@decoders
@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_are_named_with_what_to_do(kind, decode):
    expected = rf"^a\.jpg: cannot be read as an image: its format is {kind}; convert it to PNG"
    with pytest.raises(InputError, match=expected):
        decode(OTHERS[kind] + bytes(100), "a.jpg")


@decoders
@pytest.mark.parametrize("suffix", ["tga", "pcx", "jp2", "ico", "sgi"])
def test_what_is_no_row_of_the_table_is_not_opened(suffix, decode):
    image = io.BytesIO()
    Image.fromarray(RGB).save(image, {"jp2": "JPEG2000"}.get(suffix, suffix))
    with pytest.raises(InputError, match=r"^a: cannot be read as an image: it(s format| starts)"):
        decode(image.getvalue(), "a")


def test_no_program_is_started_for_a_picture(monkeypatch, tmp_path):
    marker = tmp_path / "gs"
    marker.write_text("#!/bin/sh\ntouch started\n")
    marker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for read in (readers.read_image, read_label):
        Path("a.png").write_bytes(OTHERS["EPS"])
        with pytest.raises(InputError, match="its format is EPS"):
            read("a.png")
    assert not Path("started").exists()


def test_the_search_for_a_drawing_ends():
    with pytest.raises(InputError, match="it starts with"):
        readers.decode(b"<?>" * 10_000, "a.png")


def _chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _png(width, height):
    """The head of a PNG of one bit a pixel, which would expand to all it promises."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rest = _chunk(b"IDAT", zlib.compress(bytes(9999))) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + rest


def _jpeg(width, height):
    place = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:place] + struct.pack(">HH", height, width) + JPEG[place + 4 :]


BMP = encode(RGB, "BMP")
BOMBS = {
    "jpeg": _jpeg(65000, 65000),
    "jpeg, by little": _jpeg(13_400, 13_400),
    "png": _png(100_000, 100_000),
    "png, by little": _png(MAX_PIXELS // 10_000 + 1, 10_000),
    "ppm": b"P6 60000 60000 255\n",
    "bmp": BMP[:18] + struct.pack("<ii", 50_000, 50_000) + BMP[26:],
}


@decoders
@pytest.mark.parametrize("kind", BOMBS)
def test_pictures_of_too_many_pixels_are_refused_by_their_head(kind, decode, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as many programs set it
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # what takes the memory
    with pytest.raises(InputError, match=rf"^a: .* more than {MAX_PIXELS:,} pixels; scale it down"):
        decode(BOMBS[kind], "a")


def test_pillows_own_limit_is_told_in_the_same_words(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=r"pixels; scale it down$"):
        readers.decode(JPEG, "a")


@pytest.mark.parametrize("read", [readers.read_image, read_label])
def test_files_that_are_too_large_or_without_end_are_not_read(read):
    with Path("a.png").open("wb") as file:
        file.truncate(LARGEST)
    with pytest.raises(InputError, match=r"^a\.png: has 1,073,741,824 bytes, expected at most"):
        read("a.png")
    Path("endless.png").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"^endless\.png: is a device"):
        read("endless.png")


@decoders
@pytest.mark.parametrize("suffix", DEEP)
def test_sixteen_bits_are_the_colors_of_eight(suffix, decode):
    np.testing.assert_array_equal(decode(_deep(RGB * np.uint16(257), suffix), "a"), RGB)
    np.testing.assert_array_equal(decode(_deep(GREY * np.uint16(257), suffix), "a")[..., 2], GREY)
    with_alpha = np.dstack([GREY, RGB])  # as it is turned around
    np.testing.assert_array_equal(
        decode(cv2.imencode(suffix, with_alpha * np.uint16(257))[1].tobytes(), "a"),
        with_alpha[:, :, 2::-1],
    )


@decoders
@pytest.mark.parametrize("suffix", [*DEEP, ".pnm"])
@pytest.mark.parametrize("bits", [8, 11])
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["gray", "rgb"])
def test_sixteen_bits_of_which_few_are_used_are_named(pixels, bits, suffix, decode):
    pixels = pixels.astype(np.uint16) << (bits - 8)
    with pytest.raises(InputError, match=r"^a: .* it would be black, its brightest pixel \d+ of"):
        decode(_deep(pixels, suffix), "a")


@decoders
def test_numbers_whose_range_a_file_tells_are_scaled_by_it(decode):
    found = decode(b"P5 2 1 1000\n" + struct.pack(">HH", 1000, 500), "a")
    assert found[0, :, 0].tolist() == [255, 128]


@decoders
@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_of_the_whole_range_are_scaled(kind, decode):
    most = 255 if kind == np.float32 else 65535
    content = _deep((GREY.astype(float) * (most / 255)).astype(kind), ".tiff")
    np.testing.assert_array_equal(decode(content, "a")[:, :, 1], GREY)


@decoders
def test_floating_point_up_to_one_is_scaled(decode):
    content = _deep(GREY.astype(np.float32) / 255, ".tiff")
    np.testing.assert_array_equal(decode(content, "a")[:, :, 1], GREY)


RANGES = {
    "from -3 to 3": np.linspace(-3, 3, 64, dtype=np.float32),
    "from 0 to 1000": np.linspace(0, 1000, 64, dtype=np.float32),
    "from nan to nan": np.full(64, np.nan, np.float32),
    "from 0 to inf": np.append(np.zeros(63, np.float32), np.float32(np.inf)),
    "from -5 to 99": np.append(np.full(63, -5), 99).astype(np.int32),
    "from 0 to 65536": np.append(np.zeros(63), 65536).astype(np.int32),
}


@decoders
@pytest.mark.parametrize("told", RANGES)
def test_numbers_of_another_range_are_named(told, decode):
    content = _deep(RANGES[told].reshape(8, 8), ".tiff")
    with pytest.raises(InputError, match=rf"^a: .* its values are {told}, expected from 0 to "):
        decode(content, "a")


@decoders
@pytest.mark.parametrize("most", [0.05, 1.5, 10])
def test_floating_point_that_would_be_black_is_named(most, decode):
    content = _deep(np.linspace(0, most, 64, dtype=np.float32).reshape(8, 8), ".tiff")
    with pytest.raises(InputError, match=r"^a: .* it would be black"):
        decode(content, "a")


@decoders
def test_dark_pictures_of_eight_bits_are_what_they_are(decode):
    assert decode(encode(RGB // 32, "PNG"), "a").max() == RGB.max() // 32


def _held(orientation, kind):
    exif = Image.Exif()
    exif[readers.ORIENTATION] = orientation
    return encode(RGB, kind, exif=exif)


TURNS = {
    1: RGB,
    2: RGB[:, ::-1],
    3: RGB[::-1, ::-1],
    4: RGB[::-1],
    5: RGB.transpose(1, 0, 2),
    6: np.rot90(RGB, -1),
    7: RGB.transpose(1, 0, 2)[::-1, ::-1],
    8: np.rot90(RGB),
    9: RGB,  # no orientation
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_pictures_are_turned_upright_where_it_is_asked(orientation, kind):
    found = readers.decode(_held(orientation, kind), "a", upright=True)
    np.testing.assert_array_equal(found, TURNS[orientation])
    assert found.flags.c_contiguous


@decoders
def test_pictures_of_data_sets_are_as_they_are_stored(decode):
    np.testing.assert_array_equal(decode(_held(6, "PNG"), "a"), RGB)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_leaves_a_picture_as_it_is():
    content = _held(6, "JPEG")
    place = content.index(b"Exif\0\0") + 6
    for damage in (b"\xff" * 20, b"MM\0*\xff\xff\xff\xff", b""):
        damaged = content[:place] + damage + content[place + len(damage) :]
        assert readers.decode(damaged, "a", upright=True).shape[2] == 3


@pytest.mark.parametrize("seed", range(6))
def test_mutated_pictures_are_read_alike_or_refused(seed):
    contents = [*ODD.values(), *BAD.values(), _deep(GREY.astype(np.float32), ".tiff")]
    random = np.random.RandomState(seed)
    for content in contents:
        damaged = bytearray(content)
        for _ in range(random.randint(1, 6)):
            if damaged:
                place = random.randint(min(len(damaged), random.choice([64, 100_000])))
                damaged[place] = random.randint(256)
        found = []
        for decode in (opencv.decode, readers.decode):
            with contextlib.suppress(InputError):
                found.append(decode(bytes(damaged), "a"))
        assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in found)
        if len(found) == 2:
            assert found[0].shape == found[1].shape
