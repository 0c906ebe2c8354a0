"""Miniatures of ILSVRC 2012, as published and as Kaggle has it, of Places365 and ImageNetV2.

They are real JPEG files in archives of the official forms.
"""

import io
import tarfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
from PIL import Image
from scipy.io import savemat

Files = Dict[str, bytes]  # by path

# In the order of their ILSVRC2012_ID, which is not that of the WordNet ids.
SYNSETS = (
    ("n02119789", "kit fox, Vulpes macrotis"),
    ("n02100735", "English setter"),
    ("n01440764", "tench, Tinca tinca"),
    ("n03000134", "chainlink fence"),
)
INTERNAL = (("n00001740", "entity"), ("n02084071", "dog, domestic dog, Canis familiaris"))
CATEGORIES = ("airfield", "apartment_building/outdoor", "field/wild", "field_road")


class Miniature(NamedTuple):
    """Folder of the archives, classes in label order, and the files of each split by name."""

    folder: Path
    classes: Tuple[str, ...]
    train: Files  # by class/name
    val: Files
    val_labels: List[int]


def jpeg(number: int, label: int, mode: str = "RGB") -> bytes:
    """A small JPEG file, bright in the part that its label tells."""
    random = np.random.RandomState(number)
    height, width = random.randint(40, 72, 2)
    pixels = random.randint(0, 96, (height, width, 3)).astype(np.uint8)
    pixels[label * height // 4 : (label + 1) * height // 4] += np.uint8(150)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG")
    return file.getvalue()


def make_ilsvrc12(folder: Path, train: int = 6, val: int = 3) -> Miniature:
    """The three official archives of ILSVRC 2012, with 4 classes of `train` and `val` pictures."""
    classes = sorted(wnid for wnid, _ in SYNSETS)
    pictures = {
        wnid: {f"{wnid}_{7 * k + 1}.JPEG": jpeg(100 * label + k, label) for k in range(train)}
        for label, wnid in enumerate(classes)
    }
    first = pictures[classes[0]]
    first[min(first)] = jpeg(0, 0, "CMYK")  # as a few of the official pictures
    inner = [(f"{wnid}.tar", tar_bytes(sorted(pictures[wnid].items()))) for wnid, _ in SYNSETS]
    write_tar(folder / "ILSVRC2012_img_train.tar", inner)
    ids = np.random.RandomState(1).permutation(np.repeat(np.arange(len(SYNSETS)) + 1, val))
    labels = [classes.index(SYNSETS[number - 1][0]) for number in ids]
    val_files = {
        f"ILSVRC2012_val_{k:08d}.JPEG": jpeg(1000 + k, label) for k, label in enumerate(labels, 1)
    }
    write_tar(folder / "ILSVRC2012_img_val.tar", sorted(val_files.items(), reverse=True))
    write_devkit(folder / "ILSVRC2012_devkit_t12.tar.gz", ids, train)
    return Miniature(
        folder,
        tuple(classes),
        {f"{wnid}/{name}": content for wnid in classes for name, content in pictures[wnid].items()},
        val_files,
        labels,
    )


def kaggle_files(made: Miniature) -> Files:
    """What Kaggle's archive of the same pictures holds, by path."""
    pictures = {f"ILSVRC/Data/CLS-LOC/train/{name}": data for name, data in made.train.items()}
    pictures.update({f"ILSVRC/Data/CLS-LOC/val/{name}": data for name, data in made.val.items()})
    rows = [
        f"{name.partition('.')[0]},{made.classes[label]} 1 2 30 40 "
        + f"{made.classes[label]} 5 6 7 8 " * (label % 2)
        for name, label in zip(made.val, made.val_labels)
    ]
    table = "\n".join(["ImageId,PredictionString", *sorted(rows, reverse=True)]) + "\n"
    return {
        **pictures,
        "ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG": jpeg(1, 0),
        "ILSVRC/ImageSets/CLS-LOC/val.txt": b"ILSVRC2012_val_00000001 1\n",
        "LOC_synset_mapping.txt": b"n01440764 tench, Tinca tinca\n",
        "LOC_val_solution.csv": table.encode(),
    }


def write_devkit(path: Path, ground_truth: Sequence[int], train: int) -> None:
    """A development kit with the official members: `synsets` as MATLAB's structure array."""
    rows = [
        (number, wnid, words, f"gloss of {words}", *tree, 0 if tree[0] else train)
        for number, (wnid, words, *tree) in enumerate(_synsets(), 1)
    ]
    names = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children")
    names += ("wordnet_height", "num_train_images")
    synsets = np.zeros((len(rows), 1), [(name, object) for name in names])
    for place, row in enumerate(rows):
        synsets[place, 0] = row
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    truth = "".join(f"{number}\n" for number in ground_truth).encode()
    data = "ILSVRC2012_devkit_t12/data"
    members = [
        ("ILSVRC2012_devkit_t12/readme.txt", b"Development kit\n"),
        (f"{data}/meta.mat", meta.getvalue()),
        (f"{data}/ILSVRC2012_validation_ground_truth.txt", truth),
    ]
    write_tar(path, members, "w:gz")


def _synsets() -> List[tuple]:
    """WordNet id, words, number of children, their numbers and height; low-level ones first."""
    low = len(SYNSETS)
    return [
        *((wnid, words, 0, np.zeros((1, 0)), 0) for wnid, words in SYNSETS),
        (*INTERNAL[0], 3, np.array([[low + 2, 3, 4]]), 2),
        (*INTERNAL[1], 2, np.array([[1, 2]]), 1),
    ]


def make_places365(folder: Path, form: str = "large", train: int = 5, val: int = 2) -> Miniature:
    """The archives of Places365-Standard in form 'large', '256' or 'easyformat', 4 categories."""
    train_files = {
        f"{category}/{k:08d}.jpg": jpeg(100 * label + k, label)
        for label, category in enumerate(CATEGORIES)
        for k in range(1, train + 1)
    }
    order = np.random.RandomState(2).permutation(np.repeat(np.arange(len(CATEGORIES)), val))
    labels = order.tolist()
    val_files = {
        f"Places365_val_{k:08d}.jpg": jpeg(1000 + k, label) for k, label in enumerate(labels, 1)
    }
    if form == "easyformat":
        members = [(f"train/{easy_name(path)}", data) for path, data in train_files.items()]
        for (name, data), label in zip(val_files.items(), labels):
            members.append((f"val/{easy_name(CATEGORIES[label] + '/' + name)}", data))
        members = [(f"places365_standard/{path}", data) for path, data in members]
        write_tar(folder / "places365standard_easyformat.tar", members)
    else:
        members = [(f"data_{form}/{p[0]}/{p}", data) for p, data in train_files.items()]
        write_tar(folder / f"train_{form}_places365standard.tar", members)
        members = [(f"val_{form}/{name}", data) for name, data in val_files.items()]
        write_tar(folder / f"val_{form}.tar", members)
    write_file_lists(folder / "filelist_places365-standard.tar", train_files, val_files, labels)
    return Miniature(folder, CATEGORIES, train_files, val_files, labels)


def easy_name(path: str) -> str:
    """`field/wild/1.jpg` as the easy format has it: `field-wild/1.jpg`."""
    category, _, name = path.rpartition("/")
    return f"{category.replace('/', '-')}/{name}"


def write_file_lists(path: Path, train: Files, val: Files, labels: Sequence[int]) -> None:
    """The archive of categories, training and validation lists."""
    categories = [f"/{name[0]}/{name} {label}" for label, name in enumerate(CATEGORIES)]
    of_train = [f"/{p[0]}/{p} {CATEGORIES.index(p.rpartition('/')[0])}" for p in train]
    of_val = [f"{name} {label}" for name, label in zip(val, labels)]
    write_tar(
        path,
        [
            ("categories_places365.txt", "\n".join(categories).encode()),
            ("places365_train_standard.txt", "\n".join(of_train).encode()),
            ("places365_val.txt", "\n".join(of_val).encode()),
        ],
    )


def imagenetv2_files(name: str) -> Files:
    """What an archive of ImageNetV2 holds, by path: classes 0, 2 and 10 in folders by number."""
    return {
        f"imagenetv2-{name}-format-val/{number}/{number}{k:039x}.jpeg": jpeg(number + k, 0)
        for number in (0, 2, 10)
        for k in range(2)
    }


def write_tar(path: Path, members: Sequence[Tuple[str, bytes]], mode: str = "w") -> None:
    """A tar file of (name, content) pairs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def tar_bytes(members: Sequence[Tuple[str, bytes]]) -> bytes:
    """The content of a tar file of (name, content) pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()
