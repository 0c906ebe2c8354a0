"""Batches in an order and with random numbers that the seed, the epoch and the place decide."""

import contextlib
import logging
from functools import cached_property
from typing import Callable, Dict, Iterator, NamedTuple, Optional, Tuple, Union, cast

import numpy as np

from rnw.data.augmentation import DECODERS, Augmentation, ClassifiedPictures
from rnw.data.crops import Cropping, LabeledCrops
from rnw.data.identity import identity
from rnw.data.picture_types import Classified, ClassifiedSource, Examples, LabeledSource
from rnw.data.prefetch import prepare
from rnw.data.samples import Bad, Batch, Maker, Pictures
from rnw.data.transforms import normalize
from rnw.data.waiting import Waiting, never
from rnw.errors import InputError, look_up
from rnw.runtime import cpu_cores

logger = logging.getLogger(__name__)


class Loading(NamedTuple):
    """How pictures in files become batches.

    decoder: a row of `rnw.data.augmentation.DECODERS`. workers: how many processes (or threads)
    make batches ahead, with 0 the caller makes them; with None one less than there are cores.
    skip_bad: a picture that cannot be read, or that ends the process reading it, is warned of and
    gives way to the next one of the list. patience: of a picture that is waited for so many seconds
    a warning tells the name.
    """

    decoder: str = "opencv"
    workers: Optional[int] = None
    threads: bool = False
    skip_bad: bool = False
    patience: float = 10


BY_PROCESSES = Loading()


class Loader:
    """Training batches of `batch` examples, shuffled anew each epoch; what is left over is dropped.

    Examples in memory are taken as they are, pictures in files augmented to (size, size), or with
    `cropping` cropped together with their label maps. Picture i has random numbers of its own in
    each epoch: neither workers nor timing change a batch. Of each batch, the worker that `part`
    (rank, workers) names reads its own equal part, in order. `examples` is how many there are;
    `skipped` tells what was wrong with bad pictures, by name.

    Raises InputError when there are fewer examples than a batch needs, and for an unknown decoder.
    """

    def __init__(
        self,
        examples: Union[Classified, LabeledSource],
        batch: int,
        seed: int,
        part: Tuple[int, int] = (0, 1),
        *,
        size: int = 224,
        cropping: Optional[Cropping] = None,
        loading: Loading = BY_PROCESSES,
    ):
        self._in_memory = examples if isinstance(examples, Examples) else None
        self.examples = len(examples.labels if isinstance(examples, Examples) else examples)
        if not 1 <= batch <= self.examples:
            raise InputError(
                f"a batch of {batch} cannot be drawn from {self.examples} examples: "
                f"expected between 1 and {self.examples} (--set batch=N)"
            )
        self._batch = batch
        self._seed = seed
        self._rank, self._parts = part
        look_up(DECODERS, loading.decoder, "decoder")
        self._loading = loading
        self.decoder = None if self._in_memory else loading.decoder
        if cropping is None:
            augmentation = Augmentation(size, loading.decoder)
            maker: Maker = ClassifiedPictures(cast(ClassifiedSource, examples), augmentation)
        else:
            maker = LabeledCrops(cast(LabeledSource, examples), cropping, loading.decoder)
        self._pictures = Pictures(maker, seed, loading.skip_bad, deadly={})
        self.skipped: Dict[str, str] = {}
        self.batches_per_epoch = self.examples // batch

    @cached_property
    def identity(self) -> str:
        """A digest of the names and labels of the examples, in their order."""
        return identity(self._in_memory or self._pictures.maker.images)

    def epoch(
        self, number: int, start: int = 0, stopped: Callable[[], bool] = never
    ) -> Iterator[Batch]:
        """The batches of epoch `number` (counted from 0) from batch `start` on.

        It ends early when `stopped()` turns true while pictures are waited for. Close it (or let it
        end) to end its processes. Raises InputError for a bad picture.
        """
        order = np.random.RandomState([self._seed, number]).permutation(self.examples)
        batches = order[: self.batches_per_epoch * self._batch].reshape(-1, self._batch)
        chosen = np.split(batches[start:], self._parts, axis=1)[self._rank]
        if self._in_memory is not None:
            images, labels = self._in_memory
            for indices in chosen:
                yield Batch(normalize(images[indices]), labels[indices].astype(np.float32))
            return
        workers = self._loading.workers
        if workers is None:
            workers = max(1, cpu_cores() - 1)
        waiting = Waiting(self._loading.patience, stopped)
        ready = prepare(self._pictures, number, chosen, workers, self._loading.threads, waiting)
        with contextlib.closing(ready):
            for batch, bad in ready:
                self._note(bad)
                yield batch

    def _note(self, bad: Bad) -> None:
        """Warn of bad pictures that are new."""
        for index, message in bad.items():
            name = self._pictures.maker.images.name(index)
            if name not in self.skipped:
                self.skipped[name] = message
                logger.warning("%s; skipped", message)
