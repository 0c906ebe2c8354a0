"""CIFAR-10 as published, in its binary form or in that for Python."""

from rnw.data.picture_types import Normalization
from rnw.data.sets.cifar import binary_files, cifar_row, pickled_files

# as gluoncv's networks are trained
NORMALIZATION = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))

NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
FORMS = (
    binary_files(
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-10-batches-bin",
        {"train": [f"{name}.bin" for name in BATCHES], "test": ["test_batch.bin"]},
        labels=1,
    ),
    pickled_files(
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        "cifar-10-batches-py",
        {"train": BATCHES, "test": ["test_batch"]},
        labels=b"labels",
    ),
)

DATASET = cifar_row("cifar10", "CIFAR-10", NAMES, FORMS)
