"""Cost of networks and recipes by the command line."""

import json

import pytest

from rnw.networks.cost import detailed_cost
from rnw.networks.layout import configure
from rnw.training.memory import recipe_memory, training_memory
from rnw.training.recipes import RECIPES


def test_cost_as_json(rnw):
    code, out, err = rnw("analyze", "cost", "a1", "fcn_a", "--size", 96, "--batch", 3, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    result = json.loads(out)
    assert result["batch"] == 3
    for name, row in zip(("model_a1", "fcn_a"), result["networks"]):
        config = configure(name)
        expected = detailed_cost(config, 96)
        step, again = (training_memory(config, 3, 96, recompute=r) for r in (False, True))
        assert (row.pop("step_bytes"), row.pop("recomputing_step_bytes")) == (
            step.on_cpus(1),
            again.on_cpus(1),
        )
        levels = [level._asdict() for level in expected.levels]
        assert row == {**expected._asdict(), "levels": levels}


def test_cost_as_text(rnw):
    code, out, err = rnw("analyze", "cost", "model_a1", "224-0-1-1-1-1-1-1")
    assert (code, err) == (0, "")
    first, _, *rows = out.splitlines()
    assert first == "model_a1 at 224x224: depth 38, receptive field 557 pixels"
    assert [row.split()[0] for row in rows[:9]] == [
        "stem",
        *(f"B{level}" for level in range(2, 8)),
        "classifier",
        "all",
    ]
    assert rows[8].split()[1:3] == ["109,167,912", "49.52"]
    assert "224-0-1-1-1-1-1-1 at 224x224: depth 16" in out
    assert out.count("a training step of batch 1 on one CPU device: ") == 2


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("model_z",), "unknown network 'model_z'"),
        (("model_a", "--size", "0"), "size is 0, expected at least 1"),
        (("model_a", "--classes", "0"), "classes is 0"),
    ],
)
def test_cost_refuses(refused, arguments, wording):
    assert wording in refused("analyze", "cost", *arguments)


def test_recipes(rnw):
    code, out, err = rnw("analyze", "recipes", "--devices", 2, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["devices"] == 2
    assert [row["name"] for row in result["recipes"]] == list(RECIPES)
    for row in result["recipes"]:
        kept, again = recipe_memory(RECIPES[row["name"]], 2).values()
        assert row["bytes_per_device"] == kept.per_device
        assert row["recomputing_bytes_per_device"] == again.per_device


def test_the_fields_of_recipes(rnw):
    code, out, err = rnw("analyze", "recipes", "--fields")
    assert (code, err) == (0, "")
    everywhere, segmentation = out.split("Fields of segmentation recipes:\n")
    epochs = "  epochs        number of passes through the data (a whole number, at least 1)\n"
    assert epochs in everywhere
    assert "  crop " in segmentation
    assert "  crop " not in everywhere


def test_recipes_as_text(rnw):
    code, out, err = rnw("analyze", "recipes")
    assert (code, err) == (0, "")
    _, *rows = (line.split() for line in out.splitlines())
    assert [row[0] for row in rows] == list(RECIPES)
    assert rows[1] == ["model_a1", "ilsvrc-cls", "256", "90", "0.1", "15.2", "5.45", "-"]
