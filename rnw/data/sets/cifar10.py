"""CIFAR-10 in its binary version, as MXNet's own loader keeps it in ~/.mxnet/datasets/cifar10."""

from pathlib import Path

import numpy as np

from rnw.data.picture_types import Examples, Normalization
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError

# as gluoncv's networks are trained
NORMALIZATION = Normalization((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))

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
FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
RECORD = 1 + 3 * 32 * 32  # label, then the planes of red, green and blue


def read_cifar10(root: Path, split: str) -> Examples:
    """Return the 50,000 pictures of 32x32 in split 'train', or the 10,000 in 'test'.

    Raises InputError when a file is missing or damaged.
    """
    records = np.concatenate([_read_records(root / name) for name in FILES[split]])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Examples(images, records[:, 0].astype(np.int64))


def _read_records(path: Path) -> np.ndarray:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; extract cifar-10-binary.tar.gz from "
            "https://www.cs.toronto.edu/~kriz/cifar.html, and give the folder with --data-root"
        )
    from rnw.data.readers import read_file  # needs an extra

    content = read_file(path)
    if not content or len(content) % RECORD:
        raise InputError(f"{path}: {len(content)} bytes, expected {RECORD} a picture: damaged")
    return np.frombuffer(content, np.uint8).reshape(-1, RECORD)


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
