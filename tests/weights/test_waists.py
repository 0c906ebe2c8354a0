"""Graphs in pieces that give, one after the other, what the whole gives."""

import json

import mxnet as mx
import numpy as np
import pytest

import rnw
from rnw.networks.symbols import to_symbol
from rnw.weights.waists import INCOMING, cut_at_waists

NARROW = 1 / 16


def _operators(symbol):
    return [node["op"] for node in json.loads(symbol.tojson())["nodes"] if node["op"] != "null"]


def _network(name):
    net = rnw.get_network(name, width=NARROW)
    net.initialize(mx.init.Xavier())
    return net


# The stem, levels 2 to 7, and what is behind them; Model E has poolings in front of four levels.
@pytest.mark.parametrize(("name", "pieces"), [("fcn_a1", 8), ("fcn_a2", 8), ("model_e", 8)])
def test_pieces_begin_with_normalizations(name, pieces):
    whole = to_symbol(_network(name))
    cut = cut_at_waists(whole)
    assert len(cut) == pieces
    assert [operator for piece in cut for operator in _operators(piece)] == _operators(whole)
    for piece in cut[1:]:
        assert _operators(piece)[0] == "BatchNorm"
        assert INCOMING in piece.list_inputs()


def test_pieces_give_what_the_whole_gives():
    net = _network("fcn_a1")
    data = mx.nd.random.normal(shape=(1, 3, 48, 64))
    expected, x, name = net(data).asnumpy(), data, "data"
    for piece in cut_at_waists(to_symbol(net)):
        block = mx.gluon.SymbolBlock(piece, [mx.sym.var(name)], params=net.collect_params())
        x, name = block(x), INCOMING
    np.testing.assert_array_equal(x.asnumpy(), expected)


def test_a_graph_without_a_waist_stays_whole():
    data = mx.sym.var("data")
    (piece,) = cut_at_waists(mx.sym.Group([data * 2, data + 1]))
    first, second = piece.eval(data=mx.nd.ones(1))
    assert (first.asscalar(), second.asscalar()) == (2, 2)
