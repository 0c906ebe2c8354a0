"""COCO's pictures of VOC's classes, with label maps drawn from the annotated instances.

The releases of 2014, which the original used, and of 2017 have the same pictures; either is read.
"""

from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np

from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, Rendering
from rnw.errors import InputError, naming
from rnw.files import parse_json, read_regular, reading
from rnw.networks.heads import IGNORED_LABEL

NAMES = {  # COCO's and VOC's name of a class, where they differ
    "airplane": "aeroplane",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "couch": "sofa",
    "tv": "tvmonitor",
}
FOLDER, LABELS = "COCO", "COCO_labels"  # in the dataset's folder
YEARS = (2014, 2017)
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


def find_pairs(root: Path, classes: Sequence[str]) -> List[Pair]:
    """Return the pictures that show a class other than the first, as `find_scenes` finds them."""
    return [
        Pair(f"{FOLDER}/{name}.jpg", f"{LABELS}/{name}.png") for name in find_scenes(classes, root)
    ]


def find_scenes(classes: Sequence[str], root: Path) -> Dict[str, Scene]:
    """Return the pictures that show a class other than the first, by path without suffix.

    Pictures that show only crowds are left out. Raises InputError for annotations that are missing
    or in another format.
    """
    scenes: Dict[str, Scene] = {}
    for folder in (f"{split}{year}" for year in YEARS for split in ("train", "val")):
        if not (root / FOLDER / folder).is_dir():
            continue
        path = root / FOLDER / "annotations" / f"instances_{folder}.json"
        if not path.exists():
            raise InputError(f"{path}: no such annotations of {FOLDER}/{folder}")
        with reading(path, "COCO's annotations", (Exception,)):  # of many kinds in another form
            found = _read_scenes(parse_json(read_regular(path)), classes, path)
        scenes.update((f"{folder}/{name}", scene) for name, scene in found.items())
    return scenes


def _read_scenes(content: Dict[str, Any], classes: Sequence[str], path: Path) -> Dict[str, Scene]:
    numbers = {name: number for number, name in enumerate(classes) if number}
    of_category = {}
    for category in content["categories"]:
        name = NAMES.get(category["name"], category["name"])
        if name in numbers:
            of_category[category["id"]] = numbers[name]
    scenes = {row["id"]: (_name(row, path), _empty_scene(row, path)) for row in content["images"]}
    with_objects = set()
    for row in content["annotations"]:
        if row["category_id"] in of_category:
            _, scene = scenes[row["image_id"]]
            scene.instances.append(
                Instance(
                    of_category[row["category_id"]],
                    bool(row["iscrowd"]),
                    float(row["area"]),
                    row["segmentation"],
                    f"{path}: annotation {row['id']}",
                )
            )
            if not row["iscrowd"]:
                with_objects.add(row["image_id"])
    return dict(sorted(scenes[number] for number in with_objects))


def _name(row: Mapping[str, Any], path: Path) -> str:
    """Return the name of a picture without suffix, which its label map gets, too."""
    name = row["file_name"]
    if "/" in name or "\0" in name:
        raise InputError(f"{path}: picture {name!r} is expected to be a name without folders")
    return name.rpartition(".")[0]


def _empty_scene(row: Mapping[str, Any], path: Path) -> Scene:
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


def render_labels(classes: Sequence[str]) -> Rendering:
    """Return the label maps of all pictures that show a class other than the first."""
    return Rendering(LABELS, f"{FOLDER}/annotations", partial(find_scenes, classes), draw_scene)


def _form(archive: str, md5: str, folder: str) -> Form:
    places = (folder, f"coco/{folder}", f"images/{folder}")
    return Form(archive, md5, f"{FOLDER}/{folder}", places, inside=f"{folder}/")


PARTS = (
    (
        _form("train2014.zip", "0da8c0bd3d6becc4dcb32757491aca88", "train2014"),
        _form("train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "train2017"),
    ),
    (
        _form("val2014.zip", "a3d79f5ed8d289b7a7554ce06a5782b3", "val2014"),
        _form("val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "val2017"),
    ),
    (
        _form("annotations_trainval2014.zip", "0a379cfc70b0e71301e0f377548639bd", "annotations"),
        _form("annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c", "annotations"),
    ),
)
