"""Training samples made from pictures, which depend on seed, epoch and index alone."""

from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Protocol, Tuple

import numpy as np

from rnw.data.picture_types import PictureSource
from rnw.errors import InputError


class Batch(NamedTuple):
    """Data (N, 3, H, W) float32, and labels (N,) or (N, H', W') float32."""

    data: np.ndarray
    labels: np.ndarray


Bad = Dict[int, str]  # indices of bad pictures, and what is wrong with each


class Maker(Protocol):
    """Makes samples from `images`, with the shapes `data_shape` and `label_shape`."""

    @property
    def images(self) -> PictureSource: ...

    @property
    def data_shape(self) -> Tuple[int, ...]: ...

    @property
    def label_shape(self) -> Tuple[int, ...]: ...

    def __call__(
        self, index: int, random: np.random.RandomState, data: np.ndarray, label: np.ndarray
    ) -> None:
        """Write picture `index` to `data` and `label`; raise InputError for a bad picture."""


class Pictures(NamedTuple):
    """The pictures of a dataset as samples, with random numbers of (seed, epoch, index).

    skip_bad: replace a picture that cannot be read by the next one in the list. deadly: pictures
    that crashed a process, with a message for each.
    """

    maker: Maker
    seed: int
    skip_bad: bool
    deadly: Bad

    def values(self, size: int) -> int:
        """Return how many numbers a batch of `size` samples has."""
        return size * int(np.prod(self.maker.data_shape) + np.prod(self.maker.label_shape))

    def batch(self, size: int, memory: np.ndarray) -> Batch:
        """Return a batch whose arrays are views of `memory`, (values,) float32."""
        labels = size * int(np.prod(self.maker.label_shape))
        return Batch(
            memory[:-labels].reshape(size, *self.maker.data_shape),
            memory[-labels:].reshape(size, *self.maker.label_shape),
        )

    def new_batch(self, size: int) -> Batch:
        """Return a batch in newly allocated memory."""
        return self.batch(size, np.empty(self.values(size), np.float32))

    def fill(
        self,
        batch: Batch,
        epoch: int,
        indices: np.ndarray,
        rows: Iterable[int],
        on_picture: Callable[[int], None] = lambda index: None,
    ) -> Bad:
        """Fill some `rows` of a batch of the pictures `indices` (N,); return the bad pictures.

        on_picture: called with each index before the picture is read.

        Raises InputError for a bad picture that may not be skipped.
        """
        bad: Bad = {}
        random = np.random.RandomState()
        for row in rows:
            for index in self._candidates(int(indices[row])):
                on_picture(index)
                sample = batch.data[row], batch.labels[row, ...]
                if self._try(sample, epoch, index, random, bad):
                    break
        return bad

    def _candidates(self, index: int) -> Iterator[int]:
        count = len(self.maker.images)
        for step in range(count):
            yield (index + step) % count
        raise InputError(f"none of the {count} pictures can be read")

    def _try(
        self,
        sample: Tuple[np.ndarray, np.ndarray],
        epoch: int,
        index: int,
        random: np.random.RandomState,
        bad: Bad,
    ) -> bool:
        try:
            if index in self.deadly:
                raise InputError(self.deadly[index])
            random.seed([self.seed, epoch, index])  # a new RandomState takes ten times as long
            self.maker(index, random, *sample)
        except InputError as error:
            if not self.skip_bad:
                raise
            bad[index] = str(error)
            return False
        except Exception as error:
            raise RuntimeError(f"{self.maker.images.name(index)}: {error!r}") from error
        return True
