"""Cityscapes' own scores of kept predictions, on a miniature of its files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import LabeledImages
from rnw.data.picture_types import Pair
from rnw.errors import InputError
from rnw.evaluation.segmentation.confusion import Confusion
from rnw.evaluation.segmentation.evaluate import evaluate
from rnw.evaluation.segmentation.official_scores import official_scores
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import make_dataset, make_model

TOOL = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
WITH_INSTANCES = (24, 25, 26, 27, 28, 31, 32, 33)
PAIRS = [
    Pair(f"leftImg8bit/val/{name}_leftImg8bit.png", f"gtFine/val/{name}_gtFine_labelIds.png")
    for name in ("ulm/ulm_000000_000019", "ulm/ulm_000001_000019", "bonn/bonn_000000_000019")
]


@pytest.fixture
def model():
    for number, pair in enumerate(PAIRS):
        _write(pair, number)
    pictures = LabeledImages("root", PAIRS, {label: k for k, label in enumerate(IDS)})
    fields = {"label_ids": IDS, "identical_sizes": True, "official_tool": TOOL}
    return make_model(make_dataset(pictures, 19, **fields), 1)


def _write(pair, seed):
    """Squares of all classes and of two that are not judged, each an instance where that can be."""
    for name in pair:
        Path("root", name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(64, 96, seed)).save(Path("root", pair.image))
    stream = np.random.RandomState(seed)
    small = stream.choice((0, 4, *IDS), (8, 12))
    numbers = small * 1000 + np.arange(96).reshape(8, 12)
    instances = np.where(np.isin(small, WITH_INSTANCES), numbers, small)
    labels, instances = (np.kron(m, np.ones((8, 8), int)) for m in (small, instances))
    path = Path("root", pair.label)
    Image.fromarray(labels.astype(np.uint8)).save(path)
    instances = instances.astype(np.uint16)
    Image.fromarray(instances).save(path.with_name(path.name.replace("labelIds", "instanceIds")))


def test_scores_are_those_that_the_tool_prints(model):
    found = evaluate(model, predictions=Path("kept"), official=True)
    Path("export").mkdir()
    environment = {
        **os.environ,
        "CITYSCAPES_DATASET": "root",
        "CITYSCAPES_RESULTS": "kept/labels",
        "CITYSCAPES_EXPORT_DIR": "export",
    }
    printed = subprocess.run(
        [sys.executable, "-m", TOOL], env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    numbers = re.findall(r"Score Average : +(\S+) +(\S+)", printed)
    expected = [number for pair in numbers for number in pair]
    scores = found.as_dict()["official"]
    assert [f"{value / 100:.3f}" for value in scores.values()] == expected
    assert len(set(expected)) == 4
    assert scores["class_iou"] == pytest.approx(found.as_dict()["mean_iou"], rel=1e-9)


def test_classes_that_do_not_occur_are_left_out_as_in_the_tool(model):
    """7 and 24 are true, 8 and 24 are predicted; the tool counts in percent of those three."""
    truth, found = np.full((64, 96), 7), np.full((64, 96), 8)
    truth[:, 40:] = found[:, 50:] = 24
    path = Path("root", PAIRS[0].label)
    Image.fromarray(truth.astype(np.uint8)).save(path)
    instances = np.where(truth == 24, 24_000, truth).astype(np.uint16)
    Image.fromarray(instances).save(path.with_name(path.name.replace("labelIds", "instanceIds")))
    Image.fromarray(found.astype(np.uint8)).save("prediction.png")
    tool = model.dataset.official_tool
    official = official_scores(tool, [Path("prediction.png")], [path])
    confusion = Confusion(19)
    classes = np.full(256, 255, np.uint8)
    classes[list(IDS)] = np.arange(19)
    confusion.add(classes[truth], classes[found])
    assert official.class_iou == pytest.approx(100 * confusion.mean_iou_of_occurring)
    assert 100 * confusion.mean_iou == pytest.approx(official.class_iou * 3 / 19)
    assert str(official).startswith(f"classes IoU {official.class_iou:.2f} %, iIoU ")


def test_what_the_tool_refuses_is_told(model):
    next(Path("root").rglob("*instanceIds.png")).unlink()
    with pytest.raises(InputError, match=r"^Cityscapes' tool: ERROR: Unable to load .*instanceIds"):
        evaluate(model, predictions=Path("kept"), official=True)


def test_only_kept_predictions_for_cityscapes_have_official_scores(model):
    for other in (model._replace(dataset=make_dataset(model.dataset.read("", ""), 19)), model):
        with pytest.raises(InputError, match=r"^official scores are those of Cityscapes"):
            kept = None if other is model else Path("kept")
            evaluate(other, predictions=kept, official=True)
