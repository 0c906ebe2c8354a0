"""COCO's pictures of VOC's classes, with label maps drawn from the annotated instances.

The releases of 2014, which the original used, and of 2017 have the same pictures; either is read.
"""

from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from rnw.data.instances import Instance, Scene, draw_scene, empty_scene
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, Rendering
from rnw.errors import InputError
from rnw.files import parse_json, read_regular, reading

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
    scenes = {row["id"]: (_name(row, path), empty_scene(row, path)) for row in content["images"]}
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
