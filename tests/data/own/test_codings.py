"""Label maps of every coding and format, and what is said of values that are no class."""

import struct

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from rnw.data.own.codings import Coding, labelme_names
from rnw.errors import InputError
from tests.data.own.miniatures import COLORS, NAMES, colored, label_map, labelme, npy, png, write
from tests.data.pictures import JPEG

LABELS = label_map()


def _coding(**fields):
    defaults = {"colors": COLORS, "labels": "indices", "ignored": (255,)}
    return Coding(NAMES, **{**defaults, **fields}, place="dataset.yaml")


def _write(name, content):
    return write({name: content}) / name


def _saved(name, values, mode=None, **options):
    path = write({}) / name
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def _mat(name, **variables):
    path = write({}) / name
    path.parent.mkdir(exist_ok=True)
    savemat(str(path), variables)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda: _write("gray.png", png(LABELS)),
        lambda: _write("palette.png", png(LABELS, COLORS)),
        lambda: _saved("gray.bmp", LABELS),
        lambda: _saved("gray.tif", LABELS),
        lambda: _saved("gray.gif", LABELS),
        lambda: _saved("deep.png", LABELS.astype(np.uint16)),
        lambda: _saved("deep.tif", LABELS.astype(np.int32)),
        lambda: _write("a.npy", npy(LABELS)),
        lambda: _write("fortran.npy", npy(np.asfortranarray(LABELS.astype(np.int64)))),
        lambda: _mat("a.mat", labels=LABELS, title="about it", version=1.5),
        lambda: _mat("sbd.mat", GTcls={"Segmentation": LABELS, "Boundaries": LABELS}),
    ],
)
def test_numbers(make):
    assert (_coding().read(make()) == LABELS).all()


def test_one_bit():
    path = _saved("bit.png", (LABELS > 0).astype(np.uint8) * 255, "1")
    assert (_coding().read(path) == (LABELS > 0)).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colors(mode):
    path = _saved("colors.png", np.array(COLORS, np.uint8)[LABELS], mode)
    assert (_coding(labels="colors").read(path) == LABELS).all()


def test_colors_of_a_palette():
    order = np.uint8((2, 0, 1))  # the palette's own numbers, which do not count
    path = _write("palette.png", png(np.argsort(order).astype(np.uint8)[LABELS],
                                     [COLORS[k] for k in order]))  # fmt: skip
    assert (_coding(labels="colors").read(path) == LABELS).all()


def test_a_palette_is_asked_for():
    coding = _coding(labels="palette")
    assert (coding.read(_write("palette.png", png(LABELS, COLORS))) == LABELS).all()
    with pytest.raises(InputError, match=r"^data/gray\.png: has no palette"):
        coding.read(_write("gray.png", png(LABELS)))


def test_masks():
    path = _write("mask.png", png(np.where(LABELS, np.uint8(255), np.uint8(0))))
    mask = Coding(("no", "yes"), (), "mask", (), "dataset.yaml")
    assert (mask.read(path) == (LABELS > 0)).all()
    with pytest.raises(InputError, match=r"pixels have the number 2, none of the 2 classes"):
        mask.read(_write("three.png", png(LABELS)))


def test_numbers_of_classes():
    ids = np.array([7, 300, 9])[LABELS]
    path = _write("ids.npy", npy(ids))
    coding = _coding(labels={7: "cat", 300: "dog", 9: "cat"})
    assert (coding.read(path) == np.uint8([1, 2, 1])[LABELS]).all()
    some = _coding(labels={7: "cat"}, ignored="others").read(path)
    assert (some == np.uint8([1, 255, 255])[LABELS]).all()


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (png(LABELS), {"ignored": (0,)}),
        (colored(LABELS), {"labels": "colors", "colors": ((9, 9, 9), *COLORS[1:]),
                           "ignored": (COLORS[0],)}),
    ],
)  # fmt: skip
def test_what_is_ignored(content, fields):
    found = _coding(**fields).read(_write("a.png", content))
    assert (found == np.uint8([255, 1, 2])[LABELS]).all()


def test_unknown_numbers_are_counted_and_named():
    labels = LABELS.copy()
    labels[3:5], labels[6, 0] = 9, 77
    path = _write("a.png", png(labels))
    assert _coding().examine(path).unknown == {9: 32, 77: 1}
    message = (
        "32 pixels have the number 9 and 1 other numbers, none of the 3 classes of dataset.yaml: "
        "add it to `classes` or to `ignored` there"
    )
    with pytest.raises(InputError, match=f"^data/a.png: {message}$"):
        _coding().read(path)


def test_unknown_colors_are_counted_and_named():
    path = _write("a.png", colored(LABELS, ((0, 0, 0), (255, 0, 0), (1, 2, 3))))
    count = int((LABELS == 2).sum())
    coding = _coding(labels="colors")
    assert coding.examine(path).unknown == {(1, 2, 3): count}
    with pytest.raises(InputError, match=rf"{count} pixels have the color \(1, 2, 3\), none"):
        coding.read(path)


def test_blue_is_an_unknown_color_though_the_number_255_is_ignored():
    path = _write("a.png", colored(LABELS))
    coding = _coding(labels="colors", colors=(*COLORS[:2], (9, 9, 9)))
    assert coding.examine(path).unknown == {(0, 0, 255): int((LABELS == 2).sum())}


HEADER = b"{'descr': '|O', 'fortran_order': False, 'shape': (9,), }"
BAD = {
    "colors.png": (colored(LABELS), r"has colors, where dataset\.yaml tells numbers of classes"),
    "photo.png": (JPEG, "cannot be read as a label map: its format is JPEG, expected one of PNG"),
    "cut.npy": (npy(LABELS)[:-9], "cannot be read as an array of labels"),
    "objects.npy": (
        b"\x93NUMPY\1\0" + struct.pack("<H", len(HEADER)) + HEADER,
        "cannot be read as an array of labels: .*it holds object of shape",
    ),
    "floats.npy": (npy(LABELS * 0.5), "expected whole numbers of pixels, found float64"),
    "flat.npy": (npy(LABELS.ravel()), "expected whole numbers of pixels, found uint8 of shape"),
    "noise.mat": (b"no MATLAB file at all" * 20, "cannot be read as an array of labels"),
    "page.json": (b"[1, 2]", "cannot be read as labelme's shapes"),
    "cow.json": (labelme(("cow", "polygon", [[0, 0], [1, 1], [2, 0]])), "'cow' is none of"),
    "line.json": (labelme(("cat", "line", [[0, 0], [1, 1]])), "has a shape of type 'line' of 2"),
    "large.json": (labelme(size=(10**9, 10**9)), "is for a picture of 1000000000 x 1000000000"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_label_map(name):
    content, message = BAD[name]
    with pytest.raises(InputError, match=f"^data/{name}: {message}"):
        _coding().read(_write(name, content))


def test_a_label_map_that_is_missing():
    with pytest.raises(InputError, match=r"^data/a\.png: no such label map"):
        _coding().read(write({}) / "a.png")


def test_two_arrays_in_a_file():
    with pytest.raises(InputError, match="expected one array of labels, found first, second"):
        _coding().read(_mat("two.mat", first=LABELS, second=LABELS))


def test_shapes_of_labelme():
    path = _write("a.json", labelme(
        ("cat", "polygon", [[2, 1], [9, 1], [9, 6], [2, 6]]),
        ("dog", "rectangle", [[8, 8], [5, 4]]),
        ("__ignore__", "circle", [[13, 9], [13, 10]]),
        ("_background_", "rectangle", [[2, 1], [3, 2]]),
    ))  # fmt: skip
    expected = np.zeros((12, 16), np.uint8)
    expected[1:7, 2:10] = 1
    expected[4:9, 5:9] = 2
    expected[8:11, 13] = expected[9, 12:15] = 255
    expected[1:3, 2:4] = 0
    found = _coding().read(path)
    corners = found[[8, 8, 10, 10], [12, 14, 12, 14]]
    assert set(corners.tolist()) <= {0, 255}  # of the circle, as Pillow draws it
    found[[8, 8, 10, 10], [12, 14, 12, 14]] = 0
    assert (found == expected).all()
    assert labelme_names(path) == ["cat", "dog"]
