"""Sizes of maps behind each layer."""

import pytest

from rnw.networks.layers import Pooling
from rnw.networks.layout import configure


@pytest.mark.parametrize(
    ("convention", "sizes"),
    [
        ("pad", [112, 56, 28, 14, 7]),
        ("caffe", [111, 55, 27, 13, 6]),
        ("full", [112, 56, 28, 14, 7]),
    ],
)
def test_pooled_sizes(convention, sizes):
    size, found = 224, []
    for layer in configure("model_a", pooling=convention).layers:
        size = layer.output_size(size)
        if isinstance(layer, Pooling):
            found.append(size)
    assert found == sizes
