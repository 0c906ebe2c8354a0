"""The recipe table and its overrides."""

import json

import pytest

from rnw.data.catalog import DATASETS
from rnw.errors import InputError
from rnw.networks.zoo import network_names
from rnw.training.recipes import RECIPES, find_recipe


def test_model_a_is_the_papers():
    recipe = find_recipe("model_a")
    found = (recipe.batch, recipe.epochs, recipe.base_lr, recipe.schedule, recipe.lr_floor)
    assert found == (256, 90, 0.1, "linear", 1e-6)
    found = (recipe.optimizer, recipe.momentum, recipe.weight_decay, recipe.kvstore, recipe.width)
    assert found == ("torch_nesterov", 0.9, 1e-4, "local", 1)
    assert (recipe.dataset, recipe.classes) == ("ilsvrc-cls", 1000)


def test_every_network_of_table_1_and_every_data_set_has_a_recipe():
    assert set(network_names()) < set(RECIPES)
    assert {row.recipe for row in DATASETS.values()} <= set(RECIPES)
    assert all(recipe.source for recipe in RECIPES.values())


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("epochs=3", "epochs", 3),
        ("base_lr=0.01", "base_lr", 0.01),
        ("schedule=step", "schedule", "step"),
        ("lr_steps=100,200", "lr_steps", (100, 200)),
        ("lr_steps=", "lr_steps", ()),
    ],
)
def test_overrides(override, field, value):
    recipe = find_recipe("digits", [override])
    assert getattr(recipe, field) == value
    assert json.loads(recipe.to_json())[field] == (list(value) if field == "lr_steps" else value)


@pytest.mark.parametrize(
    ("override", "wording"),
    [
        ("epochs", "cannot set 'epochs': expected key=value"),
        ("speed=3", "key one of dataset, network, classes"),
        ("name=x", "cannot set 'name=x'"),
        ("epochs=three", "cannot set epochs=three: expected int"),
        ("base_lr=fast", "expected float"),
        ("lr_steps=1,b", "expected whole numbers joined by commas"),
        ("epochs=0", "epochs is 0, expected at least 1"),
        ("base_lr=-1", "base_lr is -1.0, expected 0 or more"),
        ("base_lr=nan", "base_lr is nan"),
    ],
)
def test_refuses_bad_overrides(override, wording):
    with pytest.raises(InputError, match=wording):
        find_recipe("digits", [override])


def test_refuses_unknown_recipe():
    with pytest.raises(InputError, match="unknown recipe 'model_z': expected one of model_a, "):
        find_recipe("model_z")
