"""Label maps drawn of annotated objects, whose outlines are polygons or masks in runs (COCO's)."""

from pathlib import Path
from typing import Any, List, Mapping, NamedTuple

import numpy as np

from rnw.errors import InputError, naming
from rnw.networks.heads import IGNORED_LABEL

LARGEST_SIDE = 10_000  # pixels; COCO's own are 640 at most
FAR = 100_000  # pixels: no point of a picture's outline is as far away
INSTALL = "pip install '.[coco]' in the rnw checkout"


class Instance(NamedTuple):
    """An annotated object or crowd of class `number`, called `name` in messages.

    Its outline is a list of polygons, or a run-length encoded mask.
    """

    number: int
    is_crowd: bool
    area: float
    outline: Any
    name: str


class Scene(NamedTuple):
    """A picture: height and width, and its instances."""

    height: int
    width: int
    instances: List[Instance]


def empty_scene(row: Mapping[str, Any], path: Path) -> Scene:
    """Return the picture in a row of COCO's file `path`, without instances.

    Raises InputError, naming it, for height and width that no picture has.
    """
    size = row["height"], row["width"]
    if not all(isinstance(side, int) and 0 < side <= LARGEST_SIDE for side in size):
        raise InputError(
            f"{path}: picture {row['file_name']!r} has height and width {size}, expected 1 to "
            f"{LARGEST_SIDE} pixels"
        )
    return Scene(*size, [])


def draw_scene(scene: Scene) -> np.ndarray:
    """Draw the classes (H, W) uint8 of a picture.

    Crowds, which are ignored, are below objects, and large objects below small ones.

    Raises InputError when pycocotools is not installed, and for an outline that cannot be drawn,
    naming the annotation.
    """
    try:
        from pycocotools import mask  # of an extra
    except ModuleNotFoundError:
        raise InputError(f"COCO needs pycocotools, which is not installed: {INSTALL}") from None
    labels = np.zeros((scene.height, scene.width), np.uint8)
    for instance in sorted(scene.instances, key=lambda found: (not found.is_crowd, -found.area)):
        with naming(instance.name):
            outline = _checked(instance.outline, scene.height, scene.width)
        if outline == []:
            continue
        runs = mask.frPyObjects(outline, scene.height, scene.width)
        inside = mask.decode(mask.merge(runs) if isinstance(runs, list) else runs)
        labels[inside == 1] = IGNORED_LABEL if instance.is_crowd else instance.number
    return labels


def _checked(outline: Any, height: int, width: int) -> Any:
    """Return polygons or a run-length encoded mask as pycocotools takes them.

    Raises InputError where pycocotools would crash or read beyond the data.
    """
    if isinstance(outline, list):
        return [_checked_polygon(polygon) for polygon in outline]
    if not isinstance(outline, dict) or outline.get("size") != [height, width]:
        raise InputError(f"expected polygons, or a run-length mask of size {[height, width]}")
    runs = outline.get("counts")
    runs = _unpacked(runs) if isinstance(runs, str) else runs
    whole = isinstance(runs, list) and all(isinstance(run, int) and run >= 0 for run in runs)
    if runs is None or not whole or sum(runs) != height * width:
        raise InputError(f"expected a run-length mask of {height * width} pixels in all")
    return {"size": [height, width], "counts": runs}


def _checked_polygon(polygon: Any) -> List[float]:
    try:
        points = np.array(polygon, np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not (abs(points) < FAR).all():
        raise InputError(
            f"expected a polygon x1, y1, x2, y2, x3, y3... of pixels, found {str(polygon)[:100]}"
        )
    return points.tolist()


def _unpacked(packed: str) -> List[int]:
    """Decode runs from text, 5 bits a letter; from the fourth on they are differences."""
    runs: List[int] = []
    run = shift = 0
    for letter in packed.encode():
        run |= (letter - 48 & 31) << shift
        shift += 5
        if letter - 48 & 32:
            continue
        if letter - 48 & 16:
            run -= 1 << shift
        runs.append(run + (runs[-2] if len(runs) > 2 else 0))
        run = shift = 0
    return runs
