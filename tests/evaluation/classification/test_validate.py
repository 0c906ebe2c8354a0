"""Scores of classification networks in training."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.validate import make_validator
from rnw.networks.classifier import get_network
from tests.evaluation.classification.digits import NARROW, TEST, TINY, load_tiny, probabilities_of


@pytest.mark.slow
def test_validation_takes_the_network_as_it_stands(tiny, fill):
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = fill(get_network(TINY, 10, width=NARROW, head="softmax"), contexts)
    scores = make_validator("digits", contexts, batch=100)(net)
    result = evaluate(load_tiny())
    assert scores["top-1"] == pytest.approx(result.top1)
    assert scores["top-5"] == pytest.approx(result.top5)
    expected = probabilities_of(tiny, TEST.images)[np.arange(len(TEST.labels)), TEST.labels]
    assert scores["loss"] == pytest.approx(-np.log(expected).mean(), rel=1e-4)


def test_validation_says_at_once_that_data_is_missing():
    with pytest.raises(InputError, match=r"^data/ilsvrc12/val\.lst: no such list"):
        make_validator("ilsvrc-cls", [mx.cpu()])
