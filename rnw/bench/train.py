"""Time and memory of a training step: ours, with recomputation, and that of `mx.mod.Module`.

Each variant runs in a process of its own, since the number of threads and the peak memory belong
to a process; the steps are taken in turn, so that the load of the machine is the same for all.
"""

import os
import statistics
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from rnw.bench.worker import Worker, check_counts, seconds_of
from rnw.memory import process_peak_mb, used_memory_mb
from rnw.networks.cost import count_parameters
from rnw.networks.layout import NetworkConfig, configure
from rnw.runtime import make_contexts
from rnw.training.memory import kvstore_copies
from rnw.training.recompute_plan import Recompute
from rnw.weights.precision import FLOAT32, check_precision

OURS, RECOMPUTING, MODULE, ONE_DEVICE = "rnw", "recomputing", "module", "one device"
TORCH, TORCH_CHECKPOINTED = "pytorch", "pytorch, checkpointed"
WARM_UP = 1
Memory = Tuple[int, float, Dict[str, float]]  # number of devices, peak and its parts in 10^6 bytes


class Variant(NamedTuple):
    """A way to take the training step, on `gpus` ('0,1') or on `cpus` CPU devices.

    recompute: what our own step computes again. precision: what it computes in.
    """

    name: str
    gpus: Optional[str]
    cpus: Optional[int]
    recompute: Recompute = False
    precision: str = FLOAT32


class TrainingSpeed(NamedTuple):
    """Time and memory of a variant: medians over the repetitions, memory in 10^6 bytes.

    ratio: the time over that of our step without recomputation, the median over the turns. parts:
    what the peak memory of our own steps consists of: what the process holds before the network;
    parameters, gradients, momentum and the copies in the KVStore, by their shapes; and the
    activations, which are the rest.
    """

    variant: str
    devices: int
    seconds_per_step: float
    images_per_second: float
    ratio: float
    peak_memory_mb: float
    parts: Dict[str, float]


def bench_training(
    network: str,
    batch: int,
    size: int,
    *,
    gpus: Optional[str] = None,
    cpus: Optional[int] = None,
    recompute: bool = False,
    precision: str = FLOAT32,
    force: bool = False,
    repetitions: int = 5,
    **options: Any,
) -> List[TrainingSpeed]:
    """Time training steps of `network` on (batch, 3, size, size) float32, shared by all devices.

    The variants are the trainer's step, the same with recomputation if `recompute` is set, and in
    another `precision` if that is given, the step of `mx.mod.Module` and, given several devices,
    the trainer's step on one of them.
    options: those of the network, as `rnw.get_network` takes them.

    Raises InputError for numbers below 1, an unknown network and missing devices, and as
    `check_precision` does.
    """
    check_counts(batch=batch, size=size, repetitions=repetitions)
    if precision != FLOAT32:  # what a CPU may be used for is known when MXNet has started
        kinds = [context.device_type for context in make_contexts(gpus, cpus)]
        check_precision(precision, kinds, force=force)
    config = configure(network, head="softmax", **options)
    variants = _variants(gpus, cpus, recompute, precision)
    with step_processes(config, batch, size, variants) as processes:
        turns = [[process.step() for process in processes] for _ in range(repetitions)]
        return [
            _result(process, batch, [turn[place] for turn in turns], [turn[0] for turn in turns])
            for place, process in enumerate(processes)
        ]


def measure_step(
    config: NetworkConfig,
    batch: int,
    size: int,
    contexts: Sequence[Any],
    *,
    recompute: Recompute = False,
    precision: str = FLOAT32,
    repetitions: int = 3,
) -> TrainingSpeed:
    """Measure the trainer's step on (batch, 3, size, size) float32 in a new process.

    contexts: MXNet contexts, all GPUs or all CPUs. Raises InputError when the process dies, for
    example because memory is short.
    """
    numbers = ",".join(str(context.device_id) for context in contexts)
    on_gpus = contexts[0].device_type == "gpu"
    gpus, cpus = (numbers, None) if on_gpus else (None, len(contexts))
    variant = Variant(RECOMPUTING if recompute else OURS, gpus, cpus, recompute, precision)
    with StepProcess(config, batch, size, variant) as process:
        seconds = [process.step() for _ in range(repetitions)]
        return _result(process, batch, seconds, seconds)


def _variants(
    gpus: Optional[str], cpus: Optional[int], recompute: bool, precision: str
) -> List[Variant]:
    variants = [Variant(OURS, gpus, cpus)]
    if recompute:
        variants.append(Variant(RECOMPUTING, gpus, cpus, True))
    if precision != FLOAT32:
        variants.append(Variant(precision, gpus, cpus, False, precision))
    variants.append(Variant(MODULE, gpus, cpus))
    first_gpu, _, others = (gpus or "").partition(",")
    if others or (cpus or 1) > 1:
        variants.append(Variant(ONE_DEVICE, first_gpu or None, None))
    return variants


def _result(
    process: "StepProcess", batch: int, seconds: List[float], ours: List[float]
) -> TrainingSpeed:
    typical = statistics.median(seconds)
    devices, peak, parts = process.memory()
    return TrainingSpeed(
        process.variant.name,
        devices,
        typical,
        batch / typical,
        statistics.median(own / other for own, other in zip(seconds, ours)),
        peak,
        parts,
    )


class StepProcess(Worker):
    """A process that takes training steps on request."""

    def __init__(self, config: NetworkConfig, batch: int, size: int, variant: Variant):
        self.variant = variant
        make = _make_torch_steps if variant.name in (TORCH, TORCH_CHECKPOINTED) else _make_steps
        super().__init__(variant.name, make, config, batch, size, variant)

    def step(self) -> float:
        """Take a step; return its seconds."""
        return self.ask("step")

    def memory(self) -> Memory:
        """Return the number of devices, the peak memory and its parts."""
        return self.ask("memory")


@contextmanager
def step_processes(
    config: NetworkConfig, batch: int, size: int, variants: Sequence[Variant]
) -> Iterator[List[StepProcess]]:
    """Give a process for each variant; end them with the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(StepProcess(config, batch, size, each)) for each in variants]


def _make_steps(
    config: NetworkConfig, batch: int, size: int, variant: Variant
) -> Callable[[str], Any]:
    """Take the first steps; return what answers "step" and "memory" in the process."""
    if variant.name == MODULE and config.spec.units[0]:
        os.environ["MXNET_SUBGRAPH_BACKEND"] = "NONE"  # MXNet's fusion breaks level 1
    contexts = make_contexts(variant.gpus, variant.cpus)
    from rnw.bench import training_steps

    before = used_memory_mb(contexts)
    if variant.name == MODULE:
        step = training_steps.module_step(config, batch, size, contexts)
    else:
        how: Dict[str, Any] = {"recompute": variant.recompute, "precision": variant.precision}
        step = training_steps.trainer_step(config, batch, size, contexts, **how)

    def memory() -> Memory:
        devices, peak = len(contexts), used_memory_mb(contexts)
        if variant.name == MODULE:
            return devices, peak, {}
        return devices, peak, _parts(config, devices, peak, before, kvstore_copies(devices))

    return _answering(step, memory)


def _make_torch_steps(
    config: NetworkConfig, batch: int, size: int, variant: Variant
) -> Callable[[str], Any]:
    """Do as `_make_steps`, by PyTorch on the CPU."""
    from rnw.bench.examples import training_example
    from rnw.bench.torch_steps import torch_step  # needs an extra

    before = process_peak_mb()
    images, labels = training_example(config, batch, size)
    step = torch_step(config, images, labels, checkpointed=variant.name == TORCH_CHECKPOINTED)

    def memory() -> Memory:
        peak = process_peak_mb()
        return 1, peak, _parts(config, 1, peak, before, kvstore=0)

    return _answering(step, memory)


def _answering(step: Callable[[], Any], memory: Callable[[], Memory]) -> Callable[[str], Any]:
    """Take the first steps; return a function of the request, "step" or "memory"."""
    for _ in range(WARM_UP):
        step()
    return lambda request: seconds_of(step) if request == "step" else memory()


def _parts(
    config: NetworkConfig, devices: int, peak: float, before: float, kvstore: int
) -> Dict[str, float]:
    weights = count_parameters(config) * 4 / 1e6
    parts = {
        "process": before,
        "parameters": weights * devices,
        "gradients": weights * devices,
        "momentum": weights,
        "kvstore": weights * kvstore,
    }
    return {**parts, "activations": peak - sum(parts.values())}
