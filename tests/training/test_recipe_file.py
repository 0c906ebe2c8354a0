"""Recipes in files: what a run leaves, what somebody writes, and what is refused."""

from pathlib import Path

import pytest

from rnw.errors import InputError
from rnw.training.recipes import RECIPES, find_recipe

CATS = """
dataset: cats
network: model_a1
classes: 3
batch: 32
epochs: 20
base_lr: 5e-3
"""


def _write(text, name="cats.yaml"):
    Path(name).write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_run_writes_is_read_back(name):
    recipe = RECIPES[name]
    assert find_recipe(_write(recipe.to_json(), "run.json")) == recipe


def test_a_written_recipe_has_defaults_for_the_rest():
    recipe = find_recipe(_write(CATS), ["epochs=3"])
    assert (recipe.name, recipe.source, recipe.task) == ("cats", "cats.yaml", "classification")
    assert (recipe.dataset, recipe.classes, recipe.epochs, recipe.base_lr) == ("cats", 3, 3, 5e-3)
    assert (recipe.optimizer, recipe.weight_decay) == ("torch_nesterov", 1e-4)
    recipe = find_recipe(_write(CATS + "crop: 96\nrates: [1, 2.5]\n"))
    assert (recipe.task, recipe.crop, recipe.rates) == ("segmentation", 96, (1.0, 2.5))
    assert (recipe.optimizer, recipe.weight_decay) == ("sgd", 5e-4)


def test_lists_may_be_lists_or_text():
    for written in ("[100, 200]", "100,200"):
        assert find_recipe(_write(f"{CATS}lr_steps: {written}")).lr_steps == (100, 200)
    assert find_recipe(_write(f"{CATS}lr_steps: []")).lr_steps == ()


def test_what_a_run_with_another_loss_writes_is_read_back():
    recipe = find_recipe(_write(f"{CATS}class_weights: [1, 2.5, 0]\nlabel_smoothing: 0.1"))
    assert (recipe.class_weights, recipe.label_smoothing) == ((1.0, 2.5, 0.0), 0.1)
    assert find_recipe(_write(recipe.to_json())) == recipe
    for written in ("true", "True", '"true"'):
        recipe = find_recipe(_write(f"{CATS}balance: {written}"))
        assert recipe.balance is True
        assert find_recipe(_write(recipe.to_json())) == recipe


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("epoch: 3", "unknown field 'epoch', expected one of .*; did you mean 'epochs'"),
        ("crops: 3", "unknown field 'crops', .*; did you mean 'crop'"),
        ("3: 3", "unknown field 3, expected one of dataset, "),
        ("momentum: fast", "momentum is 'fast', expected a number$"),
        ("width: true", "width is True, expected a number$"),
        ("balance: 1", "balance is 1, expected true or false$"),
        ("balance: [true]", r"balance is \[True\], expected true or false$"),
        ("class_weights: [1, true]", r"class_weights is \[1, True\], expected numbers joined by"),
        ("momentum:", "momentum is None, expected a number$"),
        ("momentum: [1]", r"momentum is \[1\], expected a number$"),
        ("suffix: no", "suffix is False, expected text$"),
        ("schedule: [step]", r"schedule is \['step'\], expected one of fixed, "),
        ("schedule: stop", "schedule is 'stop', expected one of .*; did you mean 'step'"),
        ("lr_steps: [1, [2]]", r"lr_steps is \[1, \[2\]\], expected whole numbers joined by"),
        ("lr_steps: [0]", r"lr_steps is \(0,\), expected numbers of updates from 1 on"),
        ("lr_floor: 1", "lr_floor is 1.0, above base_lr, 0.005"),
        ("width: [", "is no YAML: "),
    ],
)
def test_what_is_wrong_is_named_with_the_file(text, wording):
    with pytest.raises(InputError, match=f"^cats.yaml: {wording}") as error:
        find_recipe(_write(f"{CATS}{text}"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("[]", "expected the fields of a recipe"),
        ("dataset: cats", "has no field 'network', which every recipe needs"),
    ],
)
def test_what_is_no_recipe_is_refused(text, wording):
    with pytest.raises(InputError, match=f"^cats.yaml: {wording}"):
        find_recipe(_write(text))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"^runs/mine: cannot be read as a recipe: No such file"):
        find_recipe("runs/mine")


def test_a_value_that_yaml_cannot_make_is_named():
    with pytest.raises(InputError, match=r"^cats.yaml: cannot be read as a recipe: "):
        find_recipe(_write(CATS + "suffix: 2020-99-99"))
