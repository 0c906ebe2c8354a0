"""The scripts for MXNet and gluoncv of scripts.md, run as they stand on narrow networks."""

import re
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

import rnw.networks
from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.for_gluoncv import ForGluonCV
from rnw.networks.symbols import to_json
from rnw.weights import load_params, save_params
from tests.data.test_transforms import picture
from tests.golden_cases import fill_network

PAGE = Path(rnw.networks.__file__).with_name("scripts.md").read_text(encoding="utf-8")
SCRIPTS = dict(re.findall(r"^## (.+?)\n(?:(?!^## )[\s\S])*?^```python\n([\s\S]*?)^```", PAGE, re.M))
A1 = Path("models/ilsvrc-cls_rna-a1_cls1000_ep-0001.params")
VOC = Path("models/voc_rna-a1_cls21_s8_ep-0001.params")


@pytest.fixture
def classifier():
    """A narrow network with the names of the released Model A1 and its graph."""
    net = fill_network(get_network("model_a1", width=1 / 32, head="softmax"))
    A1.parent.mkdir()
    save_params(net, A1)
    A1.with_name("ilsvrc-cls_rna-a1_cls1000_ep-symbol.json").write_text(to_json(net))
    return net


def _run(title):
    variables = {}
    exec(compile(SCRIPTS[title], title, "exec"), variables)
    return variables


def test_every_script_of_the_page_is_tested():
    assert list(SCRIPTS) == [
        "Train with Module",
        "Predict with Module",
        "Load as in the days of FeedForward",
        "Extract features",
        "Import as a block of Gluon",
        "Evaluate with gluoncv",
    ]


def test_training_with_module(classifier):
    _run("Train with Module")
    symbol, args, _ = mx.model.load_checkpoint("scratch", 1)
    assert symbol.list_outputs() == ["softmax_output"]
    assert args["linear1000_weight"].asnumpy().std() > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "title",
    ["Predict with Module", "Load as in the days of FeedForward", "Import as a block of Gluon"],
)
def test_probabilities_are_those_of_our_network(classifier, title):
    found = _run(title)
    data = found["pictures"]
    expected = classifier(data, mx.nd.zeros(len(data))).asnumpy()
    probabilities = found["probabilities"]
    if isinstance(probabilities, mx.nd.NDArray):
        probabilities = probabilities.asnumpy()
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-7)


def test_features_are_those_of_our_network(classifier):
    found = _run("Extract features")
    net = get_network("model_a1", width=1 / 32, head="features")
    load_params(net, A1, ignore_extra=True)
    expected = net(found["pictures"]).asnumpy().mean(axis=(2, 3))
    np.testing.assert_allclose(found["vectors"][:, :, 0, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_gluoncv_evaluates_our_networks(fill, capsys):
    VOC.parent.mkdir()
    save_params(fill(get_network("fcn_a1", 21, width=1 / 32)), VOC)
    root = Path("data/voc/VOC2012")
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("a\n")
    Image.fromarray(picture(48, 64, 0)).save(root / "JPEGImages/a.jpg")
    labels = np.random.RandomState(0).randint(0, 21, (48, 64)).astype(np.uint8)
    Image.fromarray(labels).save(root / "SegmentationClass/a.png")
    found = _run("Evaluate with gluoncv")
    assert found["scores"].shape == (1, 21, 48, 64)
    accuracy = (found["classes"] == labels).mean()
    assert found["metric"].get()[0] == pytest.approx(accuracy)
    with Image.open("0.png") as image:
        np.testing.assert_array_equal(np.asarray(image), found["classes"])
    assert str(found["metric"].get()[1])[:6] in capsys.readouterr().out


def test_scores_are_interpolated_between_the_centers_of_cells(fill):
    net = fill(get_network("fcn_a1", 3, width=1 / 32))
    wrapped = ForGluonCV(net, 64, 64)
    data = mx.nd.random.normal(shape=(1, 3, 60, 64))
    (scores,) = wrapped(data)
    planes = [Image.fromarray(cells) for cells in net(data).asnumpy()[0]]
    expected = [np.asarray(plane.resize((64, 64), Image.Resampling.BILINEAR)) for plane in planes]
    np.testing.assert_allclose(scores.asnumpy()[0], np.stack(expected)[:, :60], atol=1e-4)
    np.testing.assert_array_equal(wrapped.demo(data).asnumpy(), scores.asnumpy())


def test_refuses_networks_without_scores_of_pixels():
    with pytest.raises(InputError, match="expected 'logits' of pixels"):
        ForGluonCV(get_network("model_a1", width=1 / 32))
    with pytest.raises(InputError, match="crop_size is 500, expected a multiple of 8"):
        ForGluonCV(get_network("fcn_a1", width=1 / 32), crop_size=500)
