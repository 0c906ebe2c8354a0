"""Labels of data that is prepared for some of the classes, to networks of all of them."""

from pathlib import Path

import numpy as np
import pytest
from gluoncv.data.imagenet.classification import ImageNet1kAttr

from rnw.data.lists import read_list, write_classes, write_list
from rnw.data.readers import ImageList
from rnw.data.recordio import pack_file, write_pack
from rnw.data.sets.catalog import DATASETS
from rnw.data.sets.ilsvrc12_ids import WORDNET_IDS
from rnw.data.sets.reading import read_examples
from rnw.data.sets.subsets import match_labels, with_labels
from rnw.errors import InputError

ILSVRC, PLACES = DATASETS["ilsvrc-cls"], DATASETS["places365-cls"]
LABELS = np.array([0, 2, 1, 1])


def _match(dataset, names, classes, labels=LABELS):
    if names is not None:
        write_classes("classes.txt", names)
    return match_labels(dataset, "val", Path(), labels, classes, "the network").tolist()


def test_the_names_of_all_classes_are_those_published():
    assert list(WORDNET_IDS) == ImageNet1kAttr().synset
    for row in DATASETS.values():
        assert len(row.class_ids) == (row.classes if row.root else 0)


def test_a_network_of_all_classes_gets_labels_by_name():
    found = ("n01443537", "n03028079", "n07753592")
    assert _match(ILSVRC, found, 1000) == [1, 954, 497, 497]
    assert WORDNET_IDS[497] == "n03028079"
    assert _match(ILSVRC, found[::-1], 1000) == [954, 1, 497, 497]
    assert _match(PLACES, ("beach", "airfield", "zen_garden"), 365) == [48, 364, 0, 0]


@pytest.mark.parametrize("names", [("b", "a", "c"), WORDNET_IDS[5:8]])
def test_a_network_of_the_subset_has_its_labels(names):
    assert _match(ILSVRC, names, 3) == LABELS.tolist()


@pytest.mark.parametrize("names", [None, WORDNET_IDS])
def test_labels_of_all_classes_stay(names):
    assert _match(ILSVRC, names, 1000) == LABELS.tolist()
    with pytest.raises(InputError, match=r"^val\.lst: line 2 has label 1000, expected 0 to 999"):
        _match(ILSVRC, names, 1000, np.array([3, 1000]))


@pytest.mark.parametrize(
    ("names", "line", "name"),
    [
        (sorted(map(str, range(1000))), 1, "0"),
        (("n01443537", "n99999999", "n03028079"), 2, "n99999999"),
    ],
)
def test_names_of_no_class_are_refused(names, line, name):
    wording = rf"^classes\.txt: line {line} is '{name}', none of the 1000 classes .* n01440764: pre"
    with pytest.raises(InputError, match=wording):
        _match(ILSVRC, names, 1000)


def test_labels_beyond_the_subset_are_named():
    with pytest.raises(InputError, match=r"line 2 has label 2, expected 0 to 1, the 2 classes of"):
        _match(ILSVRC, WORDNET_IDS[:2], 1000)


def test_pictures_keep_their_order_and_content_under_other_labels():
    for k in range(2):
        Path(f"{k}.jpg").write_bytes(b"%d" % k)
    write_list("val.lst", [(0, "0.jpg"), (1, "1.jpg")])
    images = read_examples(ILSVRC, "val", Path())
    assert with_labels(images, images.labels) is images
    write_pack(ImageList(Path(), *read_list("val.lst")), pack_file(Path("val.lst")))
    packed = read_examples(ILSVRC, "val", Path())
    assert type(packed) is not type(images)
    for examples in (images, packed):
        changed = with_labels(examples, np.array([954, 1]))
        assert changed.labels.tolist() == [954, 1]
        assert [changed.read(k) for k in range(2)] == [b"0", b"1"]
        assert examples.labels.tolist() == [0, 1]
