"""What recipes train on, and what is said where it does not fit."""

from pathlib import Path

import numpy as np
import pytest

from rnw.data.labeled import write_label, write_pairs
from rnw.data.lists import write_list
from rnw.data.picture_types import Pair
from rnw.errors import InputError
from rnw.training.recipes import find_recipe


def test_the_training_split_is_read():
    write_list("data/train.lst", [(0, "a.JPEG"), (999, "b.JPEG")])
    examples = find_recipe("model_a").read_examples(Path("data"))
    assert (examples.labels.tolist(), examples.name(1)) == ([0, 999], "data/b.JPEG")


def test_a_recipe_may_have_a_split_of_its_own():
    write_label("data/a.png", np.zeros((4, 4), np.uint8))
    write_pairs("data/mine.lst", [Pair("a.jpg", "a.png")])
    pictures = find_recipe("voc", ["split=mine"]).read_examples(Path("data"))
    assert pictures.pairs == [Pair("a.jpg", "a.png")]


@pytest.mark.parametrize(
    ("recipe", "overrides", "content", "wording"),
    [
        ("model_a", [], "0\t1000\ta.JPEG\n", r"train\.lst: line 1 has label 1000, expected 0 to"),
        ("model_a", [], "0 3 a.JPEG\n", r"train\.lst: line 1 has no tab"),
        ("voc", [], "a.jpg\n", r"PASCAL VOC 2012, split 'train': its list names no label maps"),
        ("voc", [], "a.jpg a.png\n", r"train\.lst: line 1 has no tab"),
        ("voc", ["classes=20"], "a.jpg\ta.png\n", "has 21 classes, the recipe 20"),
        ("voc", [], "a.jpg\tabsent.png\n", r"absent\.png: no such label map"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(recipe, overrides, content, wording):
    Path("train.lst").write_text(content)
    split = ["split=train"] if recipe == "voc" else []
    with pytest.raises(InputError, match=wording):
        find_recipe(recipe, [*overrides, *split]).read_examples(Path())


def test_statistics_are_frozen_unless_a_recipe_says_otherwise():
    usual, moving = (find_recipe("shapes", more) for more in ((), ("frozen_statistics=false",)))
    assert usual.configure().frozen_statistics
    assert "frozen_statistics" not in usual.to_json()
    assert not moving.configure().frozen_statistics
    assert '"frozen_statistics": false' in moving.to_json()
