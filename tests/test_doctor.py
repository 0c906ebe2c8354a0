"""The diagnosis of a machine: what is installed, and what is wrong with it."""

import importlib.metadata
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import mxnet as mx
import pytest

import rnw
from rnw import doctor, gpus, instructions, runtime
from rnw.allowance import allowed_cores
from tests.driver import NAMES, make_driver, rows

CORES = len(os.sched_getaffinity(0))
LIBRARIES = [library for libraries in runtime.CUDA_LIBRARIES.values() for library in libraries]
MXNET_FOR_GPUS = """
from types import SimpleNamespace
__version__ = "1.9.1"
runtime = SimpleNamespace(Features=lambda: SimpleNamespace(is_enabled="CUDA".__eq__))
context = SimpleNamespace(num_gpus=lambda: 5)
gpu = "gpu({})".format
"""
cpu_build_only = pytest.mark.skipif(
    mx.runtime.Features().is_enabled("CUDA"), reason="this MXNet can use GPUs"
)


def _distribution(name, folder, version="1.9.1", requires=()):
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def _findings():
    return {finding.what: finding for finding in doctor.diagnose()}


def _run(*arguments, **environment):
    """Python in the current folder, whose modules go before the installed ones."""
    path = os.pathsep.join([str(Path.cwd()), str(Path(rnw.__file__).parents[1])])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def _findings_with(environment, **modules):
    """The findings, by what they are about, where these are the sources of modules."""
    for name, source in modules.items():
        Path(f"{name}.py").write_text(source)
    script = "import json; from rnw.doctor import diagnose; print(json.dumps(diagnose()))"
    done = _run("-c", script, **environment)
    assert done.returncode == 0, done.stderr
    return {what: (found, advice) for what, found, advice in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """A folder with the libraries of a driver."""
    return make_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def no_driver(monkeypatch):
    monkeypatch.setattr(gpus, "DRIVER_LIBRARY", "libcuda-absent.so.1")


@pytest.fixture
def limit_cores(tmp_path, monkeypatch):
    """Return a function that limits the cores as the control group of a container does."""

    def limit(text):
        (tmp_path / "cpu.max").write_text(text)
        (tmp_path / "membership").write_text("0::/")
        limited = partial(allowed_cores, tmp_path, tmp_path / "membership")
        monkeypatch.setattr(doctor, "allowed_cores", limited)

    return limit


@cpu_build_only
def test_sound_machine(monkeypatch, no_driver):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    findings = doctor.diagnose()
    found = {finding.what: finding.found for finding in findings}
    packages = ("numpy", "click", "pillow", "opencv-python", "gluoncv", "scikit-learn")
    assert {name: found[name] for name in packages} == {
        name: importlib.metadata.version(name) for name in packages
    }
    assert found["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["CPU"].startswith(f"{CORES} cores, 1 MXNet threads for one device")
    assert found["MXNet"] == f"{mx.__version__}, CPU build"
    assert found["GPUs"] == "0"
    assert {finding.advice for finding in findings} == {""}


# The processor


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "wording"),
    [
        ("MXNET_OMP_MAX_THREADS", "1", "1 MXNet threads"),
        ("MXNET_OMP_MAX_THREADS", "", "default MXNet threads"),
        (None, None, f"{CORES} MXNet threads"),
    ],
)
def test_threads(variable, value, wording, monkeypatch, limit_cores):
    limit_cores("max 100000")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("MXNET_OMP_MAX_THREADS", "")  # so that it is restored
    monkeypatch.delenv("MXNET_OMP_MAX_THREADS")
    if variable:
        monkeypatch.setenv(variable, value)
    assert _findings()["CPU"].found == f"{CORES} cores, {wording} for one device"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("allowed", "threads", "advice"),
    [
        (1.5, "4", "more threads than the container allows wait: export OMP_NUM_THREADS=1"),
        (0.5, "2", "more threads than the container allows wait: export OMP_NUM_THREADS=1"),
        (4.0, "4", ""),
    ],
)
def test_cores_that_the_container_allows(allowed, threads, advice, monkeypatch, limit_cores):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    limit_cores(f"{allowed * 100000:.0f} 100000")
    finding = _findings()["CPU"]
    assert finding.found.endswith(f"; {allowed:g} allowed by the container")
    assert finding.advice == advice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("fpu avx512_bf16 amx_bf16 amx_tile", "AVX512_BF16 and AMX_BF16"),
        ("fpu avx512f avx512_bf16", "AVX512_BF16"),
        ("fpu avx512f", "no instructions for it"),
    ],
)
def test_instructions_for_bfloat16(flags, found, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n")
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "cpuinfo")
    assert _findings()["bfloat16 on the CPU"].found == found


# Packages


@cpu_build_only
def test_versions_that_do_not_fit_each_other(tmp_path, monkeypatch):
    _distribution("numpy", tmp_path, "2.4.6")
    _distribution("onnxruntime", tmp_path, "1.99", ["onnx<1", "click", "absent>2"])
    monkeypatch.syspath_prepend(tmp_path)
    found = _findings()
    onnx = importlib.metadata.version("onnx")
    cure = "pip install '.[cpu]' in the rnw checkout"
    assert found["numpy"].found == "2.4.6"
    assert found["numpy"].advice == f"mxnet 1.9.1 needs numpy<2.0.0,>1.16.0: {cure}"
    assert found["onnx"] == ("onnx", onnx, f"onnxruntime 1.99 needs onnx<1: {cure}")
    assert not found["click"].advice


@cpu_build_only
def test_gpu_build_on_top_of_a_cpu_build(tmp_path, monkeypatch, no_driver):
    _distribution("mxnet-cu112", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    found = _findings()
    assert found["MXNet builds"].found == "mxnet and mxnet-cu112"
    assert "fresh environment" in found["MXNet builds"].advice
    assert {name: found[name].found for name in LIBRARIES} == dict.fromkeys(LIBRARIES, "not found")
    assert all("[cu112]" in found[name].advice for name in LIBRARIES)
    assert found["libcuda.so.1"].advice == "install the NVIDIA driver"
    assert found["MXNet"].advice == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "wording"),
    [
        ("ModuleNotFoundError('no mxnet', name='mxnet')", "MXNet is not installed: pip install"),
        ("OSError('libcudart.so.11.0: cannot open')", "libcudart.so.11.0: cannot open"),
        (
            "OSError('libgomp.so.1: cannot open')",
            "libgomp.so.1: cannot open; on Debian and Ubuntu: apt-get install libgomp1",
        ),
        ("ModuleNotFoundError('no distutils', name='distutils')", "distutils"),
        ("AttributeError('`np.PZERO` was removed in NumPy 2.0')", "np.PZERO"),
    ],
    ids=["missing", "library", "system library", "dependency", "numpy"],
)
def test_mxnet_that_cannot_be_imported(problem, wording):
    found, advice = _findings_with({}, mxnet=f"raise {problem}")["MXNet"]
    assert found == "cannot be used"
    assert wording in advice


def test_opencv_and_runtimes_that_cannot_be_imported():
    missing = "cannot open shared object file: No such file or directory"
    found = _findings_with(
        {},
        mxnet="raise OSError('not needed here')",
        cv2=f"raise ImportError('libGL.so.1: {missing}')",
        onnxruntime="raise ImportError('no symbol')",
        openvino="__version__ = '2025.1'",
    )
    assert found["opencv-python"][1] == (
        f"libGL.so.1: {missing}; on Debian and Ubuntu: apt-get install libgl1"
    )
    assert found["ONNX Runtime"] == (
        "cannot be used",
        "no symbol: pip install '.[onnx]' in the rnw checkout",
    )
    assert found["OpenVINO"] == ("2025.1", "")


# GPUs


@pytest.mark.slow
@cpu_build_only
@pytest.mark.parametrize(
    ("build", "says", "finding"),
    [
        (
            "mxnet-cu112",
            {"INIT": "100"},
            ("GPUs", "0", "check `nvidia-smi`: the driver sees no GPU"),
        ),
        ("mxnet", {"INIT": "100"}, ("GPUs", "0", "")),
        (
            "mxnet",
            {"INIT": "802"},
            (
                "NVIDIA driver",
                "cannot be used",
                "the NVIDIA driver cannot be used: system not yet initialized (CUDA error 802)",
            ),
        ),
        (
            "mxnet-cu112",
            {"CUDA": "10020"},
            (
                "NVIDIA driver",
                "570.86.16, CUDA up to 10.2",
                "MXNet's build for CUDA 11.2 needs a driver of version 450.80 or newer",
            ),
        ),
        ("mxnet", {"CUDA": "10020"}, ("NVIDIA driver", "570.86.16, CUDA up to 10.2", "")),
        (
            "mxnet",
            {},
            (
                "GPU 0",
                "Tesla T4 (7.5), 24.0 GiB; used by none",
                "for MXNet, in a fresh environment pip install '.[cu112]' in the rnw checkout",
            ),
        ),
    ],
)
def test_driver(build, says, finding, stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "DRIVER_LIBRARY", str(stand_in / "libcuda.so.1"))
    monkeypatch.setattr(gpus, "MANAGEMENT_LIBRARY", str(stand_in / "libnvidia-ml.so.1"))
    for name, value in {"GPUS": rows("7.5"), **says}.items():
        monkeypatch.setenv(f"STAND_IN_{name}", value)
    if build != "mxnet":
        _distribution(build, tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
    assert _findings()[finding[0]] == finding


@pytest.fixture
def five_gpus(stand_in):
    """The environment in which the driver tells of a GPU of each generation."""
    return {"LD_LIBRARY_PATH": str(stand_in), "STAND_IN_GPUS": rows(*NAMES)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "engines"),
    [
        ("CPUExecutionProvider", ["none", "MXNet", "MXNet", "none", "none"]),
        (
            "CUDAExecutionProvider",
            ["none", *2 * ["MXNet and ONNX Runtime"], *2 * ["ONNX Runtime"]],
        ),
    ],
)
def test_which_engine_uses_which_gpu(provider, engines, five_gpus):
    _distribution("mxnet-cu112", Path.cwd())
    runtime = f"__version__ = '1.99'\ndef get_available_providers(): return ['{provider}']"
    found = _findings_with(five_gpus, mxnet=MXNET_FOR_GPUS, onnxruntime=runtime)
    assert found["ONNX Runtime"] == (f"1.99, {provider}", "")
    assert found["NVIDIA driver"] == ("570.86.16, CUDA up to 12.8", "")
    assert found["GPUs"] == ("5", "")
    for number, (capability, used) in enumerate(zip(NAMES, engines)):
        text, advice = found[f"GPU {number}"]
        assert text == f"{NAMES[capability]} ({capability}), 24.0 GiB; used by {used}"
        assert ("MXNet 1.9.1 has no code for it" in advice) == (used == "none")


def test_gpus_that_mxnet_has_no_code_for_are_refused(five_gpus):
    Path("mxnet.py").write_text(MXNET_FOR_GPUS)
    _distribution("mxnet-cu112", Path.cwd())
    script = """
import sys
from rnw.runtime import make_contexts
for asked in sys.argv[1:]:
    try:
        print(*make_contexts(asked))
    except ValueError as error:
        print(error)
"""
    asked = {"2,1": None, "0": "3.5", "2,3": "9.0", "4": "12.0", "1,4,0": "12.0"}
    done = _run("-c", script, *asked, **five_gpus)
    assert done.returncode == 0, done.stderr
    for (numbers, foreign), line in zip(asked.items(), done.stdout.splitlines()):
        if foreign is None:
            assert line == "gpu(2) gpu(1)"
        else:
            name = f"{NAMES[foreign]} ({foreign})"
            assert line.startswith(f"--gpus {numbers}: {name}: MXNet 1.9.1 has no code for it; ")


def test_command_for_a_gpu_that_mxnet_has_no_code_for(five_gpus):
    Path("mxnet.py").write_text(MXNET_FOR_GPUS)
    _distribution("mxnet-cu112", Path.cwd())
    done = _run("-m", "rnw", "train-cls", "--dataset", "digits", "--gpus", "4", **five_gpus)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: --gpus 4: NVIDIA GeForce RTX 5090 (12.0): MXNet 1.9.1 has no code for it; "
        "evaluate with --engine onnxruntime, or use a GPU of compute capability 5.0 to 8.9 "
        "(Maxwell to Ada)\n"
    )
