"""Networks of one budget: the width that gives a network a number of parameters or activations."""

from dataclasses import replace
from typing import Callable, Dict, NamedTuple

from rnw.errors import InputError, look_up
from rnw.networks.cost import count_parameters
from rnw.networks.layout import MAX_WIDTH, NetworkConfig
from rnw.networks.liveness import liveness
from rnw.networks.zoo import LEVEL_SHAPES
from rnw.training.recipe import Recipe

TOLERANCE = 0.05  # of the budget: channels are whole numbers
# All numbers of channels at width 1 divide the largest, so that widths between two multiples of
# its inverse give the same network.
_MOST_CHANNELS = max(max(shape.channels) for shape in LEVEL_SHAPES.values())


def count_activations(config: NetworkConfig, size: int) -> int:
    """Return the number of values that training keeps of one (3, size, size) image."""
    return sum(row.kept for row in liveness(config, size))


COUNTS: Dict[str, Callable[[NetworkConfig, int], int]] = {
    "parameters": lambda config, size: count_parameters(config),
    "activations": count_activations,
}


class Budget(NamedTuple):
    """A number of parameters or activations; `kind` is a key of COUNTS."""

    kind: str
    value: int

    def __str__(self) -> str:
        return f"{self.value:,} {self.kind}"

    def count(self, recipe: Recipe) -> int:
        """Return what the recipe's network takes of such a budget."""
        return COUNTS[self.kind](recipe.configure(), recipe.input_size)


def parse_budget(text: str, recipe: Recipe) -> Budget:
    """Return the budget `<kind>=<value>`, or for `<kind>` alone what the recipe's network takes.

    Raises InputError for an unknown kind and for a value that is not a whole number above 0.
    """
    kind, equals, value = text.partition("=")
    look_up(COUNTS, kind, "budget")
    if not equals:
        return Budget(kind, Budget(kind, 0).count(recipe))
    if not (value.isdecimal() and int(value)):
        raise InputError(f"budget {text!r}: expected a whole number above 0 after '{kind}='")
    return Budget(kind, int(value))


def fit_width(recipe: Recipe, budget: Budget) -> Recipe:
    """Return the recipe with the width at which its network is nearest to the budget.

    Raises InputError when the nearest is further away than TOLERANCE.
    """

    def at(step: int) -> Recipe:
        return replace(recipe, width=step / _MOST_CHANNELS)

    def distance(step: int) -> int:
        return abs(budget.count(at(step)) - budget.value)

    low, high = 1, MAX_WIDTH * _MOST_CHANNELS
    while high - low > 1:
        middle = (low + high) // 2
        if budget.count(at(middle)) <= budget.value:
            low = middle
        else:
            high = middle
    nearest = min(low, high, key=distance)
    if distance(nearest) > TOLERANCE * budget.value:
        raise InputError(
            f"{recipe.network}: no width gives it {budget}, the nearest is "
            f"{budget.count(at(nearest)):,} at width {nearest / _MOST_CHANNELS:.4g}: choose "
            "another --budget or other --units"
        )
    return at(nearest)
