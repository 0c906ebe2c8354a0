"""What `import rnw` offers for both tasks, by weights files and by networks."""

import numpy as np
import pytest
from PIL import Image

import rnw
from rnw.data.sets import shapes
from rnw.errors import InputError
from rnw.networks.layout import configure

CLASSIFIER = "digits_rna-28-1-1-1-1-1-1-1_cls10_ep-0001.params"
SEGMENTER = "shapes_rna-28-1-1-1-1-1-1-1_cls5_s8_ep-0001.params"


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def classifier(fill):
    net = fill(rnw.get_network("28-1-1-1-1-1-1-1", 10, width=1 / 64))
    rnw.save_params(net, CLASSIFIER)
    return net


@pytest.fixture
def segmenter(fill):
    net = fill(rnw.get_network("fcn_28-1-1-1-1-1-1-1", 5, width=1 / 64))
    rnw.save_params(net, SEGMENTER)
    return net


@pytest.fixture
def picture():
    pixels = np.random.RandomState(0).randint(256, size=(40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("picture.png")
    return "picture.png"


@pytest.mark.parametrize("name", rnw.list_networks())
def test_each_network_listed_can_be_built(name):
    config = configure(name)
    assert (config.name, config.segmentation) == (name, name.startswith("fcn_"))


def test_datasets_of_both_tasks():
    assert {"ilsvrc-cls": 1000, "cityscapes": 19, "voc": 21}.items() <= {
        name: row.classes for name, row in rnw.datasets.items()
    }.items()
    assert all(row.name == name for name, row in rnw.datasets.items())
    with pytest.raises(TypeError):
        rnw.datasets["mine"] = rnw.datasets["voc"]


def test_a_classifier_is_tested_as_its_file(classifier):
    by_file, by_network = rnw.evaluate(CLASSIFIER), rnw.evaluate(classifier, "digits")
    assert (by_file.dataset, by_file.images) == ("digits", by_network.images)
    assert (by_file.accuracy, by_file.protocol) == (by_network.accuracy, by_network.protocol)
    assert by_file.meaning.dataset == "digits"


def test_a_segmentation_network_is_tested_as_its_file(segmenter, monkeypatch):
    monkeypatch.setitem(shapes.SPLITS, "val", (2, 1))  # two pictures
    by_file, by_network = rnw.evaluate(SEGMENTER), rnw.evaluate(segmenter, "shapes")
    assert (by_file.dataset, by_file.images) == (by_network.dataset, 2) == ("shapes", 2)
    assert by_file.confusion.judged > 0
    assert (by_file.confusion.ious == by_network.confusion.ious).all()


def test_a_classifier_names_classes(classifier, picture):
    (by_file,), (by_network,) = (
        list(rnw.predict(CLASSIFIER, [picture], top=2)),
        list(rnw.predict(classifier, [picture], "digits", top=2)),
    )
    assert by_file == by_network
    assert len(by_file.classes) == 2


def test_a_segmentation_network_draws(segmenter, picture, tmp_path):
    (found,) = rnw.predict(SEGMENTER, [picture], output=tmp_path / "seen")
    assert (found.height, found.width) == (40, 50)
    assert sum(area.pixels for area in found.areas) == 40 * 50
    with Image.open("seen/picture.png") as labels:
        assert labels.size == (50, 40)
    with pytest.raises(InputError, match="give a folder as `output`"):
        rnw.predict(segmenter, [picture], "shapes")


def test_what_a_network_does_not_tell(fill, classifier):
    with pytest.raises(InputError, match=r"does not tell its dataset: give one of `rnw\.datasets`"):
        rnw.evaluate(classifier)
    with pytest.raises(InputError, match="voc: is a dataset for segmentation, expected one for c"):
        rnw.evaluate(classifier, "voc")
    trained = fill(rnw.get_network("28-1-1-1-1-1-1-1", 10, width=1 / 64, head="softmax"))
    with pytest.raises(InputError, match="has the head 'softmax', expected 'logits'"):
        rnw.evaluate(trained, "digits")


def test_a_precision_is_asked_of_files_and_of_networks(classifier, segmenter, picture):
    """The processor may not compute in it in tests: see conftest.py."""
    files = [(CLASSIFIER,), (classifier, "digits"), (SEGMENTER,), (segmenter, "shapes")]
    for given in files:
        with pytest.raises(InputError, match="precision bfloat16: this CPU cannot compute in it"):
            rnw.evaluate(*given, precision="bfloat16")
    with pytest.raises(InputError, match="precision float16: is for GPUs"):
        rnw.predict(CLASSIFIER, [picture], precision="float16")


def test_a_file_that_is_missing():
    with pytest.raises(InputError, match=r"missing\.params: no such file"):
        rnw.evaluate("missing.params")
