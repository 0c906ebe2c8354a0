"""Checkpoints in the form of the released files: parameters beside their graph."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from rnw.errors import InputError
from rnw.files import make_folder, write_json, write_text, writing
from rnw.networks.classifier import Network
from rnw.training.metrics import best_file, find_event_files
from rnw.training.state import state_file
from rnw.weights import save_params
from rnw.weights.labels import ModelLabel


class Checkpointing(NamedTuple):
    """When a run saves: its state each `every` steps besides each epoch; which weights it keeps.

    Of the epochs' weights the newest `keep` stay (all when None), each `keep_every`-th, and the
    best of those validated.
    """

    every: Optional[int] = None
    keep: Optional[int] = None
    keep_every: Optional[int] = None


EACH_EPOCH = Checkpointing()


def save_checkpoint(net: Network, graph: str, label: ModelLabel, folder: Path, epoch: int) -> Path:
    """Write `<label>_ep-NNNN.params` and `<label>_ep-symbol.json`; the path of the former.

    graph: what `rnw.networks.symbols.to_json` gives for `net`.

    `mx.model.load_checkpoint(f"{folder}/{label}_ep", epoch)` reads them.
    """
    write_text(folder / label.symbol_file, graph)
    path = folder / label.params_file(epoch)
    save_params(net, path)
    return path


def find_checkpoints(label: ModelLabel, folder: Path) -> List[Path]:
    """Parameter files of `label` in `folder`, oldest epoch first."""
    return sorted(folder.glob(f"{label}_ep-[0-9]*.params"), key=epoch_of)


def epoch_of(path: Path) -> int:
    """The number of epochs after which a checkpoint was written."""
    return int(path.stem.rsplit("-", 1)[1])


def prune_checkpoints(
    label: ModelLabel, folder: Path, checkpointing: Checkpointing, best: Optional[int]
) -> None:
    """Remove the checkpoints that `checkpointing` does not keep, but never that of epoch `best`."""
    keep, keep_every = checkpointing.keep, checkpointing.keep_every
    if keep is None:
        return
    for path in find_checkpoints(label, folder)[:-keep]:
        epoch = epoch_of(path)
        if epoch != best and (keep_every is None or epoch % keep_every):
            path.unlink()


def save_best(label: ModelLabel, folder: Path, best: Dict[str, Any]) -> None:
    """Write `<label>.best.json`: the best epoch, the name of its checkpoint, and its scores."""
    record = {"epoch": best["epoch"], "file": label.params_file(best["epoch"]), **best}
    write_json(best_file(label, folder), record)


def check_nothing_to_resume(label: ModelLabel, folder: Path) -> None:
    """Raise InputError for checkpoints without the state from which their run could go on."""
    kept = find_checkpoints(label, folder)
    if kept:
        raise InputError(
            f"{folder}: holds weights of {label}, but no state to resume from: "
            f"{state_file(label, folder).name} is not there; put it back, or start a new run from "
            f"the last weights (--weights {kept[-1]} --output DIR, without --resume)"
        )


def claim_folder(label: ModelLabel, folder: Path, overwrite: bool) -> None:
    """Make `folder` ready for a new run, without the files of an earlier one.

    Raises InputError when there are some and `overwrite` is not set, or they cannot be removed.
    """
    old = [
        path
        for path in [*find_checkpoints(label, folder), state_file(label, folder)]
        if path.exists()
    ]
    if old and not overwrite:
        raise InputError(
            f"{folder}: already holds a run of {label}: pass --resume to go on with it, "
            "--overwrite to replace it, or choose another --output"
        )
    make_folder(folder)
    reports = [folder / f"{label}.log", best_file(label, folder), *find_event_files(folder, label)]
    for path in [*reports, *old]:
        with writing(path):
            path.unlink(missing_ok=True)
