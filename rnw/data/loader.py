"""Training batches, whose order and random numbers depend on seed, epoch and picture alone."""

import contextlib
import logging
from functools import cached_property
from typing import Callable, Dict, Generator, NamedTuple, Optional, Tuple, Union, cast

import numpy as np

from rnw.data.augmentation import DECODERS, Augmentation, ClassifiedPictures
from rnw.data.crops import Cropping, LabeledCrops
from rnw.data.list_digest import list_digest
from rnw.data.picture_types import (
    IMAGENET,
    Classified,
    ClassifiedSource,
    Examples,
    LabeledSource,
    Normalization,
)
from rnw.data.prefetch import prepare
from rnw.data.samples import Bad, Batch, Maker, Pictures
from rnw.data.sampling import balanced_order
from rnw.data.transforms import normalize
from rnw.data.waiting import Waiting, never
from rnw.errors import InputError, look_up
from rnw.runtime import cpu_cores

logger = logging.getLogger(__name__)


class Loading(NamedTuple):
    """How batches are made from pictures in files.

    decoder: a key of `rnw.data.augmentation.DECODERS`. workers: the number of processes (or of
    `threads`) that make batches in advance; 0: none, the caller makes them; None: one fewer than
    the CPU cores. skip_bad: replace a picture that cannot be read, or that crashes the process
    reading it, by the next one in the list, and log a warning. patience: seconds after which a
    warning names a picture that is still being read.
    """

    decoder: str = "opencv"
    workers: Optional[int] = None
    threads: bool = False
    skip_bad: bool = False
    patience: float = 10


BY_PROCESSES = Loading()


class Loader:
    """Training batches of `batch` examples, shuffled in each epoch; an incomplete one is dropped.

    examples: examples in memory, which are only normalized; or pictures in files, which are
        augmented to (size, size), or with `cropping` cropped together with their label maps.
    sampler: draws each example once in an epoch, or (balanced) as many of each class, in a new
        random order each time.
    part: (rank, workers) of this training worker, which reads its equal part of each batch.

    A picture has its own random numbers in each epoch, so that a batch depends neither on the
    number of processes nor on timing. Attributes: `examples`, their number; `skipped`, what was
    wrong with bad pictures, by name.

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
        sampler: str = "random",
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
        self._balanced_by = None if sampler == "random" else cast(Classified, examples).labels
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
    def list_digest(self) -> str:
        """A digest of the names and labels of the examples, in order."""
        return list_digest(self._in_memory or self._pictures.maker.images)

    @property
    def normalization(self) -> Normalization:
        """How pictures are normalized; those in memory are as ImageNet's."""
        return IMAGENET if self._in_memory else self._pictures.maker.images.normalization

    def epoch(
        self, number: int, start: int = 0, stopped: Callable[[], bool] = never
    ) -> Generator[Batch, None, None]:
        """Yield the batches of epoch `number` (counted from 0), beginning with batch `start`.

        It ends early when `stopped()` returns true while it waits for pictures. Its processes end
        when it is exhausted or closed. Raises InputError for a bad picture.
        """
        order = self._order(np.random.RandomState([self._seed, number]))
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

    def _order(self, random: np.random.RandomState) -> np.ndarray:
        if self._balanced_by is None:
            return random.permutation(self.examples)
        return balanced_order(self._balanced_by, random)

    def _note(self, bad: Bad) -> None:
        """Log a warning for each bad picture that is met for the first time."""
        for index, message in bad.items():
            name = self._pictures.maker.images.name(index)
            if name not in self.skipped:
                self.skipped[name] = message
                logger.warning("%s; skipped", message)
