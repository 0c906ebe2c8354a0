"""Scores of classification networks on a dataset."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.data.picture_types import Examples
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.model import Model, load_model
from rnw.evaluation.classification.predict import predict
from rnw.evaluation.classification.protocol import Protocol
from rnw.evaluation.classification.scores import cross_entropy, top_accuracy
from rnw.evaluation.engines.mxnet import classify
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.test_transforms import picture
from tests.evaluation.classification.digits import (
    NARROW,
    RELEASED_A,
    TEST,
    TINY,
    TINY_FILE,
    load_tiny,
    probabilities_of,
    save_picture,
)
from tests.golden_cases import each_json_case, golden_arrays

PRINTED = 0.5001e-4  # half a unit of the last digit of the percent that the original prints


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
    probabilities = probabilities_of(tiny, TEST.images)
    found = evaluate(load_tiny())
    assert (found.dataset, found.split, found.images) == ("digits", "test", 359)
    assert found.top1 == pytest.approx(_brute_force(probabilities, TEST.labels, 1))
    assert found.top5 == pytest.approx(_brute_force(probabilities, TEST.labels, 5))
    assert 0 < found.top1 < found.top5 < 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("contexts", "batch"), [(1, 1), (1, 100), (1, 359), (1, 1000), (2, 64), (3, 64), (3, 2), (4, 7)]
)
def test_devices_and_batch_do_not_matter(contexts, batch, tiny):
    assert evaluate(load_tiny(contexts), batch=batch) == evaluate(load_tiny())


@pytest.mark.slow
def test_another_split(tiny):
    train, test = evaluate(load_tiny(), split="train"), evaluate(load_tiny())
    assert (train.split, train.images, test.split, test.images) == ("train", 1438, "test", 359)
    assert train.top1 != test.top1
    with pytest.raises(InputError, match="'val'"):
        evaluate(load_tiny(), split="val")


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
    model = Model(classify(net, [mx.cpu()]), dataset, protocol)
    expected = golden_arrays(f"classification_eval_{case['case']}")
    result = evaluate(model, batch=case["batch"])
    rows = list(result.scales.values()) + [result.accuracy] * (len(case["scales"]) > 1)
    found = [[row.top1, row.top5] for row in rows]
    np.testing.assert_allclose(found, expected["top1_top5"], rtol=0, atol=PRINTED)
    assert expected["labels"].tolist() == labels.tolist()
    paths = [save_picture(f"{index}.png", image) for index, image in enumerate(images)]
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
