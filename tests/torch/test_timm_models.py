"""The paper's networks as timm builds them."""

import copy

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.layout import configure
from rnw.weights.convert import convert
from rnw.weights.formats import write_parameters
from tests.golden_cases import deterministic_weights

pytest.importorskip("torch", reason="PyTorch is not installed")
timm = pytest.importorskip("timm", reason="timm, which brings torchvision, is not installed")

import torch  # noqa: E402

import rnw.torch.timm_models  # noqa: E402 # both after it is known that they can be had

NARROW = 1 / 32


@pytest.fixture
def state():
    """A PyTorch file of a narrow A1 of 7 classes."""
    config = configure("model_a1", 7, width=NARROW)
    source = "x_rna-a1_cls7_ep-0001.params"
    write_parameters(source, deterministic_weights(config), "module")
    convert(source, "state.pth", "rnw_torch")
    return source


def _x(channels=3):
    numbers = np.random.RandomState(0).standard_normal((2, channels, 64, 64))
    return torch.from_numpy(numbers.astype(np.float32))


def _create(name="rnw_a1", **options):
    return timm.create_model(name, width=NARROW, **options).eval()


@pytest.mark.parametrize("name", timm.list_models("rnw_*"))
def test_every_network(name):
    net = _create(name, num_classes=5, in_chans=2)
    maps = _create(name, in_chans=2, features_only=True)
    with torch.no_grad():
        assert net(_x(2)).shape == (2, 5)
        found = maps(_x(2))
    described = zip(maps.feature_info.channels(), maps.feature_info.reduction())
    assert [m.shape[1:] for m in found] == [(c, 64 // r, 64 // r) for c, r in described]
    tested = net.default_cfg["test_input_size"]
    assert tested[-1] in (320, 160, 80)


def test_names_are_those_of_the_table():
    letters = {f"rnw_{letter}" for letter in ("a", "a1", "a2", *"bcdef")}
    others = {"rnw_224-0-1-1-1-1-1-1", "rnw_resnet50", "rnw_resnet101", "rnw_resnet152"}
    assert set(timm.list_models("rnw_*")) == letters | others


def test_scores_and_maps_are_those_of_the_network(state):
    net = _create(num_classes=7, checkpoint_path="state.pth")
    own = rnw.torch.load(state).eval()
    levels = rnw.torch.load(state, head="features", levels=(2, 5, 7)).eval()
    with torch.no_grad():
        expected = own(_x())
        assert torch.equal(net(_x()), expected)
        assert torch.equal(net.forward_head(net.forward_features(_x())), expected)
        pooled = net.forward_head(net.forward_features(_x()), pre_logits=True)
        assert torch.equal(net.get_classifier()(pooled), expected)
        assert torch.equal(torch.jit.script(net)(_x()), expected)
        taken = timm.models.FeatureListNet(copy.deepcopy(net), out_indices=(0, 3, 4))
        for found, map_ in zip(taken(_x()), levels(_x())):
            assert torch.equal(found, map_)


def test_removed_strides_leave_the_indices():
    maps = _create("rnw_a2", features_only=True, output_stride=8, out_indices=(1, 3, 4))
    assert maps.feature_info.reduction() == [4, 8, 8]
    assert maps.feature_info.module_name() == ["res3b2", "res5b2", "relu7"]
    with torch.no_grad():
        assert [m.shape[2] for m in maps(_x())] == [16, 8, 8]


def test_classifiers():
    net = _create(num_classes=0)
    assert isinstance(net.get_classifier(), torch.nn.Identity)
    with torch.no_grad():
        assert net(_x()).shape == (2, net.num_features) == (2, 128)
        net.reset_classifier(3)
        assert net(_x()).shape == (2, 3)
        net.reset_classifier(0, "")
        assert net(_x()).shape == (2, 128, 2, 2)
    dropped = _create(num_classes=3, drop_rate=0.5).train()
    assert [m.p for m in dropped.modules() if isinstance(m, torch.nn.Dropout)] == [0.5]
    with pytest.raises(InputError, match="global_pool is 'max', expected 'avg', or ''"):
        _create(global_pool="max")
    with pytest.raises(InputError, match="global_pool is '', expected"):
        _create(num_classes=3, global_pool="")


def test_there_are_no_weights_to_download():
    with pytest.raises(RuntimeError, match="No pretrained weights exist for rnw_a1"):
        timm.create_model("rnw_a1", pretrained=True, width=NARROW)
