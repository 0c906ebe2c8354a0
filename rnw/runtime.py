"""What must be true before `import mxnet`, and the devices that a run asks for.

MXNet 1.9.1 uses half of the cores unless told otherwise, needs names that newer NumPy dropped, and
on a GPU needs CUDA 11 libraries that pip puts where the loader does not look.
"""

import builtins
import ctypes
import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, List, Optional

from rnw.errors import InputError
from rnw.gpus import MACHINE_CODE, ask_driver, why_not_mxnet
from rnw.instructions import allow_tiles

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MXNET_OMP_MAX_THREADS")
SCRATCH_VARIABLE = "MXNET_CPU_TEMP_COPY"
SCRATCH_PER_DEVICE = 16
QUEUE_VARIABLE = "MXNET_CPU_WORKER_NTHREADS"
LOCAL_WORKERS = "RNW_LOCAL_WORKERS"  # how many workers of a job share this machine
NUMPY_NAMES = {name: vars(builtins)[name] for name in ("bool", "int", "float", "object", "str")}
INSTALL_CPU = "pip install '.[cpu]' in the rnw checkout"
INSTALL_GPU = "pip install '.[cu112]' in the rnw checkout"
INSTALL_ONNX = "pip install '.[onnx]' in the rnw checkout"
INSTALL_ONNX_GPU = "pip install '.[onnx-gpu]' in the rnw checkout"
INSTALL_ONNX_DIRECTML = "pip install '.[onnx-directml]' in the rnw checkout"
INSTALL_OPENVINO = "pip install '.[openvino]' in the rnw checkout"
INSTALL_TORCH = "pip install '.[torch]' in the rnw checkout"

# Directory under site-packages/nvidia: what MXNet (and cuDNN, of nvrtc) loads from there.
CUDA_LIBRARIES = {
    "cuda_runtime": ("libcudart.so.11.0",),
    "cuda_nvrtc": ("libnvrtc.so.11.2",),
    "cublas": ("libcublasLt.so.11", "libcublas.so.11"),
    "cufft": ("libcufft.so.10",),
    "curand": ("libcurand.so.10",),
    "cusolver": ("libcusolver.so.11",),
    "cudnn": ("libcudnn.so.8",),
    "nccl": ("libnccl.so.2",),
    "nvtx": ("libnvToolsExt.so.1",),
}


class _PrepareMXNet:
    """Prepare the process at the moment MXNet is first imported, by whatever module.

    Who only asks whether MXNet is there, without importing it, changes nothing.
    """

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != "mxnet":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        asked = (finder.find_spec(fullname, path, target) for finder in others)
        spec: Any = next(filter(None, asked), None)
        if spec and spec.loader:
            spec.loader = _QuickLoader(spec.loader)
        return spec


class _QuickLoader:
    """Prepare the process, and import MXNet without what few programs use of other packages.

    That takes half the time. `scipy.stats`, with which MXNet calibrates quantized networks, is
    imported when first used. scikit-learn, which makes the deprecated `mx.model.FeedForward` an
    estimator, is left out.
    """

    def __init__(self, loader: Any):
        self._loader = loader

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if problem := _numpy_problem():
            raise InputError(problem)
        _restore_numpy_names()
        set_threads()
        allow_tiles()
        load_cuda_libraries()
        module.__loader__ = self._loader
        if module.__spec__:
            module.__spec__.loader = self._loader
        instead = {"scipy.stats": _LateModule("scipy.stats"), "sklearn": None}
        added = [name for name in instead if name not in sys.modules]
        sys.modules.update({name: instead[name] for name in added})  # type: ignore[misc]
        try:
            self._loader.exec_module(module)
        finally:
            for name in added:
                del sys.modules[name]


class _LateModule(ModuleType):
    """Stand for a module that is imported when one of its names is first used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def prepare_on_import() -> None:
    """Make `import mxnet` work from now on, without importing it (done by `import rnw`)."""
    if "mxnet" not in sys.modules:
        sys.meta_path.insert(0, _PrepareMXNet())


def _numpy_problem() -> str:
    """Return that MXNet cannot use the installed NumPy, and the cure; empty when it can."""
    import numpy as np  # not needed by programs that never start MXNet

    if int(np.__version__.split(".")[0]) < 2:
        return ""
    return (
        f"MXNet 1.9.1 works with NumPy 1, but NumPy {np.__version__} is installed: "
        f"{install_mxnet()} brings NumPy 1"
    )


def _restore_numpy_names() -> None:
    import numpy as np  # as above

    for name, value in NUMPY_NAMES.items():
        if name not in vars(np):
            setattr(np, name, value)


def cpu_cores() -> int:
    """Return the number of CPU cores for this process, a share beside workers of the same job."""
    bound = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if bound else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get(LOCAL_WORKERS, 1)))


def computing_threads() -> int:
    """Return the number of threads to compute with: OMP_NUM_THREADS where that is set, else cores.

    It is for libraries that do not look at the environment themselves.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else cpu_cores()


def set_threads(contexts: int = 1) -> None:
    """Give each of `contexts` CPU devices its share of the cores, and let none wait for another.

    Operators that share a scratch buffer run one after the other, even on different devices, so
    that several devices need several buffers. A second queue for each device keeps the weight
    updates, which run on the first device, from delaying its backward pass. A single device
    benefits from neither.

    This has an effect only before MXNet is imported. OMP_NUM_THREADS, MXNET_OMP_MAX_THREADS,
    MXNET_CPU_TEMP_COPY and MXNET_CPU_WORKER_NTHREADS are left alone where the user has set them.
    """
    several = contexts > 1
    os.environ.setdefault(SCRATCH_VARIABLE, str(SCRATCH_PER_DEVICE * contexts if several else 1))
    os.environ.setdefault(QUEUE_VARIABLE, "2" if several else "1")
    if not any(variable in os.environ for variable in THREAD_VARIABLES):
        os.environ["MXNET_OMP_MAX_THREADS"] = str(max(1, cpu_cores() // contexts))


def leave_threads_to_mxnet() -> None:
    """Let MXNet choose its number of threads, as if it had not been set (for comparison)."""
    os.environ.pop("OMP_NUM_THREADS", None)
    os.environ["MXNET_OMP_MAX_THREADS"] = ""  # set, so that it is kept; MXNet ignores a blank one


def mxnet_builds() -> List[str]:
    """Return the names of the installed MXNet distributions, such as `mxnet` or `mxnet-cu112`."""
    from importlib import metadata  # takes time that commands without MXNet need not spend

    names = {dist.metadata["Name"] or "" for dist in metadata.distributions()}
    return sorted(name for name in names if re.fullmatch(r"mxnet(-cu\d+)?", name.lower()))


def install_mxnet() -> str:
    """Return the command that mends the installed build of MXNet and what it needs."""
    return INSTALL_GPU if any("-cu" in build for build in mxnet_builds()) else INSTALL_CPU


def load_cuda_libraries() -> List[str]:
    """Load the CUDA libraries of the `nvidia-*-cu11` wheels, for a GPU build of MXNet.

    Return the names of the libraries found neither in the wheels nor on the system.
    """
    if not any("-cu" in build for build in mxnet_builds()):
        return []
    missing = []
    for package, libraries in CUDA_LIBRARIES.items():
        for library in libraries:
            if not any(_loads(path) for path in [*_wheel_paths(package, library), library]):
                missing.append(library)
    return missing


def _wheel_paths(package: str, library: str) -> List[str]:
    spec = importlib.util.find_spec("nvidia")
    roots = (spec and spec.submodule_search_locations) or []
    return [str(p) for r in roots if (p := Path(r) / package / "lib" / library).exists()]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def import_mxnet() -> ModuleType:
    """Import MXNet and return the module.

    Raises InputError that says what to install when MXNet is missing or cannot start.
    """
    try:
        return importlib.import_module("mxnet")
    except ModuleNotFoundError as error:
        if error.name != "mxnet":
            raise
        raise InputError(
            f"MXNet is not installed: {INSTALL_CPU}, or on a machine with NVIDIA GPUs "
            f"{INSTALL_GPU}; evaluation needs no MXNet with {INSTALL_ONNX}"
        ) from None
    except OSError as error:
        raise InputError(f"MXNet cannot start: {error}; `rnw doctor` says what to do") from error


def parse_gpus(text: str) -> List[int]:
    """Return the device numbers in a string such as `0,1,2,3`.

    Raises InputError for a string of another form and for a device named twice.
    """
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise InputError(f"--gpus {text}: expected device numbers joined by commas, as 0,1,2,3")
    gpus = [int(number) for number in text.split(",")]
    if len(set(gpus)) != len(gpus):
        raise InputError(f"--gpus {text}: a device is named twice")
    return gpus


def count_cpus(gpus: Optional[str], cpus: Optional[int]) -> int:
    """Return how many CPU devices `--gpus` and `--cpus` ask for: by default one, 0 beside GPUs.

    Raises InputError where both are given, and for less than one CPU device.
    """
    if gpus is not None and cpus is not None:
        raise InputError("--gpus and --cpus cannot be used together: choose one")
    if gpus is not None:
        return 0
    devices = 1 if cpus is None else cpus
    if devices < 1:
        raise InputError(f"--cpus {devices}: expected at least 1")
    return devices


def make_contexts(gpus: Optional[str] = None, cpus: Optional[int] = None) -> list:
    """Return MXNet contexts for `gpus` ('0,1,2,3') or for `cpus` CPU devices; by default one CPU.

    Raises InputError as `count_cpus`, and for a GPU that is missing or that this build of MXNet
    cannot use.
    """
    devices = count_cpus(gpus, cpus)
    if gpus is not None:
        return _gpu_contexts(parse_gpus(gpus))
    set_threads(devices)
    mx = import_mxnet()
    return [mx.cpu(number) for number in range(devices)]


def _gpu_contexts(gpus: List[int]) -> list:
    mx = import_mxnet()
    asked = "--gpus " + ",".join(map(str, gpus))
    cuda = mx.runtime.Features().is_enabled("CUDA")
    if not cuda or set(MACHINE_CODE) & set(mxnet_builds()):  # not built by the user
        _refuse_foreign_gpus(asked, gpus)
    if not cuda:
        raise InputError(
            f"{asked}: this MXNet is a CPU build; in a fresh environment {INSTALL_GPU}, or use "
            "--cpus N"
        )
    found = mx.context.num_gpus()
    missing = [number for number in gpus if number >= found]
    if missing:
        raise InputError(f"{asked}: no GPU {missing[0]}, found {found}; `rnw doctor` says more")
    return [mx.gpu(number) for number in gpus]


def _refuse_foreign_gpus(asked: str, gpus: List[int]) -> None:
    """Raise InputError for the first of these GPUs that the wheels of MXNet have no code for."""
    driver = ask_driver()
    found = driver.gpus if driver else []
    for number in gpus:
        if number < len(found) and (reason := why_not_mxnet(found[number])):
            raise InputError(f"{asked}: {reason}")
