"""Photographs found in folders, upright, one after another."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.readers import ORIENTATION
from rnw.errors import InputError
from rnw.evaluation.photographs import find_images, read_photographs
from tests.data.test_transforms import picture


def test_images_of_folders_are_found_in_order():
    Path("mine").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        Path("mine", name).write_text("")
    Path("mine/folder.png").mkdir()
    found = find_images(["x.jpg", "mine"])
    assert list(map(str, found)) == ["x.jpg", "mine/a.jpg", "mine/b.PNG"]
    Path("empty/folder.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"^empty: no images in this folder \(\.jpg, "):
        find_images(["x.jpg", "empty"])


def _save(name, image, orientation=1):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(image).save(name, exif=exif)
    return Path(name)


def test_photographs_are_upright():
    image = picture(20, 30, 1)
    stored = {1: image, 3: image[::-1, ::-1], 6: np.rot90(image), 8: np.rot90(image, -1)}
    paths = [_save(f"{turn}.png", pixels, turn) for turn, pixels in stored.items()]
    for _, found in read_photographs(paths):
        np.testing.assert_array_equal(found, image)


def test_bad_ones_are_told_and_passed_over():
    good = [_save(f"{index}.png", picture(9, 9, index)) for index in range(3)]
    Path("text.png").write_text("no picture")
    bad = []
    paths = [good[0], Path("text.png"), good[1], Path("absent.png"), good[2]]
    assert [path for path, _ in read_photographs(paths, bad.append)] == good
    assert [str(error).split(":")[0] for error in bad] == ["text.png", "absent.png"]
    with pytest.raises(InputError, match=r"^text\.png: "):
        list(read_photographs(paths))


def test_only_the_next_photograph_is_read_meanwhile():
    paths = [Path(f"{index}.png") for index in range(8)]
    for path in paths[:2]:
        _save(path, picture(9, 9, 1))
    for used, (path, _) in enumerate(read_photographs(paths)):
        assert path == paths[used]
        for soon in paths[used + 2 : used + 3]:  # nobody has missed it yet
            _save(soon, picture(9, 9, 1))
    assert used == 7
