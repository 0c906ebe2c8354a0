"""Scores and predictions of classification networks."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.picture_types import Examples
from rnw.data.sets.catalog import DATASETS, read_examples
from rnw.data.sets.rows import Dataset
from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import (
    evaluate,
    load_model,
    make_validator,
    predict,
)
from rnw.evaluation.classification.model import Model
from rnw.evaluation.classification.protocol import Protocol
from rnw.evaluation.classification.scores import cross_entropy, top_accuracy
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.test_transforms import picture
from tests.golden_cases import each_json_case, golden_arrays

NARROW = 1 / 32
TINY = "28-1-1-1-1-1-1-1"
TINY_FILE = f"digits_rna-{TINY}_cls10_ep-0001.params"
PRINTED = 0.5001e-4  # half a unit of the last digit of the percent that the original prints
RELEASED_A = "ilsvrc-cls_rna-a_cls1000_ep-0001.params"
RELEASED_A1 = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
TEST = read_examples(DATASETS["digits"], "test")


@pytest.fixture
def tiny(fill):
    """A filled network for the digits, and its file."""
    net = fill(get_network(TINY, 10, width=NARROW))
    save_params(net, TINY_FILE)
    return net


def _load(contexts=1):
    return load_model(TINY_FILE, [mx.cpu(number) for number in range(contexts)])


def _probabilities(net, images):
    return mx.nd.softmax(net(mx.nd.array(normalize(images)))).asnumpy()


def _brute_force(probabilities, labels, k):
    """Of equal entries the first counts as the larger."""
    hits = 0
    for row, label in zip(probabilities, labels):
        before = [p > row[label] or (p == row[label] and i < label) for i, p in enumerate(row)]
        hits += sum(before) < k
    return 100 * hits / len(labels)


@pytest.mark.parametrize("levels", [2, 4, 1000000])
@pytest.mark.parametrize("k", [1, 2, 5, 7, 9])
def test_top_accuracy(k, levels):
    stream = np.random.RandomState(k)
    probabilities = stream.randint(0, levels, (50, 7)).astype(np.float32)
    labels = stream.randint(0, 7, 50)
    expected = _brute_force(probabilities, labels, k)
    assert top_accuracy(probabilities, labels, k) == pytest.approx(expected, abs=1e-9)


def test_constant_scores_earn_nothing_but_chance():
    labels = np.arange(10)
    assert top_accuracy(np.ones((10, 10)), labels, 1) == 10
    assert top_accuracy(np.ones((10, 10)), labels, 5) == 50


def test_evaluation_is_a_forward_pass_over_the_test_split(tiny):
    probabilities = _probabilities(tiny, TEST.images)
    found = evaluate(_load())
    assert (found.dataset, found.split, found.images) == ("digits", "test", 359)
    assert found.top1 == pytest.approx(_brute_force(probabilities, TEST.labels, 1))
    assert found.top5 == pytest.approx(_brute_force(probabilities, TEST.labels, 5))
    assert 0 < found.top1 < found.top5 < 100


@pytest.mark.parametrize(
    ("contexts", "batch"), [(1, 1), (1, 100), (1, 359), (1, 1000), (2, 64), (3, 64), (3, 2), (4, 7)]
)
def test_devices_and_batch_do_not_matter(contexts, batch, tiny):
    assert evaluate(_load(contexts), batch=batch) == evaluate(_load())


def _save(name, image):
    Image.fromarray(image).save(name)
    return name


@pytest.mark.parametrize("contexts", [1, 2])
def test_predictions_are_a_forward_pass_over_the_picture(contexts, tiny):
    paths = [_save(f"{index}.png", TEST.images[index]) for index in range(3)]
    predictions = list(predict(_load(contexts), paths, top=3))
    assert [prediction.image for prediction in predictions] == paths
    for prediction, row in zip(predictions, _probabilities(tiny, TEST.images[:3])):
        numbers, names, values = zip(*prediction.classes)
        assert list(numbers) == sorted(range(10), key=lambda k: -row[k])[:3]
        assert list(names) == [DATASETS["digits"].class_names()[k] for k in numbers]
        np.testing.assert_allclose(values, row[list(numbers)], rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(60, 40), (40, 61), (20, 30)])
def test_pictures_are_scaled_and_cropped(height, width, tiny):
    image = picture(height, width, 1)
    side = min(height, width)
    scaled = tuple(round(28 * length / side) for length in (width, height))
    how = Image.LANCZOS if side > 28 else Image.BICUBIC
    resized = np.array(Image.fromarray(image).resize(scaled, how))
    top, left = (int(np.ceil((length - 28) / 2)) for length in resized.shape[:2])
    crop = resized[top : top + 28, left : left + 28]
    found = next(predict(_load(), [_save("a.png", image)], top=10)).classes
    row = _probabilities(tiny, crop[None])[0]
    np.testing.assert_allclose([p for _, _, p in sorted(found)], row, rtol=1e-4)


def _thin():
    Image.new("RGB", (1, 300)).save("bad.png")


@pytest.mark.parametrize("spoil", [lambda: Path("bad.png").write_text("x"), lambda: None, _thin])
def test_unreadable_pictures_are_told_and_passed_over(spoil, tiny):
    spoil()
    good = [_save(f"{index}.png", TEST.images[index]) for index in range(2)]
    bad = []
    found = predict(_load(), [good[0], "bad.png", good[1]], on_bad=bad.append)
    assert [prediction.image for prediction in found] == good
    assert [str(error).partition(": ")[0] for error in bad] == ["bad.png"]
    found = predict(_load(), [good[0], "bad.png", good[1]])
    assert next(found).image == good[0]
    with pytest.raises(InputError, match=r"^bad\.png: "):
        next(found)


def test_several_scales_are_averaged(tiny):
    path = _save("a.png", picture(60, 80, 1))
    model = _load()
    alone = [next(predict(model.tested_by([scale]), [path], top=10)) for scale in (28, 40)]
    both = next(predict(model.tested_by([28, 40]), [path], top=10))
    expected = {k: p / 2 for k, _, p in alone[0].classes}
    for k, _, p in alone[1].classes:
        expected[k] += p / 2
    assert {k: p for k, _, p in both.classes} == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("file", "name", "crop", "pooling", "interpolation"),
    [
        (RELEASED_A, "model_a", 320, "caffe", "cubic"),
        (RELEASED_A1, "model_a1", 320, "pad", "cubic"),
        ("ilsvrc-cls_rna-a_cls1000_ep-0090.params", "model_a", 320, "pad", "adaptive"),
        ("ilsvrc-cls_rna-e_cls1000_ep-0001.params", "model_e", 160, "pad", "adaptive"),
        ("ilsvrc-cls_rna-f_cls1000_ep-0001.params", "model_f", 80, "pad", "adaptive"),
    ],
)
def test_protocols(file, name, crop, pooling, interpolation, fill):
    save_params(fill(get_network(name, width=NARROW)), file)
    model = load_model(file, [mx.cpu()])
    assert model.protocol == Protocol((crop,), interpolation=interpolation)
    assert (model.net.config.pooling, model.dataset.name) == (pooling, "ilsvrc-cls")


def test_the_released_protocol_is_what_a_picture_goes_through(fill):
    net = fill(get_network("model_a", width=NARROW, pooling="caffe"))
    save_params(net, RELEASED_A)
    image = picture(400, 400, 1)
    scaled = np.array(Image.fromarray(image).resize((320, 320), Image.BICUBIC))
    row = _probabilities(net, scaled[None])[0]
    found = next(predict(load_model(RELEASED_A, [mx.cpu()]), [_save("a.png", image)])).classes
    assert [number for number, _, _ in found] == np.argsort(-row)[:5].tolist()
    np.testing.assert_allclose([p for _, _, p in found], np.sort(row)[:-6:-1], rtol=1e-4)


def test_missing_data_is_named(fill):
    save_params(fill(get_network("model_a", width=NARROW)), RELEASED_A)
    model = load_model(RELEASED_A, [mx.cpu()])
    with pytest.raises(InputError, match=r"^elsewhere/val\.lst: no such list"):
        evaluate(model, data_root=Path("elsewhere"))


def test_another_number_of_classes_is_refused(fill):
    name = TINY_FILE.replace("cls10", "cls8")
    save_params(fill(get_network(TINY, 8, width=NARROW)), name)
    with pytest.raises(InputError, match=r"is for 8 classes, .* has 10"):
        evaluate(load_model(name, [mx.cpu()]))


def test_segmentation_networks_are_refused(fill):
    name = "ilsvrc-cls_rna-a1_cls5_s8_ep-0001.params"
    save_params(fill(get_network("fcn_a1", 5, width=NARROW)), name)
    with pytest.raises(InputError, match=f"^{name}: holds a segmentation network"):
        load_model(name, [mx.cpu()])


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        ("model.params", "file name does not tell the network"),
        (f"digits_rna-{TINY}_cls9_ep-0001.params", "it is for 10 classes"),
    ],
)
def test_names_that_do_not_fit_are_refused(name, wording, tiny):
    Path(TINY_FILE).rename(name)
    with pytest.raises(InputError, match=wording):
        load_model(name, [mx.cpu()])


def test_a_missing_file_is_refused():
    with pytest.raises(InputError, match=f"^{TINY_FILE}: no such file"):
        load_model(TINY_FILE, [mx.cpu()])


def _stand_in(classes, seed):
    """The reference data's network: logits of (N, 3, S, S)."""
    weights = np.random.RandomState(seed).standard_normal((classes, 3, 8))

    def forward(data):
        columns = np.array_split(data.asnumpy().astype(np.float64).mean(2), 8, axis=2)
        features = np.stack([column.mean(2) for column in columns], 2)
        return mx.nd.array(np.einsum("nci,kci->nk", features, weights) * 2)

    return forward


@each_json_case("classification_eval")
def test_the_originals_evaluation(case):
    images = [picture(**options) for options in case["pictures"]]
    classes = case["classes"]
    labels = np.random.RandomState(case["label_seed"]).randint(0, classes, len(images))
    dataset = Dataset(
        "pictures",
        "",
        None,
        classes,
        lambda: [f"class {number}" for number in range(classes)],
        lambda root, split: Examples(images, labels),
        "train",
        "test",
        recipe="",
    )
    net = _stand_in(classes, case["network_seed"])
    protocol = Protocol((), "three" if case["three_crops"] else "center", case["flip"])
    protocol = protocol._replace(interpolation=case["interpolation"]).with_scales(case["scales"])
    model = Model(net, dataset, [mx.cpu()], protocol)
    expected = golden_arrays(f"classification_eval_{case['case']}")
    result = evaluate(model, batch=case["batch"])
    rows = list(result.scales.values()) + [result.accuracy] * (len(case["scales"]) > 1)
    found = [[row.top1, row.top5] for row in rows]
    np.testing.assert_allclose(found, expected["top1_top5"], rtol=0, atol=PRINTED)
    assert expected["labels"].tolist() == labels.tolist()
    paths = [_save(f"{index}.png", image) for index, image in enumerate(images)]
    for scale in case["scales"]:
        predictions = predict(model.tested_by([scale]), paths, top=classes)
        for prediction, row in zip(predictions, expected[f"scale{scale}"]):
            found = [p for _, _, p in sorted(prediction.classes)]
            np.testing.assert_allclose(found, row, rtol=0, atol=1e-5)


def test_cross_entropy():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], np.float32)
    assert cross_entropy(probabilities, np.array([1, 2])) == pytest.approx(np.log(4) / 2)
    assert cross_entropy(probabilities, np.array([0, 2])) == pytest.approx(np.log(2) / 2)
    assert 40 < cross_entropy(probabilities, np.array([0, 1])) < 50  # finite where it would not be


def test_validation_takes_the_network_as_it_stands(tiny, fill):
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = fill(get_network(TINY, 10, width=NARROW, head="softmax"), contexts)
    scores = make_validator("digits", contexts, batch=100)(net)
    result = evaluate(_load())
    assert scores["top-1"] == pytest.approx(result.top1)
    assert scores["top-5"] == pytest.approx(result.top5)
    expected = _probabilities(tiny, TEST.images)[np.arange(len(TEST.labels)), TEST.labels]
    assert scores["loss"] == pytest.approx(-np.log(expected).mean(), rel=1e-4)


def test_validation_says_at_once_that_data_is_missing():
    with pytest.raises(InputError, match=r"^data/ilsvrc12/val\.lst: no such list"):
        make_validator("ilsvrc-cls", [mx.cpu()])
