"""Widths that make networks of any depth take the same."""

from dataclasses import replace

import pytest

from rnw.analysis.budget import Budget, count_activations, fit_width, parse_budget
from rnw.errors import InputError
from rnw.networks.cost import count_parameters
from rnw.networks.layout import configure
from rnw.training.recipes import find_recipe

DIGITS = find_recipe("digits")
NETWORKS = ("28-0-8-8-8-8-8-8", "28-0-1-2-4-1-1-3", "28-0-1-1-1-1-1-1")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "budget", [Budget("parameters", 100_000), Budget("activations", 120_000)], ids=str
)
def test_no_other_width_is_nearer(budget, network):
    def distance(width):
        return abs(budget.count(replace(DIGITS, network=network, width=width)) - budget.value)

    fitted = fit_width(replace(DIGITS, network=network), budget)
    best = distance(fitted.width)
    assert best <= 0.05 * budget.value
    assert all(distance(fitted.width + step / 8192) >= best for step in range(-20, 20))


def test_the_width_that_has_the_budget_is_found():
    """Model A's is 1; the recipe's own network is given back, channel by channel."""
    model_a = find_recipe("model_a", ["network=224-0-3-3-6-3-1-1"])
    assert fit_width(model_a, Budget("parameters", 109_167_912)).width == 1
    fitted = fit_width(replace(DIGITS, width=3.0), parse_budget("parameters", DIGITS))
    assert fitted.configure().parameters() == DIGITS.configure().parameters()


def test_budget_of_the_recipe_and_given():
    config = configure("28-1-1-1-1-1-1-1", 10, width=0.125)
    assert parse_budget("parameters", DIGITS) == ("parameters", count_parameters(config))
    assert parse_budget("activations", DIGITS) == ("activations", count_activations(config, 28))
    assert parse_budget("activations=7", DIGITS) == ("activations", 7)


def test_activations_by_hand():
    """One channel everywhere. A stage keeps its ReLU and its output; the last output is the sum."""
    config = configure("28-0-1-1-1-1-1-1", 10, width=1 / 4096)
    pools = 14**2 + 7**2 + 4**2
    units = 4 * (pools + 4**2) + 6 * 2 * 4**2
    assert count_activations(config, 28) == 28**2 + pools + units + 4**2 + 1 + 10


@pytest.mark.parametrize("text", ["flops", "parameters=", "parameters=0", "activations=1e5"])
def test_malformed_budget(text):
    with pytest.raises(InputError, match="expected"):
        parse_budget(text, DIGITS)


@pytest.mark.parametrize("value", [50, 10**12])
def test_budget_that_no_width_meets(value):
    with pytest.raises(InputError, match=r"28-1-1-1-1-1-1-1: no width gives it .* the nearest is"):
        fit_width(DIGITS, Budget("parameters", value))
