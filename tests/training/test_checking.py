"""Data of one's own are read before a run, whoever starts it."""

import shutil
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.data.sets.catalog import find_dataset
from rnw.errors import InputError
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from tests.data.own.miniatures import class_folders, pairs, png, write
from tests.training.observers import Keeping

NARROW = ("width=0.03125", "epochs=1")


def _cats(*overrides):
    shape = ("network=28-0-1-1-1-1-1-1", "classes=2", "batch=4")
    return find_recipe("scratch-cls", ["dataset=data", *shape, *NARROW, *overrides])


class _Hearing(Keeping):
    def __init__(self):
        super().__init__()
        self.looked = []

    def on_check(self, looked):
        self.looked.append((looked.step, looked.steps))


@pytest.mark.slow
def test_no_run_starts_on_data_with_errors(tmp_path):
    damaged = class_folders("train", "val") / "train/dog/1.jpg"
    damaged.write_text("no picture")
    with pytest.raises(InputError, match=r"^data: 1 pictures cannot be read: .*train/dog/1\.jpg"):
        train(_cats(), [mx.cpu()], Path("output"))
    assert not Path("output").exists()
    options = Options(unchecked=True)
    with pytest.raises(InputError, match=r"^data/train/dog/1\.jpg"):  # when it is its turn
        train(_cats(), [mx.cpu()], Path("output"), options=options)


def test_no_run_starts_where_another_split_has_errors():
    (class_folders("train", "val") / "val/cat/0.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"^data: 1 pictures cannot be read: .*val/cat/0\.jpg"):
        train(_cats(), [mx.cpu()], Path("output"))
    assert not Path("output").exists()


@pytest.mark.slow
def test_who_follows_a_run_hears_of_the_check(tmp_path):
    class_folders("train", "val", count=4)
    heard = _Hearing()
    train(_cats("balance=true"), [mx.cpu()], Path("output"), observer=heard)
    assert heard.looked == [(step, 16) for step in range(1, 17)]
    heard = _Hearing()
    train(_cats("balance=true"), [mx.cpu()], Path("output"), observer=heard, resume=True)
    assert heard.looked == []


def test_what_is_checked_is_what_is_trained_on():
    write(pairs("train/{}.jpg", "trainannot/{}.png"))
    write(pairs("val/{}.jpg", "valannot/{}.png", content=png(np.full((12, 16), 9, np.uint8))))
    overrides = ["dataset=data", "classes=3", "batch=2", "crop=16", *NARROW]
    recipe = find_recipe("scratch-seg", [*overrides, "split=val"])
    with pytest.raises(InputError, match=r"^data: 2 label maps have values without a class: "):
        train(recipe, [mx.cpu()], Path("output"))


def test_a_row_that_travels_is_not_looked_up_again():
    row = find_dataset(str(class_folders("train", "val")))
    recipe = _cats().with_row(row)
    shutil.rmtree("data")
    assert recipe.row is row
    assert str(recipe.label) == "data_rna-28-0-1-1-1-1-1-1_cls2"
    with pytest.raises(InputError, match=r"^data: no such folder"):
        find_recipe("scratch-cls", ["dataset=./data"]).label  # noqa: B018


def test_data_without_a_split_to_train_on():
    class_folders("val", count=4)
    with pytest.raises(InputError, match=r"^data: has no split 'train' to train on, found val$"):
        _cats().read_examples()
