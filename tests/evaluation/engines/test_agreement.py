"""Engines against MXNet and against the original's scores, for networks of both tasks."""

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.engines.mxnet import classify, segment
from rnw.evaluation.engines.table import ENGINES, MXNET, find_engine, open_engine
from rnw.networks.classifier import get_network
from rnw.networks.layout import configure
from rnw.weights import read_with_meaning
from tests.golden_cases import each_checkpoint, golden_arrays, input_shape_of

NARROW = 1 / 32
TOLERANCE = 1e-5  # of the largest score
OTHERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            not engine.installed, reason=f"needs {', '.join(engine.packages)}"
        ),
    )
    for name, engine in ENGINES.items()
    if name != MXNET
]
# of each kind of unit, pooling and classifier; test_onnx_graph.py has every network's graph
NETWORKS = {
    **{name: (name, {}) for name in ("model_a2", "model_f", "fcn_a", "fcn_resnet50")},
    "A without padding": ("model_a", {"pooling": "caffe"}),
    "A rounded up": ("model_a", {"pooling": "full"}),
    "1 conv at stride 16": ("fcn_a1", {"classifier": "1 conv", "stride": 16}),
}


def _agree(found, expected):
    """Scores are the same to the tolerance, and labels but where two scores are as near."""
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error < TOLERANCE
    chosen = np.take_along_axis(expected, found.argmax(axis=1)[:, None], axis=1)
    assert (expected.max(axis=1) - chosen[:, 0]).max() <= 2 * TOLERANCE * expected.max()


def _parameters(net):
    return {name: p.data().asnumpy() for name, p in net.named_parameters.items()}


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("case", NETWORKS)
def test_networks_give_what_mxnet_gives(case, engine, fill):
    name, options = NETWORKS[case]
    net = fill(get_network(name, 7, width=NARROW, **options))
    forward = (segment if net.config.segmentation else classify)(net, [mx.cpu()])
    data = np.random.RandomState(0).standard_normal((3, 3, 64, 72)).astype(np.float32)
    other = find_engine(engine)
    found = other.make_forward(net.config, _parameters(net), other.open_devices(cpus=2))(data)
    _agree(found, forward(data))


@pytest.mark.parametrize("engine", [MXNET, *OTHERS])
@each_checkpoint()
def test_original_checkpoints(path, engine):
    expected = golden_arrays(f"{path.stem.partition('_ep-')[0]}_expected")
    meaning, parameters = read_with_meaning(path)
    chosen = find_engine(engine)
    forward = chosen.make_forward(meaning.config, parameters, chosen.open_devices())
    stream = np.random.RandomState(int(expected["input_seed"]))
    data = stream.standard_normal(input_shape_of(expected, meaning.config.stride))
    found = forward(data.astype(np.float32))
    np.testing.assert_allclose(found, expected["probabilities"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("engine", OTHERS)
def test_pictures_in_half_precision_are_computed_in_full(engine):
    """Weights files may hold float16; scores are those of the same numbers in float32."""
    net = get_network("model_f", 7, width=NARROW)
    net.initialize(mx.init.Xavier())
    halves = {name: array.astype(np.float16) for name, array in _parameters(net).items()}
    full = {name: array.astype(np.float32) for name, array in halves.items()}
    data = np.ones((1, 3, 40, 40), np.float32)
    other = find_engine(engine)
    found = [
        other.make_forward(net.config, values, other.open_devices())(data)
        for values in (halves, full)
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("engine", OTHERS)
def test_devices_that_are_not_there_are_refused(engine):
    with pytest.raises(InputError, match="--cpus 0: expected at least 1"):
        find_engine(engine).open_devices(cpus=0)
    with pytest.raises(InputError, match="--gpus 0: "):
        find_engine(engine).open_devices(gpus="0")
    with pytest.raises(InputError, match="cannot be used together"):
        find_engine(engine).open_devices(gpus="0", cpus=1)


@pytest.mark.parametrize(
    ("provider", "asked", "wording"),
    [
        ("tensorrt", {}, r"does not have it; for GPUs of NVIDIA .*\[onnx-gpu\].* install TensorRT"),
        ("directml", {}, r"does not have it; for GPUs on Windows .*\[onnx-directml\]"),
        ("coreml", {}, "does not have it; it is for Macs"),
        ("cpu", {"gpus": "0"}, "provider cpu: has no GPUs by number; leave out --gpus"),
        ("cpus", {}, "unknown provider 'cpus'.*did you mean 'cpu'"),
    ],
)
def test_providers_that_are_not_there_are_refused(provider, asked, wording):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    with pytest.raises(InputError, match=wording):
        find_engine("onnxruntime").open_devices(**asked, provider=provider)


def test_devices_of_providers(monkeypatch):
    """As builds for other machines have them, which is told by ONNX Runtime."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    titles = ["TensorrtExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: titles)
    opened = find_engine("onnxruntime").open_devices
    assert list(map(str, opened(gpus="1,0"))) == [
        "DmlExecutionProvider on GPU 1",
        "DmlExecutionProvider on GPU 0",
    ]
    assert list(map(str, opened(provider="tensorrt"))) == ["TensorrtExecutionProvider on GPU 0"]
    assert list(map(str, opened(provider="coreml"))) == ["CoreMLExecutionProvider"]
    with pytest.raises(InputError, match="coreml: has no GPUs by number; leave out --gpus"):
        opened(provider="coreml", gpus="0")
    with pytest.raises(InputError, match="tensorrt: has no CPU devices; leave out --cpus"):
        opened(provider="tensorrt", cpus=2)


def test_a_provider_that_cannot_start_is_refused(monkeypatch, fill):
    """ONNX Runtime itself falls back to the CPU."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    engine = find_engine("onnxruntime")
    with monkeypatch.context() as told:
        told.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
        devices = engine.open_devices(gpus="0")
    net = fill(get_network("model_f", 7, width=NARROW))
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"), pytest.raises(
        InputError, match="cannot start CUDAExecutionProvider on GPU 0: its libraries or the driver"
    ):
        engine.make_forward(net.config, _parameters(net), devices, "float16")


def test_a_provider_is_of_onnx_runtime():
    with pytest.raises(InputError, match="is of the engine onnxruntime, found --engine mxnet"):
        open_engine(MXNET, provider="cuda")


@pytest.mark.skipif(mx.runtime.Features().is_enabled("CUDA"), reason="this MXNet is for GPUs")
def test_the_default_engine_is_one_that_computes_on_the_devices(monkeypatch):
    with pytest.raises(InputError, match="--gpus 0: this MXNet is a CPU build"):
        open_engine(gpus="0")
    assert open_engine(cpus=2)[0].name == open_engine()[0].name == MXNET
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    engine, devices = open_engine(gpus="0,1")
    assert engine.name == "onnxruntime"
    assert [device.number for device in devices] == [0, 1]
    assert open_engine(provider="cuda")[0] is engine
    with pytest.raises(InputError, match="--gpus 0: this MXNet is a CPU build"):
        open_engine(MXNET, gpus="0")


@pytest.mark.parametrize(
    ("engine", "precision", "wording"),
    [
        (
            MXNET,
            "bfloat16",
            "bfloat16: this CPU cannot compute in it",
        ),  # AVX2 in tests: see conftest.py
        (MXNET, "float16", "is for GPUs; expected float32 or bfloat16 here"),
        (MXNET, "float8", "unknown precision 'float8'"),
        ("onnxruntime", "bfloat16", "onnxruntime computes in float32 here; leave it out, or choo"),
        ("onnxruntime", "float16", "onnxruntime computes in float32 here"),
        ("openvino", "bfloat16", "bfloat16: this CPU cannot compute in it"),
        ("openvino", "float16", "is for GPUs; expected float32 or bfloat16 here"),
    ],
)
def test_precisions_that_are_not_computed_in_are_refused(engine, precision, wording, fill):
    chosen = find_engine(engine)
    if not chosen.installed:
        pytest.skip(f"needs {', '.join(chosen.packages)}")
    net = fill(get_network("model_f", 7, width=NARROW))
    devices = chosen.open_devices()
    with pytest.raises(InputError, match=wording):
        chosen.make_forward(net.config, _parameters(net), devices, precision, force=True)


def test_float16_of_gpus_gives_the_scores_of_float32_to_its_precision(fill):
    """By a CPU, where ONNX Runtime converts to float32 and back around each operator."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from rnw.evaluation.engines.graphs import graph_bytes

    net = fill(get_network("model_a1", 7, width=NARROW))
    data = np.random.RandomState(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    full, half = (
        onnxruntime.InferenceSession(
            graph_bytes(net.config, _parameters(net), half=half),
            providers=["CPUExecutionProvider"],
        ).run(None, {"data": data})[0]
        for half in (False, True)
    )
    assert half.dtype == np.float32
    assert 1e-6 < np.abs(half - full).max() / full.max() < 0.02


@pytest.mark.parametrize("engine", OTHERS)
def test_networks_that_take_no_pictures_are_refused(engine):
    config = configure("model_f", 7, width=NARROW, channels=4)
    with pytest.raises(InputError, match="takes inputs of 4 channels"):
        find_engine(engine).make_forward(config, {}, [])


def test_the_first_engine_that_is_installed_is_the_default():
    assert find_engine().name == MXNET
    with pytest.raises(InputError, match="unknown engine 'onnx': expected one of mxnet"):
        find_engine("onnx")
