"""The recipe table and its overrides."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rnw.data.catalog import DATASETS
from rnw.errors import InputError
from rnw.networks.zoo import network_names
from rnw.training.recipes import RECIPES, find_recipe, model_label, starting_weights
from rnw.weights.released import RELEASED

FINE_TUNINGS = ("a_to_a1", "a_to_a2")


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
    ("name", "network", "dataset", "classes", "epochs", "base_lr"),
    [
        ("a_to_a1", "model_a1", "ilsvrc-cls", 1000, 9, 0.01),
        ("a_to_a2", "model_a2", "places365-cls", 365, 6, 0.01),
        ("places365_a2", "model_a2", "places365-cls", 365, 64, 0.1),
    ],
)
def test_other_recipes_differ_from_model_a_in_few_fields(
    name, network, dataset, classes, epochs, base_lr
):
    recipe = find_recipe(name)
    found = (recipe.network, recipe.dataset, recipe.classes, recipe.epochs, recipe.base_lr)
    assert found == (network, dataset, classes, epochs, base_lr)
    changed = dict(zip(("name", "network", "dataset", "classes", "epochs", "base_lr"), found))
    changed.update(name="model_a", source="", network="model_a", dataset="ilsvrc-cls")
    changed.update(classes=1000, epochs=90, base_lr=0.1, starts_from="", suffix="")
    assert replace(recipe, **changed) == replace(find_recipe("model_a"), source="")


def test_iterations_are_the_papers():
    """450k from scratch and 45k of fine-tuning, to whole epochs."""
    images = {name: DATASETS[name].published for name in ("ilsvrc-cls", "places365-cls")}
    assert images == {"ilsvrc-cls": 1_281_167, "places365-cls": 1_803_460}
    for name, iterations in (
        ("model_a", 450_000),
        ("places365_a2", 450_000),
        ("a_to_a1", 45_000),
        ("a_to_a2", 45_000),
    ):
        recipe = find_recipe(name)
        epoch = images[recipe.dataset] // recipe.batch
        assert abs(recipe.epochs * epoch - iterations) <= epoch / 2


def test_labels_are_the_originals():
    assert str(model_label(find_recipe("model_a1"))) == "ilsvrc-cls_rna-a1_cls1000"
    assert str(model_label(find_recipe("a_to_a1"))) == "ilsvrc-cls_rna-a1_cls1000_from-a"


def test_only_fine_tunings_start_from_weights():
    assert {name for name in RECIPES if find_recipe(name).starts_from} == set(FINE_TUNINGS)
    assert starting_weights(find_recipe("model_a")) is None
    assert starting_weights(find_recipe("model_a"), Path("x")) == Path("x")


@pytest.mark.parametrize("name", FINE_TUNINGS)
def test_a_fine_tuning_starts_from_the_released_model_a(name):
    recipe = find_recipe(name)
    assert recipe.starts_from in RELEASED
    path = Path("models/ilsvrc-cls_rna-a_cls1000_ep-0001.params")
    with pytest.raises(InputError, match=rf"{path}: not there, and recipe {name} starts from it"):
        starting_weights(recipe)
    assert starting_weights(recipe, Path("other")) == Path("other")
    path.parent.mkdir()
    path.touch()
    assert starting_weights(recipe) == path


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
