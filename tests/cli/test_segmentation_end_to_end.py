"""From the official archives to a submission, by the commands that the README gives."""

import json
import tarfile
import zipfile
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.networks.classifier import get_network
from rnw.training.initializers import initialize
from rnw.weights import save_params
from tests.cli.conftest import A1
from tests.data.prepare import miniature_segmentation as miniature

SMALL = ("--scales", "48", "--cpus", "2")
BENCHMARKS = {  # recipe: pictures of its training split, label, numbers of classes in label maps
    "voc": (4, "voc_rna-a1_cls21_s8", range(21)),
    "voc_coco": (6, "voc_rna-a1_cls21_s8_coco", range(21)),
    "cityscapes": (
        2,
        "cityscapes_rna-a1_cls19_s8",
        (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33),
    ),
    "ade20k": (2, "ade20k_rna-a1_cls150_s8", range(1, 151)),
    "pascal-context": (2, "pascal-context_rna-a1_cls60_s8", range(60)),
}
SUBMITTED = {  # split, archive, and the files that its server expects
    "voc": ("test", "v.tar", {"results/VOC2012/Segmentation/comp6_test_cls/2008_000006.png"}),
    "cityscapes": ("test", "c.zip", {"berlin_000000_000019_leftImg8bit.png"}),
    "ade20k": ("test", "a.zip", {"ADE_test_00000001.png"}),
    "pascal-context": ("val", "p.tar", {"2008_000007.png"}),
}


@pytest.fixture
def run(rnw):
    """Run a command that must succeed; what it writes."""

    def succeed(*arguments):
        code, out, err = rnw(*arguments)
        assert (code, err) == (0, "")
        return out

    return succeed


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A narrow file of the released Model A1's name."""
    path = tmp_path_factory.mktemp("models") / A1
    net = get_network("model_a1", width=1 / 32)
    initialize(net, [mx.cpu()], np.random.RandomState(0))
    save_params(net, path)
    return path


def _prepare(run, dataset, recipe):
    """Prepare a miniature; what its label maps hold."""
    archives, labels = miniature.FILES[dataset]()
    if recipe == "voc_coco":
        archives.update(miniature.coco_files()[0])
    miniature.write_archives(Path("archives"), archives)
    run("prepare", dataset, "archives", "--subset")
    return labels


def _train(run, recipe, pictures, label):
    """Train for two iterations, each of all pictures; the checkpoint."""
    settings = ("width=0.03125", "crop=48", "origin=48", "epochs=2", f"batch={pictures}")
    options = [word for setting in settings for word in ("--set", setting)]
    out = run("train-seg", "--recipe", recipe, *options, "--cpus", "2", "--workers", "0")
    rows = [json.loads(line) for line in Path("output/metrics.jsonl").read_text().splitlines()]
    steps = [row for row in rows if row["kind"] == "train"]
    assert [row["update"] for row in steps] == [1, 2]
    assert all(0 < row["loss"] < 20 and 0 <= row["accuracy"] <= 100 for row in steps)
    weights = Path("output", f"{label}_ep-0002.params")
    assert out.endswith(f"{weights}\n")
    return weights


def _evaluate(run, weights, labels, numbers):
    """Test the checkpoint; its scores are those of the pictures kept beside the official labels."""
    out = run("eval-seg", "--weights", weights, *SMALL, "--save-predictions", "kept", "--json")
    scores = json.loads(out)
    matrix = np.zeros((256, 256))
    files = sorted(Path("kept/labels").iterdir())
    for file in files:
        with Image.open(file) as image:
            assert image.mode == "P"
            truth = labels[file.stem.replace("_leftImg8bit", "")]
            np.add.at(matrix, (truth, np.array(image)), 1)
    assert set(matrix.sum(axis=0).nonzero()[0]) <= set(numbers)
    matrix = matrix[numbers][:, numbers]
    hits, union = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix)
    ious = 100 * hits / np.maximum(union, 1)
    assert scores["images"] == len(files)
    assert scores["pixel_accuracy"] == pytest.approx(100 * hits.sum() / matrix.sum())
    assert [row["iou"] for row in scores["per_class"]] == pytest.approx(ious)
    assert scores["mean_iou"] == pytest.approx(ious.mean())


def _submit(run, weights, dataset, split, archive, expected):
    """Predict a split and pack it as the server expects."""
    run("eval-seg", "--weights", weights, *SMALL, "--split", split, "--save-predictions", "mine")
    run("submission", "make", "mine", "--dataset", dataset, "-o", archive)
    check = ("submission", "check", archive, "--dataset", dataset, "--split", split)
    assert run(*check) == f"{archive}: nothing is wrong\n"
    if archive.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            assert set(packed.namelist()) == expected
    else:
        with tarfile.open(archive) as packed:
            assert set(packed.getnames()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("recipe", BENCHMARKS)
def test_prepare_train_evaluate_and_submit(run, released, recipe):
    dataset = recipe.replace("_coco", "")
    pictures, label, numbers = BENCHMARKS[recipe]
    labels = _prepare(run, dataset, recipe)
    Path("models").symlink_to(released.parent)
    weights = _train(run, recipe, pictures, label)
    _evaluate(run, weights, labels, list(numbers))
    _submit(run, weights, dataset, *SUBMITTED[dataset])
