"""The files of a run."""

import os

import pytest

from rnw.errors import InputError
from rnw.training.run_folder import RunFolder
from rnw.weights.labels import ModelLabel

LABEL = ModelLabel("digits", "a1", 10)


def test_only_the_labels_own_checkpoints_are_found(tmp_path):
    names = [LABEL.params_file(2), LABEL.params_file(1)]
    others = [ModelLabel("digits", "a1", 10, suffix="x").params_file(1), LABEL.symbol_file]
    for name in names + others:
        (tmp_path / name).touch()
    folder = RunFolder(tmp_path, LABEL)
    assert [path.name for path in folder.checkpoints()] == sorted(names)
    with folder.lock:
        folder.claim(overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").touch()
    folder = RunFolder(tmp_path / "out" / "run", LABEL)
    with pytest.raises(InputError, match=f"out{os.sep}run: cannot be made: Not a directory"):
        folder.claim(overwrite=False)
