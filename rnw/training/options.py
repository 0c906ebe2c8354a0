"""How a run is carried out, whatever it trains."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Union

from rnw.data.loader import BY_PROCESSES, Loading
from rnw.errors import InputError
from rnw.networks.classifier import Network
from rnw.training.progress import Scores
from rnw.training.run_folder import EACH_EPOCH, Checkpointing


class Validation(NamedTuple):
    """When a run tests its network, and which score tells the best epoch.

    score: returns the scores of the network; functions called `make_validator` under
    `rnw.evaluation` make such a function. every: test each so many epochs, and after the last one.
    best_by: the name of the score whose highest value is that of the best epoch. patience: end the
    run after so many tests in a row that gave no better score; None: never.
    """

    score: Callable[[Network], Scores]
    every: int = 1
    best_by: str = "top-1"
    patience: Optional[int] = None

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Tell whether to test the network after `epoch` of `epochs`."""
        return epoch % self.every == 0 or epoch == epochs

    def is_exhausted(self, best: int, epoch: int) -> bool:
        """Tell whether to end a run after `epoch`, when the best one was `best`."""
        tests = epoch // self.every - best // self.every
        return self.patience is not None and tests >= self.patience


@dataclass(frozen=True)
class Options:
    """How a run is carried out; only `loading`, `from_epoch` and `states` can change the weights.

    loading: how pictures are read.
    recompute: use less memory and more time (see `rnw.training.trainer.Trainer`): True as the knee
        of `rnw.training.recompute_plan` does it; a number of bytes as it takes to fit into them,
        into each GPU or, on CPUs, into the process (see `rnw.training.memory.fit_recomputation`).
    checkpointing: when to save, and which checkpoints to keep.
    validation: test the network now and then; None: never.
    tensorboard: also write event files for TensorBoard.
    log_file: where to append the log; None: `<label>.log` in the folder of the run.
    from_epoch: begin a new run as if so many epochs were done, with weights alone: the schedule and
        the order of pictures go on there, momentum starts from zero.
    states: a `.states` file of Module or gluon.Trainer that a new run takes its momentum from.
    stop_epoch: end after so many epochs, with the schedule of the whole run; None: after the last.
    force_precision: train in bfloat16 also on a CPU that only emulates it, slower than float32.
    unchecked: train on data of one's own without reading all of it first, as `rnw dataset check`
        does, and even where that finds errors.
    """

    loading: Loading = BY_PROCESSES
    recompute: Union[bool, int] = False
    checkpointing: Checkpointing = EACH_EPOCH
    validation: Optional[Validation] = None
    tensorboard: bool = False
    log_file: Optional[Path] = None
    from_epoch: int = 0
    states: Optional[Path] = None
    stop_epoch: Optional[int] = None
    force_precision: bool = False
    unchecked: bool = False

    def check(self, epochs: int) -> None:
        """Raise InputError for a first and a last epoch that are none of a run of `epochs`."""
        if not 0 <= self.from_epoch < epochs:
            raise InputError(
                f"--from-epoch is {self.from_epoch}, expected less than the epochs of the recipe, "
                f"{epochs} (--set epochs=N)"
            )
        if self.stop_epoch is not None and not self.from_epoch < self.stop_epoch <= epochs:
            raise InputError(
                f"--stop-epoch is {self.stop_epoch}, expected {self.from_epoch + 1} to {epochs}, "
                "the epochs of the recipe"
            )


DEFAULTS = Options()
