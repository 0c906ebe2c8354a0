"""The engine ONNX Runtime: CPUs, and GPUs by whatever provider the installed package has."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import onnxruntime

from rnw.errors import InputError
from rnw.evaluation.engines.graphs import graph_bytes, share, threads_of_each
from rnw.evaluation.engines.table import Forward
from rnw.networks.layout import NetworkConfig
from rnw.runtime import INSTALL_ONNX_GPU, count_cpus, parse_gpus
from rnw.weights.onnx_nodes import INPUT
from rnw.weights.precision import BFLOAT16, FLOAT16, FLOAT32

CPU = "CPUExecutionProvider"
# Providers of GPUs that take the number of a device; the first that the package has is used.
GPU_PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider")


class Device(NamedTuple):
    """A provider of ONNX Runtime with its options, and the threads of a CPU device."""

    provider: str
    options: Dict[str, Any]
    threads: int = 1


def open_devices(gpus: Optional[str], cpus: Optional[int]) -> List[Device]:
    """Return GPUs by the first provider that there is for them, or CPU devices sharing the cores.

    Raises InputError as `count_cpus`, and where the installed package has no provider for GPUs.
    """
    devices = count_cpus(gpus, cpus)
    if gpus is None:
        return [Device(CPU, {}, number) for number in threads_of_each(devices)]
    numbers, available = parse_gpus(gpus), onnxruntime.get_available_providers()
    provider = next((name for name in GPU_PROVIDERS if name in available), None)
    if provider is None:
        raise InputError(
            f"--gpus {gpus}: the installed ONNX Runtime has no provider for GPUs: leave out "
            f"--gpus, or for NVIDIA's pip uninstall onnxruntime, then {INSTALL_ONNX_GPU}"
        )
    return [Device(provider, {"device_id": number}) for number in numbers]


def make_forward(
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    devices: Sequence[Device],
    precision: str,
    *,
    force: bool,
) -> Forward:
    """Return a network with these parameters as a function.

    force: has no effect, since no precision is slower here than float32.

    Raises InputError for a GPU that ONNX Runtime cannot start, for other precisions than float32
    on CPUs and float16 on GPUs, and for weights beyond the range of float16.
    """
    _check_precision(precision, devices)
    graph = graph_bytes(config, parameters, half=precision == FLOAT16)
    runs = [_run(_session(graph, device)) for device in devices]
    return share(runs, one_by_one=config.segmentation)


def _check_precision(precision: str, devices: Sequence[Device]) -> None:
    on_cpu = any(device.provider == CPU for device in devices)
    if precision == BFLOAT16 or (precision == FLOAT16 and on_cpu):
        others = FLOAT32 if on_cpu else f"{FLOAT32} or {FLOAT16}"
        raise InputError(
            f"precision {precision}: the engine onnxruntime computes in {others} here; leave it "
            f"out, or choose --engine mxnet or openvino for {BFLOAT16} on CPUs"
        )


def _session(graph: bytes, device: Device) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.log_severity_level = 3  # errors; what else it says is of no use to who evaluates
    providers = [(device.provider, device.options)]
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    if device.provider not in session.get_providers():  # it falls back to the CPU in silence
        raise InputError(
            f"ONNX Runtime cannot start {device.provider} on GPU {device.options['device_id']}: "
            "its CUDA libraries or the driver do not fit; leave out --gpus"
        )
    return session


def _run(session: onnxruntime.InferenceSession) -> Forward:
    def forward(data: np.ndarray) -> np.ndarray:
        (scores,) = session.run(None, {INPUT: np.ascontiguousarray(data, np.float32)})
        return scores

    return forward
