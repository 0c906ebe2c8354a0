"""All that the next step of a run depends on, in one file: `<label>.state`.

The file is replaced as a whole, so that a run which is killed at any moment, also while it saves,
is resumed from the last complete one. A checksum tells a damaged one, and nothing of that is used:
the run goes on from the one before, which is kept for that.
"""

import contextlib
import json
import math
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from rnw.errors import InputError
from rnw.files import parse_json
from rnw.networks.classifier import Network
from rnw.networks.layers import parameter_kind
from rnw.training.loss_scale import Progress, ScaledLoss
from rnw.training.schedules import ANY_LENGTH
from rnw.training.sealed import read_sealed, write_sealed
from rnw.training.trainer import Trainer, trained_parameters

_POSITION, _SCALE = "position", "loss scale"
_KEPT = ("momentum:", "variance:")  # what optimizers accumulate; SGD has no variance


class Position(NamedTuple):
    """Where a run stands: `step` steps of epoch `epoch` (counted from 0) are done.

    `settings` is what the run must be resumed with; `history` the scores of this epoch's steps;
    `best` the best epoch that was validated, with its scores.
    """

    epoch: int
    step: int
    settings: Dict[str, Any]
    history: List[Dict[str, float]]
    best: Optional[Dict[str, Any]] = None


class Bounds(NamedTuple):
    """What a position of a run is within.

    `scores` are the names of those of a step; `best_by` is the one by which epochs are compared, if
    they are validated.
    """

    epochs: int
    steps: int
    scores: Sequence[str]
    best_by: Optional[str] = None


def save_state(
    path: Path,
    position: Position,
    net: Network,
    trainer: Trainer,
    previous: Optional[Path] = None,
) -> None:
    """Write weights, the moving averages of each device, what the optimizer has, and position.

    previous: the name that the state which was there before takes, in place of being replaced.

    All workers call it, and the first one writes. Raises InputError, leaving the files as they
    were, when it cannot be written.
    """
    statistics = trainer.statistics()
    if trainer.kvstore.rank:
        return
    arrays = {_POSITION: np.frombuffer(json.dumps(position).encode(), np.uint8)}
    for name, parameter in net.collect_params().items():
        aux = parameter_kind(name) == "aux"
        copies = statistics[name] if aux else [parameter.list_data()[0].asnumpy()]
        for device, copy in enumerate(copies):
            arrays[f"{device}:{name}"] = copy
    for key, parameter in enumerate(trained_parameters(net)):
        for kind, array in zip(_KEPT, _as_tuple(trainer.updater.states.get(key))):
            arrays[f"{kind}{parameter.name}"] = array.asnumpy()
    if isinstance(trainer.loss, ScaledLoss):
        arrays[_SCALE] = np.array(trainer.loss.progress, np.float64)
    write_sealed(path, arrays, previous)


class State:
    """A state file that was read; `position` is where it stands.

    Raises InputError for a file that is damaged or something else.
    """

    def __init__(self, path: Path):
        self._path = path
        with self._refusing():
            self._arrays = read_sealed(path)
            if _POSITION not in self._arrays:
                raise InputError("it says nothing of a position")
            self.position = _read_position(self._arrays.pop(_POSITION))
            self._scale = self._arrays.pop(_SCALE, None)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise InputError(
                f"{self._path}: is not a valid run state ({error}): start another run from "
                "the last weights beside it (--weights FILE --output DIR)"
            ) from error

    def check_settings(self, settings: Dict[str, Any]) -> None:
        """Raise InputError that names what differs from the run that is to be resumed.

        The number of epochs may differ, where the schedule is one of any length.
        """
        old = self.position.settings
        if settings.get("schedule") in ANY_LENGTH and "epochs" in old:
            old = {**old, "epochs": settings["epochs"]}
        check_same_settings(self._path, old, settings)

    def check_content(self, net: Network, devices: int, bounds: Bounds) -> None:
        """Raise InputError for what no run of `net` on so many devices, of all workers, left."""
        with self._refusing():
            _check_bounds(self.position, bounds)
            _check_arrays(self._arrays, net, devices)

    def restore_scale(self, loss: ScaledLoss) -> None:
        """Give a loss back how it was scaled; raise InputError for a state that does not say."""
        with self._refusing():
            if self._scale is None or self._scale.shape != (2,) or not (self._scale >= 0).all():
                raise InputError(f"it has {self._scale} as the {_SCALE}, expected two numbers")
        factor, steps = self._scale.tolist()
        loss.progress = Progress(factor, int(steps))

    def restore_network(self, net: Network, rank: int = 0) -> None:
        """Set weights and the moving averages of each device of the worker `rank`."""
        for name, parameter in net.collect_params().items():
            copies = parameter.list_data()
            for device, copy in enumerate(copies, rank * len(copies)):
                source = device if parameter_kind(name) == "aux" else 0
                copy[:] = np.ascontiguousarray(self._arrays[f"{source}:{name}"])

    def restore_momentum(self, net: Network, trainer: Trainer) -> None:
        """Give the optimizer back what it had accumulated."""
        for key, parameter in enumerate(trained_parameters(net)):
            names = [f"{kind}{parameter.name}" for kind in _KEPT]
            kept = tuple(mx.nd.array(self._arrays[name]) for name in names if name in self._arrays)
            if kept:
                trainer.updater.states[key] = kept if len(kept) > 1 else kept[0]
                trainer.updater.states_synced[key] = False


def _as_tuple(state: Any) -> Tuple[mx.nd.NDArray, ...]:
    """Return what an optimizer has accumulated for a parameter: nothing, momentum, or both."""
    if state is None:
        return ()
    return state if isinstance(state, tuple) else (state,)


def _read_position(text: np.ndarray) -> Position:
    """Return the position in JSON; raise InputError for fields of other types."""
    try:
        fields = parse_json(text.tobytes())
        position = Position(*fields)
    except (TypeError, ValueError) as error:
        raise InputError(f"its position cannot be read: {error}") from error
    epoch, step, settings, history, best = position
    wrong = {
        "epoch": not _is_count(epoch),
        "step": not _is_count(step),
        "settings": not isinstance(settings, dict),
        "history": not isinstance(history, list) or not all(map(_are_scores, history)),
        "best": best is not None and not (isinstance(best, dict) and _is_count(best.get("epoch"))),
    }
    for field in filter(wrong.get, wrong):
        raise InputError(f"its position has the {field} {repr(getattr(position, field))[:80]}")
    if step != len(history):
        raise InputError(f"it has the scores of {len(history)} steps, but is at step {step}")
    return position


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_scores(value: Any) -> bool:
    numbers = value.values() if isinstance(value, dict) else [None]
    return all(type(number) is float and math.isfinite(number) for number in numbers)


def _check_bounds(position: Position, bounds: Bounds) -> None:
    epoch, step, _, history, best = position
    if epoch > bounds.epochs or step > (bounds.steps if epoch < bounds.epochs else 0):
        raise InputError(
            f"it is after epoch {epoch}, step {step} of {bounds.epochs} epochs of {bounds.steps}"
        )
    if any(scores.keys() != set(bounds.scores) for scores in history):
        raise InputError(f"it has scores of steps other than {', '.join(bounds.scores)}")
    if best is None:
        return
    score = 0.0 if bounds.best_by is None else best.get(bounds.best_by)
    if not 1 <= best["epoch"] <= epoch or type(score) is not float:
        raise InputError(f"it has the best epoch {repr(best)[:80]}")


def _check_arrays(arrays: Dict[str, np.ndarray], net: Network, devices: int) -> None:
    expected = {
        f"{device}:{name}": parameter
        for name, parameter in net.collect_params().items()
        for device in range(devices if parameter_kind(name) == "aux" else 1)
    }
    for place, kind in enumerate(_KEPT):  # none is there where asynchronous servers keep it
        if any(name.startswith(_KEPT[place:]) for name in arrays):
            expected.update((f"{kind}{p.name}", p) for p in trained_parameters(net))
    if arrays.keys() != expected.keys():
        name = min(arrays.keys() ^ expected.keys())
        raise InputError(f"{'it has' if name in arrays else 'it lacks'} the array {name!r}")
    for name, parameter in expected.items():
        array = arrays[name]
        if (array.shape, array.dtype) != (parameter.shape, np.dtype(parameter.dtype)):
            raise InputError(
                f"{name!r} is {array.dtype} {array.shape}, expected {np.dtype(parameter.dtype)} "
                f"{parameter.shape}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{name!r} is not finite")


def check_same_settings(path: Path, old: Dict[str, Any], settings: Dict[str, Any]) -> None:
    """Raise InputError that names what differs from the `old` settings, which `path` holds."""
    differences = [
        f"{key} was {old.get(key)!r}, now {settings.get(key)!r}"
        for key in {**settings, **old}
        if old.get(key) != settings.get(key)
    ]
    if differences:
        more = ""
        if old.get("epochs") != settings.get("epochs"):
            trains_on = "a run of its own trains on from the last weights (--weights FILE)"
            more = f". Rates depend on the number of epochs: {trains_on}"
        raise InputError(
            f"{path}: cannot be resumed with other settings: {'; '.join(differences)}; "
            f"use the same, or another --output{more}"
        )
