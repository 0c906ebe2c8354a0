"""Memory of a step: what it is made of, and against measurement."""

import mxnet as mx
import pytest

from rnw.analysis.cost import count_parameters
from rnw.analysis.training_memory import recipe_memory, training_memory
from rnw.analysis.training_speed import measure_step
from rnw.networks.layout import configure
from rnw.training.recipes import RECIPES, find_recipe

A1 = configure("model_a1", head="softmax")
WEIGHTS = 4 * 109_167_912


@pytest.mark.parametrize("recompute", [False, True])
def test_parts(recompute):
    one = training_memory(A1, 8, 224, recompute=recompute)
    assert one.device["parameters"] == one.device["gradients"] == WEIGHTS
    assert one.main["momentum"] == one.main["kvstore"] == WEIGHTS
    assert one.on_cpus(1) == sum(one.device.values()) + sum(one.main.values())
    four = training_memory(A1, 8, 224, 4, recompute=recompute)
    assert four.device == one.device
    assert (four.main["momentum"], four.main["kvstore"]) == (WEIGHTS, 5 * WEIGHTS)
    assert four.on_cpus(4) == 4 * one.per_device + sum(four.main.values())


@pytest.mark.parametrize("recompute", [False, True])
def test_maps_grow_with_batch_and_size(recompute):
    def maps(batch, size):
        memory = training_memory(A1, batch, size, recompute=recompute)
        return memory.device["activations"]

    assert maps(6, 224) == 3 * maps(2, 224)
    assert maps(2, 448) == pytest.approx(4 * maps(2, 224), rel=1e-3)


@pytest.mark.parametrize("name", RECIPES)
def test_recomputing_saves_memory_of_every_recipe(name):
    kept, again = recipe_memory(find_recipe(name), 4).values()
    assert again.device["activations"] < 0.75 * kept.device["activations"]
    assert {**again.device, "activations": 0} == {**kept.device, "activations": 0}


def test_a_recipes_share_of_four_devices_is_the_papers():
    config = configure("model_a", head="softmax")
    expected = [training_memory(config, 64, 224, 4, recompute=r) for r in (False, True)]
    assert list(recipe_memory(find_recipe("model_a"), 4).values()) == expected
    assert recipe_memory(find_recipe("model_a"), 4)[True].per_device < 11e9  # README's devices


def _check_measured(network, batch, size, recompute, **options):
    config = configure(network, head="softmax", **options)
    measured = measure_step(config, batch, size, [mx.cpu()], recompute=recompute, repetitions=1)
    found = 1e6 * (measured.peak_memory_mb - measured.parts["process"])
    expected = training_memory(config, batch, size, recompute=recompute)
    assert expected.on_cpus(1) == pytest.approx(found, rel=0.15)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("network", "batch", "size"), [("model_a1", 4, 224), ("model_e", 8, 112)])
def test_estimate_is_what_is_measured(network, batch, size, recompute):
    found = _check_measured(network, batch, size, recompute)
    assert found > 4 * 4 * count_parameters(configure(network))


@pytest.mark.parametrize("recompute", [False, True])
def test_estimate_of_a_narrow_network_is_what_is_measured(recompute):
    _check_measured("model_b", 4, 224, recompute, width=0.5)
