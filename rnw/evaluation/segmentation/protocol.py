"""Test protocols of segmentation networks: what is averaged for a picture (section 6)."""

from typing import NamedTuple, Optional, Tuple

from rnw.data.sets.rows import SegmentationDataset
from rnw.weights.released import ReleasedFile


class Protocol(NamedTuple):
    """What is averaged for a picture: scales (its longer side in pixels) and mirror images.

    `steps`: shifts by fractions of the stride. `tile`, `overlap`: squares that the network is
    given rather than the whole, in pixels; None for the whole. `crf`: the row of `crf.CRFS` by
    which the averaged scores are refined. `interpolation`: how pictures and scores are resized.
    """

    scales: Tuple[int, ...]
    flip: bool = False
    steps: int = 1
    tile: Optional[int] = None
    overlap: int = 0
    crf: Optional[str] = None
    interpolation: str = "adaptive"

    def __str__(self) -> str:
        parts = [f"longer side {', '.join(map(str, self.scales))}"]
        parts += ["flip"] * self.flip
        parts += [f"{self.steps} steps"] * (self.steps > 1)
        parts += [f"tiles of {self.tile} overlapping by {self.overlap}"] * bool(self.tile)
        parts += [f"CRF {self.crf}"] * bool(self.crf)
        parts += [f"{self.interpolation} interpolation"] * (self.interpolation != "adaptive")
        return ", ".join(parts)


def own_protocol(dataset: SegmentationDataset) -> Protocol:
    """Return how networks other than the released ones are tested: at one scale."""
    return Protocol((dataset.test_size,))


def released_protocol(released: ReleasedFile) -> Protocol:
    """Return the protocol that gives a released file's published scores."""
    return Protocol((released.test_size,), released.flip, released.steps)
