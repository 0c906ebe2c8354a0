"""`--tile auto`: tiles as large as the memory allows, by the liveness of the network."""

import contextlib
import re
from pathlib import Path
from typing import Any, Mapping, Optional

from rnw.errors import InputError
from rnw.evaluation.segmentation.kept import ORIGIN
from rnw.evaluation.segmentation.kept_scores import RECORD
from rnw.evaluation.segmentation.score_maps import Size
from rnw.files import read_json
from rnw.networks.cost import FLOAT_BYTES
from rnw.networks.layout import NetworkConfig
from rnw.networks.liveness import liveness

USABLE = 0.7  # of the free memory: engines were measured to take up to 1.2 times the maps
FIXED = 150_000_000  # bytes of a pass of any size: oneDNN's order of the largest weights, and code
_PROBE = 512  # pixels a side; maps grow as the area does
_TILES = re.compile(r"\btiles of (\d+)")  # in the words of a protocol, for older records


def bytes_per_pixel(config: NetworkConfig) -> float:
    """Return the memory of the maps of a pass in float32, for each pixel of its input."""
    return FLOAT_BYTES * max(row.forward for row in liveness(config, _PROBE)) / _PROBE**2


def fitting_tile(size: Size, stride: int, pixel: float, free: int) -> Optional[int]:
    """Return the side of the largest tiles that fit into memory, None where the whole does.

    size: (height, width) of the largest input, in pixels. pixel: the bytes that each takes. free:
    the bytes that there are, of which a part is left alone.

    Raises InputError where not even tiles of four times the stride fit.
    """
    pixels = max(0.0, USABLE * free - FIXED) / pixel
    short, long = sorted(size)
    if short * long <= pixels:
        return None
    side = pixels / short if pixels > short**2 else pixels**0.5
    tile = int(side) // stride * stride
    if tile < 4 * stride:
        raise InputError(
            f"--tile auto: {free / 1e9:.2g} GB are free, which is too little for tiles of "
            f"{4 * stride} pixels; free some, or choose a size with --tile N"
        )
    return tile


def kept_tile(folder: Path) -> Optional[int]:
    """Return the tiles by which labels or scores in a folder were made; None if it has none."""
    for name in (ORIGIN, RECORD):
        with contextlib.suppress(InputError):
            return _tile_of(read_json(folder / name))
    return None


def _tile_of(record: Mapping[str, Any]) -> Optional[int]:
    tile = record.get("tile")
    if "tile" not in record:  # an older one, which tells it in words alone
        words = _TILES.search(str(record.get("protocol")))
        tile = int(words[1]) if words else None
    return tile if isinstance(tile, int) else None
