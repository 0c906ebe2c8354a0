"""CIFAR-10, read by MXNet's own loader from the binary version of the data set."""

from pathlib import Path

import mxnet as mx
import numpy as np

from rnw.data.catalog import Dataset
from rnw.data.readers import Examples
from rnw.errors import InputError

MEAN = np.float32((0.4914, 0.4822, 0.4465))  # RGB in [0, 1], as gluoncv's networks are trained
DEVIATION = np.float32((0.2023, 0.1994, 0.2010))

NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6)) + ("test_batch.bin",)


def read_cifar10(root: Path, split: str) -> Examples:
    """The 50,000 pictures of 32x32 in split 'train', or the 10,000 in 'test'.

    Raises InputError when a file is missing or damaged; nothing is downloaded.
    """
    missing = [name for name in FILES if not (root / name).is_file()]
    if missing:
        raise InputError(
            f"{root / missing[0]}: not there; put the six files of CIFAR-10's binary version "
            f"({FILES[0]} to {FILES[-1]}) into {root}, or give their folder with --data-root"
        )
    for name in FILES:
        if (size := (root / name).stat().st_size) != 10_000 * 3073:
            raise InputError(f"{root / name}: {size} bytes, expected 30,730,000: damaged")
    loaded = mx.gluon.data.vision.CIFAR10(str(root), train=split == "train")
    return Examples(loaded._data.asnumpy(), loaded._label.astype(np.int64))


CIFAR10 = Dataset(
    "cifar10",
    "CIFAR-10",
    Path("data/cifar10"),
    10,
    lambda: NAMES,
    read_cifar10,
    "train",
    "test",
    recipe="",  # only gluoncv's networks are for it
)
