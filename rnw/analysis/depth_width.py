"""Wider or deeper: networks of one budget, trained alike, from narrow and deep to wide and shallow.

All share the input size, the data and the recipe; runs with several seeds show the variance.
"""

import itertools
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import mxnet as mx

from rnw.analysis.budget import Budget, count_activations, fit_width
from rnw.data.sets.reading import read_examples
from rnw.errors import InputError
from rnw.evaluation.classification.validate import make_validator
from rnw.files import read_json, read_json_lines, write_json
from rnw.locks import LOCK_FILE
from rnw.networks.cost import count_multiply_adds, count_parameters
from rnw.training.checking import check_own_data
from rnw.training.memory import recipe_memory
from rnw.training.observer import Observer
from rnw.training.options import Options, Validation
from rnw.training.progress import Progress
from rnw.training.recipe import Recipe
from rnw.training.run import train
from rnw.training.run_folder import METRICS_FILE, Checkpointing
from rnw.training.state import check_same_settings

if TYPE_CHECKING:
    from rnw.data.own.survey import Looked  # needs an extra

SETTINGS = "settings.json"  # what all runs of a folder have in common

# residual units on levels 1 to 7: as many on each, of which only level 1 may have none
FAMILY: Tuple[str, ...] = (
    "0-8-8-8-8-8-8",  # depth 114
    "0-4-4-4-4-4-4",  # 58
    "0-2-2-2-2-2-2",  # 30
    "0-1-1-1-1-1-1",  # 16
)


class StudyNetwork(NamedTuple):
    """A network of the family; activations and multiply-adds are those of one image.

    memory_bytes: computed memory of a training step, of each GPU or of all CPU devices together.
    """

    network: str
    depth: int
    width: float
    parameters: int
    activations: int
    multiply_adds: int
    memory_bytes: int

    def __str__(self) -> str:
        return f"{self.network} (depth {self.depth}, width {self.width:.4g})"


class RunResult(NamedTuple):
    """The result of training one network.

    top1: accuracy on the test split in percent after the last epoch. training_loss: the mean over
    the last epoch. seconds_per_step: that of the fastest epoch, which other programs disturbed
    least.
    """

    seed: int
    top1: float
    training_loss: float
    seconds_per_step: float

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: top-1 {self.top1:.2f} %, training loss {self.training_loss:.4f}, "
            f"{1000 * self.seconds_per_step:.1f} ms a step"
        )


class StudyRow(NamedTuple):
    """A network with its runs, one for each seed."""

    member: StudyNetwork
    runs: List[RunResult]


class Study(NamedTuple):
    """A finished study, the deepest network first.

    settings: what all runs have in common. tested: the number of pictures in the test split.
    """

    settings: Dict[str, Any]
    tested: int
    rows: List[StudyRow]


class StudyProgress(NamedTuple):
    """The progress of the current run, `number` of `runs`."""

    number: int
    runs: int
    member: StudyNetwork
    seed: int
    progress: Progress

    @property
    def step(self) -> int:
        return self.progress.update

    @property
    def steps(self) -> int:
        return self.progress.epochs * self.progress.steps

    def __str__(self) -> str:
        return f"run {self.number}/{self.runs}, {self.member}, seed {self.seed}: {self.progress}"

    def short(self) -> str:
        return f"{self.number}/{self.runs}, depth {self.member.depth}: {self.progress.short()}"


class _Watching(Observer):
    """Tells the steps of a run as those of its study."""

    def __init__(
        self,
        on_step: Callable[[StudyProgress], None],
        in_study: Callable[[Progress], StudyProgress],
    ):
        self._tell, self._in_study = on_step, in_study

    def on_step(self, progress: Progress) -> None:
        self._tell(self._in_study(progress))


def make_family(recipe: Recipe, budget: Budget, units: Sequence[str] = FAMILY) -> List[Recipe]:
    """Return a recipe for each string of `units`, as wide as the budget allows, deepest first.

    Raises InputError for malformed units, for a budget that cannot be met, and for a recipe that
    starts from weights, which fit one structure alone.
    """
    if recipe.starts_from:
        raise InputError(
            f"recipe {recipe.name} starts from {recipe.starts_from}, which is no start for "
            "networks of several structures: choose another --recipe"
        )
    size = recipe.input_size
    networks = [replace(recipe, network=f"{size}-{levels}") for levels in dict.fromkeys(units)]
    family = [fit_width(network, budget) for network in networks]
    return sorted(family, key=lambda network: -network.configure().spec.depth)


def describe(recipe: Recipe, contexts: Sequence[mx.Context]) -> StudyNetwork:
    """Describe the network of a recipe, and the memory of a training step on these devices."""
    config, size = recipe.configure(), recipe.input_size
    memory = recipe_memory(recipe, len(contexts))[False]
    on_gpus = contexts[0].device_type == "gpu"
    return StudyNetwork(
        config.name,
        config.spec.depth,
        config.width,
        count_parameters(config),
        count_activations(config, size),
        count_multiply_adds(config, size),
        memory.per_device if on_gpus else memory.on_cpus(len(contexts)),
    )


def run_study(
    recipe: Recipe,
    budget: Budget,
    contexts: Sequence[mx.Context],
    folder: Path,
    *,
    units: Sequence[str] = FAMILY,
    seeds: int = 3,
    data_root: Optional[Path] = None,
    unchecked: bool = False,
    on_step: "Callable[[Union[StudyProgress, Looked]], None]" = lambda progress: None,
    on_run: Callable[[StudyNetwork, RunResult], None] = lambda network, run: None,
) -> Study:
    """Train each network of the family (see `make_family`) with seeds 0, 1, ...

    Each run has a folder of its own, `<folder>/<network>/seed-<n>`: finished runs are read, and a
    stopped run is resumed. All networks are trained with one seed before the next seed. `on_run` is
    called with the result of each run that was trained by this call. unchecked: as in `Options`.

    Raises InputError for a budget that cannot be met and for a folder that holds a study of other
    settings or something else, and whatever `rnw.training.run.train` raises.
    """
    if not unchecked:
        check_own_data(recipe, data_root, on_step)
    family = [member.with_row(recipe.row) for member in make_family(recipe, budget, units)]
    rows = [StudyRow(describe(network, contexts), []) for network in family]
    options = _run_options(recipe, contexts, data_root)
    settings = _settings(recipe, budget, contexts)
    _claim(folder, settings)
    order = itertools.product(range(seeds), zip(family, rows))
    for number, (seed, (network, row)) in enumerate(order, 1):
        path = folder / row.member.network / f"seed-{seed}"
        run = _read_run(path, seed, recipe.batch)
        if run is None:
            runs = seeds * len(rows)
            train(
                network,
                contexts,
                path,
                seed=seed,
                data_root=data_root,
                resume=True,
                options=options,
                observer=_Watching(on_step, partial(StudyProgress, number, runs, row.member, seed)),
            )
            run = _read_finished_run(path, seed, recipe.batch)
            on_run(row.member, run)
        row.runs.append(run)
    return Study(settings, _count_tested(recipe, data_root), rows)


def _run_options(
    recipe: Recipe, contexts: Sequence[mx.Context], data_root: Optional[Path]
) -> Options:
    """Return options of runs that test their last epoch and keep its checkpoint alone."""
    score = make_validator(recipe.row, contexts, data_root=data_root)
    validation = Validation(score, recipe.epochs)
    return Options(checkpointing=Checkpointing(keep=1), validation=validation, unchecked=True)


def _count_tested(recipe: Recipe, data_root: Optional[Path]) -> int:
    dataset = recipe.row
    return len(read_examples(dataset, dataset.test_split, data_root).labels)


def _settings(recipe: Recipe, budget: Budget, contexts: Sequence[mx.Context]) -> Dict[str, Any]:
    settings = json.loads(recipe.to_json())
    for own in ("network", "width"):  # of each member
        del settings[own]
    devices = [str(context) for context in contexts]
    return {"budget": str(budget), "size": recipe.input_size, "devices": devices, **settings}


def _claim(folder: Path, settings: Dict[str, Any]) -> None:
    """Write the settings to the folder; raise InputError if it holds other runs or files."""
    path = folder / SETTINGS
    own = (SETTINGS, LOCK_FILE)
    begun = folder.is_dir() and any(found.name not in own for found in folder.iterdir())
    if begun and not path.exists():
        raise InputError(
            f"{folder}: is not empty, and holds no study to resume: choose another --output"
        )
    if begun:
        check_same_settings(path, read_json(path), settings)
    else:
        write_json(path, settings)


def _read_run(folder: Path, seed: int, batch: int) -> Optional[RunResult]:
    """Return the result of a run from its metrics, or None if it is not finished.

    Only the last epoch is validated, so that a run with a validation is finished.
    """
    path = folder / METRICS_FILE
    records = read_json_lines(path) if path.exists() else []
    epochs = [record for record in records if record["kind"] == "epoch"]
    tested = [record for record in records if record["kind"] == "val"]
    if not tested:
        return None
    speed = max(record["images_per_second"] for record in epochs)
    return RunResult(seed, tested[-1]["top-1"], epochs[-1]["loss"], batch / speed)


def _read_finished_run(folder: Path, seed: int, batch: int) -> RunResult:
    run = _read_run(folder, seed, batch)
    if run is None:
        raise InputError(f"{folder}: its metrics do not have the test of the last epoch")
    return run
