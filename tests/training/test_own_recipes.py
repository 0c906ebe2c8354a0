"""Recipes for data of one's own: chosen by what there is to start from, and fitted to the size."""

from pathlib import Path

import numpy as np
import pytest

from rnw.data.sets.catalog import find_task_dataset
from rnw.errors import InputError
from rnw.networks.layout import configure
from rnw.training.own_recipes import LENGTHS, choose_recipe, fit_recipe
from rnw.training.recipes import MODELS, RECIPES, find_recipe
from rnw.weights.convert import write_parameters
from tests.data.own.miniatures import class_folders, pairs, write


@pytest.fixture
def cats():
    return find_task_dataset(str(class_folders("train", "val", count=10, root="cats")))


@pytest.fixture
def street():
    root = write(pairs("train/{}.jpg", "trainannot/{}.png", "abcdef"), "street")
    return find_task_dataset(str(root))


def test_to_fine_tune_takes_weights(cats, street):
    assert choose_recipe(cats, None) == "scratch-cls"
    assert choose_recipe(street, None) == "scratch-seg"
    assert choose_recipe(cats, Path("mine.params")) == "finetune-cls"
    MODELS.mkdir()
    (MODELS / RECIPES["finetune-seg"].starts_from).touch()
    assert choose_recipe(street, None) == "finetune-seg"


def test_recipes_fit_the_data(cats, street):
    assert fit_recipe("scratch-cls", cats, None) == ("classes=2", "batch=20", "epochs=100")
    held_out = 6 - int(fit_recipe("scratch-seg", street, None)[1].partition("=")[2])
    assert held_out in (0, 1)
    changes = fit_recipe("scratch-seg", street, None)
    assert (changes[0], changes[-1]) == ("classes=3", "origin=500")
    assert fit_recipe("model_a", cats, None) == ("classes=2",)
    recipe = find_recipe("scratch-cls", ["dataset=cats", *fit_recipe("scratch-cls", cats, None)])
    assert str(recipe.label) == "cats_rna-56-1-1-1-1-1-1-1_cls2"


def test_weights_of_any_name_are_of_the_network_that_is_set(cats):
    values = {
        parameter.name: np.zeros(parameter.shape, np.float32)
        for parameter in configure("model_a1", 5, width=1 / 32).parameters()
    }
    write_parameters("best.params", values, "module")
    with pytest.raises(InputError, match="--set network=NAME"):
        fit_recipe("finetune-cls", cats, Path("best.params"))
    changes = fit_recipe("finetune-cls", cats, Path("best.params"), network="a1")
    assert changes[-2:] == ("network=model_a1", "width=0.03125")


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths(name):
    length = LENGTHS[name]
    batch = RECIPES[name].batch
    assert length.epochs(50, min(batch, 50)) == length.most == RECIPES[name].epochs
    assert length.epochs(50_000, batch) == length.fewest
    between = length.epochs(5000, batch)
    assert length.fewest <= between <= length.most
    assert f"{length.updates:,} updates, {length.fewest} to {length.most}" in RECIPES[name].source
