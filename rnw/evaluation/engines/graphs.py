"""What engines that run ONNX graphs have in common: the graph of a network, sharing of batches."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import List, Mapping, Sequence

import numpy as np

from rnw.evaluation.engines.table import Forward
from rnw.networks.layout import NetworkConfig, join
from rnw.runtime import computing_threads
from rnw.weights.onnx_graph import onnx_graph
from rnw.weights.surgery import fold_batch_norms, halve, join_projections


def graph_bytes(
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    *,
    half: bool = False,
    joined: bool = False,
) -> bytes:
    """Return the ONNX graph from pictures to probabilities, batch normalizations folded.

    half: all between them is float16. joined: projections are part of last convolutions where they
        can be (see `layout.join`).

    Raises InputError for values beyond the range of float16.
    """
    values = {name: array.astype(np.float32, copy=False) for name, array in parameters.items()}
    values = fold_batch_norms(config, values)
    if joined:
        config, values = join(config), join_projections(config, values)
    if half:
        values = halve(values)
    return onnx_graph(replace(config, head="softmax"), values).SerializeToString()


def threads_of_each(cpus: int) -> List[int]:
    """Return the number of threads of each of `cpus` CPU devices, which share the cores."""
    return [max(1, computing_threads() // cpus)] * cpus


def share(runs: Sequence[Forward], *, one_by_one: bool) -> Forward:
    """Return a function that shares the inputs of a batch among devices, one run for each.

    one_by_one: give each device one input at a time, whose maps take much memory, rather than its
        part of the batch at once.
    """
    pool = ThreadPoolExecutor(len(runs))

    def forward(data: np.ndarray) -> np.ndarray:
        step = len(runs) if one_by_one else len(data)
        found: List[np.ndarray] = []
        for start in range(0, len(data), step):
            inputs = data[start : start + step]
            parts = np.array_split(inputs, min(len(inputs), len(runs)))
            found += pool.map(lambda run, part: run(part), runs, parts)
        return np.concatenate(found)

    return forward
