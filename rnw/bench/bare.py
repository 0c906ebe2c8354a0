"""TABLE of peers: libraries that compute a network without an engine of ours around them.

Each is used as who has only that library would: PyTorch on the module of `rnw.torch`, the others on
the graph that `rnw convert` writes. All compute on the CPU, with as many threads as the engines.
"""

from dataclasses import replace
from typing import Any, Callable, Dict, Mapping

import numpy as np

from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES, ONNXRUNTIME, OPENVINO, Forward
from rnw.networks.layout import NetworkConfig
from rnw.runtime import INSTALL_TORCH, computing_threads
from rnw.weights.precision import FLOAT32

Parameters = Mapping[str, np.ndarray]
BareForward = Callable[[NetworkConfig, Parameters, str], Forward]


def _torch(config: NetworkConfig, parameters: Parameters, precision: str) -> Forward:
    """Return the network as a module of PyTorch, its channels last, which is fastest on CPUs."""
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError(f"PyTorch is not installed: {INSTALL_TORCH}") from None
    from rnw.torch.loading import fill
    from rnw.torch.network import build

    torch.set_num_threads(computing_threads())
    net = build(config).eval()
    fill(net, parameters)
    kind = getattr(torch, precision)
    net.to(dtype=kind, memory_format=torch.channels_last)

    def forward(data: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pictures = torch.from_numpy(data).to(kind).to(memory_format=torch.channels_last)
            return net(pictures).float().softmax(1).numpy()

    return forward


def _onnxruntime(config: NetworkConfig, parameters: Parameters, precision: str) -> Forward:
    ENGINES[ONNXRUNTIME].check_installed()
    import onnxruntime

    if precision != FLOAT32:
        raise InputError(f"ONNX Runtime computes in {FLOAT32} on CPUs")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = computing_threads()
    options.log_severity_level = 3  # errors
    graph = _graph(config, parameters)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda data: session.run(None, {given.name: data})[0]


def _openvino(config: NetworkConfig, parameters: Parameters, precision: str) -> Forward:
    ENGINES[OPENVINO].check_installed()
    import openvino

    from rnw.evaluation.engines.openvino import HINTS

    properties: Dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": computing_threads(),
    }
    core = openvino.Core()
    model = core.read_model(_graph(config, parameters), b"")
    compiled = core.compile_model(model, "CPU", properties)
    return lambda data: compiled(data)[0]


def _graph(config: NetworkConfig, parameters: Parameters) -> bytes:
    from rnw.weights.onnx_graph import onnx_graph

    return onnx_graph(replace(config, head="softmax"), parameters).SerializeToString()


BARE: Dict[str, BareForward] = {
    "bare onnxruntime": _onnxruntime,
    "bare openvino": _openvino,
    "torch": _torch,
}
