"""CIFAR-10's binary version, in miniature and damaged."""

import numpy as np
import pytest

from rnw.data.sets.cifar10 import CIFAR10, FILES, RECORD
from rnw.data.sets.reading import read_examples
from rnw.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Files with three pictures each, red ones with a blue pixel."""
    for number, name in enumerate(FILES["train"] + FILES["test"]):
        records = np.zeros((3, RECORD), np.uint8)
        records[:, 0] = number + np.arange(3)
        records[:, 1 : 1 + 1024] = 200
        records[:, 1 + 2048 + 32 * 4 + 7] = 90  # row 4, column 7
        records.tofile(tmp_path / name)
    return tmp_path


def test_layout(folder):
    examples = read_examples(CIFAR10, "test", folder)
    assert examples.images.shape == (3, 32, 32, 3)
    assert examples.images.dtype == np.uint8
    assert examples.images[1, 4, 7].tolist() == [200, 0, 90]
    assert examples.images[1, 7, 4].tolist() == [200, 0, 0]
    assert examples.labels.tolist() == [5, 6, 7]
    train = read_examples(CIFAR10, "train", folder)
    assert train.labels.tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"test_batch.bin: no such file; extract cifar-10-binary"):
        read_examples(CIFAR10, "test", tmp_path)


def test_damaged_file(folder):
    (folder / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(InputError, match=r"test_batch.bin: 3 bytes, expected 3073 a picture"):
        read_examples(CIFAR10, "test", folder)
