"""The page on fine-tuning, as written, with miniatures in the place of A1 and of the pictures."""

import re
import shlex
from pathlib import Path

import pytest

from rnw.data.sets.catalog import find_task_dataset
from rnw.networks.classifier import get_network
from rnw.training import own_recipes
from rnw.weights import save_params
from tests.data.own.miniatures import class_folders, label_map, picture, png, write
from tests.golden_cases import fill_network

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "rnw" / "training" / "finetuning.md").read_text(encoding="utf-8")
A1 = "models/ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
SHORTER = {
    "train-cls": ("--set", "epochs=1", "--set", "batch=8", "--workers", "0"),
    "train-seg": ("--set", "epochs=1", "--set", "crop=32", "--workers", "0"),
}


@pytest.fixture
def narrow_a1():
    """A narrow file under the name of the released one."""
    Path(A1).parent.mkdir()
    save_params(fill_network(get_network("model_a1", 1000, width=1 / 32)), Path(A1))


@pytest.fixture
def data():
    class_folders(classes=("daisy", "rose", "tulip"), count=20, root="flowers")
    write({f"leaves/images/{n}.jpg": picture(n) for n in range(60)}, ".")
    write({f"leaves/masks/{n}.png": png(label_map(n)) for n in range(60)}, ".")
    write({"photographs/1.jpg": picture(61)}, ".")


def _commands(heading):
    """The commands below a heading, as a shell reads them."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    (script,) = re.findall(r"```bash.*?\n(.+?)```", section, re.DOTALL)
    variables = {}
    for line in script.splitlines():
        name, equals, value = line.partition("=")
        if equals and " " not in line:
            variables[f"${name}"] = value
        else:
            yield [variables.get(word, word) for word in shlex.split(line)[1:]]


def _shortened(words):
    """A command for one epoch on the CPU, or for what comes of it."""
    if "--gpus" in words:
        place = words.index("--gpus")
        words = [*words[:place], "--cpus", "1", *words[place + 2 :]]
    return [re.sub(r"ep-\d{4}\.params$", "ep-0001.params", word) for word in words] + [
        *SHORTER.get(words[0], ())
    ]


@pytest.mark.slow
@pytest.mark.parametrize("heading", ["Classification", "Label maps"])
def test_the_page_as_written(rnw, narrow_a1, data, heading):
    said = []
    for words in _commands(heading):
        code, out, err = rnw(*_shortened(words))
        assert code == 0, err
        said.append(out + err)
    together = "".join(said)
    task = "cls" if heading == "Classification" else "seg"
    assert f"trained by recipe finetune-{task}" in together
    assert "re-initialized: " in together
    assert "linear3_weight" in together
    expected = {"cls": ("daisy", "rose", "tulip"), "seg": ("background", "healthy", "damaged")}
    assert any(name in said[-1] for name in expected[task])
    assert "numbered" not in together


def test_lengths_on_the_page(narrow_a1, data):
    for folder, recipe, epochs, batch in (
        ("flowers", "finetune-cls", 60, 32),
        ("leaves", "finetune-seg", 100, 8),
    ):
        changes = own_recipes.fit_recipe(recipe, find_task_dataset(folder), Path(A1))
        assert {f"epochs={epochs}", f"batch={batch}", "network=model_a1"} <= set(changes)
        assert f"{folder}_rna-a1_cls3" in PAGE
        assert re.search(rf"for {epochs} epochs\s+in batches of {batch}\.", PAGE)
        assert re.search(rf"{folder}_rna-a1_cls3\w*_ep-{epochs:04}\.params", PAGE)
