"""Labels of models in file names."""

import pytest

from rnw.errors import InputError
from rnw.weights.labels import ModelLabel, parse_label
from rnw.weights.released import RELEASED

LABELS = {
    "ilsvrc-cls_rna-a_cls1000_ep-0001.params": (ModelLabel("ilsvrc-cls", "a", 1000), 1),
    "ilsvrc-cls_rna-a1_cls1000_ep-0001.params": (ModelLabel("ilsvrc-cls", "a1", 1000), 1),
    "voc_rna-a1_cls21_s8_ep-0001.params": (ModelLabel("voc", "a1", 21, 8), 1),
    "voc_rna-a1_cls21_s8_coco_ep-0001.params": (ModelLabel("voc", "a1", 21, 8, "coco"), 1),
    "cityscapes_rna-a1_cls19_s8_ep-0001.params": (ModelLabel("cityscapes", "a1", 19, 8), 1),
    "ade20k_rna-a1_cls150_s8_ep-0001.params": (ModelLabel("ade20k", "a1", 150, 8), 1),
    "cityscapes_rna-a1_cls19_s8_x1-140_ep-0064.params": (
        ModelLabel("cityscapes", "a1", 19, 8, "x1-140"),
        64,
    ),
    "digits_rna-28-1-1-1-1-1-1-1_cls10_ep-0012.params": (
        ModelLabel("digits", "28-1-1-1-1-1-1-1", 10),
        12,
    ),
    "voc_rna-a2_cls21_s16_two_words_ep-12345.params": (
        ModelLabel("voc", "a2", 21, 16, "two_words"),
        12345,
    ),
    "voc_resnet101_cls21_s8_ep-0050.params": (ModelLabel("voc", "resnet101", 21, 8), 50),
    "x_rna-a_cls2_s_ep-0000.params": (ModelLabel("x", "a", 2, suffix="s"), 0),
}
MALFORMED = [
    "",
    "model.params",
    "ilsvrc-cls_rna-a1_cls1000_ep-0001",
    "ilsvrc-cls_rna-a1_cls1000_ep-0001.npz",
    "ilsvrc-cls_rna-a1_cls1000_ep-0001.params.part",
    "ilsvrc-cls_rna-a1_cls1000_ep-001.params",
    "ilsvrc-cls_rna-a1_cls1000-0001.params",
    "ilsvrc-cls_rna-a1_ep-0001.params",
    "ilsvrc-cls_rna-a1_cls_ep-0001.params",
    "ilsvrc-cls_rna-a1_clsx_ep-0001.params",
    "ilsvrc-cls_rna-_cls1000_ep-0001.params",
    "ilsvrc-cls_a1_cls1000_ep-0001.params",
    "ilsvrc-cls_resnet_cls1000_ep-0001.params",
    "_rna-a1_cls1000_ep-0001.params",
    "ilsvrc-cls_rna-a1_cls1000__ep-0001.params",
]


@pytest.mark.parametrize("name", LABELS)
def test_names_are_read_and_made(name):
    label, epoch = LABELS[name]
    assert parse_label(f"some/folder_rna-x/{name}") == label
    assert label.params_file(epoch) == name


def test_released_names_are_labels():
    assert set(RELEASED) < set(LABELS)


def test_symbol_file_is_where_mxnet_looks_for_it():
    label = ModelLabel("voc", "a1", 21, 8, "coco")
    assert label.symbol_file == "voc_rna-a1_cls21_s8_coco_ep-symbol.json"


@pytest.mark.parametrize("name", MALFORMED)
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match=f"{name}: the file name does not indicate the network"):
        parse_label(f"folder/{name}" if name else "")
