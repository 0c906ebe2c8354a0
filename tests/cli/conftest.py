"""What the tests of several commands share."""

import contextlib
import io
import shutil
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.cli import main
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.prepare.miniature import make_ilsvrc12
from tests.golden_cases import fill_network

A1 = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
F = "ilsvrc-cls_rna-f_cls1000_ep-0003.params"
SHORT = ("--dataset", "digits", "--set", "epochs=3", "--set", "width=0.03125")


@pytest.fixture(scope="package")
def checkpoint(tmp_path_factory):
    """A narrow network for the digits, trained for a few seconds by the command line."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.raises(SystemExit) as stopped, contextlib.redirect_stdout(io.StringIO()) as shown:
        main(["train-cls", *SHORT, "--cpus", "2", "--output", str(folder)])
    assert not stopped.value.code
    return Path(shown.getvalue().splitlines()[-1])


def narrow_network(name):
    """A narrow network that takes all pictures for one of the four classes, or of two more."""
    net = fill_network(get_network(name, width=1 / 32))
    bias = net.collect_params()["linear1000_bias"]
    favored = np.zeros(1000, np.float32)
    favored[[0, 1, 2, 212, 278, 489]] = 5
    bias.set_data(bias.data() + mx.nd.array(favored))
    return net


@pytest.fixture(scope="package")
def archives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imagenet")
    make_ilsvrc12(folder)
    (folder / "weights").mkdir()
    save_params(narrow_network("model_a1"), folder / "weights" / A1)
    save_params(narrow_network("model_f"), folder / "weights" / F)
    return folder


@pytest.fixture
def prepared(archives, rnw):
    """The prepared data in data/ilsvrc12, weights in weights/."""
    shutil.copytree(archives / "weights", "weights")
    assert rnw("prepare", "ilsvrc-cls", archives, "--subset")[0] == 0
