"""What a run will take, before it starts: steps, memory, and time by a measured step."""

from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Sequence, Union

from rnw.bench.train import WARM_UP, measure_step
from rnw.data.picture_types import Examples
from rnw.errors import InputError
from rnw.memory import free_memory
from rnw.training.memory import (
    TrainingMemory,
    fit_recomputation,
    recipe_memory,
    step_memory,
    training_memory,
)
from rnw.training.recipe import Recipe
from rnw.training.recipes import OUTPUT, named_weights
from rnw.training.recompute_plan import Plan, Recompute
from rnw.training.trainer import check_devices
from rnw.weights.precision import check_precision

REPETITIONS = 3
SECONDS = 60  # that measuring may take, beside building the network
USABLE = 0.8  # of the free memory
UNITS = {"days": 86_400, "hours": 3600, "minutes": 60}  # in seconds
ONE_PROCESS = ("local", "device")


class MeasuredStep(NamedTuple):
    """A measured step of `batch` images a device; a step of the recipe takes `scale` times as long.

    That is an upper bound unless `scale` is 1: what does not depend on the batch, such as the
    update of the weights, is counted `scale` times.
    """

    batch: int
    seconds: float
    scale: float

    @property
    def seconds_per_step(self) -> float:
        return self.seconds * self.scale

    def __str__(self) -> str:
        text = f"{_figure(self.seconds_per_step)} s a step, measured"
        if self.scale == 1:
            return text
        return (
            f"{text} with a batch of {self.batch} on each device ({_figure(self.seconds)} s), "
            f"times {self.scale:g} by multiply-adds, and so the update of the weights, too"
        )


class RunPlan(NamedTuple):
    """What a run of `recipe` will take on `devices` devices.

    memory: without and with recomputation. recompute: what the run does of it. weights: the file
    that the run starts from, if any.
    The measured step does not include reading images.
    """

    recipe: Recipe
    devices: int
    size: int
    weights: Optional[Path]
    images: int
    steps_per_epoch: int
    memory: Dict[bool, TrainingMemory]
    recompute: Recompute
    measured: MeasuredStep
    epochs: int

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def seconds(self) -> float:
        return self.steps * self.measured.seconds_per_step

    def __str__(self) -> str:
        lines = [
            self.recipe.to_json().rstrip(),
            f"{self.recipe.batch // self.devices} images of {self.size}x{self.size} on each of "
            f"{self.devices} devices",
            f"{self.images:,} images: {self.steps_per_epoch:,} steps an epoch, {self.steps:,} in "
            "all",
        ]
        if self.weights is not None:
            missing = "" if self.weights.is_file() else ", which is not there"
            lines.append(f"starts from {self.weights}{missing}")
        for recompute, memory in self.memory.items():
            lines.append(f"{'with' if recompute else 'without'} --recompute: {memory}")
        if isinstance(self.recompute, Plan):
            memory = step_memory(self.recipe, self.devices, self.recompute)
            lines.append(f"with --recompute as here, {self.recompute}: {memory}")
        how = "with" if self.recompute else "without"
        lines.append(f"{self.measured}, {how} --recompute")
        bound = "" if self.measured.scale == 1 else "at most "
        lines.append(f"{bound}{format_duration(self.seconds)}, if images are read as fast")
        return "\n".join(lines)


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that fits: "30 s", "5.5 minutes", "3.2 hours", "2.1 days"."""
    for unit, length in UNITS.items():
        if seconds >= 2 * length:
            return f"{_figure(seconds / length)} {unit}"
    return f"{_figure(seconds)} s"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plan_training(
    recipe: Recipe,
    contexts: Sequence[Any],
    *,
    data_root: Optional[Path] = None,
    weights: Optional[Path] = None,
    folder: Path = OUTPUT,
    recompute: Union[bool, int] = False,
    epochs: Optional[int] = None,
    force_precision: bool = False,
) -> RunPlan:
    """Plan a run of `rnw.training.run.train` with the same arguments, without writing anything.

    A few steps are measured, with the batch of the recipe, or with a smaller one where that would
    take more than a minute or more memory than is free. Where the dataset is missing, its published
    number of images counts. epochs: how many the run makes, by default those of the recipe.

    Raises InputError for a recipe that cannot be trained on these devices, and as training does for
    data that cannot be trained on.
    """
    if recipe.kvstore not in ONE_PROCESS:
        raise InputError(
            f"a dry run is that of one process, expected kvstore {' or '.join(ONE_PROCESS)}, found "
            f"{recipe.kvstore!r} (--kvstore local)"
        )
    check_devices(recipe.batch, len(contexts))
    kinds = [context.device_type for context in contexts]
    check_precision(recipe.precision, kinds, force=force_precision)
    again = fit_recomputation(recipe, contexts, recompute)
    images = _count_images(recipe, data_root)
    return RunPlan(
        recipe,
        len(contexts),
        recipe.input_size,
        weights or named_weights(recipe, folder),
        images,
        images // recipe.batch,
        recipe_memory(recipe, len(contexts)),
        again,
        _measure(recipe, contexts, again),
        recipe.epochs if epochs is None else epochs,
    )


def _count_images(recipe: Recipe, data_root: Optional[Path]) -> int:
    """Return how many images training will read; without data, how many are published."""
    published = recipe.published_images(data_root)
    if published is not None:
        return published
    examples = recipe.read_examples(data_root)
    return len(examples.labels if isinstance(examples, Examples) else examples)


def _measure(recipe: Recipe, contexts: Sequence[Any], recompute: Recompute) -> MeasuredStep:
    """Time the largest batch that fits: the recipe's images of a device, a half, a quarter..."""
    config, devices = recipe.configure(), len(contexts)
    how: Dict[str, Any] = {"recompute": recompute, "precision": recipe.precision}

    def seconds(batch: int) -> float:
        step = (config, batch * devices, recipe.input_size, contexts)
        return measure_step(*step, repetitions=REPETITIONS, **how).seconds_per_step

    def fits(batch: int) -> bool:
        memory = training_memory(config, batch, recipe.input_size, devices, **how)
        return memory.needed_by(contexts) <= USABLE * free_memory(contexts)

    wanted = recipe.batch // devices
    fitting = list(filter(fits, _halves(wanted)))
    if not fitting:
        raise InputError(
            f"{config.name}: not even one image a device fits into the "
            f"{free_memory(contexts) / 1e9:.1f} GB that are free; free some, or make the network "
            "narrower (--set width=X)"
        )
    batch, time = 1, seconds(1)
    steps = WARM_UP + REPETITIONS
    affordable = [b for b in fitting if b * time * steps <= SECONDS]
    if affordable and affordable[0] > 1:
        batch, time = affordable[0], seconds(affordable[0])
    return MeasuredStep(batch, time, wanted / batch)


def _halves(number: int) -> Sequence[int]:
    halves = [number]
    while halves[-1] > 1:
        halves.append(halves[-1] // 2)
    return halves
