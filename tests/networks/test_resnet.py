"""ResNets as baselines for segmentation: gluoncv's features under our classifier."""

import mxnet as mx
import numpy as np
import pytest

from rnw.networks.classifier import get_network
from rnw.networks.cost import count_multiply_adds, count_parameters
from rnw.networks.layers import Bottleneck
from rnw.networks.layout import configure
from rnw.networks.symbols import to_json
from rnw.networks.zoo import RESNETS, SMALL_RESNETS, find_network
from rnw.training.initializers import initialize
from rnw.training.optimizers import make_optimizer
from rnw.training.schedules import make_schedule
from rnw.training.trainer import Trainer, trained_parameters
from rnw.weights import load_network, load_params, save_params, warm_start
from rnw.weights.optimize import optimize
from rnw.weights.symbol_file import network_of_graph

NARROW = 1 / 32
CLASSIFIER = ["conv6a_weight", "conv6a_bias", "linear21_weight", "linear21_bias"]


@pytest.fixture(scope="module")
def gluoncv_resnet50(tmp_path_factory):
    """The dilated network of gluoncv with statistics unlike the initial ones, and its file."""
    from gluoncv.model_zoo import get_model

    net = get_model("resnet50_v1b", dilated=True)
    net.initialize(mx.init.MSRAPrelu())
    net(mx.nd.zeros((1, 3, 32, 32)))
    random = np.random.RandomState(0)
    for name, parameter in net.collect_params().items():
        if "batchnorm" in name:
            parameter.set_data(mx.nd.array(random.uniform(0.5, 1.5, parameter.shape)))
    path = tmp_path_factory.mktemp("gluoncv") / "resnet50_v1b.params"
    net.save_parameters(str(path))
    return net, path


def _features(net, x):
    for part in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x = getattr(net, part)(x)
    return x


@pytest.mark.slow
@pytest.mark.parametrize(("stride", "every"), [(8, 1), (16, 2), (32, 4)])
def test_features_are_gluoncvs(gluoncv_resnet50, stride, every):
    theirs, path = gluoncv_resnet50
    ours = get_network("fcn_resnet50", head="features", stride=stride)
    load_params(ours, path, ignore_extra=True)
    x = mx.nd.random.normal(shape=(1, 3, 64, 64))
    expected = _features(theirs, x).asnumpy()[:, :, ::every, ::every]
    close = {"rtol": 0, "atol": 1e-3 * np.abs(expected).max()}
    np.testing.assert_allclose(ours(x).asnumpy(), expected, **close)


@pytest.mark.slow
def test_a_classification_network_is_gluoncvs(gluoncv_resnet50):
    from gluoncv.model_zoo import get_model

    theirs = get_model("resnet50_v1b")
    theirs.load_parameters(str(gluoncv_resnet50[1]))
    ours = get_network("resnet50")
    load_params(ours, gluoncv_resnet50[1])
    x = mx.nd.random.normal(shape=(2, 3, 64, 64))
    expected = theirs(x).asnumpy()
    close = {"rtol": 0, "atol": 1e-3 * np.abs(expected).max()}
    np.testing.assert_allclose(ours(x).asnumpy(), expected, **close)


@pytest.mark.slow
def test_warm_start_from_gluoncvs_file(gluoncv_resnet50):
    net = get_network("fcn_resnet50")
    net.initialize()
    transfer = warm_start(net, gluoncv_resnet50[1])
    assert transfer.reinitialized == CLASSIFIER
    assert transfer.left == ["linear1000_weight", "linear1000_bias"]
    taken = net.collect_params()["res4b3_branch2c_weight"].data()
    expected = gluoncv_resnet50[0].layer3[3].conv3.weight.data()
    np.testing.assert_array_equal(taken.asnumpy(), expected.asnumpy())


@pytest.mark.parametrize("name", [*RESNETS, *SMALL_RESNETS])
def test_depth_is_that_of_the_name(name):
    assert find_network(name).depth == int(name[len("resnet") :])


def test_parameters_and_work_are_those_of_the_resnet():
    config = configure("resnet101")
    assert count_parameters(config) == 44_549_160  # torchvision's
    assert count_multiply_adds(config, 224) == pytest.approx(7.8e9, rel=0.02)


@pytest.mark.parametrize("depth", [20, 110])
def test_parameters_are_those_of_the_resnet_for_small_pictures(depth):
    from gluoncv.model_zoo import get_model

    theirs = get_model(f"cifar_resnet{depth}_v1")
    theirs.initialize()
    theirs(mx.nd.zeros((1, 3, 32, 32)))
    shapes = [parameter.shape for parameter in theirs.collect_params().values()]
    config = configure(f"resnet{depth}", 10)
    assert sorted(parameter.shape for parameter in config.parameters()) == sorted(shapes)


def test_a_resnet_for_small_pictures_is_known_by_its_arrays_and_its_graph(fill, tmp_path):
    net = fill(get_network("resnet20", 10, width=0.5))
    plain, labeled = tmp_path / "net.params", tmp_path / "cifar10_resnet20_cls10_ep-0001.params"
    for path in (plain, labeled):
        save_params(net, path)
        assert load_network(path).config == net.config
    plain.with_name("net-symbol.json").write_text(to_json(net))
    assert network_of_graph(plain.with_name("net-symbol.json")) == net.config


def test_steps_of_section_5():
    config = configure("fcn_resnet101")
    assert (config.classes, config.stride, config.frozen_statistics) == (21, 8, True)
    units = [layer for layer in config.layers if isinstance(layer, Bottleneck)]
    dilations = {unit.name: unit.stages[1].convolution.dilation for unit in units}
    assert [dilations[n] for n in ("3b3", "4a", "4b1", "4b22", "5a", "5b2")] == [1, 1, 2, 2, 2, 4]
    assert [unit.dropout for unit in units] == [0.0] * 30 + [0.3] * 3
    assert [c.dilation for c in config.layers[-1].convolutions] == [12, 12]


@pytest.mark.slow
@pytest.mark.parametrize(("head", "recompute"), [("softmax", False), ("ohem", True)])
def test_trains(head, recompute):
    options = {"width": NARROW, "head": head, "frozen_statistics": False, "dropout": (0, 0)}
    net = get_network("fcn_resnet50", 3, **options)
    contexts = [mx.cpu(0), mx.cpu(1)]
    initialize(net, contexts, np.random.RandomState(0))
    optimizer = make_optimizer(
        "sgd",
        trained_parameters(net),
        schedule=make_schedule("fixed", 0.05, 1),
        momentum=0.9,
        weight_decay=0.0,
        rescale=0.5,
    )
    trainer = Trainer(net, contexts, optimizer, recompute=recompute)
    images = np.random.RandomState(1).standard_normal((2, 3, 64, 64)).astype(np.float32)
    labels = np.tile(np.arange(8) // 3, (2, 8, 1)).astype(np.float32)
    losses = []
    for _ in range(8):
        outputs = trainer.step(images, labels)
        first = outputs[0].probabilities.asnumpy()[0]
        losses.append(-np.log(np.take_along_axis(first, labels[:1].astype(int), 0)).mean())
    trainer.average_statistics()
    assert losses[-1] < 0.9 * losses[0]


def test_file_by_its_label(fill, tmp_path):
    net = fill(get_network("fcn_resnet50", 5, width=NARROW, classifier="1 conv"))
    path = tmp_path / "voc_resnet50_cls5_s8_ep-0001.params"
    save_params(net, path)
    loaded = load_network(path)
    assert (loaded.config.name, loaded.config.stride) == ("fcn_resnet50", 8)
    x = mx.nd.random.normal(shape=(1, 3, 64, 64))
    np.testing.assert_array_equal(loaded(x).asnumpy(), net(x).asnumpy())


def test_survives_export(fill):
    net = fill(get_network("fcn_resnet50", 5, width=NARROW))
    block = mx.gluon.SymbolBlock(
        mx.sym.load_json(to_json(net)), mx.sym.var("data"), params=net.collect_params()
    )
    x = mx.nd.random.normal(shape=(1, 3, 64, 64))
    np.testing.assert_allclose(block(x).asnumpy(), net(x).asnumpy(), rtol=1e-4, atol=1e-6)


def test_optimized_copy_gives_the_same(fill):
    net = fill(get_network("fcn_resnet50", 5, width=NARROW))
    x = mx.nd.random.normal(shape=(1, 3, 64, 64))
    np.testing.assert_allclose(optimize(net)(x).asnumpy(), net(x).asnumpy(), rtol=1e-4, atol=1e-6)
