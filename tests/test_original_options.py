"""The table of the original's options in rnw/README.md: each of ours is run as it stands there."""

import re
import shlex
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.golden_cases import fill_network

README = Path(__file__).parents[1] / "rnw" / "README.md"
# Options of the original's two programs, iclass/ilsvrc.py and issegm/voc.py.
ORIGINAL = """
--gpus --dataset --split --data-root --output --model --batch-images --crop-size --origin-size
--scale-rate-range --weights --lr-type --base-lr --lr-steps --weight-decay --from-epoch --stop-epoch
--to-epoch --phase --test-scales --test-flipping --test-3crops --test-steps --save-predictions
--no-save-results --kvstore --prefetch-threads --prefetcher --cache-images --log-file --check-start
--check-step --debug --backward-do-mirror --no-choose-interp-method --pool-top-infer-style
"""
NETWORK = "28-0-1-1-1-1-1-1"
CLASSIFIER = f"digits_rna-{NETWORK}_cls10_ep-0001.params"
SEGMENTER = f"voc_rna-{NETWORK}_cls21_s8_ep-0001.params"
BASE = {  # what makes each command short
    "train-cls": f"--dataset digits --recipe digits --set width=0.03125 --set batch=719"
    f" --set epochs=2 --set network={NETWORK} --dry-run",
    "train-seg": f"--dataset voc --set width=0.03125 --set batch=2 --set epochs=2 --set crop=32"
    f" --set network={NETWORK} --workers 0 --init {CLASSIFIER} --dry-run",
    "eval-cls": f"--weights {CLASSIFIER}",
    "eval-seg": "--scales 48",
}
STANDS_FOR = {"N": "2", "X": "0.01", "DIR": "folder", "NETWORK": NETWORK}
NAMES = {
    "--split": "train",
    "--set network": NETWORK,
    "--set suffix": "mine",
    "--scales": "28",
    "--batch": "200",
}
DATA = {"cls": "digits", "seg": "voc"}


def _rows():
    """(original, commands, ours) of each row."""
    table = README.read_text(encoding="utf-8").split("\n| original | command | option |\n", 1)[1]
    lines = table.split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _ours():
    """The options of each command that the table names."""
    options = defaultdict(list)
    for _, commands, ours in _rows():
        named = list(BASE) if commands == "all" else commands.split(", ")
        for command in named:
            options[command] += re.findall(r"`(--.+?)`", ours.partition(" (")[0].partition(";")[0])
    return options


def _words(command, option):
    """The words of an option, with something in the place of what stands for it."""
    task = command.rpartition("-")[2]
    files = {"cls": CLASSIFIER, "seg": SEGMENTER if command == "eval-seg" else CLASSIFIER}
    names = {**NAMES, "--dataset": DATA[task], "--data-root": "data"}
    text = option.replace("FILE", files[task])
    for key, name in names.items():
        text = re.sub(rf"^({key}[ =])(NAME|DIR|N)$", rf"\g<1>{name}", text)
    words = re.sub(r"\b(N|X|DIR)\b", lambda found: STANDS_FOR[found[0]], text)
    return shlex.split(words)


@pytest.fixture
def files(monkeypatch):
    """Two narrow networks, and pictures of VOC in data/."""
    save_params(fill_network(get_network(NETWORK, 10, width=1 / 32)), CLASSIFIER)
    net = get_network(f"fcn_{NETWORK}", 21, width=1 / 32)
    save_params(fill_network(net), SEGMENTER)
    Path("data").mkdir()
    for name in ("a", "b"):
        pixels = np.random.RandomState(0).randint(0, 255, (40, 48, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"data/{name}.png")
        Image.fromarray(pixels[..., 0] % 21).save(f"data/{name}_labels.png")
    lines = "".join(f"{name}.png\t{name}_labels.png\n" for name in ("a", "b"))
    for split in ("train", "val", "train_aug"):
        Path(f"data/{split}.lst").write_text(lines)
    monkeypatch.setitem(SEGMENTATION, "voc", replace(SEGMENTATION["voc"], root=Path("data")))


def test_every_option_of_the_original_is_in_the_table():
    told = {option for row in _rows() for option in re.findall(r"--[\w-]+", row[0])}
    assert told | {"--phase", "--no-save-results"} == set(ORIGINAL.split())


@pytest.mark.slow
@pytest.mark.parametrize("command", BASE)
def test_every_option_of_ours_is_taken(rnw, files, command):
    ours = [option for option in _ours()[command] if not option.startswith("--gpus")]
    words = [word for option in ours for word in _words(command, option)]
    code, out, err = rnw(command, *shlex.split(BASE[command]), *words)
    assert code == 0, err
    assert out
