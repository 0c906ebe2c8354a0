"""Memory of a step: what it is made of, and against measurement."""

import mxnet as mx
import pytest

from rnw.bench.train import measure_step
from rnw.errors import InputError
from rnw.memory import used_memory_mb
from rnw.networks.cost import count_parameters
from rnw.networks.layout import configure
from rnw.runtime import QUEUE_VARIABLE, SCRATCH_VARIABLE, THREAD_VARIABLES, cpu_cores
from rnw.training.memory import (
    fit_recomputation,
    recipe_memory,
    step_memory,
    training_memory,
)
from rnw.training.recipes import RECIPES, find_recipe
from rnw.training.recompute_plan import frontier

A1 = configure("model_a1", head="softmax")
TWO = [mx.cpu(0), mx.cpu(1)]
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


def test_half_precision_halves_maps_and_holds_weights_once_more():
    recipes = [find_recipe("model_a1", [f"precision={name}"]) for name in ("float32", "bfloat16")]
    full, half = (step_memory(recipe, 4).device for recipe in recipes)
    maps = full["activations"] // 2
    assert half == {**full, "activations": maps, "weights in bfloat16": WEIGHTS // 2}


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


def test_a_full_segmentation_network_fits():
    """Model A2 with 2 conv on one crop of the paper's size."""
    config = configure("fcn_a2", head="softmax")
    kept, again = (training_memory(config, 1, 504, recompute=r).on_cpus(1) for r in (False, True))
    assert again < kept < 7.5e9


def test_the_classifiers_unrolled_windows():
    def workspace(name, batch=1, **options):
        return training_memory(configure(name, **options), batch, 504).main["workspace"]

    windows = 4 * 9 * 63**2
    sixteen = workspace("fcn_a2", classes=16) - workspace("model_a2")
    assert sixteen == windows * (4096 + 512)
    assert workspace("fcn_a2") - workspace("fcn_a2", classes=16) == windows * 512
    assert workspace("fcn_a2", classifier="1 conv") - workspace("model_a2") == 2 * windows * 4096
    batch = workspace("fcn_a2", 1000, classes=16) - workspace("model_a2")
    assert batch == cpu_cores() * sixteen


def _check_measured(network, batch, size, recompute, devices=1, **options):
    config = configure(network, head="softmax", **options)
    contexts = [mx.cpu(number) for number in range(devices)]
    measured = measure_step(
        config, devices * batch, size, contexts, recompute=recompute, repetitions=1
    )
    found = 1e6 * (measured.peak_memory_mb - measured.parts["process"])
    expected = training_memory(config, batch, size, devices, recompute=recompute)
    assert expected.on_cpus(devices) == pytest.approx(found, rel=0.15)
    return measured


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "batch", "size", "recompute"),
    [("model_e", 4, 112, True), ("fcn_a2", 1, 160, False)],
)
def test_estimate_is_what_is_measured(network, batch, size, recompute):
    measured = _check_measured(network, batch, size, recompute, width=0.5)
    found = measured.peak_memory_mb - measured.parts["process"]
    assert 1e6 * found > 4 * 4 * count_parameters(configure(network, width=0.5))


@pytest.mark.slow
def test_estimate_of_a_narrow_network_is_what_is_measured():
    """Activations are a larger share of its memory than of a full-size network's."""
    kept, again = (
        _check_measured("model_b", 4, 224, recompute, width=0.5) for recompute in (False, True)
    )
    assert again.peak_memory_mb < kept.peak_memory_mb
    assert again.parts["activations"] < 0.9 * kept.parts["activations"]


@pytest.mark.slow
def test_estimate_of_two_devices(monkeypatch):
    for variable in (SCRATCH_VARIABLE, QUEUE_VARIABLE, *THREAD_VARIABLES):
        monkeypatch.delenv(variable, raising=False)  # set here for one device
    _check_measured("model_e", 1, 56, False, devices=2, width=0.5)


def test_adam_keeps_a_variance_too():
    with_sgd, with_adam = (
        recipe_memory(find_recipe("digits", [f"optimizer={name}"]), 1)[False]
        for name in ("sgd", "adam")
    )
    assert with_adam.main == {**with_sgd.main, "variance": with_sgd.main["momentum"]}


def _limit(recipe, plan, workers=1):
    memory = step_memory(recipe, 2, plan, workers)
    return 5_000_000 + int(1e6 * used_memory_mb(TWO)) + memory.on_cpus(2)


@pytest.mark.parametrize("name", ["model_a1", "voc"])
def test_a_given_memory_is_filled_by_the_plan_with_the_least_recomputation(name):
    recipe = find_recipe(name, ["batch=128"])
    first, second, *_ = plans = frontier(recipe.configure(), recipe.input_size)
    assert fit_recomputation(recipe, TWO, _limit(recipe, first)) is False
    assert fit_recomputation(recipe, TWO, _limit(recipe, first) - 50_000_000) == second
    for plan in plans[1:]:
        assert fit_recomputation(recipe, TWO, _limit(recipe, plan)) == plan
    assert fit_recomputation(recipe, TWO, _limit(recipe, plans[-1], 2), 2) == plans[-1]


def test_too_little_memory_for_any_plan_is_refused():
    with pytest.raises(InputError, match=r"^--recompute 1GB: a step of recipe model_a1 takes \d"):
        fit_recomputation(find_recipe("model_a1"), TWO, 10**9)


@pytest.mark.parametrize("wanted", [False, True])
def test_without_a_number_it_is_as_wanted(wanted):
    assert fit_recomputation(find_recipe("model_a1"), TWO, wanted) is wanted
