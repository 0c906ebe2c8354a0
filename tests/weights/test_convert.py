"""From one kind of weights file to another, and what a file is told apart by."""

from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.weights import save_params
from rnw.weights.containers import SAFETENSORS
from rnw.weights.convert import GraphOptions, convert
from rnw.weights.fit import check_parameters
from rnw.weights.formats import read_parameters, write_parameters
from rnw.weights.meaning import meaning_of
from rnw.weights.ndarray_file import read_arrays, write_arrays
from rnw.weights.surgery import Surgery

NARROW = 1 / 32
NETWORKS = {
    "model_a1": ("model_a1", {}),
    "fcn_a1, 1 conv": ("fcn_a1", {"classifier": "1 conv"}),
    "fcn_a1, 2 conv": ("fcn_a1", {"classifier": "2 conv"}),
    "model_c": ("model_c", {}),
    "resnet50": ("resnet50", {}),
    "fcn_resnet50": ("fcn_resnet50", {}),
}


@pytest.fixture(params=NETWORKS)
def net(request, fill):
    name, options = NETWORKS[request.param]
    return fill(get_network(name, 7, width=NARROW, **options))


def _values(net):
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


def _assert_equal(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.slow
def test_module_files_have_the_order_and_names_of_the_graph(net):
    save_params(net, "module.params")
    keys = [f"{parameter.kind}:{parameter.name}" for parameter in net.config.parameters()]
    assert list(read_arrays("module.params")) == keys
    _assert_equal(read_parameters("module.params"), _values(net))


@pytest.mark.slow
def test_there_and_back_is_the_same_file(net):
    save_params(net, "module.params")
    convert("module.params", "gluon.params", "gluon")
    convert("gluon.params", "again.params", "module")
    assert Path("again.params").read_bytes() == Path("module.params").read_bytes()


@pytest.mark.slow
def test_gluon_loads_a_converted_file(net):
    save_params(net, "module.params")
    convert("module.params", "gluon.params", "gluon")
    other = get_network(net.config.spec, 7, width=NARROW, classifier=net.config.classifier)
    other.load_parameters("gluon.params")
    _assert_equal(_values(other), _values(net))


@pytest.mark.slow
def test_gluon_files_have_gluons_names(net):
    save_params(net, "ours.params", to="gluon")
    net.save_parameters("gluon.params")
    _assert_equal(read_arrays("ours.params"), read_arrays("gluon.params"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "save", [lambda net, path: net.save_parameters(path), lambda n, p: n.collect_params().save(p)]
)
def test_gluons_own_files_are_read(net, save):
    save(net, "gluon.params")
    _assert_equal(read_parameters("gluon.params"), _values(net))
    convert("gluon.params", "module.params", "module")
    save_params(net, "expected.params")
    _assert_equal(read_arrays("module.params"), read_arrays("expected.params"))


@pytest.fixture
def source():
    write_arrays("source.params", {"arg:a_weight": np.ones((2,), np.float32)})
    return "source.params"


def test_an_existing_target_is_kept(source):
    Path("target.params").write_bytes(b"precious")
    with pytest.raises(InputError, match=r"^target\.params: exists already; .*--overwrite"):
        convert(source, "target.params", "gluon")
    assert Path("target.params").read_bytes() == b"precious"


def test_an_existing_target_is_replaced_on_demand(source):
    Path("target.params").write_bytes(b"worthless")
    convert(source, "target.params", "gluon", overwrite=True)
    assert list(read_arrays("target.params")) == ["classifier.a_weight"]


def test_a_file_can_be_converted_in_place(source):
    convert(source, source, "gluon", overwrite=True)
    assert read_arrays(source)["classifier.a_weight"].tolist() == [1, 1]


def test_unknown_formats_are_refused(source, tmp_path):
    with pytest.raises(InputError, match="unknown format 'torch': expected one of module, gluon"):
        convert(source, "target.params", "torch")
    assert [path.name for path in tmp_path.iterdir()] == [source]


@pytest.mark.parametrize("target", ["folder", "source.params/target.params"])
def test_targets_that_cannot_be_written_are_refused(target, source, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"^{target}: "):
        convert(source, target, "gluon", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"folder", source}


@pytest.mark.parametrize("other", ["aux:a_weight", "a_weight", "conv1a.a_weight"])
def test_one_parameter_twice_is_refused(other):
    write_arrays("twice.params", dict.fromkeys(["arg:a_weight", other], np.ones((2,), np.float32)))
    with pytest.raises(InputError, match=r"^twice\.params: two entries stand for the same"):
        read_parameters("twice.params")


def _shapes(name="model_a1", classes=5, **options):
    config = configure(name, classes, width=options.pop("width", NARROW), **options)
    return {parameter.name: parameter.shape for parameter in config.parameters()}


def _refusal(found, config, **options):
    with pytest.raises(InputError) as caught:
        check_parameters(config, config.parameters(), found, "x.params", **options)
    return str(caught.value)


CONFIG = configure("model_a1", 5, width=NARROW)


def _damaged():
    found = _shapes()
    del found["bn2a_branch2a_gamma"], found["bn7_moving_var"]
    found.update(extra_weight=(1, 2), more=())
    found.update(conv1a_weight=(2, 3, 5, 5), linear5_bias=(6,))
    return found


MISSING = ("bn2a_branch2a_gamma (2,)", "bn7_moving_var (128,)")
SURPLUS = ("extra_weight (1, 2)", "more ()")
MISSHAPED = (
    "conv1a_weight: expected (2, 3, 3, 3), found (2, 3, 5, 5)",
    "linear5_bias: expected (5,), found (6,)",
)


@pytest.mark.parametrize("allow_missing", [False, True])
@pytest.mark.parametrize("ignore_extra", [False, True])
def test_everything_that_does_not_fit_is_listed(allow_missing, ignore_extra):
    message = _refusal(_damaged(), CONFIG, allow_missing=allow_missing, ignore_extra=ignore_extra)
    assert message.startswith("x.params: does not fit model_a1 (5 classes, width 0.03125)")
    problems = [
        *([] if allow_missing else ["missing " + ", ".join(MISSING)]),
        *([] if ignore_extra else ["unexpected " + ", ".join(SURPLUS)]),
        "wrongly shaped " + ", ".join(MISSHAPED),
    ]
    assert message.endswith(": " + "; ".join(problems))


def test_what_is_allowed_is_accepted():
    found = _shapes()
    del found["bn7_beta"]
    found["extra"] = (1,)
    parameters = CONFIG.parameters()
    check_parameters(CONFIG, parameters, found, "x", allow_missing=True, ignore_extra=True)
    check_parameters(CONFIG, parameters, _shapes(), "x")


OTHER_KIND = "another kind of classifier"
CAUSES = {
    "other class count": ({}, {"classes": 6}, "it is for 6 classes"),
    "other class count, fcn": ({"name": "fcn_a1"}, {"name": "fcn_a1", "classes": 6}, "6 classes"),
    "features into classifier": ({}, {"head": "features"}, "use head='features'"),
    "features into fcn": ({"name": "fcn_a1"}, {"head": "features"}, "use head='features'"),
    "classifier into features": ({"head": "features"}, {}, "ignore_extra=True"),
    "fcn into features": ({"head": "features"}, {"name": "fcn_a1"}, "ignore_extra=True"),
    "other width": ({}, {"width": 1 / 16}, "probably has another width"),
    "other network": ({}, {"name": "model_c"}, "for another network"),
    "deeper network": ({"name": "28-1-1-1-1-1-1-1"}, {"name": "28-1-1-1-1-1-1-2"}, "network"),
    "classifier into fcn": ({"name": "fcn_a1"}, {}, OTHER_KIND),
    "classifier of other classes into fcn": ({"name": "fcn_a1"}, {"classes": 6}, OTHER_KIND),
    "fcn into classifier": ({}, {"name": "fcn_a1"}, OTHER_KIND),
    "fcn of other classes into classifier": ({}, {"name": "fcn_a1", "classes": 6}, OTHER_KIND),
    "2 conv into 1 conv": (
        {"name": "fcn_a1", "classifier": "1 conv"},
        {"name": "fcn_a1", "classifier": "2 conv"},
        OTHER_KIND,
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_probable_cause(case):
    network, file, cause = CAUSES[case]
    options = {"name": "model_a1", "classes": 5, "width": NARROW, **network}
    message = _refusal(_shapes(**file), configure(**options))
    assert cause in message[: message.rindex("): ")]


@pytest.mark.parametrize("width", [1 / 256, 1 / 32, 0.3, 0.5, 0.77, 1, 2])
@pytest.mark.parametrize(
    ("name", "classifier", "label"),
    [
        ("model_a1", "linear", "x_rna-a1_cls5_ep-0001.params"),
        ("model_c", "linear", "x_rna-c_cls5_ep-0001.params"),
        ("fcn_a1", "1 conv", "x_rna-a1_cls5_s8_ep-0001.params"),
        ("fcn_a2", "2 conv", "x_rna-a2_cls5_s16_ep-0001.params"),
    ],
)
def test_the_network_is_recognized(name, classifier, label, width):
    shapes = _shapes(name, classifier=classifier, width=width)
    arrays = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    config = meaning_of(f"folder/{label}", arrays).config
    assert {p.name: p.shape for p in config.parameters()} == shapes
    assert (config.name, config.classifier, config.classes) == (name, classifier, 5)
    assert config.stride == {"fcn_a1": 8, "fcn_a2": 16, "model_c": 16}.get(name, 32)


def _resnet(layers=(3, 4, 6, 3)):
    """Entries of a narrow ResNet for 5 classes by torchvision's names, counters among them."""
    arrays, entering = {}, 2

    def norm(key, channels):
        for what in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"{key}.{what}"] = np.full(channels, len(arrays), np.float32)
        arrays[f"{key}.num_batches_tracked"] = np.array(3)

    def convolution(key, out, into, kernel):
        arrays[f"{key}.weight"] = np.full((out, into, kernel, kernel), len(arrays), np.float32)

    convolution("conv1", 2, 3, 7)
    norm("bn1", 2)
    for level, units in enumerate(layers, 1):
        inner = 2**level
        for unit in range(units):
            key = f"layer{level}.{unit}"
            shapes = ((inner, entering, 1), (inner, inner, 3), (4 * inner, inner, 1))
            for number, shape in enumerate(shapes, 1):
                convolution(f"{key}.conv{number}", *shape)
                norm(f"{key}.bn{number}", shape[0])
            if unit == 0:
                convolution(f"{key}.downsample.0", 4 * inner, entering, 1)
                norm(f"{key}.downsample.1", 4 * inner)
            entering = 4 * inner
    arrays["fc.weight"] = np.ones((5, entering), np.float32)
    arrays["fc.bias"] = np.ones(5, np.float32)
    return arrays


def test_torchvisions_resnet_is_taken():
    theirs = _resnet()
    SAFETENSORS.write("resnet50.safetensors", theirs)
    convert("resnet50.safetensors", "ours.params", "module")
    ours = read_parameters("ours.params")
    assert list(ours) == [parameter.name for parameter in _resnet50().parameters()]
    np.testing.assert_array_equal(
        ours["bn4b5_branch2b_moving_var"], theirs["layer3.5.bn2.running_var"]
    )
    np.testing.assert_array_equal(ours["linear5_bias"], theirs["fc.bias"])


def _resnet50():
    return configure("resnet50", 5, width=NARROW)


@pytest.mark.parametrize("to", ["resnet38d", "wider_resnet"])
def test_a_resnet_has_no_form_in_projects_of_the_papers_networks(to):
    SAFETENSORS.write("x.safetensors", _resnet())
    with pytest.raises(
        InputError, match=r"contains a ResNet \(resnet50\), expected a network of the"
    ):
        convert("x.safetensors", "y.safetensors", to)


def test_a_resnet_of_unknown_depth():
    SAFETENSORS.write("x.safetensors", _resnet((3, 4, 5, 3)))
    with pytest.raises(InputError, match="3-4-5-3 on levels 2 to 5, expected those of resnet50"):
        convert("x.safetensors", "y.params", "module")


def test_a_resnet_under_the_knife(tmp_path):
    values = {p.name: np.ones(p.shape, np.float32) for p in _resnet50().parameters()}
    source = tmp_path / "ilsvrc-cls_resnet50_cls5_ep-0001.params"
    write_parameters(source, values, "module")
    convert(source, "half.params", "module", surgery=Surgery(classes=7, fcn="2 conv", half=True))
    found = read_parameters("half.params")
    expected = configure("fcn_resnet50", 7, width=NARROW).parameters()
    assert {name: array.shape for name, array in found.items()} == {
        p.name: p.shape for p in expected
    }
    assert found["res3a_branch1_weight"].dtype == np.float16
    with pytest.raises(InputError, match="resnet50 cannot be folded: leave out --fold-bn"):
        convert(source, "x.onnx", "onnx", graph=GraphOptions(fold_bn=True))
    convert(source, "x.onnx", "onnx", surgery=Surgery(half=True))
    assert read_parameters("x.onnx")["conv1_weight"].dtype == np.float16
