"""The engine OpenVINO, on CPUs."""

from typing import List, Mapping, Optional, Sequence

import numpy as np
import openvino

from rnw.errors import InputError
from rnw.evaluation.engines.graphs import graph_bytes, share, threads_of_each
from rnw.evaluation.engines.table import Forward
from rnw.memory import free_main_memory
from rnw.networks.layout import NetworkConfig
from rnw.runtime import count_cpus
from rnw.weights.precision import BFLOAT16, FLOAT32, check_precision

HINTS = {FLOAT32: "f32", BFLOAT16: "bf16"}  # precisions by OpenVINO's names


def open_devices(gpus: Optional[str], cpus: Optional[int]) -> List[int]:
    """Return the number of threads of each CPU device; they share the cores.

    Raises InputError as `count_cpus`, and for GPUs, since those of NVIDIA, which `--gpus` numbers,
    are not supported.
    """
    devices = count_cpus(gpus, cpus)
    if gpus is not None:
        raise InputError(
            f"--gpus {gpus}: OpenVINO computes on the CPU here; leave out --gpus, or choose "
            "another --engine"
        )
    return threads_of_each(devices)


def free_memory(devices: Sequence[int]) -> int:
    """Return the bytes that are free for each of the devices, which share the main memory."""
    return free_main_memory() // len(devices)


def make_forward(
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    devices: Sequence[int],
    precision: str,
    *,
    force: bool,
) -> Forward:
    """Return a network with these parameters as a function.

    Raises InputError as `check_precision`, since OpenVINO tells neither that bfloat16 is emulated
    nor that a CPU cannot compute in it. Its own default on CPUs with instructions for it is
    bfloat16.
    """
    check_precision(precision, ["cpu"], force=force, newer=True)
    core = openvino.Core()
    model = core.read_model(graph_bytes(config, parameters), b"")
    runs = [_run(core, model, threads, HINTS[precision]) for threads in devices]
    return share(runs, one_by_one=config.segmentation)


def _run(core: openvino.Core, model: openvino.Model, threads: int, hint: str) -> Forward:
    properties = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(model, "CPU", properties)

    def forward(data: np.ndarray) -> np.ndarray:
        return np.array(compiled(np.ascontiguousarray(data, np.float32))[0])

    return forward
