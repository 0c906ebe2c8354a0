"""CIFAR-10 as published in its binary form."""

from pathlib import Path

from rnw.data.picture_types import Normalization
from rnw.data.sets.cifar import IMAGES, cifar_reader
from rnw.data.sets.publication import Form, PackedPublication
from rnw.data.sets.rows import Dataset

# as gluoncv's networks are trained
NORMALIZATION = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))

NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
FOLDER = "cifar-10-batches-bin"
FORM = Form(
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    FOLDER,
    (FOLDER,),
    inside=f"{FOLDER}/",
    probe="test_batch.bin",
)
FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}

DATASET = Dataset(
    "cifar10",
    "CIFAR-10",
    Path("data/cifar10"),
    len(NAMES),
    lambda: NAMES,
    cifar_reader("CIFAR-10", FORM, FILES, labels=1),
    "train",
    "test",
    recipe="",
    publication=PackedPublication((FORM,), IMAGES),
    class_ids=NAMES,
)
