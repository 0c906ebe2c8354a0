"""What the driver tells of GPUs, and which of them MXNet has code for."""

import pytest

from rnw import gpus
from rnw.errors import InputError
from tests.driver import MIB, NAMES, make_driver, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def driver(folder, monkeypatch):
    """The stand-in in the place of the driver of this machine; returns a setter of what it says."""
    monkeypatch.setattr(gpus, "DRIVER_LIBRARY", str(folder / "libcuda.so.1"))
    monkeypatch.setattr(gpus, "MANAGEMENT_LIBRARY", str(folder / "libnvidia-ml.so.1"))
    monkeypatch.setenv("STAND_IN_GPUS", "")
    return lambda name, value: monkeypatch.setenv(f"STAND_IN_{name}", value)


def test_driver_tells_of_itself_and_of_each_gpu(driver):
    driver("GPUS", rows(*NAMES))
    driver("CUDA", "12040")
    found = gpus.ask_driver()
    assert (found.version, found.cuda) == ("570.86.16", (12, 4))
    assert found.gpus == [
        gpus.GPU(name, tuple(map(int, capability.split("."))), MIB * 2**20)
        for capability, name in NAMES.items()
    ]
    assert [str(gpu) for gpu in found.gpus] == [f"{name} ({c})" for c, name in NAMES.items()]


@pytest.mark.parametrize("result", ["0", "100"], ids=["none", "no device"])
def test_driver_without_gpus(driver, result):
    driver("INIT", result)
    assert gpus.ask_driver() == gpus.Driver("570.86.16", (12, 8), [])


def test_version_of_a_driver_that_does_not_tell(driver, monkeypatch):
    monkeypatch.setattr(gpus, "MANAGEMENT_LIBRARY", "libnvidia-absent.so.1")
    assert gpus.ask_driver().version == ""


@pytest.mark.parametrize(
    ("result", "wording"), [("802", "system not yet initialized"), ("999", "unknown error")]
)
def test_driver_that_cannot_start(driver, result, wording):
    driver("INIT", result)
    expected = rf"^the NVIDIA driver cannot be used: {wording} \(CUDA error {result}\)$"
    with pytest.raises(InputError, match=expected):
        gpus.ask_driver()


def test_no_driver(monkeypatch):
    monkeypatch.setattr(gpus, "DRIVER_LIBRARY", "libcuda-absent.so.1")
    assert gpus.ask_driver() is None


@pytest.mark.parametrize("capability", [(5, 0), (5, 2), (6, 1), (7, 0), (7, 5), (8, 0), (8, 9)])
def test_mxnet_has_code_for(capability):
    assert gpus.why_not_mxnet(gpus.GPU("a GPU", capability, 0)) == ""


@pytest.mark.parametrize(
    ("capability", "remedy"),
    [
        ((3, 5), "use --cpus N"),
        ((9, 0), "evaluate with --engine onnxruntime"),
        ((10, 0), "evaluate with --engine onnxruntime"),
        ((12, 0), "evaluate with --engine onnxruntime"),
    ],
)
def test_mxnet_has_no_code_for(capability, remedy):
    major, minor = capability
    assert gpus.why_not_mxnet(gpus.GPU("NVIDIA X", capability, 0)) == (
        f"NVIDIA X ({major}.{minor}): MXNet 1.9.1 has no code for it; {remedy}, or use a GPU of "
        "compute capability 5.0 to 8.9 (Maxwell to Ada)"
    )
