"""All that the next step of a run depends on, in one file: `<label>.state`.

The file is replaced as a whole, so that a run which is killed at any moment, also while it saves,
goes on from the last complete one.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import mxnet as mx
import numpy as np

from rnw.errors import InputError
from rnw.networks.classifier import Network
from rnw.networks.layers import parameter_kind
from rnw.training.trainer import Trainer, trained_parameters
from rnw.weights.labels import ModelLabel
from rnw.weights.ndarray_file import read_arrays, write_arrays

_POSITION = "position"


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


def state_file(label: ModelLabel, folder: Path) -> Path:
    """Where the state of the run `label` in `folder` is kept."""
    return folder / f"{label}.state"


def save_state(path: Path, position: Position, net: Network, trainer: Trainer) -> None:
    """Write weights, the moving averages of each device, momentum and position.

    All workers call it, and the first one writes. Raises InputError, leaving the file as it was,
    when it cannot be written.
    """
    statistics = trainer.statistics()
    if trainer.kvstore.rank:
        return
    text = np.frombuffer(json.dumps(position).encode(), np.uint8)
    arrays = {_POSITION: text}
    for name, parameter in net.collect_params().items():
        aux = parameter_kind(name) == "aux"
        copies = statistics[name] if aux else [parameter.list_data()[0].asnumpy()]
        for device, copy in enumerate(copies):
            arrays[f"{device}:{name}"] = copy
    for key, parameter in enumerate(trained_parameters(net)):
        momentum = trainer.updater.states.get(key)
        if momentum is not None:
            arrays[f"momentum:{parameter.name}"] = momentum.asnumpy()
    write_arrays(path, arrays)


class State:
    """A state file that was read; `position` is where it stands."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._arrays = read_arrays(path)
            self.position = Position(*json.loads(self._arrays[_POSITION].tobytes()))
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: is damaged, or no state of a run ({error}): start another run from the "
                "last weights beside it (--weights FILE --output DIR)"
            ) from error

    def check_settings(self, settings: Dict[str, Any]) -> None:
        """Raise InputError that names what differs from the run that is to be resumed."""
        check_same_settings(self._path, self.position.settings, settings)

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
            momentum = self._arrays.get(f"momentum:{parameter.name}")
            if momentum is not None:
                trainer.updater.states[key] = mx.nd.array(momentum)
                trainer.updater.states_synced[key] = False


def find_state(label: ModelLabel, folder: Path) -> Optional[State]:
    """The state of a run in `folder`, None when there is none to go on from.

    Raises InputError for a file that cannot be read.
    """
    path = state_file(label, folder)
    return State(path) if path.exists() else None


def check_same_settings(path: Path, old: Dict[str, Any], settings: Dict[str, Any]) -> None:
    """Raise InputError that names what differs from the `old` settings, which `path` holds."""
    differences = [
        f"{key} was {old.get(key)!r}, now {value!r}"
        for key, value in settings.items()
        if old.get(key) != value
    ]
    if differences:
        raise InputError(
            f"{path}: cannot be resumed with other settings: {'; '.join(differences)}; "
            "use the same, or another --output"
        )
