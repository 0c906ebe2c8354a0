"""Wider or deeper: networks of one budget, trained alike, from narrow and deep to wide and shallow.

All have the same input size and data, and the same recipe; several seeds tell what is chance.
"""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx

from rnw.analysis.budget import Budget, count_activations, fit_width
from rnw.data.sets.catalog import find_dataset, read_examples
from rnw.errors import InputError
from rnw.evaluation.classification.validate import make_validator
from rnw.files import read_json, read_json_lines, write_json
from rnw.locks import LOCK_FILE
from rnw.networks.cost import count_multiply_adds, count_parameters
from rnw.training.checkpoints import Checkpointing
from rnw.training.memory import recipe_memory
from rnw.training.metrics import METRICS_FILE
from rnw.training.progress import Progress, ignore
from rnw.training.recipes import Recipe, input_size, recipe_network
from rnw.training.run import Validation, train
from rnw.training.state import check_same_settings

SETTINGS = "settings.json"  # what all runs of a folder have in common

# residual units on levels 1 to 7: as many on each, of which only level 1 may have none
FAMILY: Tuple[str, ...] = (
    "0-8-8-8-8-8-8",  # depth 114
    "0-4-4-4-4-4-4",  # 58
    "0-2-2-2-2-2-2",  # 30
    "0-1-1-1-1-1-1",  # 16
)


class Member(NamedTuple):
    """A network of the family; activations and multiply-adds are those of one image.

    `memory_bytes` are computed: those of a training step, in all on CPUs and of each GPU.
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


class Run(NamedTuple):
    """What became of one network: accuracy on the test split in percent, after the last epoch.

    `training_loss` is the mean over the last epoch, `seconds_per_step` that of the fastest
    epoch, which other programs disturbed least.
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


class Row(NamedTuple):
    """A network with its runs, one a seed."""

    member: Member
    runs: List[Run]


class Study(NamedTuple):
    """A finished study, the deepest network first; `settings` are what all runs have in common.

    `tested` is the number of pictures of the test split.
    """

    settings: Dict[str, Any]
    tested: int
    rows: List[Row]


class StudyProgress(NamedTuple):
    """Where the run under way is, `number` of `runs`."""

    number: int
    runs: int
    member: Member
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


def make_family(recipe: Recipe, budget: Budget, units: Sequence[str] = FAMILY) -> List[Recipe]:
    """The recipe for networks of so many `units` each, as wide as the budget allows, deepest first.

    Raises InputError for malformed units and a budget that cannot be met.
    """
    size = input_size(recipe)
    networks = [replace(recipe, network=f"{size}-{levels}") for levels in dict.fromkeys(units)]
    family = [fit_width(network, budget) for network in networks]
    return sorted(family, key=lambda network: -recipe_network(network).spec.depth)


def describe(recipe: Recipe, contexts: Sequence[mx.Context]) -> Member:
    """The network of a recipe, and what a step of it costs on these devices."""
    config, size = recipe_network(recipe), input_size(recipe)
    memory = recipe_memory(recipe, len(contexts))[False]
    on_gpus = contexts[0].device_type == "gpu"
    return Member(
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
    on_step: Callable[[StudyProgress], None] = ignore,
    on_run: Callable[[Member, Run], None] = ignore,
) -> Study:
    """Train each network of the family (see `make_family`) with seeds 0, 1..., or what is left.

    Each run has a folder of its own, `<folder>/<network>/seed-<n>`: those that are finished are
    read, one that was stopped goes on. All of the same seed come before the next seed. `on_run` is
    told what each run that was trained here came to.

    Raises InputError for a budget that cannot be met, a folder with a study of other settings or
    something else, and what `rnw.training.run.train` raises.
    """
    family = make_family(recipe, budget, units)
    rows = [Row(describe(network, contexts), []) for network in family]
    score = make_validator(recipe.dataset, contexts, data_root=data_root)
    settings = _settings(recipe, budget, contexts)
    _claim(folder, settings)
    order = itertools.product(range(seeds), zip(family, rows))
    for number, (seed, (network, row)) in enumerate(order, 1):
        path = folder / row.member.network / f"seed-{seed}"
        run = _read_run(path, seed, recipe.batch)
        if run is None:
            place = (number, seeds * len(rows), row.member, seed)
            train(
                network,
                contexts,
                path,
                seed=seed,
                data_root=data_root,
                resume=True,
                checkpointing=Checkpointing(keep=1),
                validation=Validation(score, recipe.epochs),
                on_step=lambda progress, place=place: on_step(StudyProgress(*place, progress)),
            )
            run = _read_run(path, seed, recipe.batch)
            on_run(row.member, run)
        row.runs.append(run)
    dataset = find_dataset(recipe.dataset)
    tested = len(read_examples(dataset, dataset.test_split, data_root).labels)
    return Study(settings, tested, rows)


def _settings(recipe: Recipe, budget: Budget, contexts: Sequence[mx.Context]) -> Dict[str, Any]:
    settings = json.loads(recipe.to_json())
    for own in ("network", "width"):  # of each member
        del settings[own]
    devices = [str(context) for context in contexts]
    return {"budget": str(budget), "size": input_size(recipe), "devices": devices, **settings}


def _claim(folder: Path, settings: Dict[str, Any]) -> None:
    """Make sure that no run of other settings, and nothing else, is in the folder."""
    path = folder / SETTINGS
    own = (SETTINGS, LOCK_FILE)
    begun = folder.is_dir() and any(found.name not in own for found in folder.iterdir())
    if begun and not path.exists():
        raise InputError(
            f"{folder}: is not empty, and there is no study to go on with: choose another --output"
        )
    if begun:
        check_same_settings(path, read_json(path), settings)
    else:
        write_json(path, settings)


def _read_run(folder: Path, seed: int, batch: int) -> Optional[Run]:
    """What a run came to, from its metrics; None while it is not finished.

    The last epoch alone is validated, after all that counts.
    """
    path = folder / METRICS_FILE
    records = read_json_lines(path) if path.exists() else []
    epochs = [record for record in records if record["kind"] == "epoch"]
    tested = [record for record in records if record["kind"] == "val"]
    if not tested:
        return None
    speed = max(record["images_per_second"] for record in epochs)
    return Run(seed, tested[-1]["top-1"], epochs[-1]["loss"], batch / speed)
