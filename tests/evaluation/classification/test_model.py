"""Classification networks by their files."""

from pathlib import Path

import mxnet as mx
import pytest

from rnw.errors import InputError
from rnw.evaluation.classification.model import load_model
from rnw.evaluation.classification.protocol import Protocol
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.evaluation.classification.digits import NARROW, RELEASED_A, TINY, TINY_FILE

RELEASED_A1 = "ilsvrc-cls_rna-a1_cls1000_ep-0001.params"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name", "crop", "pooling", "interpolation"),
    [
        (RELEASED_A, "model_a", 320, "caffe", "cubic"),
        (RELEASED_A1, "model_a1", 320, "pad", "cubic"),
        ("ilsvrc-cls_rna-a_cls1000_ep-0090.params", "model_a", 320, "pad", "adaptive"),
        ("ilsvrc-cls_rna-e_cls1000_ep-0001.params", "model_e", 160, "pad", "adaptive"),
        ("ilsvrc-cls_rna-f_cls1000_ep-0001.params", "model_f", 80, "pad", "adaptive"),
    ],
)
def test_protocols(file, name, crop, pooling, interpolation, fill):
    save_params(fill(get_network(name, width=NARROW)), file)
    model = load_model(file, [mx.cpu()])
    assert model.protocol == Protocol((crop,), interpolation=interpolation)
    assert (model.meaning.config.pooling, model.dataset.name) == (pooling, "ilsvrc-cls")


def test_segmentation_networks_are_refused(fill):
    name = "ilsvrc-cls_rna-a1_cls5_s8_ep-0001.params"
    save_params(fill(get_network("fcn_a1", 5, width=NARROW)), name)
    with pytest.raises(InputError, match=f"^{name}: holds a segmentation network"):
        load_model(name, [mx.cpu()])


@pytest.mark.parametrize(
    ("name", "wording"),
    [
        ("model.params", "file name does not indicate the network"),
        (f"digits_rna-{TINY}_cls9_ep-0001.params", "it is for 10 classes"),
    ],
)
def test_names_that_do_not_fit_are_refused(name, wording, tiny):
    Path(TINY_FILE).rename(name)
    with pytest.raises(InputError, match=wording):
        load_model(name, [mx.cpu()])


def test_a_missing_file_is_refused():
    with pytest.raises(InputError, match=f"^{TINY_FILE}: no such file"):
        load_model(TINY_FILE, [mx.cpu()])
