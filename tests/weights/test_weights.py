"""Networks filled from files and saved to files."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

import rnw
from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.symbols import to_json
from rnw.weights import load_network, load_params, save_params, warm_start
from rnw.weights.choices import MODULE
from rnw.weights.formats import write_parameters
from rnw.weights.labels import ModelLabel
from rnw.weights.ndarray_file import read_arrays, write_arrays
from tests.golden_cases import each_checkpoint, golden_arrays, golden_files, input_shape_of

NARROW = 1 / 32
TINY = "28-1-1-1-1-1-1-1"
TINY_FILE = f"digits_rna-{TINY}_cls10_ep-0001.params"
CONTEXTS = [mx.cpu(0), mx.cpu(1)]


def _tiny(classes=10, **options):
    return get_network(TINY, classes, width=NARROW, **options)


@pytest.fixture
def tiny(fill):
    """A filled network and its file."""
    net = fill(_tiny())
    save_params(net, TINY_FILE)
    return net


def _values(net, context=None):
    return {name: p.data(context).asnumpy() for name, p in net.collect_params().items()}


def _assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def _ones(net, contexts=None):
    net.initialize(ctx=contexts)
    for parameter in net.collect_params().values():
        parameter.set_data(mx.nd.ones(parameter.shape))
    return net


def _without_data(net):
    """Names of the parameters that are not initialized."""
    missing = []
    for name, parameter in net.collect_params().items():
        try:
            parameter.data()
        except RuntimeError:
            missing.append(name)
    return missing


@pytest.mark.parametrize("initialized", [False, True])
@pytest.mark.parametrize("contexts", [None, CONTEXTS])
def test_a_loaded_network_has_the_files_values(initialized, contexts, tiny):
    net = _ones(_tiny(), contexts) if initialized else _tiny()
    load_params(net, TINY_FILE, contexts)
    for context in contexts or [mx.cpu()]:
        _assert_equal(_values(net, context), _values(tiny))
    assert net.collect_params()["bn7_beta"].list_ctx() == (contexts or [mx.cpu()])


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_networks_stay_float32(dtype, tiny):
    cast = {name: array.astype(dtype) for name, array in read_arrays(TINY_FILE).items()}
    write_arrays("cast.params", cast)
    net = _tiny()
    load_params(net, "cast.params")
    found = _values(net)
    assert {value.dtype for value in found.values()} == {np.dtype("float32")}
    expected = {name: v.astype(dtype).astype("float32") for name, v in _values(tiny).items()}
    _assert_equal(found, expected)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


REFUSED = {
    "other classes": (lambda: _tiny(11), lambda path: None),
    "other classifier": (lambda: _tiny(classifier="2 conv"), lambda path: None),
    "wider": (lambda: get_network(TINY, 10, width=1 / 16), lambda path: None),
    "truncated": (_tiny, _cut),
    "missing": (_tiny, Path.unlink),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_file_changes_nothing(case, tiny):
    make, damage = REFUSED[case]
    damage(Path(TINY_FILE))
    filled, empty = _ones(make()), make()
    for net in (filled, empty):
        with pytest.raises(InputError, match=f"^{TINY_FILE}: "):
            load_params(net, TINY_FILE)
    assert all((value == 1).all() for value in _values(filled).values())
    assert _without_data(empty) == list(empty.collect_params())


def test_missing_parameters_keep_their_values(tiny):
    net = _ones(_tiny(7))
    load_params(net, TINY_FILE, allow_missing=True, ignore_extra=True)
    expected = {n: v for n, v in _values(tiny).items() if not n.startswith("linear")}
    expected["linear7_weight"] = np.ones((7, 128))
    expected["linear7_bias"] = np.ones((7,))
    _assert_equal(_values(net), expected)


def test_missing_parameters_stay_uninitialized(tiny):
    net = _tiny(7)
    load_params(net, TINY_FILE, allow_missing=True, ignore_extra=True)
    assert _without_data(net) == ["linear7_weight", "linear7_bias"]


@pytest.mark.parametrize("option", ["allow_missing", "ignore_extra"])
def test_each_permission_is_asked_for(option, tiny):
    with pytest.raises(InputError, match="unexpected" if option == "allow_missing" else "missing"):
        load_params(_tiny(7), TINY_FILE, **{option: True})


def test_extra_entries_are_skipped(tiny):
    net = _tiny(head="features")
    load_params(net, TINY_FILE, ignore_extra=True)
    expected = {n: v for n, v in _values(tiny).items() if not n.startswith("linear")}
    _assert_equal(_values(net), expected)


def test_saving_averages_the_moving_averages(tiny):
    net = _tiny()
    load_params(net, TINY_FILE, CONTEXTS)
    moving = [n for n in net.collect_params() if n.endswith(("_moving_mean", "_moving_var"))]
    for name in moving:
        first, second = net.collect_params()[name].list_data()
        first[:], second[:] = 1, 4
    save_params(net, "saved.params")
    saved = {key.split(":")[1]: array for key, array in read_arrays("saved.params").items()}
    assert {array.dtype for array in saved.values()} == {np.dtype("float32")}
    averages = {name: np.full(saved[name].shape, 2.5) for name in moving}
    _assert_equal(saved, {**_values(tiny), **averages})


def test_unknown_formats_are_not_written(tiny, tmp_path):
    with pytest.raises(InputError, match="unknown format 'torch'"):
        save_params(tiny, "new.params", to="torch")
    assert not (tmp_path / "new.params").exists()


@each_checkpoint()
def test_original_checkpoints(path):
    expected = golden_arrays(f"{path.stem.partition('_ep-')[0]}_expected")
    net = load_network(path)
    stream = np.random.RandomState(int(expected["input_seed"]))
    data = stream.standard_normal(input_shape_of(expected, net.config.stride)).astype(np.float32)
    found = mx.nd.softmax(net(mx.nd.array(data)), axis=1).asnumpy()
    np.testing.assert_allclose(found, expected["probabilities"], rtol=0, atol=1e-5)


def test_every_reference_is_of_a_checkpoint():
    labels = {path.name[: -len("_expected.npz")] for path in golden_files("*_expected.npz")}
    assert {path.stem.partition("_ep-")[0] for path in golden_files("*_ep-*.params")} == labels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "label", "options"),
    [
        ("model_a", ModelLabel("x", "a", 5), {}),
        ("model_c", ModelLabel("x", "c", 5), {}),
        (TINY, ModelLabel("digits", TINY, 5), {"width": 0.3}),
        (TINY, ModelLabel("digits", TINY, 5, suffix="half"), {"width": 0.5}),
        ("fcn_a1", ModelLabel("x", "a1", 5, 8), {"classifier": "1 conv"}),
        ("fcn_a1", ModelLabel("x", "a1", 5, 8), {"classifier": "2 conv"}),
        ("fcn_a2", ModelLabel("x", "a2", 5, 16), {"stride": 16}),
        ("fcn_a1", ModelLabel("x", "a1", 5), {"stride": 32}),
    ],
)
def test_a_network_from_its_file_alone(name, label, options, fill):
    net = fill(get_network(name, 5, **{"width": NARROW, **options}))
    save_params(net, label.params_file(3))
    loaded = load_network(label.params_file(3))
    _assert_equal(_values(loaded), _values(net))
    data = mx.nd.random.normal(shape=(1, 3, 32, 32))
    np.testing.assert_array_equal(loaded(data).asnumpy(), net(data).asnumpy())


def test_options_and_contexts_of_a_loaded_network(tiny):
    net = load_network(TINY_FILE, CONTEXTS, pooling="caffe")
    assert net.config.pooling == "caffe"
    for context in CONTEXTS:
        _assert_equal(_values(net, context), _values(tiny))


@pytest.mark.slow
@pytest.mark.parametrize("top", ["full", "features"])
def test_features_from_a_file(top, fill):
    features = fill(get_network("model_a1", head="features", width=NARROW))
    full = fill(get_network("model_a1", 5, width=NARROW))
    save_params(full if top == "full" else features, "x_rna-a1_cls5_ep-0001.params")
    net = load_network("x_rna-a1_cls5_ep-0001.params", head="features")
    data = mx.nd.random.normal(shape=(1, 3, 64, 64))
    assert net(data).shape == (1, 128, 2, 2)
    np.testing.assert_array_equal(net(data).asnumpy(), features(data).asnumpy())


@pytest.mark.slow
@pytest.mark.parametrize("head", ["logits", "features"])
@pytest.mark.parametrize(
    "name",
    [
        "digits_rna-28-1-1-1-1-1-1-1_cls10_ep-0001.params",
        "digits_rna-28-1-1-1-1-1-1-3_cls10_ep-0001.params",
        "digits_rna-112-1-1-1-1-1-1-2_cls10_s4_ep-0001.params",
        "digits_rna-a1_cls10_ep-0001.params",
        "digits_rna-a9_cls10_ep-0001.params",
        "digits.params",
    ],
)
def test_names_that_do_not_fit_are_refused(name, head, fill):
    save_params(fill(get_network("28-1-1-1-1-1-1-2", 10, width=NARROW)), name)
    with pytest.raises(InputError, match=f"^{name}: "):
        load_network(name, head=head)


@pytest.mark.parametrize("name", ["bn7_gamma", "linear10_weight", "conv1a_weight"])
@pytest.mark.parametrize("shape", [(), (0,), (1, 1, 1, 1, 1)])
def test_impossible_shapes_are_refused(name, shape, tiny):
    arrays = {**read_arrays(TINY_FILE), f"arg:{name}": np.zeros(shape, np.float32)}
    write_arrays(TINY_FILE, arrays)
    for load in (load_network, lambda path: load_params(_tiny(), path)):
        with pytest.raises(InputError, match=f"^{TINY_FILE}: "):
            load(TINY_FILE)


@pytest.mark.parametrize("name", ["model_a1", "model_a2", "fcn_a1"])
def test_mxnets_own_checkpoint_reader(name, fill):
    net = fill(get_network(name, 5, width=NARROW))
    label = ModelLabel("x", name.split("_")[1], 5, net.config.stride)
    save_params(net, label.params_file(12))
    Path(label.symbol_file).write_text(to_json(net))
    symbol, args, auxs = mx.model.load_checkpoint(f"{label}_ep", 12)
    assert list(args) == [name for name in symbol.list_arguments() if name != "data"]
    assert list(auxs) == symbol.list_auxiliary_states()
    data = mx.nd.random.normal(shape=(2, 3, 64, 64))
    executor = symbol.bind(mx.cpu(), {"data": data, **args}, aux_states=auxs, grad_req="null")
    found = executor.forward(is_train=False)[0].asnumpy()
    np.testing.assert_allclose(found, net(data).asnumpy(), rtol=1e-4, atol=1e-5)


def _family(fill, name, classes=None, source=("model_a", 5), **options):
    net = _ones(get_network(name, classes, width=NARROW, **options))
    source = fill(get_network(*source, width=NARROW))
    save_params(source, "family.params")
    return net, _values(source)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model_a", "model_a1", "model_a2"])
def test_a_warm_start_takes_all_of_the_same_family(name, fill):
    net, source = _family(fill, name, 5)
    transfer = warm_start(net, "family.params")
    assert (set(transfer.taken), transfer.reinitialized, transfer.left) == (set(source), [], [])
    _assert_equal(_values(net), source)


@pytest.mark.parametrize(
    ("name", "classes", "reinitialized", "left"),
    [
        ("model_a1", 7, ["linear7_weight", "linear7_bias"], ["linear5_weight", "linear5_bias"]),
        (
            "fcn_a1",
            5,
            ["conv6a_weight", "conv6a_bias", "linear5_weight", "linear5_bias"],
            ["linear5_weight", "linear5_bias"],
        ),
    ],
)
def test_a_warm_start_keeps_a_new_classifier(name, classes, reinitialized, left, fill):
    net, source = _family(fill, name, classes)
    transfer = warm_start(net, "family.params")
    assert (transfer.reinitialized, transfer.left) == (reinitialized, left)
    assert str(transfer).startswith(f"{len(transfer.taken)} entries taken; re-initialized: ")
    for parameter, value in _values(net).items():
        expected = 1 if parameter in reinitialized else source[parameter]
        np.testing.assert_array_equal(value, np.broadcast_to(expected, value.shape))


@pytest.mark.parametrize("load", [load_params, warm_start])
def test_a_network_that_was_used_is_filled_again(load, fill):
    """By then oneDNN has put its weights into a layout of its own."""
    net = fill(get_network(TINY, 3, width=NARROW))
    save_params(net, "filled.params")
    expected = _values(net)
    data = mx.nd.random.normal(shape=(2, 3, 28, 28))
    for parameter in net.named_parameters.values():
        parameter.set_data(mx.nd.zeros_like(parameter.data()))
    net.hybridize()
    for _ in range(2):
        net(data).asnumpy()
    load(net, "filled.params")
    _assert_equal(_values(net), expected)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_warm_start_for_other_inputs_keeps_the_first_convolution(fill, channels):
    net, source = _family(fill, "model_a1", 5, channels=channels)
    transfer = warm_start(net, "family.params")
    assert transfer.reinitialized == transfer.left == ["conv1a_weight"]
    assert "; re-initialized: conv1a_weight; left in the file: conv1a_weight" in str(transfer)
    values = _values(net)
    assert (values.pop("conv1a_weight") == 1).all()
    _assert_equal(values, {n: v for n, v in source.items() if n != "conv1a_weight"})


def test_a_file_tells_the_channels_of_the_input(fill):
    net = fill(get_network("model_a1", 5, width=NARROW, channels=4))
    save_params(net, "x_rna-a1_cls5_ep-0001.params")
    loaded = load_network("x_rna-a1_cls5_ep-0001.params")
    assert loaded.config == net.config
    data = mx.nd.random.normal(shape=(1, 4, 64, 64))
    np.testing.assert_array_equal(loaded(data).asnumpy(), net(data).asnumpy())
    with pytest.raises(InputError, match=r"conv1a_weight: expected \(2, 3, 3, 3\), found \(2, 4,"):
        load_params(get_network("model_a1", 5, width=NARROW), "x_rna-a1_cls5_ep-0001.params")
    with pytest.raises(InputError, match="takes inputs of 4 channels, pictures have 3"):
        rnw.evaluate("x_rna-a1_cls5_ep-0001.params", "ilsvrc-cls")


def test_a_backbone_takes_what_it_needs_of_a_file(fill):
    net, source = _family(fill, "model_a2", head="features", levels=(2, 4))
    transfer = warm_start(net, "family.params")
    own = list(net.named_parameters)
    assert (transfer.taken, transfer.reinitialized) == (own, [])
    assert set(transfer.left) == set(source) - set(own)
    _assert_equal(_values(net), {name: source[name] for name in own})
    Path("family.params").rename("x_rna-a2_cls5_ep-0001.params")
    loaded = load_network("x_rna-a2_cls5_ep-0001.params", head="features", levels=(2, 4))
    _assert_equal(_values(loaded), _values(net))
    again = get_network("model_a2", width=NARROW, head="features", levels=(2, 4))
    load_params(again, "x_rna-a2_cls5_ep-0001.params", ignore_extra=True)
    _assert_equal(_values(again), _values(net))


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_warm_start_refuses_numbers_that_are_not_finite(fill, value):
    net, source = _family(fill, "model_a1", 5)
    before = _values(net)
    source = {**source, "conv1a_weight": source["conv1a_weight"].copy()}
    source["conv1a_weight"][0, 0, 0, 0] = value
    write_parameters("family.params", source, MODULE)
    wording = r"^family\.params: not all its numbers are finite: conv1a_weight$"
    with pytest.raises(InputError, match=wording):
        warm_start(net, "family.params")
    _assert_equal(_values(net), before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "source", "classifier", "stride"),
    [
        ("fcn_a", "model_a", "2 conv", 8),
        ("fcn_a2", "model_a1", "2 conv", 8),
        ("fcn_a1", "model_a", "1 conv", 8),
        ("fcn_a1", "model_a2", "1 conv", 32),
        ("fcn_a1", "model_a2", "2 conv", 16),
    ],
)
def test_a_classification_file_starts_a_segmentation_network(
    name, source, classifier, stride, fill
):
    options = {"source": (source, 1000), "classifier": classifier, "stride": stride}
    net, values = _family(fill, name, 19, **options)
    transfer = warm_start(net, "family.params")
    new = {"1 conv": [], "2 conv": ["conv6a_weight", "conv6a_bias"]}[classifier]
    new = [*new, "linear19_weight", "linear19_bias"]
    assert transfer.reinitialized == new
    assert transfer.left == ["linear1000_weight", "linear1000_bias"]
    assert set(transfer.taken) == set(values) - set(transfer.left)
    found = _values(net)
    _assert_equal({n: found[n] for n in transfer.taken}, {n: values[n] for n in transfer.taken})
    assert all((found[parameter] == 1).all() for parameter in new)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "classes", "new"),
    [
        ("2 conv", "2 conv", 7, []),
        ("2 conv", "2 conv", 9, ["linear9"]),
        ("1 conv", "2 conv", 7, ["conv6a", "linear7"]),
        ("2 conv", "1 conv", 7, ["linear7"]),
    ],
)
def test_a_warm_start_takes_layers_of_a_segmentation_classifier_whole(
    before, after, classes, new, fill
):
    source = fill(get_network("fcn_a1", 7, width=NARROW, classifier=before))
    save_params(source, "fcn.params")
    net = _ones(get_network("fcn_a1", classes, width=NARROW, classifier=after, stride=16))
    transfer = warm_start(net, "fcn.params")
    assert transfer.reinitialized == [f"{n}_{kind}" for n in new for kind in ("weight", "bias")]


def test_a_warm_start_from_another_family_changes_nothing(fill):
    net, _ = _family(fill, "model_b", 5)
    with pytest.raises(InputError, match="unexpected 90 of 191 arrays, first bn2b1_branch2a"):
        warm_start(net, "family.params")
    assert all((value == 1).all() for value in _values(net).values())
