"""Checkpoints in the form of the released files: parameters beside their graph."""

from pathlib import Path
from typing import List

from rnw.errors import InputError
from rnw.files import write_text
from rnw.networks.classifier import Network
from rnw.networks.symbols import to_json
from rnw.weights import save_params
from rnw.weights.labels import ModelLabel


def save_checkpoint(net: Network, label: ModelLabel, folder: Path, epoch: int) -> Path:
    """Write `<label>_ep-NNNN.params` and `<label>_ep-symbol.json`; the path of the former.

    `mx.model.load_checkpoint(f"{folder}/{label}_ep", epoch)` reads them.
    """
    write_text(folder / label.symbol_file, to_json(net))
    path = folder / label.params_file(epoch)
    save_params(net, path)
    return path


def find_checkpoints(label: ModelLabel, folder: Path) -> List[Path]:
    """Parameter files of `label` in `folder`, oldest epoch first."""
    return sorted(folder.glob(f"{label}_ep-[0-9]*.params"))


def claim_folder(label: ModelLabel, folder: Path, overwrite: bool) -> None:
    """Make `folder` ready for a new run, without the checkpoints of an earlier one.

    Raises InputError when there are some and `overwrite` is not set.
    """
    old = find_checkpoints(label, folder)
    if old and not overwrite:
        raise InputError(
            f"{folder}: already holds {len(old)} checkpoints of {label}; choose another --output, "
            "or pass --overwrite to replace them"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}") from error
    for path in old:
        path.unlink()
