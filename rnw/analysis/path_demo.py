"""A small version of Figure 4: a deep and a wide network trained on the digits."""

from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import mxnet as mx

from rnw.evaluation.classification.validate import make_validator
from rnw.training.observer import Observer
from rnw.training.options import Options, Validation
from rnw.training.recipe import Recipe
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.training.run_folder import Checkpointing

# fields of recipe `digits`; both networks have 0.9 million parameters
DEMO: Tuple[Tuple[str, ...], ...] = (
    ("network=28-1-4-8-8-8-8-1", "width=0.0625", "epochs=6"),  # 87 layers
    ("network=28-0-1-1-1-1-1-1", "width=0.125", "epochs=12"),  # 16 layers
)


def demo_recipes() -> List[Recipe]:
    """Return the recipes of the two networks, the deep one first."""
    return [find_recipe("digits", fields) for fields in DEMO]


def train_demo(
    folder: Path,
    contexts: Sequence[mx.Context],
    *,
    recipes: Sequence[Recipe] = (),
    seed: int = 0,
    observer: Optional[Observer] = None,
) -> List[Path]:
    """Train both networks, or resume their training; return the paths of their weights.

    recipes: what to train, by default `demo_recipes()`.

    Raises whatever `rnw.training.run.train` raises.
    """
    score = make_validator("digits", contexts)
    return [
        train(
            recipe,
            contexts,
            folder,
            seed=seed,
            resume=True,
            options=Options(
                checkpointing=Checkpointing(keep=1), validation=Validation(score, recipe.epochs)
            ),
            observer=observer,
        )
        for recipe in recipes or demo_recipes()
    ]
