"""Label maps whose numbers mean something else than their dataset says."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.label_meaning import LabelMeaning
from rnw.data.labeled import read_label, write_label, write_pairs
from rnw.data.picture_types import Pair
from rnw.data.sets import ade20k, cityscapes, voc
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.sets.reading import check_label_maps, read_pictures
from rnw.errors import InputError

VOC_COLORS = np.array(voc.palette(256))


def _save(labels, colors=None, path="map.png"):
    image = Image.fromarray(np.array(labels, np.uint8))
    if colors is not None:
        image.putpalette(np.array(colors, np.uint8).ravel().tolist())
    image.save(path)
    return path


def test_the_tables_have_a_color_and_an_id_for_each_class():
    for row in SEGMENTATION.values():
        if row.meaning is not None:
            assert row.meaning.ids == (row.label_ids or tuple(range(row.classes)))
            assert row.meaning.colors in (None, row.palette)


def test_the_class_of_a_number():
    assert LabelMeaning("plain", (0, 1)).classes is None
    assert LabelMeaning("ids", (7, 9)).classes == {7: 0, 9: 1}
    void = LabelMeaning("void", (0, 1), void=(2,)).classes
    assert (void[0], void[1], void.get(2), void[3]) == (0, 1, None, 3)  # which nothing hides


@pytest.mark.parametrize("mode", ["own", "gray", "none"])
def test_palettes_that_agree_or_say_nothing_are_taken(mode):
    labels = np.array([[0, 1, 20, 255]], np.uint8)
    gray = np.repeat(np.arange(256)[:, None], 3, axis=1)
    _save(labels, {"own": VOC_COLORS, "gray": gray, "none": None}[mode])
    np.testing.assert_array_equal(read_label("map.png", voc.MEANING), labels)


def test_an_index_that_is_not_used_may_have_any_color():
    colors = VOC_COLORS.copy()
    colors[[3, 255]] = 9
    labels = np.array([[0, 1, 20, 255]], np.uint8)
    np.testing.assert_array_equal(read_label(_save(labels, colors), voc.MEANING), labels)


def test_labels_that_were_numbered_anew_are_named():
    """By Pillow: an expanded map of classes 0, 5 and 15 becomes one of indices 0, 1 and 2."""
    _save(np.repeat([[0, 5, 15]], 4, axis=0), VOC_COLORS)
    expanded = Image.open("map.png").convert("RGB")
    expanded.convert("P", palette=Image.Palette.ADAPTIVE, colors=3).save("map.png")
    assert set(np.unique(Image.open("map.png"))) == {0, 1, 2}
    with pytest.raises(InputError, match=r"^map.png: label \d has the color \(.*PASCAL VOC has \("):
        read_label("map.png", voc.MEANING)


def test_an_index_beyond_the_palette_is_named():
    _save([[0, 1]], VOC_COLORS[:1])
    image = Image.open("map.png")
    image.putpalette(image.getpalette()[:3])
    with pytest.raises(InputError, match="label 1 has the color None in its palette"):
        voc.MEANING.check(image, "map.png")


def test_colors_are_those_of_ids():
    colors = np.zeros((256, 3), int)
    colors[list(cityscapes.LABEL_IDS)] = cityscapes.PALETTE
    labels = np.array([[0, 7, 26, 33]], np.uint8)
    np.testing.assert_array_equal(read_label(_save(labels, colors), cityscapes.MEANING), labels)
    colors[26] = cityscapes.PALETTE[0]
    with pytest.raises(
        InputError, match=r"label 26 has the color \(128, 64, 128\).* \(0, 0, 142\)"
    ):
        read_label(_save(labels, colors), cityscapes.MEANING)


@pytest.mark.parametrize(
    ("meaning", "labels"),
    [
        (cityscapes.MEANING, [*range(19), 255]),
        (cityscapes.MEANING, [0, 2, 8, 255]),
        (ade20k.MEANING, [0, 1, 149, 255]),
    ],
)
def test_numbers_of_training_are_named(meaning, labels):
    _save([labels])
    wording = rf"^map.png: has labels of 0 to {len(meaning.ids) - 1} and 255, as if numbered from 0"
    with pytest.raises(InputError, match=wording):
        read_label("map.png", meaning)


@pytest.mark.parametrize(
    ("meaning", "labels"),
    [
        (cityscapes.MEANING, range(34)),
        (cityscapes.MEANING, [0, 1, 3, 7, 8]),
        (cityscapes.MEANING, [7, 8, 11, 255]),  # ids, and what is not labeled
        (cityscapes.MEANING, [0, 7, 23, 255]),
        (ade20k.MEANING, range(151)),
        (voc.MEANING, [0, 1, 20, 255]),
    ],
)
def test_published_numbers_are_taken(meaning, labels):
    np.testing.assert_array_equal(read_label(_save([list(labels)]), meaning), [list(labels)])


# pixels in a hundred, about those of the training pictures: by class, then by id of what is none
CLASSES = (33, 5, 20, 1, 1, 1, 0.2, 0.5, 14, 1, 3.5, 1, 0.1, 6, 0.3, 0.2, 0.2, 0.1, 0.4)
OTHERS = {0: 0.2, 1: 5, 2: 1.3, 3: 1.4, 4: 1.5, 5: 0.3, 6: 1.3, 9: 0.6, 14: 0.1, 15: 0.3}


def _counts(numbers, ignored):
    counts = np.zeros(256)
    counts[list(numbers)] = CLASSES
    counts[ignored] += sum(OTHERS.values())
    return counts


def test_published_ids_give_no_warning():
    counts = np.zeros(256)
    counts[list(cityscapes.LABEL_IDS)] = CLASSES
    for number, share in OTHERS.items():
        counts[number] = share
    assert cityscapes.MEANING.warning(counts) is None
    assert cityscapes.MEANING.warning(np.zeros(256)) is None
    coarse = np.where(np.arange(256) == 0, 60, counts)
    assert cityscapes.MEANING.warning(coarse) is None


@pytest.mark.parametrize("ignored", [0, 19])
def test_numbers_from_0_without_255_give_a_warning(ignored):
    warning = cityscapes.MEANING.warning(_counts(range(19), ignored))
    assert "such as 19 and 33 hardly occur in the label maps, others such as 1 do" in warning
    assert ade20k.MEANING.warning(_counts(range(19), ignored)) is None
    assert voc.MEANING.warning(_counts(range(19), ignored)) is None


def _write_split(maps):
    pairs = []
    for number, labels in enumerate(maps):
        pairs.append(Pair(f"{number}.png", f"{number}_labels.png"))
        write_label(pairs[-1].label, np.array([labels], np.uint8))
    write_pairs("val.lst", pairs)
    return SEGMENTATION["cityscapes"], read_pictures(SEGMENTATION["cityscapes"], "val", Path())


def test_a_split_is_looked_at_before_it_is_used(caplog):
    check_label_maps(*_write_split([[7, 1, 1]] * 40 + [[26, 26, 26]] * 40))
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING, "rnw"):
        check_label_maps(*_write_split([[0, 1, 2]] * 40))
    (message,) = caplog.messages
    assert "look as if numbered from 0" in message
    with pytest.raises(InputError, match=r"0_labels\.png: has labels of 0 to 18 and 255"):
        check_label_maps(*_write_split([[0, 1, 255]]))


def test_what_is_read_is_checked():
    _, pictures = _write_split([[0, 7, 26], [0, 1, 255]])
    np.testing.assert_array_equal(pictures.label(0), [[255, 0, 13]])
    with pytest.raises(InputError, match=r"^1_labels\.png: has labels of 0 to 18 and 255"):
        pictures.label(1)
