"""Fixtures of the tests of classification networks."""

import pytest

from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.evaluation.classification.digits import NARROW, TINY, TINY_FILE


@pytest.fixture
def tiny(fill):
    """A filled network for the digits, and its file."""
    net = fill(get_network(TINY, 10, width=NARROW))
    save_params(net, TINY_FILE)
    return net
