"""The engine ONNX Runtime: CPUs, and GPUs by whatever provider the installed package has."""

from typing import List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import onnxruntime

from rnw.errors import InputError
from rnw.evaluation.engines.graphs import graph_bytes, share, threads_of_each
from rnw.evaluation.engines.providers import CPU, Provider, choose_provider
from rnw.evaluation.engines.table import Forward
from rnw.memory import free_main_memory, give_back_large_blocks
from rnw.networks.layout import NetworkConfig
from rnw.runtime import count_cpus, parse_gpus
from rnw.weights.onnx_nodes import INPUT
from rnw.weights.precision import BFLOAT16, FLOAT16, FLOAT32


class Device(NamedTuple):
    """A provider, the number of its GPU, and the threads of a CPU device."""

    provider: Provider
    number: Optional[int] = None
    threads: int = 1

    def __str__(self) -> str:
        return self.provider.title + ("" if self.number is None else f" on GPU {self.number}")


def open_devices(
    gpus: Optional[str], cpus: Optional[int], provider: Optional[str] = None
) -> List[Device]:
    """Return the devices of a provider: GPUs, or CPU devices that share the cores.

    provider: by default the CPU, with `gpus` the first that there is for them (see `OF_GPUS`). One
    of GPUs computes on the first if no number is given.

    Raises InputError as `count_cpus`, `choose_provider` and `Provider.check_devices`.
    """
    count_cpus(gpus, cpus)
    chosen = choose_provider(provider, gpus, onnxruntime.get_available_providers())
    chosen.check_devices(gpus, cpus)
    if chosen.kind == "gpu":
        return [Device(chosen, number) for number in parse_gpus(gpus or "0")]
    return [Device(chosen, threads=number) for number in threads_of_each(cpus or 1)]


def free_memory(devices: Sequence[Device]) -> int:
    """Return the bytes that are free for each of the devices; raise InputError unless CPUs."""
    if devices[0].provider.kind != "cpu":
        raise InputError(
            f"--tile auto: ONNX Runtime does not tell how much memory {devices[0]} has; choose the "
            "size of the tiles, for example --tile 512"
        )
    return free_main_memory() // len(devices)


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

    Raises InputError for a device that ONNX Runtime cannot start, for bfloat16, for float16 on
    CPUs, and for weights beyond the range of float16.
    """
    _check_precision(precision, devices)
    give_back_large_blocks()
    graph = graph_bytes(config, parameters, half=precision == FLOAT16, joined=True)
    runs = [_run(_session(graph, device)) for device in devices]
    return share(runs, one_by_one=config.segmentation)


def _check_precision(precision: str, devices: Sequence[Device]) -> None:
    on_cpu = any(device.provider.title == CPU for device in devices)
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
    on_cpu = device.provider.kind == "cpu"
    options.enable_cpu_mem_arena = not on_cpu  # which leaves gaps of half as much as the maps
    options.enable_mem_pattern = on_cpu  # beside an arena a second pass reserves all maps anew
    number = {} if device.number is None else {"device_id": device.number}
    title, *beside = device.provider.title, *device.provider.beside
    providers = [(title, {**device.provider.options, **number}), *((b, number) for b in beside)]
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    if title not in session.get_providers():  # it falls back to the CPU in silence
        raise InputError(
            f"ONNX Runtime cannot start {device}: its libraries or the driver do not fit; leave "
            "out --provider and --gpus"
        )
    return session


def _run(session: onnxruntime.InferenceSession) -> Forward:
    def forward(data: np.ndarray) -> np.ndarray:
        (scores,) = session.run(None, {INPUT: np.ascontiguousarray(data, np.float32)})
        return scores

    return forward
