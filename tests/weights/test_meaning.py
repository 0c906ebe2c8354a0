"""What tells the network of a weights file, and what happens where two contradict each other."""

import logging
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.networks.symbols import to_json
from rnw.weights import load_network, load_params, save_params, warm_start
from rnw.weights.convert import GraphOptions, convert
from rnw.weights.formats import read_parameters
from rnw.weights.inspection import inspect
from rnw.weights.meaning import meaning_of
from rnw.weights.released import RELEASED
from rnw.weights.surgery import Surgery

NARROW = 1 / 32
A = "x_rna-a_cls7_ep-0001.params"
GRAPH = "x_rna-a_cls7_ep-symbol.json"
RELEASED_A = "ilsvrc-cls_rna-a_cls1000_ep-0001.params"


def _save(net, path, graph=None):
    save_params(net, path)
    if graph:
        Path(graph).write_text(to_json(net))
    return path


def _network(fill, name="model_a", classes=7, **options):
    return fill(get_network(name, classes, width=NARROW, **options))


def _meaning(path, **options):
    return meaning_of(path, read_parameters(path), **options)


@pytest.fixture
def caffe(fill):
    """Model A without padding and its graph."""
    return _save(_network(fill, pooling="caffe"), A, GRAPH)


def test_the_name_tells_what_no_graph_does(fill):
    meaning = _meaning(_save(_network(fill, pooling="caffe"), A))
    assert (meaning.config.pooling, meaning.told_by, meaning.dataset) == (
        "pad",
        "the file name",
        "x",
    )
    assert str(meaning) == (
        "model_a (7 classes, width 0.03125), stride 32, pooling 'pad', according to the file name"
    )


def test_a_graph_comes_before_the_table_of_released_files(fill):
    _save(_network(fill, classes=1000), RELEASED_A)
    assert _meaning(RELEASED_A).config.pooling == "caffe"
    assert _meaning(RELEASED_A).told_by == "the table of released files"
    graph = "ilsvrc-cls_rna-a_cls1000_ep-symbol.json"
    _save(_network(fill, classes=1000, pooling="full"), RELEASED_A, graph)
    assert (_meaning(RELEASED_A).config.pooling, _meaning(RELEASED_A).told_by) == ("full", graph)


def test_what_is_asked_for_comes_first_and_is_said(caffe):
    meaning = _meaning(caffe, pooling="full", stride=16, head="softmax")
    assert (meaning.config.pooling, meaning.config.stride) == ("full", 16)
    assert meaning.told_by == f"{GRAPH} except pooling 'full', stride 16"
    meaning = _meaning(caffe, network="a2")
    assert (meaning.config.spec.name, meaning.config.pooling) == ("model_a2", "caffe")
    assert meaning.told_by == f"{GRAPH} except network a2"
    assert _meaning(caffe, pooling="caffe").told_by == GRAPH


def test_everything_told_is_in_plain_types(caffe):
    assert _meaning(caffe).as_dict() == {
        "name": "model_a",
        "classes": 7,
        "width": NARROW,
        "classifier": "linear",
        "stride": 32,
        "pooling": "caffe",
        "epsilon": 1.001e-5,
        "recognized_by": GRAPH,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wording"),
    [
        ("x_rna-a1_cls7_ep-0001.params", "network a1 and model_a .levels 2 to 6 entered by pool"),
        ("x_rna-b_cls7_ep-0001.params", "network b and model_a; rename"),
        ("x_rna-a_cls8_ep-0001.params", "8 and 7 classes"),
        ("x_rna-a_cls7_s8_ep-0001.params", "stride 8 and 32"),
        ("x_rna-a2_cls9_s16_ep-0001.params", "network a2 .*, 9 and 7 classes, stride 16 and 32"),
    ],
)
def test_a_name_that_contradicts_the_graph_is_refused(name, wording, caffe):
    Path(caffe).rename(name)
    Path(GRAPH).rename(name.replace("-0001.params", "-symbol.json"))
    for read in (_meaning, load_network, lambda path: convert(path, "y.onnx", "onnx")):
        with pytest.raises(InputError, match=f"^{name}: .* contradict each other: {wording}") as e:
            read(name)
        assert "\n" not in str(e.value)
    assert inspect(name).meaning is None
    assert "contradict each other" in inspect(name).problem


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "weights_ep-0001.params",  # no label
        "x_rna-best_cls7_ep-0001.params",  # of a network that is not known
        "x_rna-a1_cls7_ep-0001.params",  # which says nothing of the stride
    ],
)
def test_a_graph_is_enough(name, fill):
    net = _network(fill, "fcn_a1", stride=16, classifier="1 conv")
    _save(net, name, name.replace("-0001.params", "-symbol.json"))
    loaded = load_network(name)
    assert (loaded.config.name, loaded.config.stride) == ("fcn_a1", 16)
    data = mx.nd.random.normal(shape=(1, 3, 64, 64))
    np.testing.assert_array_equal(loaded(data).asnumpy(), net(data).asnumpy())


def test_the_name_tells_the_training_crop(fill):
    name = "28-1-1-1-1-1-1-1"
    graph = f"x_rna-{name}_cls7-symbol.json"
    path = _save(_network(fill, name), f"x_rna-{name}_cls7_ep-0001.params", graph)
    assert _meaning(path).config.spec.size == 28
    assert _meaning(path).told_by == graph


def _arrays(name, classes=7, **options):
    """The parameters of a network, which take no memory."""
    return {
        parameter.name: np.broadcast_to(np.float32(0), parameter.shape)
        for parameter in configure(name, classes, **options).parameters()
    }


@pytest.mark.parametrize("name", ["model_b", "model_e", "resnet101", "fcn_c"])
def test_arrays_tell_a_network_that_no_other_has(name):
    Path("best.params").touch()
    meaning = meaning_of("best.params", _arrays(name))
    assert (meaning.config.name, meaning.config.classes) == (name, 7)
    assert (meaning.told_by, meaning.dataset) == ("its arrays", "")


@pytest.mark.parametrize(
    ("name", "options", "wording"),
    [
        ("model_a1", {}, "those of model_a, model_a1, model_a2 with 0-3-3-6-3-1-1 units"),
        ("model_f", {}, "those of model_d, model_f with 1-1-1-1-9-1-1 units"),
        ("model_b", {"width": NARROW}, "those of model_b with .*, width 0.03125"),
        ("56-2-1-1-1-1-1-1", {}, "those of a network with 2-1-1-1-1-1-1 units"),
    ],
)
def test_arrays_that_several_networks_have_do_not_tell_one(name, options, wording):
    Path("best.params").touch()
    with pytest.raises(
        InputError, match=f"^best.params: the file name does .*--network.*{wording}"
    ):
        meaning_of("best.params", _arrays(name, **options))
    meaning = meaning_of("best.params", _arrays(name, **options), network=name)
    assert meaning.told_by == "the requested network"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "wording"),
    [
        ({"width": 1 / 16}, r"wrongly shaped \(192 of 193, first conv1a_weight"),
        ({"classes": 9}, "missing linear7_weight"),
        ({"name": "model_b"}, "missing .* first bn2b1_branch2a_gamma"),
    ],
)
def test_parameters_that_contradict_the_graph_are_refused(other, wording, caffe, fill):
    options = {"name": "model_a", "classes": 7, "width": NARROW, **other}
    save_params(fill(get_network(options.pop("name"), **options)), caffe)
    with pytest.raises(InputError, match=wording) as error:
        load_network(caffe)
    assert str(error.value).endswith(f"(the network is that of {GRAPH})")


def test_a_damaged_graph_is_refused_with_a_remedy(caffe):
    Path(GRAPH).write_text("{")
    with pytest.raises(
        InputError, match=f"^{GRAPH}: .*; move it away to use the name of {A} instead$"
    ):
        load_network(caffe)
    Path(GRAPH).unlink()
    assert load_network(caffe).config.pooling == "pad"


def test_features_of_a_file_with_a_graph(caffe):
    assert load_network(caffe, head="features").config.pooling == "caffe"


def test_filling_a_network_that_pools_otherwise_is_warned_of(caffe, caplog):
    with caplog.at_level(logging.WARNING):
        load_params(get_network("model_a", 7, width=NARROW, pooling="caffe"), caffe)
        assert not caplog.records
        load_params(get_network("model_a", 7, width=NARROW), caffe)
    (record,) = caplog.records
    assert record.getMessage() == f"{A}: pooling is 'pad' here, 'caffe' in {GRAPH}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "notes"),
    [
        ("model_a", {}, [f"pooling is 'pad' here, 'caffe' in {GRAPH}"]),
        ("fcn_a2", {}, [f"pooling is 'pad' here, 'caffe' in {GRAPH}"]),
        ("fcn_a2", {"pooling": "caffe"}, []),
        ("fcn_a1", {}, []),
        ("model_a1", {"epsilon": 0.1}, [f"epsilon is 0.1 here, 1.001e-05 in {GRAPH}"]),
    ],
)
def test_a_warm_start_says_what_is_computed_otherwise(name, options, notes, caffe, fill):
    net = _network(fill, name, **options)
    transfer = warm_start(net, caffe)
    assert transfer.notes == notes
    assert all(str(transfer).endswith(f"; {note}") for note in notes)


def test_a_warm_start_from_a_file_that_contradicts_its_graph_is_refused(caffe, fill):
    Path(GRAPH).write_text(to_json(_network(fill, "model_a1")))
    with pytest.raises(InputError, match="contradict each other"):
        warm_start(_network(fill, "model_a1"), caffe)


def test_a_conversion_says_what_the_new_file_cannot(caffe):
    untold = f"read back without a graph beside it: pooling is 'pad' here, 'caffe' in {GRAPH}"
    for to in ("gluon", "npz"):
        assert convert(caffe, f"y.{'npz' if to == 'npz' else 'params'}", to).notes == [untold]
    Path("z-symbol.json").write_bytes(Path(GRAPH).read_bytes())
    assert convert(caffe, "z.params", "gluon").notes == []
    assert load_network("z.params").config.pooling == "caffe"


def test_a_class_that_pads_is_told_from_a_network_that_does_not(caffe):
    (note,) = convert(caffe, "y.npz", "wider_resnet").notes
    assert note == f"wider_resnet pads its poolings: {_meaning(caffe)}"


def test_an_onnx_graph_is_of_the_network_that_the_graph_tells(caffe, fill):
    onnxruntime = pytest.importorskip("onnxruntime")
    done = convert(caffe, "y.onnx", "onnx")
    assert done.notes == [str(_meaning(caffe)), "takes pictures of at least 63x63 pixels"]
    data = np.random.RandomState(0).standard_normal((1, 3, 70, 80)).astype(np.float32)
    (found,) = onnxruntime.InferenceSession("y.onnx").run(None, {"data": data})
    expected = _network(fill, pooling="caffe")(mx.nd.array(data)).asnumpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_what_a_graph_refuses_by_is_no_parameter(caffe):
    convert(caffe, "y.onnx", "onnx")
    convert("y.onnx", "z.params", "module", network="a")
    assert Path("z.params").read_bytes() == Path(caffe).read_bytes()


def test_an_onnx_graph_as_asked_for(caffe):
    done = convert(caffe, "y.onnx", "onnx", graph=GraphOptions(pooling="pad", stride=16))
    asked = f"stride 16, pooling 'pad', according to {GRAPH} except pooling 'pad', stride 16"
    assert done.notes == [f"model_a (7 classes, width 0.03125), {asked}"]
    done = convert(caffe, "z.onnx", "onnx", surgery=Surgery(fcn="1 conv"))
    assert f"fcn_a (7 classes, width 0.03125), stride 8, pooling 'caffe', according to {GRAPH}" in (
        done.notes
    )


def test_another_epsilon_goes_into_the_onnx_graph(fill):
    onnxruntime = pytest.importorskip("onnxruntime")
    net = _network(fill, "model_a1", epsilon=0.1)
    _save(net, "x-0001.params", "x-symbol.json")
    data = np.random.RandomState(0).standard_normal((1, 3, 64, 64)).astype(np.float32)
    expected = net(mx.nd.array(data)).asnumpy()
    for fold in (False, True):
        convert("x-0001.params", "y.onnx", "onnx", graph=GraphOptions(fold_bn=fold), overwrite=True)
        (found,) = onnxruntime.InferenceSession("y.onnx").run(None, {"data": data})
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    usual = load_network("x-0001.params", epsilon=configure("model_a1").epsilon)
    assert np.abs(usual(mx.nd.array(data)).asnumpy() - expected).max() > 0.01


def test_the_released_files_keep_their_meaning_in_another_form(fill):
    _save(_network(fill, classes=1000), RELEASED_A)
    convert(RELEASED_A, RELEASED_A.replace("params", "safetensors"), "safetensors")
    assert load_network(RELEASED_A.replace("params", "safetensors")).config.pooling == "caffe"
    assert RELEASED[RELEASED_A].pooling == "caffe"
    (note,) = convert(RELEASED_A, "y.params", "gluon").notes
    assert note.endswith("pooling is 'pad' here, 'caffe' in the table of released files")


@pytest.mark.slow
@pytest.mark.parametrize("to", ["wider_resnet", "wider_resnet_a2", "wrn38"])
@pytest.mark.parametrize("negative", [0, 5])
def test_negative_gammas_are_counted(to, negative, fill):
    network = "a" if to == "wider_resnet" else "a2"
    net = _network(fill, f"model_{network}")
    gamma = net.collect_params()["bn7_gamma"]
    gamma.set_data(np.abs(gamma.data().asnumpy()) * np.where(np.arange(128) < negative, -1, 1))
    others = sum(
        int((p.data().asnumpy() < 0).sum())
        for name, p in net.collect_params().items()
        if name.endswith("_gamma") and name != "bn7_gamma"
    )
    assert others == 0
    _save(net, f"x_rna-{network}_cls7_ep-0001.params")
    outwards = convert(f"x_rna-{network}_cls7_ep-0001.params", "y.safetensors", to).notes
    assert outwards == [
        f"{negative} gammas are negative: build the class with ABN, since InPlaceABN uses |gamma|"
    ] * bool(negative)
    (inwards,) = convert("y.safetensors", "z.params", "module").notes
    assert f"which uses |gamma| for gamma ({negative} are negative here)" in inwards
    assert "a leaky ReLU of slope 0.01" in inwards
    back = read_parameters("z.params")["bn7_gamma"]
    np.testing.assert_array_equal(back, gamma.data().asnumpy())
