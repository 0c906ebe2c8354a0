"""Mapillary Vistas, version 1.2: photographs of streets (ICCV 2017; mapillary.com/dataset/vistas).

Of its 66 categories 65 are judged, as config_v1.2.json in its archive says (`evaluate`); the last,
unlabeled, is ignored. The archive of version 2.0 has the label maps of version 1.2, too.
"""

from functools import partial
from pathlib import Path
from typing import List

from rnw.data.label_meaning import LabelMeaning
from rnw.data.picture_types import Pair
from rnw.data.sets.publication import Form, LabeledSplit
from rnw.data.sets.rows import SegmentationDataset, prepared_labeled

# names and colors of config_v1.2.json, in the order of their numbers in label maps
_ROWS = """
Bird a52a2a; Ground Animal 00c000; Curb c4c4c4; Fence be9999; Guard Rail b4a5b4; Barrier 5a7896;
Wall 66669c; Bike Lane 8040ff; Crosswalk - Plain 8c8cc8; Curb Cut aaaaaa; Parking faaaa0;
Pedestrian Area 606060; Rail Track e6968c; Road 804080; Service Lane 6e6e6e; Sidewalk f423e8;
Bridge 966464; Building 464646; Tunnel 96785a; Person dc143c; Bicyclist ff0000;
Motorcyclist ff0064; Other Rider ff00c8; Lane Marking - Crosswalk c88080;
Lane Marking - General ffffff; Mountain 40aa40; Sand e6a032; Sky 4682b4; Snow beffff;
Terrain 98fb98; Vegetation 6b8e23; Water 00aa1e; Banner ffff80; Bench fa001e; Bike Rack 648cb4;
Billboard dcdcdc; Catch Basin dc8080; CCTV Camera de2828; Fire Hydrant 64aa1e;
Junction Box 282828; Mailbox 212121; Manhole 6480a0; Phone Booth 8e0000; Pothole 466496;
Street Light d2aa64; Pole 999999; Traffic Sign Frame 808080; Utility Pole 000050;
Traffic Light faaa1e; Traffic Sign (Back) c0c0c0; Traffic Sign (Front) dcdc00; Trash Can 8c8c14;
Bicycle 770b20; Boat 9600ff; Bus 003c64; Car 00008e; Caravan 00005a; Motorcycle 0000e6;
On Rails 005064; Other Vehicle 804040; Trailer 00006e; Truck 000046; Wheeled Slow 0000c0;
Car Mount 202020; Ego Vehicle 780a0a
"""
_PARTS = [row.rpartition(" ") for row in " ".join(_ROWS.split()).split("; ")]
CLASSES = tuple(name for name, _, _ in _PARTS)
PALETTE = tuple((red, green, blue) for red, green, blue in (bytes.fromhex(c) for *_, c in _PARTS))
UNLABELED = len(CLASSES)
MEANING = LabelMeaning("Mapillary Vistas", tuple(range(len(CLASSES))), PALETTE, void=(UNLABELED,))
FOLDERS = {"train": "training", "val": "validation", "test": "testing"}  # by split


def _pairs(split: str, root: Path) -> List[Pair]:
    folder = FOLDERS[split]
    labels = f"{folder}/v1.2/labels" if (root / folder / "v1.2").is_dir() else f"{folder}/labels"
    return [
        Pair(
            f"{folder}/images/{path.name}",
            None if split == "test" else f"{labels}/{path.stem}.png",
        )
        for path in sorted((root / folder / "images").glob("*.jpg"))
    ]


def _split(split: str) -> LabeledSplit:
    folder = FOLDERS[split]
    forms = tuple(
        Form(
            f"mapillary-vistas-dataset_public_v{version}.zip",
            None,
            folder,
            (folder, f"mapillary-vistas-dataset_public_v{version}/{folder}"),
            inside=f"{folder}/",
            probe="images",
        )
        for version in ("1.2", "2.0")
    )
    return LabeledSplit((forms,), partial(_pairs, split))


COMPOSED = {"trainval": ("train", "val")}

DATASET = SegmentationDataset(
    "mapillary-vistas",
    "Mapillary Vistas",
    Path("data/mapillary-vistas"),
    CLASSES,
    PALETTE,
    prepared_labeled("mapillary-vistas", MEANING, COMPOSED),
    {"train": 18_000, "val": 2000, "test": 5000},
    None,
    recipe="",
    test_size=2048,  # ours: as Cityscapes; pictures are of many sizes
    meaning=MEANING,
    publication={split: _split(split) for split in FOLDERS},
    composed=COMPOSED,
)
