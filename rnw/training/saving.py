"""What a run saves: its state, and the weights of each epoch in the form of the released files."""

from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Optional

from rnw.errors import InputError
from rnw.files import write_text
from rnw.networks.classifier import Network
from rnw.networks.layout import NetworkConfig
from rnw.networks.symbols import to_json
from rnw.training.progress import Place
from rnw.training.run_folder import Checkpointing, RunFolder
from rnw.training.state import Position, save_state
from rnw.training.trainer import Trainer, find_not_finite
from rnw.weights import save_params


class Saver:
    """Saves what `trainer` makes in the folder of its run.

    All workers call it, and the first one writes. config: the network of the saved graph. settings:
    what the run must be resumed with. from_scratch: the run began without any weights.
    """

    def __init__(
        self,
        folder: RunFolder,
        trainer: Trainer,
        config: NetworkConfig,
        settings: Dict[str, Any],
        checkpointing: Checkpointing,
        *,
        from_scratch: bool,
    ):
        self.folder, self.checkpointing = folder, checkpointing
        self._trainer, self._config, self._settings = trainer, config, settings
        self._from_scratch = from_scratch
        self._writes = trainer.kvstore.rank == 0

    def save_state(self, place: Place) -> None:
        """Write all that the next step depends on (see `rnw.training.state`)."""
        position = Position(place.epoch, place.step, self._settings, place.history, place.best)
        run = (self._trainer.net, self._trainer)
        save_state(self.folder.state, position, *run, previous=self.folder.previous_state)

    def save_checkpoint(self, epoch: int) -> None:
        """Write the weights after `epoch` epochs, and the graph beside them.

        `mx.model.load_checkpoint(f"{folder}/{label}_ep", epoch)` reads them.
        """
        if self._writes:
            write_text(self.folder.symbol, self._graph)
            save_params(self._trainer.net, self.folder.checkpoint(epoch))

    @cached_property
    def _graph(self) -> str:
        """Made once, since MXNet loses the memory of the text: twice 94 KB for a small network."""
        return to_json(Network(self._config))

    def last_checkpoint(self, epoch: int) -> Path:
        """Return where the last checkpoint is; one that was lost is written again."""
        path = self.folder.checkpoint(epoch)
        if not path.exists():
            self.save_checkpoint(epoch)
        return path

    def prune(self, best: Optional[Dict[str, Any]]) -> None:
        """Remove the checkpoints that are not to be kept."""
        if self._writes:
            self.folder.prune(self.checkpointing, best["epoch"] if best else None)

    def check_weights(self, place: Place) -> None:
        """Raise InputError for a weight that is not finite, which the loss need not show yet."""
        name = find_not_finite(self._trainer.net)
        if name is not None:
            raise self.diverged(f"{name} is no longer finite", place)

    def diverged(self, what: str, place: Place) -> InputError:
        """Return the error of a run that is lost: what happened, what is saved, what may help."""
        kept = self.folder.checkpoints()
        saved = f"{kept[-1]} is from before" if kept else "no weights were saved before"
        advice = "a lower rate may help (--set base_lr=X)"
        if self._from_scratch and self._trainer.net.config.frozen_statistics:
            advice += ", and so does starting from a classification network (--init FILE)"
        return InputError(
            f"{what} at epoch {place.epoch + 1}, step {place.step}; {saved}; {advice}"
        )
