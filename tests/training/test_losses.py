"""Weights of classes and smoothed labels: values and gradients against NumPy, and whole steps."""

import mxnet as mx
import numpy as np
import pytest

from rnw.data.sets.catalog import find_dataset, find_segmentation_dataset
from rnw.data.sets.reading import read_examples, read_pictures
from rnw.networks import heads
from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize
from rnw.training.losses import WeightedLoss, balanced_weights, count_labels, make_loss
from rnw.training.optimizers import make_optimizer
from rnw.training.recipes import find_recipe
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, trained_parameters
from tests.data.own.miniatures import NAMES, class_folders, label_map, pairs, write

WEIGHTS = (0.5, 2.0, 0.0, 3.0)
CLASSES = len(WEIGHTS)


def _inputs(*size):
    """Scores (4, classes, *size) and labels (4, *size), some of the pixels ignored."""
    random = np.random.RandomState(0)
    scores = 2 * random.standard_normal((4, CLASSES, *size)).astype(np.float32)
    labels = random.randint(0, CLASSES, (4, *size))
    if size:
        labels[random.uniform(size=labels.shape) < 0.2] = 255
    return scores, labels


def _differentiate(loss, scores, labels):
    """The loss, the probabilities, and the gradient of the scores."""
    scores = mx.nd.array(scores)
    scores.attach_grad()
    with mx.autograd.record():
        value, probabilities = loss(scores, mx.nd.array(labels))
    value.backward()
    return value.asscalar(), probabilities.asnumpy(), scores.grad.asnumpy()


def _reference(scores, labels, smoothing, bootstrapped):
    """The same of rows (n, classes) and labels (n,), by the definition; 255 is ignored."""
    probabilities = np.exp(scores.astype(np.float64))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    counted = labels != 255
    labels = np.where(counted, labels, 0)
    if bootstrapped:
        true = np.where(counted, probabilities[np.arange(len(labels)), labels], 2)
        smallest = np.sort(true)[min(heads.OHEM_KEPT, counted.sum()) - 1]
        counted &= true <= max(heads.OHEM_THRESHOLD, smallest)
    targets = (1 - smoothing) * np.eye(CLASSES)[labels] + smoothing / CLASSES
    weights = np.array(WEIGHTS)[labels] * counted
    value = -(weights * (targets * np.log(probabilities)).sum(axis=1)).sum()
    return value, weights[:, None] * (probabilities - targets), counted.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_of_pictures(smoothing):
    scores, labels = _inputs()
    value, probabilities, gradient = _differentiate(
        WeightedLoss(WEIGHTS, smoothing), scores, labels
    )
    expected, expected_gradient, _ = _reference(scores, labels, smoothing, False)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(probabilities, mx.nd.softmax(mx.nd.array(scores)).asnumpy(), 1e-5)


@pytest.mark.parametrize("head", ["softmax", "ohem"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_of_pixels(head, smoothing):
    scores, labels = _inputs(9, 11)
    loss = WeightedLoss(WEIGHTS, smoothing, head)
    value, probabilities, gradient = _differentiate(loss, scores, labels)
    rows = scores.transpose(0, 2, 3, 1).reshape(-1, CLASSES)
    summed, slopes, number = _reference(rows, labels.ravel(), smoothing, head == "ohem")
    assert number < (labels != 255).sum() or head == "softmax"
    assert value == pytest.approx(summed / number, rel=1e-5)
    expected = (slopes / number).reshape(4, 9, 11, CLASSES).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)
    expected = mx.nd.softmax(mx.nd.array(scores), axis=1).asnumpy()
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("replaced", "head", "size"),
    [
        (heads.softmax, "softmax", ()),
        (heads.segmentation_softmax, "softmax", (9, 11)),
        (heads.bootstrapped_softmax, "ohem", (9, 11)),
    ],
)
def test_is_that_of_the_head_where_nothing_is_weighed(replaced, head, size):
    scores, labels = _inputs(*size)

    def with_itself(scores, labels):
        probabilities = replaced(mx.nd, scores, labels)
        return probabilities, probabilities

    plain = mx.nd.array(scores)
    plain.attach_grad()
    with mx.autograd.record():
        mx.autograd.backward([with_itself(plain, mx.nd.array(labels))[0]])
    _, _, gradient = _differentiate(WeightedLoss((1,) * CLASSES, 0.0, head), scores, labels)
    np.testing.assert_allclose(gradient, plain.grad.asnumpy(), rtol=1e-4, atol=1e-7)


def test_nothing_but_ignored_pixels_is_no_loss():
    scores = np.ones((1, CLASSES, 2, 2))
    for head in ("softmax", "ohem"):
        loss = WeightedLoss(WEIGHTS, 0.1, head)
        value, _, gradient = _differentiate(loss, scores, np.full((1, 2, 2), 255))
        assert value == 0
        assert (gradient == 0).all()


def test_balanced_classes_have_the_same_part():
    counts = np.array([600, 30, 0, 6])
    weights = balanced_weights(counts)
    assert weights == (636 / 3 / 600, 636 / 3 / 30, 1, 636 / 3 / 6)
    assert np.dot(weights, counts) == pytest.approx(counts.sum())
    assert balanced_weights(np.array([0, 0])) == (1, 1)


def test_labels_are_counted():
    found = read_examples(find_dataset(str(class_folders("train", count=3))), "train")
    assert count_labels(found, 3).tolist() == [3, 3, 0]
    root = write(pairs("train/{}.jpg", "trainannot/{}.png", "abcd"), "street")
    pictures = read_pictures(find_segmentation_dataset(str(root)), "train")
    expected = sum(np.bincount(label_map(seed).ravel(), minlength=4) for seed in range(4))
    assert count_labels(pictures, len(NAMES)).tolist() == expected[:3].tolist()


def test_a_recipe_weighs_by_its_data():
    write({f"rare/{n}.jpg": b"" for n in range(2)}, "cats/train")
    write({f"usual/{n}.jpg": b"" for n in range(6)}, "cats/train")
    overrides = ["dataset=cats", "classes=2"]
    recipe = find_recipe("digits", [*overrides, "balance=true", "label_smoothing=0.1"])
    loss = make_loss(recipe, read_examples(find_dataset("./cats"), "train"))
    assert loss.class_weights.tolist() == pytest.approx([2, 2 / 3])
    assert str(loss) == "weights of the classes 2, 0.6667; labels smoothed by 0.1"
    loss = make_loss(find_recipe("digits", [*overrides, "class_weights=1,4"]), None)
    assert loss.class_weights.tolist() == [1, 4]
    assert make_loss(find_recipe("digits"), None) is None


def _step(loss, recompute=False, network="28-0-1-1-1-1-1-1"):
    """All parameters after a step on two devices."""
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = get_network(network, CLASSES, width=1 / 32, head="logits" if loss else "softmax")
    initialize(net, contexts, np.random.RandomState(0))
    optimizer = make_optimizer(
        "sgd",
        trained_parameters(net),
        schedule=make_schedule("fixed", 0.1, 1),
        momentum=0.9,
        weight_decay=0.0,
        rescale=1 / 4,
    )
    trainer = Trainer(net, contexts, optimizer, recompute=recompute, loss=loss)
    random = np.random.RandomState(1)
    shape = (4, 6, 6) if net.config.segmentation else (4,)
    labels = random.randint(0, CLASSES, shape)
    outputs = trainer.step(random.standard_normal((4, 3, 48, 48)), labels)
    assert [output.probabilities.shape[0] for output in outputs] == [2, 2]
    mx.nd.waitall()
    return {n: p.data(contexts[1]).asnumpy() for n, p in net.collect_params().items()}


@pytest.mark.slow
@pytest.mark.parametrize("network", ["28-0-1-1-1-1-1-1", "fcn_56-0-1-1-1-1-1-1"])
def test_a_step_with_it(network):
    even = _step(WeightedLoss((1,) * CLASSES, 0.0), network=network)
    uneven = WeightedLoss(WEIGHTS, 0.1)
    weighed, again = _step(uneven, network=network), _step(uneven, True, network)
    for name, value in _step(None, network=network).items():
        np.testing.assert_allclose(even[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_array_equal(again[name], weighed[name], err_msg=name)
    bias = f"linear{CLASSES}_bias"
    assert np.abs(weighed[bias] - even[bias]).max() > 1e-3
