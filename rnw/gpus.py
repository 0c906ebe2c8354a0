"""The NVIDIA GPUs of this machine as their driver describes them, and which of them MXNet can use.

The libraries of the driver are asked directly, so that neither CUDA nor MXNet is needed.
"""

import ctypes
from typing import Any, List, NamedTuple, Optional, Tuple

from rnw.errors import InputError

DRIVER_LIBRARY = "libcuda.so.1"  # these two come with the NVIDIA driver, not from pip
MANAGEMENT_LIBRARY = "libnvidia-ml.so.1"

# The compute capabilities of the machine code in a wheel of MXNet 1.9.1, as cuobjdump lists them.
# There is no PTX, which the driver could compile for others.
MACHINE_CODE = {"mxnet-cu112": ((5, 0), (6, 0), (7, 0), (8, 0), (8, 6))}
OLDEST_CUDA = (11, 0)  # of the driver, for the CUDA 11.2 of that wheel
CAPABLE = "of compute capability 5.0 to 8.9 (Maxwell to Ada)"
INSTEAD = "evaluate with --engine onnxruntime"  # on newer ones

# From cuda.h
_NO_DEVICE = 100
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_TEXT_BYTES = 256


class GPU(NamedTuple):
    """A GPU with its compute capability (major, minor) and its memory in bytes."""

    name: str
    capability: Tuple[int, int]
    memory: int

    def __str__(self) -> str:
        return f"{self.name} ({self.capability[0]}.{self.capability[1]})"


class Driver(NamedTuple):
    """The NVIDIA driver.

    version: its own, such as 550.54.14, empty where it does not tell. cuda: the newest version of
    CUDA that it runs (major, minor). gpus: in the order of `--gpus`.
    """

    version: str
    cuda: Tuple[int, int]
    gpus: List[GPU]


def ask_driver() -> Optional[Driver]:
    """Return what the NVIDIA driver tells of itself and of its GPUs; None where there is none.

    GPUs that CUDA_VISIBLE_DEVICES hides are left out. Raises InputError with the driver's own words
    when it cannot start.
    """
    try:
        cuda = ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return None
    started = cuda.cuInit(0)
    count = ctypes.c_int(0)
    if started != _NO_DEVICE:
        _check(cuda, started)
        _check(cuda, cuda.cuDeviceGetCount(ctypes.byref(count)))
    version = ctypes.c_int()
    _check(cuda, cuda.cuDriverGetVersion(ctypes.byref(version)))
    return Driver(
        _driver_version(),
        (version.value // 1000, version.value % 1000 // 10),
        [_ask_gpu(cuda, number) for number in range(count.value)],
    )


def why_not_mxnet(gpu: GPU) -> str:
    """Return why MXNet cannot compute on a GPU and what to do instead; empty when it can.

    A GPU of compute capability X.Y runs machine code of X.Z for any Z up to Y.
    """
    major, minor = gpu.capability
    codes = [code for built in MACHINE_CODE.values() for code in built]
    if any(code[0] == major and code[1] <= minor for code in codes):
        return ""
    instead = INSTEAD if gpu.capability > max(codes) else "use --cpus N"
    return f"{gpu}: MXNet 1.9.1 has no code for it; {instead}, or use a GPU {CAPABLE}"


def _ask_gpu(cuda: ctypes.CDLL, number: int) -> GPU:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name, memory = ctypes.create_string_buffer(_TEXT_BYTES), ctypes.c_size_t()
    by = ctypes.byref
    _check(cuda, cuda.cuDeviceGet(by(device), number))
    _check(cuda, cuda.cuDeviceGetName(name, _TEXT_BYTES, device))
    _check(cuda, cuda.cuDeviceGetAttribute(by(major), _CAPABILITY_MAJOR, device))
    _check(cuda, cuda.cuDeviceGetAttribute(by(minor), _CAPABILITY_MINOR, device))
    _check(cuda, cuda.cuDeviceTotalMem_v2(by(memory), device))
    return GPU(name.value.decode(), (major.value, minor.value), memory.value)


def _check(cuda: ctypes.CDLL, code: int) -> None:
    """Raise InputError with the driver's description of an error, if its code is one."""
    if code == 0:
        return
    text = ctypes.c_char_p()
    cuda.cuGetErrorString(code, ctypes.byref(text))
    said = text.value.decode() if text.value else "unknown error"
    raise InputError(f"the NVIDIA driver cannot be used: {said} (CUDA error {code})")


def _driver_version() -> str:
    try:
        management: Any = ctypes.CDLL(MANAGEMENT_LIBRARY)
    except OSError:
        return ""
    version = ctypes.create_string_buffer(_TEXT_BYTES)
    if management.nvmlInit_v2() or management.nvmlSystemGetDriverVersion(version, _TEXT_BYTES):
        return ""
    return version.value.decode()
