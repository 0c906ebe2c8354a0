"""A small version of Figure 4: a deep and a wide network trained on the digits."""

from pathlib import Path
from typing import Callable, List, Sequence, Tuple

import mxnet as mx

from rnw.evaluation.classification.validate import make_validator
from rnw.training.checkpoints import Checkpointing
from rnw.training.progress import Hook, Validated, ignore
from rnw.training.recipes import Recipe, find_recipe
from rnw.training.run import Validation, train

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
    on_step: Hook = ignore,
    on_epoch: Hook = ignore,
    on_validation: Callable[[Validated], None] = ignore,
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
            checkpointing=Checkpointing(keep=1),
            validation=Validation(score, recipe.epochs),
            on_step=on_step,
            on_epoch=on_epoch,
            on_validation=on_validation,
        )
        for recipe in recipes or demo_recipes()
    ]
