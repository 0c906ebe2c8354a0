"""The networks for PyTorch beside Gluon's, in all that is asked of a `torch.nn.Module`."""

import copy
import subprocess
import sys
from collections import OrderedDict

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks import classifier
from rnw.networks.layout import configure
from rnw.networks.zoo import (
    ALL_STRIDED,
    RESNETS,
    NetworkSpec,
    ResNetSpec,
    find_network,
    network_names,
)
from rnw.weights.module_names import module_key, original_name
from tests.golden_cases import deterministic_weights, one_of_each_task

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from rnw.torch import Network, get_network  # noqa: E402 # after it is known that they can be had
from rnw.torch.loading import fill  # noqa: E402

NARROW = 1 / 32
TINY = "28-1-1-1-1-1-1-1"
NETWORKS = {
    **{name: (name, {}) for name in (*network_names(), TINY)},
    **{f"fcn_{letter}": (f"fcn_{letter}", {}) for letter in ("a", "a1", "a2", "c", "f")},
    **{name: (name, {}) for name in RESNETS},
    "ResNet for maps": ("fcn_resnet50", {}),
    "1 conv": ("fcn_a1", {"classifier": "1 conv"}),
    "A at stride 16": ("model_a", {"stride": 16}),
    "A at stride 8": ("model_a", {"stride": 8}),
    "A without padding": ("model_a", {"pooling": "caffe"}),
    "A rounded up at stride 8": ("fcn_a", {"pooling": "full"}),
    "A2 rounded up": ("model_a2", {"pooling": "full"}),
    "four input channels": ("model_a1", {"channels": 4}),
    "features": ("model_a2", {"head": "features", "stride": 8}),
    "another epsilon": ("model_b", {"epsilon": 1e-2}),
    "A1 with frozen statistics": ("model_a1", {"frozen_statistics": True}),
    "maps with those of the batch": ("fcn_a1", {"frozen_statistics": False}),
}
LEVELS = {"head": "features", "levels": (2, 4, 7)}
SMALL = {  # one unit on a level, in every kind of network
    "pooled": (TINY, {}),
    "maps of levels, strided": (NetworkSpec("small", 224, (0, *[1] * 6), ALL_STRIDED), LEVELS),
    "segmentation": ("fcn_224-0-1-1-1-1-1-1", {}),
    "ResNet": (ResNetSpec("small", 224, (1,) * 4, find_network("resnet50").downsampling), {}),
}
_each_small = pytest.mark.parametrize("small", SMALL)


def _options(case):
    name, options = NETWORKS[case]
    return name, {"width": NARROW, "dropout": (0, 0), **options}


def _small(small, **options):
    name, own = SMALL[small]
    return _filled(name, **options, **own)


def _data(net, size=64, count=2):
    shape = (count, getattr(net, "config", net).channels, size, size)
    return np.random.RandomState(0).standard_normal(shape).astype(np.float32)


def _filled(name, classes=5, **options):
    net = get_network(name, classes, **{"width": NARROW, **options})
    fill(net, deterministic_weights(net.config))
    return net


def _close(found, expected, tolerance, name=""):
    assert found.shape == expected.shape, name
    limit = tolerance * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit, err_msg=name)


def _gluons(case, data, weighting, **options):
    """Scores in inference, and gradients by the original's names in training, in double precision.

    In float32 a ReLU near zero may flip, from one CPU to another, with a part of the gradients.
    """
    name, own = _options(case)
    net = classifier.get_network(name, 5, **{**own, **options})
    net.initialize(init="zeros")
    for key, value in deterministic_weights(net.config).items():
        net.collect_params()[key].set_data(value)
    net.cast("float64")
    net.hybridize()
    images = mx.nd.array(data, dtype="float64")
    scores = net(images).asnumpy()
    with mx.autograd.record():
        objective = (net(images) * mx.nd.array(weighting(scores.shape), dtype="float64")).sum()
    objective.backward()
    mx.nd.waitall()
    learned = {n: p for n, p in net.named_parameters.items() if p.grad_req != "null"}
    return scores, {n: p.grad().asnumpy() for n, p in learned.items()}


def _weighting(shape):
    return np.random.RandomState(1).standard_normal(shape).astype(np.float32)


def _pytorchs(case, data, weighting, **options):
    name, own = _options(case)
    net = _filled(name, **{**own, **options}).double()
    images = torch.from_numpy(data).double()
    with torch.no_grad():
        scores = net.eval()(images).numpy()
    found = net.train()(images)
    (found * torch.from_numpy(weighting(scores.shape))).sum().backward()
    return scores, {original_name(key): p.grad.numpy() for key, p in net.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize("case", NETWORKS)
def test_scores_and_gradients_are_gluons(case):
    """With frozen statistics: those of a batch enlarge noise where ReLUs flip, also Gluon's own."""
    data = _data(configure(NETWORKS[case][0], **NETWORKS[case][1]))
    expected, their_gradients = _gluons(case, data, _weighting, frozen_statistics=True)
    scores, gradients = _pytorchs(case, data, _weighting, frozen_statistics=True)
    _close(scores, expected, 1e-5)
    assert list(gradients) == list(their_gradients)
    for key, gradient in their_gradients.items():
        _close(gradients[key], gradient, 1e-4, key)


@pytest.mark.parametrize("case", ["model_b", "224-0-1-1-1-1-1-1", "four input channels"])
def test_gradients_with_the_statistics_of_a_batch_are_gluons(case):
    data = _data(configure(NETWORKS[case][0], **NETWORKS[case][1]), count=8)
    expected, their_gradients = _gluons(case, data, _weighting)
    scores, gradients = _pytorchs(case, data, _weighting)
    _close(scores, expected, 1e-5)
    whole, theirs = (
        np.concatenate([found[key].ravel() for key in their_gradients])
        for found in (gradients, their_gradients)
    )
    assert np.linalg.norm(whole - theirs) < 1e-4 * np.linalg.norm(theirs)


@pytest.mark.slow
@one_of_each_task()
def test_scores_are_the_originals(forward_case):
    net = Network(forward_case.config)
    fill(net, forward_case.parameters)
    with torch.no_grad():
        found = net.eval()(torch.from_numpy(forward_case.data)).numpy()
    _close(found, forward_case.expected["scores"], 1e-4)


@pytest.mark.parametrize("case", NETWORKS)
def test_entries_are_the_originals_parameters(case):
    name, options = _options(case)
    net = get_network(name, 5, **options)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    shapes = {original_name(key): tuple(tensor.shape) for key, tensor in state.items()}
    assert shapes == {p.name: p.shape for p in net.config.parameters()}
    assert {module_key(name) for name in shapes} == set(state)


@pytest.mark.parametrize("name", ["model_a2", "model_c", "fcn_a1", "resnet50"])
def test_maps_of_levels(name):
    whole = _filled(name).eval()
    levels = whole.config.spec.levels
    net = _filled(name, head="features", levels=levels).eval()
    x, expected = torch.from_numpy(_data(net)), {}
    with torch.no_grad():
        maps = net(x)
        features = whole.forward_features(x)
        for module_name, module in whole.items():
            x = module(x)
            expected[module_name] = x
    ends = {int(n[3]): n for n in whole if n.startswith("res")}  # the last unit of each level
    ends.update({7: "relu7"} if "relu7" in whole else {})
    assert len(maps) == len(levels) == len(net.config.feature_channels)
    for level, found in zip(levels, maps):
        torch.testing.assert_close(found, expected[ends[level]], rtol=0, atol=0)
    torch.testing.assert_close(features, maps[-1], rtol=0, atol=0)


@pytest.mark.parametrize("stride", [16, 8])
@pytest.mark.parametrize("name", ["model_a", "model_a1", "resnet50"])
def test_dilation_keeps_what_the_coarse_grid_sees(name, stride):
    coarse = _filled(name, head="features").eval()
    fine = _filled(name, head="features", stride=stride).eval()
    x = torch.from_numpy(_data(coarse, 96, 1))
    with torch.no_grad():
        found = fine(x)[:, :, :: 32 // stride, :: 32 // stride]
        _close(found.numpy(), coarse(x).numpy(), 1e-4)


def test_dropout_acts_in_training_only():
    net = _filled("fcn_a1", dropout=(0.3, 0.5))
    rates = [module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.3, 0.5]
    x = torch.from_numpy(_data(net))
    with torch.no_grad():
        assert torch.equal(net.eval()(x), net(x))
        assert not torch.equal(net.train()(x), net(x))


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_statistics_stay(frozen):
    net = _filled("model_a1", frozen_statistics=frozen).train()
    before = {key: buffer.clone() for key, buffer in net.named_buffers()}
    net(torch.from_numpy(_data(net))).sum().backward()
    assert all(torch.equal(b, before[key]) for key, b in net.named_buffers()) == frozen
    assert net.res2a.bn2a_branch2a.weight.grad.abs().max() > 0
    converted = torch.nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net))
    kinds = {type(module).__name__ for module in converted.modules()}
    assert ("FrozenBatchNorm" if frozen else "SyncBatchNorm") in kinds


@pytest.mark.parametrize("frozen", [False, True])
def test_states_with_and_without_frozen_statistics_are_interchangeable(frozen):
    source = _filled("model_a1", frozen_statistics=frozen)
    target = get_network("model_a1", 5, width=NARROW, frozen_statistics=not frozen)
    state = source.state_dict()
    for given in (state, OrderedDict(state)):  # with and without the versions of modules
        target.load_state_dict(given, strict=True)
    x = torch.from_numpy(_data(source))
    with torch.no_grad():
        assert torch.equal(source.eval()(x), target.eval()(x))


def test_initial_values_are_the_papers():
    net = get_network("model_a1", 10, width=1 / 4)
    weight = net.res5b1.res5b1_branch2b1.weight.detach()
    assert weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    linear = net.classifier.linear10
    for tensor in (linear.weight, linear.bias):
        assert tensor.abs().max().item() == pytest.approx(1 / 1024**0.5, rel=0.4)
        assert tensor.abs().max().item() <= 1 / 1024**0.5
    hidden = get_network("fcn_a1", 3, width=NARROW).classifier.conv6a
    assert not hidden.bias.any()
    torch.manual_seed(3)
    again = [get_network("model_f", 3, width=NARROW).conv1a.weight for _ in range(2)]
    torch.manual_seed(3)
    assert torch.equal(get_network("model_f", 3, width=NARROW).conv1a.weight, again[0])
    assert not torch.equal(*again)


def _same(found, net, x, tolerance=1e-5):
    with torch.no_grad():
        expected = net(x)
    pairs = zip(found, expected) if isinstance(expected, list) else [(found, expected)]
    for one, other in pairs:
        _close(one.detach().float().numpy(), other.numpy(), tolerance)


@_each_small
def test_scripts(small, tmp_path):
    net = _small(small).eval()
    x = torch.from_numpy(_data(net))
    torch.jit.script(net).save(str(tmp_path / "net.pt"))
    _same(torch.jit.load(str(tmp_path / "net.pt"))(x), net, x)


@pytest.mark.slow
@_each_small
def test_exports_for_any_batch_and_size(small):
    net = _small(small).eval()
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(net, (torch.zeros(2, 3, 64, 64),), dynamic_shapes=(sizes,))
    for count, size in ((2, 64), (3, 96)):
        x = torch.from_numpy(_data(net, size, count))
        _same(program.module()(x), net, x)


@pytest.mark.slow
@_each_small
def test_compiles(small):
    net = _small(small, dropout=(0, 0)).train()
    x = torch.from_numpy(_data(net))
    compiled = torch.compile(copy.deepcopy(net), backend="aot_eager", fullgraph=True)
    assert {key.partition(".")[0] for key in compiled.state_dict()} == {"_orig_mod"}
    expected, found = net(x), compiled(x)
    if isinstance(expected, list):
        expected, found = expected[-1], found[-1]
    expected.sum().backward()
    found.sum().backward()
    _close(found.detach().numpy(), expected.detach().numpy(), 1e-5)
    gradients = dict(compiled._orig_mod.named_parameters())
    for key, parameter in net.named_parameters():
        _close(gradients[key].grad.numpy(), parameter.grad.numpy(), 1e-4, key)


@_each_small
def test_channels_last(small):
    net = _small(small).eval()
    x = torch.from_numpy(_data(net))
    turned = copy.deepcopy(net).to(memory_format=torch.channels_last)
    found = turned(x.to(memory_format=torch.channels_last))
    _same(found, net, x)
    features = turned.forward_features(x.to(memory_format=torch.channels_last))
    assert features.is_contiguous(memory_format=torch.channels_last)


@_each_small
def test_bfloat16(small):
    net = _small(small).eval()
    x = torch.from_numpy(_data(net))
    half = copy.deepcopy(net).to(torch.bfloat16)(x.to(torch.bfloat16))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = net(x)
    for found in (half, mixed):
        last = found[-1] if isinstance(found, list) else found
        assert last.dtype == torch.bfloat16
        _same(found, net, x, tolerance=0.1)


@pytest.mark.parametrize("head", ["softmax", "ohem"])
def test_losses_are_pytorchs(head):
    with pytest.raises(InputError, match=f"head is '{head}', expected one of logits, features"):
        get_network("fcn_a1", head=head)


@pytest.mark.parametrize("pooling", ["caffe", "full"])
def test_inputs_that_poolings_leave_nothing_of_are_refused(pooling):
    net = _filled("model_a", pooling=pooling).eval()
    least = configure("model_a", pooling=pooling).least_size
    with torch.no_grad():
        assert net(torch.zeros(1, 3, least, least)).isfinite().all()
        if pooling == "caffe":
            with pytest.raises(RuntimeError, match="too small"):
                net(torch.zeros(1, 3, least, least - 1))


def _python(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.slow
def test_mxnet_is_not_needed():
    done = _python(
        "import sys; sys.modules['mxnet'] = None; import rnw.torch; print('torch' in sys.modules)\n"
        "net = rnw.torch.get_network('model_a1', 3, width=1 / 32)\n"
        "print(net.classifier.linear3.bias.shape)"
    )
    assert done.stdout == "False\ntorch.Size([3])\n", done.stderr


def test_without_pytorch_one_line_says_what_to_do():
    done = _python(
        "import sys; sys.modules['torch'] = None; import rnw; rnw.torch.get_network('a')"
    )
    assert "rnw.torch needs PyTorch: pip install '.[torch]'" in done.stderr.splitlines()[-1]
