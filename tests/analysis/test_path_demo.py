"""The two networks that show what Figure 4 shows."""

import math
from dataclasses import replace

import mxnet as mx
import pytest

from rnw.analysis.path_demo import demo_recipes, train_demo
from rnw.analysis.path_report import measure
from rnw.analysis.subjects import load_subject


def test_same_budget_of_parameters():
    configs = [recipe.configure() for recipe in demo_recipes()]
    sizes = [sum(math.prod(p.shape) for p in config.parameters()) for config in configs]
    assert [config.spec.depth for config in configs] == [87, 16]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


@pytest.mark.slow
def test_only_the_deep_network_has_short_paths(tmp_path):
    """Over its lengths the mean norm falls by more than 1e6, that of the other by less than 10.

    This is so from the first epoch on.
    """
    recipes = [replace(recipe, epochs=1) for recipe in demo_recipes()]
    deep, wide = (
        measure(load_subject(path, mx.cpu()), samples=2).lengths
        for path in train_demo(tmp_path, [mx.cpu()], recipes=recipes)
    )
    assert deep[0].mean > 1e6 * deep[-1].mean
    means = [row.mean for row in wide]
    assert max(means) < 10 * min(means)
