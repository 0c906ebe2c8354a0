"""The bootstrapped loss beside its yardstick in NumPy."""

import mxnet as mx
import numpy as np
import pytest

from rnw.bench.loss import bench_loss, plain_bootstrapped_softmax
from rnw.errors import InputError
from tests.golden_cases import each_json_case, golden_arrays
from tests.networks.test_heads import bootstrapping_inputs


@each_json_case("ohem_cases")
def test_yardstick_is_the_originals(case):
    expected = golden_arrays("ohem")
    scores, label = bootstrapping_inputs(case)
    found = plain_bootstrapped_softmax(scores, label, case["threshold"], case["min_kept"])
    for kind, value in zip(("probabilities", "gradient"), found):
        np.testing.assert_allclose(value, expected[f"{case['case']}_{kind}"], rtol=0, atol=1e-6)


def test_both_give_the_same():
    measured = bench_loss(4, 21, 63, mx.cpu(), repetitions=5)
    assert measured[:3] == (4, 21, 63)
    assert measured.difference < 1e-6
    assert measured.yardstick / 10 < measured.ratio * measured.ours < measured.yardstick * 10


def test_refuses_less_than_one():
    with pytest.raises(InputError, match="classes is 0, expected at least 1"):
        bench_loss(4, 0, 63, mx.cpu())
