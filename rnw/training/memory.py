"""How much memory a training step takes, from the liveness of its graph."""

from math import prod
from typing import Any, Dict, NamedTuple, Sequence, Union

from rnw.errors import InputError
from rnw.memory import on_gpus, used_memory_mb
from rnw.networks.cost import FLOAT_BYTES, count_parameters
from rnw.networks.layers import SegmentationClassifier
from rnw.networks.layout import NetworkConfig
from rnw.runtime import cpu_cores
from rnw.training.choices import ADAMS
from rnw.training.recipe import Recipe
from rnw.training.recompute_plan import Recompute, frontier, plan_step
from rnw.weights.precision import FLOAT32

# Measured on CPUs: what MXNet takes when its operators are first used, whatever the network; then,
# in units of the largest parameter, what oneDNN reorders in the passes (and keeps), and what an
# update computes with, when the passes are over; and, in sets of weights, what several devices keep
# each in scratch spaces of their own (see `set_threads`).
OPERATORS = 30_000_000
SCRATCH, UPDATE = 2.85, 2.25
SEVERAL = 1.0
ONEDNN_BLOCK, ONEDNN_REACH = 16, 31  # channels; cells a side (see `_columns`)


class TrainingMemory(NamedTuple):
    """Bytes of a training step, by what takes them: on each device, and in the main memory.

    A CPU device is in the main memory itself. A KVStore 'local' is assumed, which keeps momentum
    and its copies in the main memory. Not included are what the process or CUDA holds before the
    step, and the workspace of cuDNN.
    """

    device: Dict[str, int]
    main: Dict[str, int]

    @property
    def per_device(self) -> int:
        return sum(self.device.values())

    def __str__(self) -> str:
        return f"{_in_gb(self.device)} on each device, {_in_gb(self.main)} in the main memory"

    def on_cpus(self, devices: int) -> int:
        """Return the bytes of one process with that number of CPU devices."""
        return devices * self.per_device + sum(self.main.values())

    def needed_by(self, contexts: Sequence[Any]) -> int:
        """Return the bytes of each GPU, or with CPU devices those of the process."""
        return self.per_device if on_gpus(contexts) else self.on_cpus(len(contexts))


def _in_gb(parts: Dict[str, int]) -> str:
    shares = ", ".join(f"{name} {size / 1e9:.3g}" for name, size in parts.items())
    return f"{sum(parts.values()) / 1e9:.3g} GB ({shares})"


def training_memory(
    config: NetworkConfig,
    batch: int,
    size: int,
    devices: int = 1,
    *,
    recompute: Recompute = False,
    precision: str = FLOAT32,
) -> TrainingMemory:
    """Return the peak of training steps on (batch, 3, size, size) float32 images on each device.

    In half precision maps take half as much, and weights are there once more in it.
    """
    maps = plan_step(config, size, recompute).peak
    weights = FLOAT_BYTES * count_parameters(config)
    largest = FLOAT_BYTES * max(prod(parameter.shape) for parameter in config.parameters())
    low = precision != FLOAT32
    activations = (FLOAT_BYTES // 2 if low else FLOAT_BYTES) * batch * maps
    update = int(UPDATE * largest)
    at_once = min(batch, max(1, cpu_cores() // devices))
    kept = FLOAT_BYTES * at_once * _columns(config, size)
    if devices > 1:
        kept += int(SEVERAL * weights)
    if recompute:  # its maps are gone when the update comes
        update = max(0, update - devices * activations)
    device = {"parameters": weights, "gradients": weights, "activations": activations}
    if low:
        device[f"weights in {precision}"] = weights // 2
    return TrainingMemory(
        device,
        {
            "momentum": weights,
            "kvstore": kvstore_copies(devices) * weights,
            "workspace": OPERATORS + int(SCRATCH * largest) + update + devices * kept,
        },
    )


def kvstore_copies(devices: int) -> int:
    """Return how many sets of weights a local KVStore holds: its own, and copies of gradients.

    Those it has where it adds up gradients, so not with one device.
    """
    return 1 if devices == 1 else 1 + devices


def _columns(config: NetworkConfig, size: int) -> int:
    """Return the values of the windows of one image that oneDNN unrolls, and keeps, going backward.

    It multiplies matrices where it has no kernel. Measured, that is the gradient of the input at
    the classifier's dilation of 12 (not at the 4 of units) on maps of more than 31 cells a side,
    and both gradients where the number of channels is no multiple of 16, as that of classes.
    """
    *layers, classifier = config.layers
    if not isinstance(classifier, SegmentationClassifier):
        return 0
    for layer in layers:
        size = layer.output_size(size)
    total = 0
    for convolution in classifier.convolutions:
        windows = convolution.in_channels * convolution.kernel**2 * size**2
        if convolution.channels % ONEDNN_BLOCK:
            total += 2 * windows
        elif size > ONEDNN_REACH:
            total += windows
    return total


def recipe_memory(recipe: Recipe, devices: int) -> Dict[bool, TrainingMemory]:
    """Return the memory of a recipe's training steps, without and with recomputation.

    Raises InputError for an unknown network and options that do not fit it.
    """
    return {recompute: step_memory(recipe, devices, recompute) for recompute in (False, True)}


def step_memory(
    recipe: Recipe, devices: int, recompute: Recompute = False, workers: int = 1
) -> TrainingMemory:
    """Return the memory of a recipe's training steps on each of `workers`' devices.

    Raises InputError for an unknown network and options that do not fit it.
    """
    share = -(-recipe.batch // (devices * workers))
    memory = training_memory(
        recipe.configure(),
        share,
        recipe.input_size,
        devices,
        recompute=recompute,
        precision=recipe.precision,
    )
    if recipe.optimizer in ADAMS:
        memory.main["variance"] = memory.main["momentum"]
    return memory


def fit_recomputation(
    recipe: Recipe, contexts: Sequence[Any], wanted: Union[bool, int], workers: int = 1
) -> Recompute:
    """Return what to compute again: a number of bytes becomes a plan whose steps fit into them.

    The bytes are those of each GPU, or with CPU devices those of the process, with what it has
    taken by now. Of the plans that fit, it is the one that computes the fewest layers again, or
    False where all can be kept to the end of a step. Whether to recompute at all is returned as it
    is.

    Raises InputError where even the smallest plan does not fit, and as `step_memory`.
    """
    if isinstance(wanted, bool):
        return wanted
    held = 0 if on_gpus(contexts) else int(1e6 * used_memory_mb(contexts))
    plans = frontier(recipe.configure(), recipe.input_size)
    for plan in plans:
        needed = held + step_memory(recipe, len(contexts), plan, workers).needed_by(contexts)
        if needed <= wanted:
            return False if plan == plans[0] else plan
    raise InputError(
        f"--recompute {wanted / 1e9:.3g}GB: a step of recipe {recipe.name} takes "
        f"{needed / 1e9:.3g} GB at least, by estimate; give more, or make the batch smaller "
        "(--set batch=N)"
    )
