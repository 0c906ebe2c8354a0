"""Builds a run whole, before anything of it is written: data, network, trainer, and its place."""

import contextlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import mxnet as mx
import numpy as np

from rnw.data.loader import Loader
from rnw.data.picture_types import IMAGENET, Classified, LabeledSource, Normalization
from rnw.errors import InputError
from rnw.files import write_text
from rnw.networks.classifier import Network
from rnw.training.checking import check_own_data
from rnw.training.initializers import initialize
from rnw.training.kvstores import Local
from rnw.training.loop import Run
from rnw.training.loss_scale import SCALED, ScaledLoss
from rnw.training.losses import WeightedLoss, make_loss
from rnw.training.memory import fit_recomputation
from rnw.training.metrics import Metrics, open_metrics
from rnw.training.observer import Observer
from rnw.training.optimizer_states import take_momentum
from rnw.training.optimizers import describe_multipliers, make_optimizer
from rnw.training.options import Options, Validation
from rnw.training.progress import Pace, Place
from rnw.training.recipe import Recipe
from rnw.training.recipes import starting_weights
from rnw.training.recompute import HeadLoss, Loss
from rnw.training.recompute_plan import Recompute
from rnw.training.run_folder import RunFolder
from rnw.training.saving import Saver
from rnw.training.schedules import make_schedule
from rnw.training.scoring import SCORING
from rnw.training.state import Bounds, State
from rnw.training.styles import set_styles
from rnw.training.trainer import Trainer, check_devices, trained_parameters
from rnw.weights import Transfer, load_params, warm_start
from rnw.weights.precision import FLOAT32, check_precision

logger = logging.getLogger(__name__)


class Origin(NamedTuple):
    """What a run begins from: the state of a stopped run, else weights, else nothing.

    epoch: how many epochs were done before, by weights alone. lost: what is wrong with the newest
    state, where `state` is the one before it.
    """

    state: Optional[State] = None
    weights: Optional[Path] = None
    epoch: int = 0
    lost: str = ""


def find_origin(
    recipe: Recipe,
    folder: RunFolder,
    weights: Optional[Path],
    epoch: int = 0,
    *,
    resume: bool,
    overwrite: bool,
) -> Origin:
    """Return what a run begins from (see `rnw.training.run.train`).

    From an `epoch` on it begins from the checkpoint of that epoch, where no weights are given.

    Raises InputError for a state or weights that are missing or cannot be read.
    """
    if resume and (folder.state.exists() or folder.previous_state.exists()):
        return _newest_state(folder)
    if epoch:
        return Origin(weights=weights or _checkpoint_of(folder, epoch), epoch=epoch)
    if resume and not overwrite:
        folder.check_nothing_to_resume()
    return Origin(weights=starting_weights(recipe, weights, folder.path))


def _newest_state(folder: RunFolder) -> Origin:
    """Return the newest state that is whole; raise InputError about the newest if none is."""
    if not folder.state.exists():
        return Origin(state=State(folder.previous_state), lost="is not there")
    try:
        return Origin(state=State(folder.state))
    except InputError as error:
        damaged = error
    with contextlib.suppress(InputError):
        return Origin(state=State(folder.previous_state), lost=f"is damaged ({damaged.__cause__})")
    raise damaged


def _checkpoint_of(folder: RunFolder, epoch: int) -> Path:
    path = folder.checkpoint(epoch)
    if not path.is_file():
        raise InputError(
            f"{path}: not there, and --from-epoch {epoch} begins from it: give the weights with "
            "--weights FILE"
        )
    return path


def _told_normalization(normalization: Normalization) -> Optional[List[List[float]]]:
    """The setting for data of one's own; None for the usual one, as older states have it."""
    return None if normalization == IMAGENET else [list(numbers) for numbers in normalization]


@dataclass(frozen=True)
class Job:
    """What this worker trains, on which devices, from which data, and where it is written."""

    recipe: Recipe
    contexts: List[mx.Context]
    seed: int
    data_root: Optional[Path]
    kvstore: Local
    folder: RunFolder
    options: Options
    observer: Observer

    @property
    def writes(self) -> bool:
        """Whether this worker is the first one, which alone validates, writes and tells."""
        return self.kvstore.rank == 0

    @property
    def validation(self) -> Optional[Validation]:
        """How this worker tests the network."""
        return self.options.validation if self.writes else None

    @property
    def devices(self) -> int:
        """The number of devices of all workers."""
        return self.kvstore.workers * len(self.contexts)

    def check(self) -> None:
        """Raise InputError for devices or a number of workers that do not fit the options."""
        check_devices(self.recipe.batch, self.devices)
        kinds = [context.device_type for context in self.contexts]
        check_precision(self.recipe.precision, kinds, force=self.options.force_precision)
        self.options.check(self.recipe.epochs)
        if self.options.states is not None and self.recipe.kvstore == "dist_async":
            raise InputError(
                "--states is for an optimizer of the workers, which with dist_async is the "
                "servers': choose another --kvstore"
            )
        validation = self.options.validation
        if validation is not None and validation.patience is not None and self.kvstore.workers > 1:
            raise InputError(
                "--early-stop is for one process, as only the first of several workers validates: "
                "leave it out"
            )

    def check_data(self, origin: Origin) -> None:
        """Raise InputError for data of one's own that no new run starts on (see `Options`)."""
        if self.writes and origin.state is None and not self.options.unchecked:
            check_own_data(self.recipe, self.data_root, self.observer.on_check)

    def open_metrics(self) -> Metrics:
        """Return what the figures of the run are reported to."""
        if not self.writes:
            return Metrics([])
        return open_metrics(self.folder, tensorboard=self.options.tensorboard)

    def build(self, origin: Origin, metrics: Metrics) -> Tuple[Run, Optional[Transfer]]:
        """Return the run, standing where its origin does, and what was taken from weights.

        Raises InputError for a state or weights that do not fit, and for settings, devices and data
        that the recipe cannot be trained with.
        """
        examples = self.recipe.read_examples(self.data_root)
        loader = self._open_loader(examples)
        weighted = make_loss(self.recipe, examples)
        settings = self._agree(origin.state, loader, weighted)
        recompute = fit_recomputation(  # before there is a network
            self.recipe, self.contexts, self.options.recompute, self.kvstore.workers
        )
        loss = self._scale(weighted)
        net = self._make_network(loss)
        transfer = self._take_weights(net, origin)
        scoring = SCORING[self.recipe.task]
        epochs, steps, stop = self.recipe.epochs, loader.batches_per_epoch, self.options.stop_epoch
        place = Place(epochs, steps, origin.epoch, first=origin.epoch, stop=stop)
        if origin.state is not None:
            self._go_to(origin.state, net, place, scoring.names)
        trainer = self._make_trainer(net, place, loss, recompute)
        if origin.state is not None:
            origin.state.restore_momentum(net, trainer)
            if isinstance(loss, ScaledLoss):
                origin.state.restore_scale(loss)
        elif self.options.states is not None:
            take_momentum(self.options.states, net, trainer)
        saver = Saver(
            self.folder,
            trainer,
            self.recipe.configure(),
            settings,
            self.options.checkpointing,
            from_scratch=origin == Origin(),
        )
        pace = self._make_pace(place, trainer)
        told = (metrics, self.validation, self.observer if self.writes else Observer())
        return Run(loader, trainer, scoring.measure, place, pace, saver, *told), transfer

    def _take_weights(self, net: Network, origin: Origin) -> Optional[Transfer]:
        """Fill a network from weights, if there are any: from its own whole, or what fits."""
        if origin.weights is None:
            if origin.state is None and self.options.states is not None:
                raise InputError(
                    f"{self.options.states}: is the momentum of weights, and no weights are given: "
                    "give them with --weights FILE"
                )
            return None
        if origin.epoch:
            load_params(net, origin.weights)
            return None
        return warm_start(net, origin.weights)

    def _open_loader(self, examples: Union[Classified, LabeledSource]) -> Loader:
        """Return what reads this worker's part of each batch."""
        recipe = self.recipe
        return Loader(
            examples,
            recipe.batch,
            self.seed,
            (self.kvstore.rank, self.kvstore.workers),
            size=recipe.input_size,
            cropping=recipe.cropping(),
            loading=self.options.loading,
            sampler=recipe.sampler,
        )

    def _agree(
        self, state: Optional[State], loader: Loader, loss: Optional[WeightedLoss]
    ) -> Dict[str, Any]:
        """Return the settings without which the run cannot be resumed.

        Raises InputError where they are not those of a state, or of the other workers.
        """
        position = (-1, -1) if state is None else (state.position.epoch, state.position.step)
        own = [self.options.from_epoch, self.options.stop_epoch, len(self.contexts), self.seed]
        facts = [*position, *own, loader.list_digest]
        if not self.kvstore.agrees(facts):
            raise InputError(
                f"{self.folder}: worker {self.kvstore.rank} has another --seed, number of devices, "
                "first or last epoch or list of pictures than the others, or finds another state "
                "there: give all of them the same command and data, and an --output that all "
                "machines see"
            )
        settings = {
            **json.loads(self.recipe.to_json()),
            "devices": self.devices,
            "seed": self.seed,
            "decoder": loader.decoder,
            "images": loader.examples,
            "digest of the list": loader.list_digest,
        }
        if self.recipe.row.description is not None:
            settings["normalization"] = _told_normalization(loader.normalization)
        if self.recipe.balance and loss is not None:
            settings["weights of the classes"] = loss.class_weights.tolist()
        del settings["kvstore"]  # how the devices are spread over machines may change
        if state is not None:
            state.check_settings(settings)
        return settings

    def _scale(self, loss: Optional[Loss]) -> Optional[Loss]:
        """Return the loss, in precisions that need it scaled; None: that of the network's head."""
        if self.recipe.precision not in SCALED:
            return loss
        return ScaledLoss(loss or HeadLoss(self.recipe.configure()))

    def _make_network(self, loss: Optional[Loss]) -> Network:
        """Return the network with its initial values; with a loss of its own it gives scores."""
        config = self.recipe.configure()
        net = Network(config if loss is None else replace(config, head="logits"))
        net.compute_in(self.recipe.precision)
        set_styles(net, self.recipe.styles)
        mx.random.seed(self.seed)
        initialize(net, self.contexts, np.random.RandomState(self.seed))
        return net

    def _go_to(self, state: State, net: Network, place: Place, scores: Tuple[str, ...]) -> None:
        """Set a network and its place to those of a state."""
        best_by = None if self.validation is None else self.validation.best_by
        state.check_content(net, self.devices, Bounds(place.epochs, place.steps, scores, best_by))
        state.restore_network(net, self.kvstore.rank)
        position = state.position
        place.epoch, place.history, place.best = position.epoch, position.history, position.best

    def _make_trainer(
        self, net: Network, place: Place, loss: Optional[Loss], recompute: Recompute
    ) -> Trainer:
        recipe, parts = self.recipe, self.kvstore.updates_per_step
        schedule = make_schedule(
            recipe.schedule,
            recipe.base_lr / parts,
            place.last_update * parts,
            floor=recipe.lr_floor / parts,
            steps=tuple(step * parts for step in recipe.lr_steps),
            warmup=min(round(recipe.warmup * place.steps), place.last_update - 1) * parts,
        )
        optimizer = make_optimizer(
            recipe.optimizer,
            trained_parameters(net),
            schedule=schedule,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            rescale=parts / recipe.gradients_summed(self.devices),
            updates_done=place.updates * parts,
        )
        return Trainer(
            net,
            self.contexts,
            optimizer,
            self.kvstore,
            recompute=recompute,
            seed=self.seed,
            loss=loss,
        )

    def _make_pace(self, place: Place, trainer: Trainer) -> Pace:
        """Return what tells rates as those of whole steps, of which each worker may make a part."""
        parts, schedule = self.kvstore.updates_per_step, trainer.updater.optimizer.lr_scheduler
        return Pace(place, self.recipe.batch, lambda updates: schedule(updates * parts) * parts)

    def prepare_folder(self, origin: Origin, *, overwrite: bool) -> None:
        """Let the folder hold the recipe, and what the origin left there.

        Raises InputError as `RunFolder.claim` does.
        """
        if origin.state is None:
            self.folder.claim(overwrite=overwrite, after=origin.epoch)
            self._save_dataset()
        elif origin.lost:
            self.folder.take_previous_state()
        write_text(self.folder.recipe, self.recipe.to_json())
        self.folder.remove_parts()

    def _save_dataset(self) -> None:
        """Let the weights know a dataset of one's own, which no table has."""
        if self.recipe.row.description is not None:
            from rnw.data.sets.described import save_description  # needs an extra

            save_description(self.recipe.row, self.folder.dataset, self.data_root)

    def announce(self, run: Run, origin: Origin, transfer: Optional[Transfer]) -> None:
        """Tell what is trained how, and from where on."""
        if origin.lost:
            goes_on = "the run goes on from the state saved before it"
            logger.warning("%s: %s; %s", self.folder.state, origin.lost, goes_on)
        if origin.epoch:
            states = self.options.states
            logger.warning(
                "%s: trained on after epoch %d with the %s, the schedule goes on",
                origin.weights,
                origin.epoch,
                f"momentum of {states}" if states else "weights alone: momentum is zero at first",
            )
        if origin.weights is not None and transfer is not None:
            logger.info("from %s: %s", origin.weights, transfer)
            run.observer.on_warm_start(origin.weights, transfer)
        devices = ", ".join(map(str, self.contexts))
        if self.kvstore.workers > 1:
            devices += f" of each of {self.kvstore.workers} workers"
        logger.info("%s on %s, seed %d", self.recipe, devices, self.seed)
        parameters, loss = trained_parameters(run.trainer.net), run.trainer.loss
        logger.info("%s", describe_multipliers(run.trainer.updater.optimizer, parameters))
        if self.options.recompute:
            logger.info("%s", run.trainer.describe_recomputation(self.recipe.input_size))
        if loss is not None:
            logger.info("%s", loss)
        if self.recipe.precision != FLOAT32:
            logger.info("computed in %s, weights in %s", self.recipe.precision, FLOAT32)
        if run.place.updates:
            logger.info("resumed after epoch %d, step %d", run.place.epoch, run.place.step)
