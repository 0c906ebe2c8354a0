"""The diagnosis of `rnw doctor`: what this machine has, what is wrong, and how to mend it."""

import importlib.util
import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from rnw.allowance import allowed_cores, allowed_memory
from rnw.errors import InputError
from rnw.gpus import (
    DRIVER_LIBRARY,
    GPU,
    MACHINE_CODE,
    OLDEST_CUDA,
    Driver,
    ask_driver,
    why_not_mxnet,
)
from rnw.instructions import BFLOAT16_FLAG, TILES_FLAG, cpu_flags
from rnw.runtime import (
    INSTALL_CPU,
    INSTALL_GPU,
    INSTALL_ONNX,
    THREAD_VARIABLES,
    cpu_cores,
    import_mxnet,
    install_mxnet,
    load_cuda_libraries,
    mxnet_builds,
    set_threads,
)

PACKAGES = ("numpy", "click", "pillow")
FOR_MXNET = ("opencv-python", "gluoncv", "scikit-learn")
RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}  # of ONNX graphs
BUILDS_OF_EXTRAS = {"cpu": "mxnet", "cu112": "mxnet-cu112"}
GPU_PROVIDER = "CUDAExecutionProvider"
OLDEST_GPU_OF_RUNTIME = (5, 0)  # of CUDA 12, which its packages for GPUs are built with
# Debian's packages of the libraries that MXNet and OpenCV need, and that a bare system lacks.
SYSTEM_PACKAGES = {
    "libgomp.so.1": "libgomp1",
    "libquadmath.so.0": "libquadmath0",
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
}
SHARED_MEMORY = Path("/dev/shm")
GIBIBYTE = 2**30


class Finding(NamedTuple):
    """A line of a diagnosis; `advice` is empty when nothing is wrong."""

    what: str
    found: str
    advice: str = ""


def diagnose() -> List[Finding]:
    """Check what is installed and found on this machine; say what to do about each problem."""
    return [
        _diagnose_python(),
        *_diagnose_packages(),
        _diagnose_cpu(),
        *_describe_memory(),
        *_diagnose_mxnet(),
        *_diagnose_runtimes(),
        *_diagnose_gpus(),
    ]


def _needs_mxnet() -> bool:
    """Return whether MXNet is installed, or nothing that runs networks without it."""
    return bool(mxnet_builds()) or not any(map(importlib.util.find_spec, RUNTIMES))


def _diagnose_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 8) <= sys.version_info[:2] <= (3, 12) or not _needs_mxnet()
    return Finding("Python", version, "" if supported else "MXNet 1.9.1 needs Python 3.8 to 3.12")


# Versions


def _diagnose_packages() -> Iterator[Finding]:
    conflicts = _conflicts()
    for package in (*PACKAGES, *(FOR_MXNET if _needs_mxnet() else ())):
        version = _version(package)
        if version is None:
            yield Finding(package, "not installed", f"{INSTALL_CPU} (or {INSTALL_GPU})")
        else:
            advice = conflicts.pop(package, "") or _import_problem(package)
            yield Finding(package, version, advice)
    for package, advice in conflicts.items():
        yield Finding(package, metadata.version(package), advice)


def _import_problem(package: str) -> str:
    """Return what keeps OpenCV from being imported; empty for other packages."""
    if package == "opencv-python":
        try:
            importlib.import_module("cv2")
        except Exception as error:  # whatever it is, this tells
            return _with_system_package(error)
    return ""


def _with_system_package(error: BaseException) -> str:
    """Return an error in words, with the package of Debian that cures it if that is known."""
    package = SYSTEM_PACKAGES.get(str(error).split(":")[0])
    return f"{error}; on Debian and Ubuntu: apt-get install {package}" if package else str(error)


def _version(package: str) -> Optional[str]:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _conflicts() -> Dict[str, str]:
    """Return advice about each package whose version is not one that another package requires."""
    found: Dict[str, str] = {}
    if importlib.util.find_spec("packaging") is None:  # which all that has bounds brings
        return found
    packages = (*PACKAGES, *FOR_MXNET, *RUNTIMES, "onnx", *mxnet_builds())
    for package in ("rnw", *packages):
        for name, bounds in _unmet(package):
            cure = install_mxnet() if mxnet_builds() else INSTALL_ONNX
            found[name] = f"{package} {_version(package)} needs {name}{bounds}: {cure}"
    return found


def _unmet(package: str) -> Iterator[Tuple[str, str]]:
    """Yield name and bounds of each package whose installed version `package` cannot use.

    Of rnw itself those of its extras count, too; of the builds of MXNet those of the installed one.
    """
    from packaging.requirements import Requirement

    builds = mxnet_builds()
    others = [extra for extra, build in BUILDS_OF_EXTRAS.items() if build not in builds]
    for text in metadata.requires(package) or () if _version(package) else ():
        requirement = Requirement(text)
        version = _version(requirement.name)
        named = re.search(r"extra == \"([\w-]+)\"", str(requirement.marker))
        extra = named[1] if named and package == "rnw" else ""
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        fits = version is None or requirement.specifier.contains(version, prereleases=True)
        if applies and extra not in others and not fits:
            yield requirement.name.lower(), str(requirement.specifier)


# The processor and its memory


def _diagnose_cpu() -> Finding:
    set_threads()
    threads = next(os.environ[name] for name in THREAD_VARIABLES if name in os.environ)
    found = f"{cpu_cores()} cores, {threads or 'default'} MXNet threads for one device"
    allowed = allowed_cores()
    if allowed is None:
        return Finding("CPU", found)
    fewer = max(1, int(allowed))
    slow = threads.isdecimal() and int(threads) > fewer
    advice = f"more threads than the container allows wait: export OMP_NUM_THREADS={fewer}"
    return Finding("CPU", f"{found}; {allowed:g} allowed by the container", advice if slow else "")


def _describe_memory() -> Iterator[Finding]:
    flags = cpu_flags()
    if flags:
        names = [flag.upper() for flag in (BFLOAT16_FLAG, TILES_FLAG) if flag in flags]
        yield Finding("bfloat16 on the CPU", " and ".join(names) or "no instructions for it")
    yield Finding("Memory", f"{allowed_memory() / GIBIBYTE:.1f} GiB")
    if SHARED_MEMORY.is_dir():
        usage = shutil.disk_usage(SHARED_MEMORY)
        sizes = f"{usage.free / GIBIBYTE:.2f} of {usage.total / GIBIBYTE:.2f} GiB free"
        yield Finding(str(SHARED_MEMORY), sizes)


# Engines


def _diagnose_mxnet() -> Iterator[Finding]:
    builds = mxnet_builds()
    if len(builds) > 1:
        advice = f"they overwrite each other: make a fresh environment, then {INSTALL_GPU}"
        yield Finding("MXNet builds", " and ".join(builds), advice)
    for library in load_cuda_libraries():
        yield Finding(library, "not found", f"{INSTALL_GPU} brings it")
    if not _needs_mxnet():
        yield Finding("MXNet", "not installed; training needs it")
        return
    try:
        mx = import_mxnet()
    except Exception as error:  # whatever keeps it from starting is what is asked for here
        yield Finding("MXNet", "cannot be used", _with_system_package(error.__cause__ or error))
        return
    cuda = mx.runtime.Features().is_enabled("CUDA")
    yield Finding("MXNet", f"{mx.__version__}, {'CUDA' if cuda else 'CPU'} build")


def _diagnose_runtimes() -> Iterator[Finding]:
    for package, name in RUNTIMES.items():
        if importlib.util.find_spec(package):
            try:
                version = importlib.import_module(package).__version__
            except Exception as error:  # whatever it is
                yield Finding(name, "cannot be used", f"{error}: {INSTALL_ONNX}")
                continue
            providers = _providers() if package == "onnxruntime" else []
            yield Finding(name, ", ".join([version, *providers]))


def _providers() -> List[str]:
    """Return the execution providers of ONNX Runtime, none where it cannot be imported."""
    try:
        return importlib.import_module("onnxruntime").get_available_providers()
    except ImportError:
        return []


# GPUs


def _diagnose_gpus() -> Iterator[Finding]:
    gpu_build = any("-cu" in build for build in mxnet_builds())
    try:
        driver = ask_driver()
    except InputError as error:
        yield Finding("NVIDIA driver", "cannot be used", str(error))
        return
    if driver is None:
        if gpu_build:
            yield Finding(DRIVER_LIBRARY, "not found", "install the NVIDIA driver")
        yield Finding("GPUs", "0")
        return
    yield _diagnose_driver(driver, gpu_build)
    none = "check `nvidia-smi`: the driver sees no GPU" if gpu_build and not driver.gpus else ""
    yield Finding("GPUs", str(len(driver.gpus)), none)
    for number, gpu in enumerate(driver.gpus):
        yield _diagnose_gpu(f"GPU {number}", gpu)


def _diagnose_driver(driver: Driver, gpu_build: bool) -> Finding:
    old = gpu_build and driver.cuda < OLDEST_CUDA
    advice = "MXNet's build for CUDA 11.2 needs a driver of version 450.80 or newer" if old else ""
    runs = f"CUDA up to {driver.cuda[0]}.{driver.cuda[1]}"
    return Finding("NVIDIA driver", f"{driver.version}, {runs}".lstrip(", "), advice)


def _diagnose_gpu(what: str, gpu: GPU) -> Finding:
    """Tell what a GPU is and which of the installed engines compute on it."""
    foreign = why_not_mxnet(gpu)
    engines = []
    if set(MACHINE_CODE) & set(mxnet_builds()) and not foreign:
        engines.append("MXNet")
    if GPU_PROVIDER in _providers() and gpu.capability >= OLDEST_GPU_OF_RUNTIME:
        engines.append("ONNX Runtime")
    found = f"{gpu}, {gpu.memory / GIBIBYTE:.1f} GiB; used by {' and '.join(engines) or 'none'}"
    missing = f"for MXNet, in a fresh environment {INSTALL_GPU}"
    return Finding(what, found, "" if engines else foreign or missing)
