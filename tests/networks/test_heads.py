"""The bootstrapped loss against the original's, and where its definition has corners."""

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.heads import OHEM_KEPT, bootstrapped_softmax
from tests.golden_cases import each_json_case, golden_arrays


class _Bootstrapped(mx.gluon.HybridBlock):
    def __init__(self, **options):
        super().__init__()
        self._options = options

    def hybrid_forward(self, F, scores, label):
        return bootstrapped_softmax(F, scores, label, **self._options)


def _run(scores, label, hybrid=True, **options):
    """Probabilities and the gradient of the scores."""
    block = _Bootstrapped(**options)
    block.hybridize(hybrid, static_alloc=True, static_shape=True)
    scores = mx.nd.array(scores)
    scores.attach_grad()
    with mx.autograd.record():
        probabilities = block(scores, mx.nd.array(label))
    mx.autograd.backward([probabilities])
    return probabilities.asnumpy(), scores.grad.asnumpy()


def _kept(scores, label, **options):
    return np.abs(_run(scores, label, **options)[1]).sum(axis=1).ravel() > 0


def bootstrapping_inputs(case):
    stream = np.random.RandomState(case["seed"])
    images, classes, height, width = case["shape"]
    scores = stream.standard_normal(case["shape"]) * case["logit_scale"]
    label = stream.randint(0, classes, (images, height * width))
    label[stream.uniform(size=label.shape) < case["ignored_fraction"]] = 255
    return scores.astype(np.float32), label.astype(np.float32)


@pytest.mark.parametrize("hybrid", [False, True])
@each_json_case("ohem_cases")
def test_is_the_originals(case, hybrid):
    expected = golden_arrays("ohem")
    scores, label = bootstrapping_inputs(case)
    options = {"threshold": case["threshold"], "min_kept": case["min_kept"]}
    probabilities, gradient = _run(scores, label, hybrid, **options)
    close = {"rtol": 0, "atol": 1e-6}
    np.testing.assert_allclose(probabilities, expected[f"{case['case']}_probabilities"], **close)
    np.testing.assert_allclose(gradient, expected[f"{case['case']}_gradient"], **close)
    assert (np.abs(gradient).sum(axis=1) > 0).sum() == case["kept"]


def _scores(probabilities):
    """Two classes, of which the second is predicted with these probabilities, (1, 2, 1, W)."""
    true = np.asarray(probabilities, np.float64)
    return np.log(np.stack([1 - true, true])).astype(np.float32)[None, :, None]


def _ones(scores):
    return np.ones((1, *scores.shape[2:]))


def test_keeps_what_ties_with_the_last_kept():
    scores = _scores([0.9, 0.8, 0.8, 0.95, 0.7, 0.8])
    kept = _kept(scores, _ones(scores), min_kept=2)
    assert kept.tolist() == [False, True, True, False, True, True]


def test_threshold_itself_is_kept():
    scores = np.zeros((1, 2, 1, 3))
    assert _kept(scores, _ones(scores), threshold=0.5, min_kept=1).all()
    assert not _kept(scores, _ones(scores), threshold=0.4999, min_kept=0).any()


@pytest.mark.parametrize(("labels", "kept"), [(OHEM_KEPT, OHEM_KEPT), (OHEM_KEPT + 9, OHEM_KEPT)])
def test_minimum_of_easy_labels(labels, kept):
    scores = _scores(np.linspace(0.7, 0.99, labels))
    gradient = _run(scores, _ones(scores))[1]
    np.testing.assert_array_equal(
        np.abs(gradient).sum(axis=1).ravel() > 0, np.arange(labels) < kept
    )
    expected = -(1 - np.linspace(0.7, 0.99, labels)[:kept]) / kept
    np.testing.assert_allclose(gradient[0, 1, 0, :kept], expected, rtol=1e-4)


def test_ignored_labels_do_not_count_towards_the_minimum():
    scores = _scores([0.9, 0.7, 0.8, 0.99])
    label = np.array([[[1, 255, 1, 1]]])
    assert _kept(scores, label, min_kept=2).tolist() == [True, False, True, False]
    assert _kept(scores, label, min_kept=3).tolist() == [True, False, True, True]


def test_no_label_has_no_gradient():
    probabilities, gradient = _run(np.full((2, 3, 4, 4), 1e4), np.full((2, 4, 4), 255.0))
    assert (gradient == 0).all()
    np.testing.assert_allclose(probabilities, 1 / 3, rtol=1e-6)


def test_hopeless_labels_keep_their_gradient():
    scores = np.array([1000.0, -1000.0]).reshape(1, 2, 1, 1)
    gradient = _run(scores, _ones(scores))[1]
    np.testing.assert_array_equal(gradient.ravel(), [1, -1])


def test_gradient_does_not_depend_on_what_is_above():
    block, scores = _Bootstrapped(), mx.nd.random.normal(shape=(1, 3, 4, 4))
    label = mx.nd.ones((1, 4, 4))
    scores.attach_grad()
    gradients = []
    for factor in (1, 7):
        with mx.autograd.record():
            above = block(scores, label) * factor
        above.backward()
        gradients.append(scores.grad.asnumpy())
    np.testing.assert_array_equal(*gradients)


def test_more_classes_than_the_ignored_label():
    scores = np.zeros((1, 400, 1, 2))
    scores[0, 300, 0] = [20, 0]  # the first is easy
    gradient = _run(scores, np.full((1, 1, 2), 300.0), min_kept=1)[1]
    assert (gradient[..., 0] == 0).all()
    assert gradient[0, 300, 0, 1] == pytest.approx(-1 + 1 / 400)
