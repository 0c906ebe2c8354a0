"""The folder of a run: where each of its files is, and which of them are kept."""

import contextlib
import logging
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Union

from rnw.errors import InputError
from rnw.files import GrowingFile, make_folder, remove_parts, write_json, writing
from rnw.locks import FolderLock
from rnw.weights.labels import ModelLabel, dataset_file, params_file, symbol_file

METRICS_FILE = "metrics.jsonl"


class Checkpointing(NamedTuple):
    """When a run saves its state, and which weights it keeps.

    every: save the state each so many steps, besides after each epoch.
    keep: how many of the newest checkpoints stay; all when None.
    keep_every: each so many epochs, a checkpoint stays in any case. So does the best one.
    """

    every: Optional[int] = None
    keep: Optional[int] = None
    keep_every: Optional[int] = None

    def is_due(self, updates: int) -> bool:
        """Tell whether to save the state after so many updates of the whole run."""
        return self.every is not None and updates % self.every == 0


EACH_EPOCH = Checkpointing()


class RunFolder:
    """The files of the run with a label in a folder, which runs of other labels may share.

    recipe: the recipe as it was used, as JSON.
    dataset: the description of a dataset of one's own (see `rnw.data.own.description`).
    state: all that the next step depends on (see `rnw.training.state`).
    previous_state: the one before, from which a run goes on whose `state` is damaged or lost.
    log: one line for each step and each epoch; a file of one's own, `own_log`, is never removed.
    best: the epoch with the highest score on the test split, as JSON.
    symbol: the graph of all checkpoints.
    metrics: the figures of all runs in the folder (see `rnw.training.metrics`).
    events: the folder of event files for TensorBoard.
    lock: lets one process write in the folder at a time.
    """

    def __init__(self, path: Path, label: Union[ModelLabel, str], own_log: Optional[Path] = None):
        self.path = path
        self.label = str(label)
        self.recipe = path / f"{label}.json"
        self.dataset = path / dataset_file(self.label)
        self.state = path / f"{label}.state"
        self.previous_state = path / f"{label}.state.previous"
        self._default_log = path / f"{label}.log"
        self.log = own_log or self._default_log
        self.best = path / f"{label}.best.json"
        self.symbol = path / symbol_file(self.label)
        self.metrics = path / METRICS_FILE
        self.events = path / "tensorboard" / self.label
        self.lock = FolderLock(path)

    def __str__(self) -> str:
        return str(self.path)

    def checkpoint(self, epoch: int) -> Path:
        """Return where the weights after `epoch` epochs are."""
        return self.path / params_file(self.label, epoch)

    def checkpoints(self) -> List[Path]:
        """Return the weights files that are there, the oldest epoch first."""
        return sorted(self.path.glob(f"{self.label}_ep-[0-9]*.params"), key=_epoch_of)

    def event_files(self) -> List[Path]:
        """Return the event files for TensorBoard that are there."""
        return sorted(self.events.glob("events.out.tfevents.*"))

    def check_nothing_to_resume(self) -> None:
        """Raise InputError for checkpoints, where there is no state to resume their run from."""
        kept = self.checkpoints()
        if kept:
            raise InputError(
                f"{self}: holds weights of {self.label}, but no state to resume from: "
                f"{self.state.name} is not there; put it back, or start a new run from the last "
                f"weights (--weights {kept[-1]} --output DIR, without --resume)"
            )

    def claim(self, *, overwrite: bool, after: int = 0) -> None:
        """Make the folder ready for a new run, without the files of an earlier one.

        after: how many epochs the run goes on from; what belongs to these stays.

        Raises InputError when there are some and `overwrite` is not set, when they cannot be
        removed, and when another process writes in the folder.
        """
        self.lock.acquire()
        later = [path for path in self.checkpoints() if _epoch_of(path) > after]
        states = (self.state, self.previous_state)
        old = [path for path in (*later, *states) if path.exists()]
        if old and not overwrite:
            raise InputError(
                f"{self}: already holds a run of {self.label}: pass --resume to continue it, "
                "--overwrite to replace it, or choose another --output"
            )
        make_folder(self.path)
        others = () if after else (self._default_log, self.best, *self.event_files())
        for path in (*others, *old):
            with writing(path):
                path.unlink(missing_ok=True)

    def take_previous_state(self) -> None:
        """Let the state before the newest one be the newest; raises InputError if that fails."""
        with writing(self.state):
            self.previous_state.replace(self.state)

    def remove_parts(self) -> None:
        """Remove what a killed run left of files that it was writing."""
        remove_parts(self.path, self.label)

    def save_best(self, best: Dict[str, Any]) -> None:
        """Write the best epoch, the name of its checkpoint, and its scores."""
        file = self.checkpoint(best["epoch"]).name
        write_json(self.best, {"epoch": best["epoch"], "file": file, **best})

    def prune(self, checkpointing: Checkpointing, best: Optional[int]) -> None:
        """Remove the checkpoints that are not to be kept, but never that of epoch `best`."""
        keep, keep_every = checkpointing.keep, checkpointing.keep_every
        if keep is None:
            return
        for path in self.checkpoints()[:-keep]:
            epoch = _epoch_of(path)
            if epoch != best and (keep_every is None or epoch % keep_every):
                path.unlink()

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Write to the log what the package logs in the block, each step included.

        Raises InputError where the log cannot be written.
        """
        logger = logging.getLogger("rnw")
        handler = _LogFile(self.log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            handler.close()


def _epoch_of(checkpoint: Path) -> int:
    return int(checkpoint.stem.rsplit("-", 1)[1])


class _LogFile(logging.Handler):
    """Writes to a file; unlike the library's own, one that cannot be written ends the run."""

    def __init__(self, path: Path):
        super().__init__()
        self._file = GrowingFile(path)

    def emit(self, record: logging.LogRecord) -> None:
        self._file.write(f"{self.format(record)}\n")

    def close(self) -> None:
        super().close()
        self._file.close()
