"""The bootstrapped loss in PyTorch against the original's, and where its definition has corners."""

import numpy as np
import pytest

from tests.golden_cases import each_json_case, golden_arrays
from tests.networks.test_heads import bootstrapping_inputs

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import rnw.torch  # noqa: E402 # after it is known that it can be had


def _run(scores, labels, **options):
    """The loss and the gradient of the scores."""
    scores = torch.from_numpy(np.asarray(scores, np.float32)).requires_grad_()
    labels = torch.from_numpy(np.asarray(labels, np.int64))
    loss = rnw.torch.bootstrapped_cross_entropy(scores, labels, **options)
    loss.backward()
    return loss.item(), scores.grad.numpy()


def _kept(probabilities, labels=1, **options):
    """Which labels count, of two classes whose second is predicted with these probabilities."""
    true = np.asarray(probabilities, np.float64)
    scores = np.log(np.stack([1 - true, true]))[None, :, None]
    gradient = _run(scores, np.broadcast_to(labels, (1, 1, len(true))).copy(), **options)[1]
    return (np.abs(gradient).sum(axis=1).ravel() > 0).tolist()


@each_json_case("ohem_cases")
def test_gradients_are_the_originals(case):
    scores, labels = bootstrapping_inputs(case)
    labels = labels.reshape(len(scores), *scores.shape[2:])
    options = {"threshold": case["threshold"], "min_kept": case["min_kept"]}
    loss, gradient = _run(scores, labels, **options)
    expected = golden_arrays("ohem")[f"{case['case']}_gradient"]
    np.testing.assert_allclose(gradient, expected.reshape(gradient.shape), rtol=0, atol=1e-6)
    kept = np.abs(gradient).sum(axis=1) > 0
    assert kept.sum() == case["kept"]
    rows = np.moveaxis(scores, 1, -1)[kept].astype(np.float64)
    losses = np.log(np.exp(rows).sum(1)) - rows[range(len(rows)), labels[kept].astype(int)]
    assert loss == pytest.approx(losses.sum() / max(1, len(rows)), rel=1e-5)


def test_corners_of_the_definition():
    assert _kept([0.9, 0.8, 0.8, 0.95, 0.7, 0.8], min_kept=2) == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    assert _kept([0.5] * 3, threshold=0.5, min_kept=1) == [True] * 3
    assert _kept([0.5] * 3, threshold=0.4999, min_kept=0) == [False] * 3
    labels = [1, 255, 1, 1]
    assert _kept([0.9, 0.7, 0.8, 0.99], labels, min_kept=2) == [True, False, True, False]
    assert _kept([0.9, 0.7, 0.8, 0.99], labels) == [True, False, True, True]  # fewer than 256


def test_no_label_has_neither_loss_nor_gradient():
    loss, gradient = _run(np.full((2, 3, 4, 4), 1e4), np.full((2, 4, 4), 255))
    assert loss == 0
    assert not gradient.any()
