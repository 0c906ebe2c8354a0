"""The terms of sub-networks, and gradients by the number of mappings that they pass."""

import mxnet as mx
import pytest
from mxnet import autograd

from rnw.analysis.chains import Unit, chain_of
from rnw.analysis.paths import Trace
from rnw.analysis.unravel import (
    gradient_terms,
    measure_sub_networks,
    trained_end_to_end,
    unravel,
)
from tests.analysis.doubles import check_close, make_images, make_network


@pytest.fixture
def net():
    """One with three units, of identity shortcuts two, on its last level."""
    return make_network("8-1-1-1-1-1-1-3")


@pytest.fixture
def images():
    return make_images(4, 8)


def test_terms_add_up_to_the_output(net, images):
    ensemble = unravel(chain_of(net), images)
    assert len(ensemble.terms) == 9 + 1
    check_close(ensemble.scores(mx.nd.add_n(*ensemble.terms)), net(images))


def test_terms_below_identities_are_mappings(net, images):
    """M_8 and M_9 are f_8(y_7) and f_9(y_8), M_0 to M_7 together y_7 (equation 3)."""
    ensemble, x, mappings, inputs = unravel(chain_of(net), images), images, [], []
    for link in chain_of(net):
        if isinstance(link, Unit):
            shortcut, mapping = link.split(x)
            mappings.append(mapping)
            inputs.append(x)
            x = shortcut + mapping
        else:
            x = link.function(x)
    check_close(ensemble.terms[8], mappings[7])
    check_close(ensemble.terms[9], mappings[8])
    check_close(ensemble.partial[7], inputs[7])


def test_the_whole_ensemble_is_as_right_as_the_network(net, images):
    labels = mx.nd.array([0, 1, 2, 0])
    batches = [(images[:3], labels[:3]), (images[3:], labels[3:])]
    seen = []
    rows = measure_sub_networks(chain_of(net), batches, lambda *place: seen.append(place))
    right = net(images).asnumpy().argmax(axis=1) == labels.asnumpy()
    assert [row.index for row in rows] == list(range(10))
    assert rows[-1].together == 100 * right.mean()
    assert rows[0].alone == rows[0].together
    assert seen == [(1, 2), (2, 2)]


def test_terms_of_two_units():
    """Equation 5 for unit 2, and both terms of equation 7 for unit 1; over-deepened, the first."""
    assert list(gradient_terms(2, 2, 2)) == [()]
    assert list(gradient_terms(2, 1, 2)) == [(), (2,)]
    assert list(gradient_terms(2, 1, 1)) == [()]


@pytest.mark.parametrize("unit", [1, 5, 9])
def test_terms_add_up_to_the_gradient_of_a_unit(net, images, unit):
    """Those of each length, and all of them, at the output of the mapping."""
    chain, labels = chain_of(net), mx.nd.array([0, 1, 2, 0])
    trace = Trace(chain, images, labels)
    sums = trace.sums(unit=unit - 1)
    full = list(gradient_terms(9, unit, 9))
    assert len(full) == 2 ** (9 - unit)
    assert len(sums) == max(map(len, full)) + 1
    shorter = trace.sums(longest=2, unit=unit - 1)
    for found, expected in zip(shorter, sums):
        check_close(found, expected)
    assert len(shorter) == max(map(len, gradient_terms(9, unit, 3))) + 1
    check_close(mx.nd.add_n(*sums), _gradient_of_mapping(chain, images, labels, unit))


def _gradient_of_mapping(chain, images, labels, unit):
    x, passed = images, 0
    with autograd.record(train_mode=False):
        for link in chain:
            if not isinstance(link, Unit):
                x = link.function(x)
                continue
            passed += 1
            shortcut, mapping = link.split(x)
            if passed == unit:
                shortcut, mapping = shortcut.detach(), mapping.detach()
                mapping.attach_grad()
                wanted = mapping
            x = shortcut + mapping
        loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()(x, labels).sum()
    loss.backward(train_mode=False)
    return wanted.grad


def test_fraction_trained_end_to_end():
    assert [trained_end_to_end(2, depth) for depth in (0, 1, 2, 5)] == [0, 0.5, 1, 1]
