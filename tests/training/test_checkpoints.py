"""Checkpoints on disk."""

import os

import pytest

from rnw.errors import InputError
from rnw.training.checkpoints import claim_folder, find_checkpoints
from rnw.weights.labels import ModelLabel

LABEL = ModelLabel("digits", "a1", 10)


def test_only_the_labels_own_checkpoints_are_found(tmp_path):
    names = [LABEL.params_file(2), LABEL.params_file(1)]
    others = [ModelLabel("digits", "a1", 10, suffix="x").params_file(1), LABEL.symbol_file]
    for name in names + others:
        (tmp_path / name).touch()
    assert [path.name for path in find_checkpoints(LABEL, tmp_path)] == sorted(names)
    claim_folder(LABEL, tmp_path, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match=f"out{os.sep}run: cannot be made: Not a directory"):
        claim_folder(LABEL, tmp_path / "out" / "run", overwrite=False)
