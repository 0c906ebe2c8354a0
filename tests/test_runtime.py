"""What is prepared before MXNet starts, and the devices of a run."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import pytest

import rnw as package
from rnw import runtime
from rnw.errors import InputError

REPOSITORY = Path(package.__file__).parents[1]
CORES = len(os.sched_getaffinity(0))
CUDA_BUILD = mx.runtime.Features().is_enabled("CUDA")
LIBRARIES = {  # what a CUDA 11.2 build needs; the wheels that carry them
    "libcudart.so.11.0": "cuda_runtime",
    "libnvrtc.so.11.2": "cuda_nvrtc",
    "libcublasLt.so.11": "cublas",
    "libcublas.so.11": "cublas",
    "libcufft.so.10": "cufft",
    "libcurand.so.10": "curand",
    "libcusolver.so.11": "cusolver",
    "libcudnn.so.8": "cudnn",
    "libnccl.so.2": "nccl",
    "libnvToolsExt.so.1": "nvtx",
}
RECORDING_MXNET = """
import os
started_with = [os.environ.get(n, "-") for n in ("OMP_NUM_THREADS", "MXNET_OMP_MAX_THREADS")]
cpu = "cpu({})".format
"""
GPU_MXNET = """
from types import SimpleNamespace
__version__ = "1.9.1"
runtime = SimpleNamespace(Features=lambda: SimpleNamespace(is_enabled="CUDA".__eq__))
context = SimpleNamespace(num_gpus=lambda: {found})
gpu = "gpu({{}})".format
"""

cpu_build_only = pytest.mark.skipif(CUDA_BUILD, reason="this MXNet can use GPUs")


def _start(*arguments, **environment):
    """Python in the current folder, whose modules go before the installed ones."""
    inherited = {k: v for k, v in os.environ.items() if k not in runtime.THREAD_VARIABLES}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**inherited, "PYTHONPATH": f"{Path.cwd()}{os.pathsep}{REPOSITORY}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _python(*arguments, **environment):
    process = _start(*arguments, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def _prints(script, **environment):
    code, out, err = _python("-c", script, **environment)
    assert code == 0, err
    return out.split()


def _distribution(name, folder, version="1.9.1"):
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def _library(path):
    """A shared library with a function `rnw_probe` that gives 7."""
    path.parent.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = path.with_suffix(".c")
    source.write_text("int rnw_probe(void) { return 7; }\n")
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-Wl,-soname,{path.name}", "-o", path, source], check=True
    )


def _wheel_library(name, folder):
    return folder / "nvidia" / LIBRARIES[name] / "lib" / name


# Threads


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "contexts"),
    [
        ("import rnw, mxnet", 1),
        ("from rnw.runtime import make_contexts; make_contexts()", 1),
        ("from rnw.runtime import make_contexts; make_contexts(cpus=2)", 2),
        ("from rnw.runtime import make_contexts; make_contexts(cpus=1000)", 1000),
        ("from rnw.runtime import set_threads; set_threads(2); import mxnet", 2),
    ],
)
def test_each_context_gets_its_share_of_the_cores(start, contexts):
    Path("mxnet.py").write_text(RECORDING_MXNET)
    found = _prints(f"{start}; import mxnet; print(*mxnet.started_with)")
    assert found == ["-", str(max(1, CORES // contexts))]


def test_cores_are_those_that_the_process_may_use():
    Path("mxnet.py").write_text(RECORDING_MXNET)
    script = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import rnw, mxnet; print(*mxnet.started_with, rnw.runtime.cpu_cores())"
    )
    assert _prints(script) == ["-", "1", "1"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, ["3", "-"]),
        ({"MXNET_OMP_MAX_THREADS": "5"}, ["-", "5"]),
        ({"OMP_NUM_THREADS": "3", "MXNET_OMP_MAX_THREADS": "5"}, ["3", "5"]),
    ],
)
def test_the_users_own_threads_win(given, expected):
    Path("mxnet.py").write_text(RECORDING_MXNET)
    script = (
        "from rnw.runtime import make_contexts\nmake_contexts(cpus=2)\n"
        "import mxnet; print(*mxnet.started_with)"
    )
    assert _prints(script, **given) == expected


@pytest.mark.parametrize("given", [{}, {"OMP_NUM_THREADS": "3"}, {"MXNET_OMP_MAX_THREADS": "3"}])
def test_threads_left_to_mxnet_stay_so(given):
    Path("mxnet.py").write_text(RECORDING_MXNET)
    script = (
        "from rnw.runtime import leave_threads_to_mxnet, make_contexts\n"
        "leave_threads_to_mxnet()\nmake_contexts(cpus=2)\n"
        "import mxnet; print(repr(mxnet.started_with))"
    )
    assert _prints(script, **given) == ["['-',", "'']"]


@pytest.mark.slow
def test_threads_left_to_mxnet_are_what_it_takes_by_itself():
    count = "import ctypes, mxnet; lib = mxnet.libinfo.find_lib_path()[0]\n"
    count += "print(ctypes.CDLL(lib).omp_get_max_threads())"
    names = "import numpy\nfor n in (bool, int, float, object, str): setattr(numpy, n.__name__, n)"
    leave = "from rnw.runtime import leave_threads_to_mxnet; leave_threads_to_mxnet()"
    runs = [_start("-c", f"{before}\n{count}") for before in (names, leave)]
    alone, left = (run.communicate(timeout=60)[0] for run in runs)
    assert int(alone) >= 1
    assert left == alone


# Devices


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("0", [0]), ("0,1,2,3", [0, 1, 2, 3]), ("3,1", [3, 1]), ("10", [10]), ("007", [7])],
)
def test_parse_gpus(text, gpus):
    assert runtime.parse_gpus(text) == gpus


@pytest.mark.parametrize(
    "text", ["", "a", "0,", ",0", "0,,1", "0;1", "0 1", "0, 1", "-1", "+1", "1.5", "0\n", "all"]
)
def test_parse_gpus_refuses(text):
    with pytest.raises(InputError, match="expected device numbers joined by commas, as 0,1,2,3"):
        runtime.parse_gpus(text)


@pytest.mark.parametrize("text", ["0,0", "1,2,1", "1,01"])
def test_parse_gpus_refuses_a_device_named_twice(text):
    with pytest.raises(InputError, match=f"--gpus {text}: a device is named twice"):
        runtime.parse_gpus(text)


@pytest.mark.parametrize(("cpus", "count"), [(None, 1), (1, 1), (4, 4)])
def test_cpu_contexts(cpus, count):
    contexts = runtime.make_contexts(cpus=cpus)
    assert contexts == [mx.cpu(number) for number in range(count)]
    assert [context.device_id for context in contexts] == list(range(count))


@pytest.mark.parametrize("cpus", [0, -1])
def test_refuses_no_cpu_at_all(cpus):
    with pytest.raises(InputError, match=f"--cpus {cpus}: expected at least 1"):
        runtime.make_contexts(cpus=cpus)


@pytest.mark.parametrize(("gpus", "cpus"), [("0", 1), ("", 0), ("0,1", 2)])
def test_refuses_gpus_and_cpus_together(gpus, cpus):
    with pytest.raises(InputError, match="--gpus and --cpus cannot be used together"):
        runtime.make_contexts(gpus, cpus)


@cpu_build_only
def test_gpus_on_a_cpu_build_name_the_extra(monkeypatch):
    monkeypatch.setattr("rnw.gpus.DRIVER_LIBRARY", "libcuda-absent.so.1")
    with pytest.raises(InputError, match=r"--gpus 0,1: this MXNet is a CPU build; .*\[cu112\]"):
        runtime.make_contexts(gpus="0,1")


def test_gpu_contexts_keep_the_order_given():
    Path("mxnet.py").write_text(GPU_MXNET.format(found=2))
    script = "from rnw.runtime import make_contexts; print(*make_contexts('1,0'))"
    assert _prints(script) == ["gpu(1)", "gpu(0)"]


@pytest.mark.parametrize(("gpus", "absent"), [("2", 2), ("0,1,5,2", 5)])
def test_refuses_a_gpu_that_is_not_there(gpus, absent):
    Path("mxnet.py").write_text(GPU_MXNET.format(found=2))
    code, out, err = _python("-m", "rnw", "train-cls", "--dataset", "digits", "--gpus", gpus)
    assert (code, out) == (2, "")
    assert err == f"Error: --gpus {gpus}: no GPU {absent}, found 2; `rnw doctor` says more\n"


# MXNet itself


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "train-cls --dataset digits",
        "eval-cls --weights x.params",
        "predict --weights x.params x.png",
        "bench inference model_a",
        "export-symbol model_a",
    ],
)
@pytest.mark.parametrize(
    ("problem", "wording"),
    [
        ("ModuleNotFoundError('no mxnet', name='mxnet')", "MXNet is not installed: pip install"),
        ("OSError('libcudart.so.11.0: cannot open')", "MXNet cannot start: libcudart.so.11.0"),
    ],
    ids=["missing", "broken"],
)
def test_mxnet_that_is_missing_or_cannot_start(command, problem, wording):
    Path("mxnet.py").write_text(f"raise {problem}")
    code, out, err = _python("-B", "-m", "rnw", *command.split())
    assert (code, out) == (2, "")
    assert err.lower().startswith(f"error: {wording.lower()}")
    assert err.count("\n") == 1
    assert ("'.[cpu]'" in err and "'.[cu112]'" in err) == ("pip" in wording)
    assert list(Path().iterdir()) == [Path("mxnet.py")]


NUMPY_2 = "import numpy\nnumpy.__version__ = '2.4.6'\n"
NUMPY_2_REFUSED = (
    "MXNet 1.9.1 works with NumPy 1, but NumPy 2.4.6 is installed: "
    "pip install '.[cpu]' in the rnw checkout brings NumPy 1"
)


@pytest.mark.slow
@cpu_build_only
@pytest.mark.parametrize("command", ["train-cls --dataset digits", "doctor"])
def test_numpy_2_is_named_with_its_cure(command):
    code, out, err = _python(
        "-c", f"{NUMPY_2}from rnw.cli import main\nmain({command.split()}); print('done')"
    )
    if command == "doctor":
        assert (code, err) == (1, "")
        assert f"-> {NUMPY_2_REFUSED}\n" in out
    else:
        assert (code, out, err) == (2, "", f"Error: {NUMPY_2_REFUSED}\n")


@cpu_build_only
def test_numpy_2_is_named_at_each_attempt():
    attempt = "try: import mxnet\nexcept ValueError as error: print(error)\n"
    code, out, err = _python("-c", f"{NUMPY_2}import rnw\n{attempt}{attempt}")
    assert (code, out, err) == (0, f"{NUMPY_2_REFUSED}\n" * 2, "")


@pytest.mark.parametrize(
    "names",
    [
        ["mxnet-cu112"],
        ["mxnet", "mxnet-cu112"],
        ["MXNet", "mxnet-cu101"],
        ["mxnet-tools", "gluoncv", "mymxnet"],
    ],
)
def test_builds_are_the_distributions_that_bring_mxnet(names, tmp_path, monkeypatch):
    installed = runtime.mxnet_builds()
    for name in names:
        _distribution(name, tmp_path)
    (tmp_path / "torn-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    builds = [name for name in names if name.lower() in ("mxnet", "mxnet-cu101", "mxnet-cu112")]
    assert runtime.mxnet_builds() == sorted({*installed, *builds})


@cpu_build_only
def test_a_cpu_build_needs_no_cuda_libraries():
    assert runtime.load_cuda_libraries() == []


@cpu_build_only
def test_all_missing_cuda_libraries_are_named(tmp_path, monkeypatch):
    _distribution("mxnet-cu112", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert runtime.load_cuda_libraries() == list(LIBRARIES)


@cpu_build_only
def test_cuda_libraries_are_found_in_wheels_and_system(tmp_path):
    _distribution("mxnet-cu112", tmp_path)
    _library(_wheel_library("libcublas.so.11", tmp_path))
    _library(tmp_path / "system" / "libcufft.so.10")
    damaged = _wheel_library("libcudnn.so.8", tmp_path)
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"\x7fELF")
    found = _prints(
        "from rnw.runtime import load_cuda_libraries; print(*load_cuda_libraries())",
        LD_LIBRARY_PATH=str(tmp_path / "system"),
    )
    assert found == [n for n in LIBRARIES if n not in ("libcublas.so.11", "libcufft.so.10")]


def test_mxnet_finds_cuda_libraries_loaded(tmp_path):
    _distribution("mxnet-cu112", tmp_path)
    _library(_wheel_library("libcudnn.so.8", tmp_path))
    Path("mxnet.py").write_text("import ctypes\nprobe = ctypes.CDLL(None).rnw_probe()")
    assert _prints("import rnw, mxnet; print(mxnet.probe)") == ["7"]


def test_every_finder_is_asked_for_mxnet():
    Path("mxnet.py").write_text("")
    script = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_): print('asked') if name == 'mxnet' else None\n"
        "sys.meta_path.insert(0, Finder)\n"
        "import rnw, mxnet"
    )
    assert _prints(script) == ["asked"]


@pytest.mark.slow
def test_mxnet_is_imported_without_what_few_programs_use():
    script = (
        "import importlib.util, sys, rnw\n"
        "importlib.util.find_spec('mxnet')\n"  # as who asks whether it is installed
        "import mxnet\n"
        "print({'scipy.stats', 'sklearn'} & set(sys.modules), type(mxnet.__loader__).__name__)\n"
        "import mxnet.contrib.quantization as quantization\n"
        "print(quantization.stats.entropy([1, 1]), 'scipy.stats' in sys.modules)\n"
        "import sklearn.base\n"
        "print(sklearn.base.BaseEstimator in mxnet.model.FeedForward.__mro__)"
    )
    assert _prints(script) == ["set()", "SourceFileLoader", str(math.log(2)), "True", "False"]


@pytest.mark.slow
def test_mxnet_uses_what_a_program_has_imported_before():
    script = (
        "import rnw, sklearn.base, mxnet\n"
        "print(sklearn.base.BaseEstimator in mxnet.model.FeedForward.__mro__)"
    )
    assert _prints(script) == ["True"]
