"""How fast layers learn."""

import json

import mxnet as mx
import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.classifier import get_network
from rnw.training.optimizers import make_optimizer
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.schedules import Fixed
from rnw.training.styles import STYLES, set_styles
from rnw.training.trainer import trained_parameters
from rnw.weights.ndarray_file import read_arrays

NETWORK = "28-1-1-1-1-1-1-1"


def _multipliers(net):
    """(rate, decay) of each trained parameter, by which MXNet's optimizer takes it."""
    parameters = trained_parameters(net)
    options = {"schedule": Fixed(0.5), "momentum": 0, "weight_decay": 0.25, "rescale": 1}
    optimizer = make_optimizer("sgd", parameters, **options)
    keys = range(len(parameters))
    rates = (optimizer._get_lr(key) / 0.5 for key in keys)
    decays = (optimizer._get_wd(key) / 0.25 for key in keys)
    return {p.name: pair for p, pair in zip(parameters, zip(rates, decays))}


@pytest.mark.parametrize(("name", "usual"), [("model_a1", "torch"), ("fcn_a1", "alex")])
def test_the_usual_styles_are_those_of_the_tasks(name, usual):
    plain, styled = (get_network(name, width=1 / 32) for _ in range(2))
    set_styles(styled, (usual,))
    assert _multipliers(styled) == _multipliers(plain)
    set_styles(plain, ())
    assert _multipliers(styled) == _multipliers(plain)


def test_multipliers_are_the_originals():
    net = get_network("fcn_a1", width=1 / 32)
    kinds = {
        "torch": ((1, 1), (1, 0)),
        "alex": ((1, 1), (2, 0)),
        "alex10": ((10, 1), (20, 0)),
        "fixed": ((0, 0), (0, 0)),
    }
    assert set(kinds) == set(STYLES)
    for style, (weights, biases) in kinds.items():
        set_styles(net, ("torch", style))
        found = _multipliers(net)
        assert found["conv6a_weight"] == weights
        assert found["linear21_bias"] == biases
        assert found["bn7_gamma"] == (1, 1)
        set_styles(net, (style, "torch"))
        found = _multipliers(net)
        assert found["res7a_branch2b1_weight"] == found["bn7_gamma"] == weights
        assert found["bn7_beta"] == biases
        assert found["linear21_weight"] == (1, 1)


@pytest.mark.slow
def test_fixed_features_stay_while_the_classifier_learns(tmp_path):
    fields = ["styles=fixed,alex10", "epochs=2", "width=0.03125", "batch=719", "base_lr=0.01"]
    recipe = find_recipe("digits", fields)
    log = tmp_path / "own.log"
    log.write_text("before\n")
    train(recipe, [mx.cpu()], tmp_path / "run", options=Options(log_file=log))
    first, last = (read_arrays(tmp_path / "run" / recipe.label.params_file(n)) for n in (1, 2))
    changed = {n.split(":")[1] for n in first if not np.array_equal(first[n], last[n])}
    assert {"linear10_weight", "linear10_bias"} == {n for n in changed if "_moving_" not in n}
    saved = json.loads((tmp_path / "run" / f"{recipe.label}.json").read_text())
    assert saved["styles"] == ["fixed", "alex10"]
    text = log.read_text()
    assert text.startswith("before\n")
    assert "arrays at 0 times the rate and 0 times the weight decay" in text
    assert "epoch 2/2, step 2/2" in text
    assert not (tmp_path / "run" / f"{recipe.label}.log").exists()


@pytest.mark.parametrize("styles", ["alex20", "alex,alex,alex", "torch,"])
def test_other_styles_are_refused(styles):
    if styles == "torch,":
        assert find_recipe("voc", [f"styles={styles}"]).styles == ("torch",)
        return
    with pytest.raises(InputError, match=r"expected at most two of torch, alex, alex10, fixed"):
        find_recipe("voc", [f"styles={styles}"])


def test_files_of_runs_say_styles_and_samplers_that_are_chosen():
    usual = json.loads(find_recipe("voc").to_json())
    assert not {"styles", "sampler"} & set(usual)
    assert (
        json.loads(find_recipe("digits", ["sampler=balanced"]).to_json())["sampler"] == "balanced"
    )
    with pytest.raises(
        InputError, match="sampler is 'balanced', which is for pictures of one class"
    ):
        find_recipe("voc", ["sampler=balanced"])
