"""COCO's pictures, with label maps drawn from the annotated instances: of VOC's classes, or of all.

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

NAMES = {  # VOC's and COCO's name of a class, where they differ
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
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
    numbers = {NAMES.get(name, name): number for number, name in enumerate(classes) if number}
    scenes: Dict[str, Scene] = {}
    for folder in (f"{split}{year}" for year in YEARS for split in ("train", "val")):
        if (root / FOLDER / folder).is_dir():
            found = read_scenes(root, folder, numbers)
            scenes.update({name: scene for name, scene in found.items() if _shows_object(scene)})
    return scenes


def _shows_object(scene: Scene) -> bool:
    return any(not instance.is_crowd for instance in scene.instances)


def read_scenes(
    root: Path, folder: str, numbers: Mapping[str, int], annotations: str = "annotations"
) -> Dict[str, Scene]:
    """Return the pictures of a folder such as train2014, by path without suffix, sorted.

    numbers: those of the categories that count, by COCO's names. annotations: the folder of their
    files. Raises InputError for annotations that are missing or in another format.
    """
    path = root / FOLDER / annotations / f"instances_{folder}.json"
    if not path.exists():
        raise InputError(f"{path}: no such annotations of {FOLDER}/{folder}")
    with reading(path, "COCO's annotations", (Exception,)):  # of many kinds in another form
        found = _read_scenes(parse_json(read_regular(path)), numbers, path)
    return {f"{folder}/{name}": scene for name, scene in found.items()}


def _read_scenes(
    content: Dict[str, Any], numbers: Mapping[str, int], path: Path
) -> Dict[str, Scene]:
    of_category = {
        category["id"]: numbers[category["name"]]
        for category in content["categories"]
        if category["name"] in numbers
    }
    scenes = {row["id"]: (_name(row, path), empty_scene(row, path)) for row in content["images"]}
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
    return dict(sorted(scenes.values(), key=lambda scene: scene[0]))


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


PICTURES = {
    folder: _form(f"{folder}.zip", md5, folder)
    for folder, md5 in (
        ("train2014", "0da8c0bd3d6becc4dcb32757491aca88"),
        ("val2014", "a3d79f5ed8d289b7a7554ce06a5782b3"),
        ("train2017", "cced6f7f71b7629ddf16f17bbcfab6b2"),
        ("val2017", "442b8da7639aecaf257c1dceb8ba8c80"),
    )
}
ANNOTATIONS = {
    year: _form(f"annotations_trainval{year}.zip", md5, "annotations")
    for year, md5 in (
        (2014, "0a379cfc70b0e71301e0f377548639bd"),
        (2017, "f4bbac642086de4f52a3fdda2de5fa2c"),
    )
}
PARTS = (
    (PICTURES["train2014"], PICTURES["train2017"]),
    (PICTURES["val2014"], PICTURES["val2017"]),
    tuple(ANNOTATIONS.values()),
)
