"""Evaluation of segmentation networks by the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import LabeledImages
from rnw.data.picture_types import Pair
from rnw.data.sets.catalog import SEGMENTATION
from rnw.files import md5
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from rnw.weights.released import RELEASED
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import make_dataset

SHAPES = "shapes_rna-a1_cls5_s8_ep-0001.params"
ADE20K = "ade20k_rna-a1_cls150_s8_ep-0001.params"


@pytest.fixture
def weights(fill, monkeypatch):
    """A narrow network for the shapes, of which only some are drawn."""
    save_params(fill(get_network("fcn_a1", 5, width=1 / 32)), SHAPES)
    full = SEGMENTATION["shapes"]
    monkeypatch.setitem(
        SEGMENTATION, "shapes", replace(full, read=lambda root, split: _some(full, root, split))
    )
    return SHAPES


def _some(dataset, root, split):
    pictures = dataset.read(root, split)
    pictures._count = 2
    return pictures


def _scores(rnw, *arguments):
    code, out, err = rnw("eval-seg", "--json", *arguments)
    assert (code, err, out.count("\n")) == (0, "", 1)
    return json.loads(out)


def test_json(rnw, weights):
    scores = _scores(rnw, "--weights", weights)
    assert (scores["dataset"], scores["split"], scores["images"]) == ("shapes", "val", 2)
    assert (scores["scales"], scores["flip"], scores["steps"]) == ([128], False, 1)
    ious = [row["iou"] for row in scores["per_class"]]
    assert [row["name"] for row in scores["per_class"]] == list(SEGMENTATION["shapes"].class_names)
    assert scores["mean_iou"] == pytest.approx(np.mean(ious))
    assert 0 < scores["mean_iou"] < scores["pixel_accuracy"] < 100
    true = [row["true_pixels"] for row in scores["per_class"]]
    assert scores["pixels_judged"] == sum(true) > 10_000
    number = scores["occurring_classes"]
    assert np.count_nonzero(true) <= number <= 5
    assert scores["mean_iou_of_occurring_classes"] == pytest.approx(np.sum(ious) / number)
    assert scores["ade20k_score"] == pytest.approx(
        (scores["mean_iou"] + scores["pixel_accuracy"]) / 2
    )


def test_text_says_the_same(rnw, weights):
    scores = _scores(rnw, "--weights", weights, "--flip")
    code, out, err = rnw("eval-seg", "--weights", weights, "--flip")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "shapes val, 2 images",
        "longer side 128, flip",
        "fcn_a1 (5 classes, width 0.03125), stride 8, according to the file name",
    ]
    assert {row["true_pixels"] == 0 for row in scores["per_class"]} == {True, False}
    for line, row in zip(lines[4:9], scores["per_class"]):
        mark = "" if row["true_pixels"] else " (no true pixel)"
        numbers = f"{row['iou']:6.2f} {row['accuracy']:8.2f}"
        assert line == f"{numbers}  {row['name']}{mark}"
    assert lines[9].endswith(
        f", mean IoU {scores['mean_iou']:.2f} % of all 5 classes, "
        f"{scores['mean_iou_of_occurring_classes']:.2f} % of the {scores['occurring_classes']} "
        "that occur"
    )
    assert lines[10] == f"pixels judged: {scores['pixels_judged']:,}"


def test_tiles_that_fit_are_none_where_all_fits(rnw, weights):
    options = ("--scales", "32", "--tile", "auto", "--overlap", "8")
    scores = _scores(rnw, "--weights", weights, *options)
    assert (scores["tile"], scores["overlap"]) == (None, 0)


def test_options_are_the_protocol(rnw, weights):
    options = ("--scales", "32,64", "--flip", "--test-steps", "2", "--tile", "48")
    scores = _scores(rnw, "--weights", weights, *options, "--crf", "deeplab")
    assert scores["crf"] == "deeplab"
    assert (scores["scales"], scores["flip"], scores["steps"]) == ([32, 64], True, 2)
    assert (scores["tile"], scores["overlap"]) == (48, 8)


@pytest.mark.slow
def test_several_files_are_mixed(rnw, weights):
    one = _scores(rnw, "--weights", weights)
    Path("other").mkdir()
    other = Path("other", SHAPES)
    other.write_bytes(Path(weights).read_bytes())
    two = _scores(rnw, "--weights", weights, "--weights", other, "--mix", "0.25,0.75")
    assert two["mean_iou"] == pytest.approx(one["mean_iou"], abs=0.1)


def test_kept_scores_are_tested_without_the_network(rnw, weights):
    keeping = _scores(rnw, "--weights", weights, "--scales", "64", "--save-scores", "kept")
    Path(weights).unlink()
    labels = ("--save-predictions", "labels", "--original-layout")
    found = _scores(rnw, "--scores", "kept", *labels)
    assert (found.pop("scores"), found.pop("models")) == (["kept"], [])
    assert found == {k: v for k, v in keeping.items() if k not in ("scores", "models")}
    copies, originals = Path("labels").glob("*.png"), Path("labels/labels").glob("*.png")
    assert {p.name: p.read_bytes() for p in copies} == {p.name: p.read_bytes() for p in originals}
    code, out, err = rnw("eval-seg", "--scores", "kept", "--crf", "deeplab")
    assert (code, err, out.splitlines()[-1]) == (0, "", "scores of kept")
    assert "longer side 64, CRF deeplab\n" in out
    for option in (("--pooling", "pad"), ("--engine", "mxnet"), ("--precision", "bfloat16")):
        assert "leave out --network" in rnw("eval-seg", "--scores", "kept", *option)[2]


def test_predictions_are_kept_and_believed(rnw, weights):
    first = _scores(rnw, "--weights", weights, "--save-predictions", "kept")
    names = [f"1-{number:04d}.png" for number in range(2)]
    assert sorted(path.name for path in Path("kept/labels").iterdir()) == names
    assert sorted(path.name for path in Path("kept/correct").iterdir()) == names
    Path("kept/labels", names[0]).write_bytes(Path("kept/labels", names[1]).read_bytes())
    again = _scores(rnw, "--weights", weights, "--save-predictions", "kept")
    assert again != first
    anew = ("--save-predictions", "kept", "--overwrite")
    assert _scores(rnw, "--weights", weights, *anew) == first


@pytest.fixture
def ade20k(fill, monkeypatch):
    """A narrow released network, and two pictures of its dataset in data/."""
    save_params(fill(get_network("fcn_a1", 150, width=1 / 32)), ADE20K)
    pairs = [Pair(f"{k}.jpg", f"{k}.png") for k in range(2)]
    for k, (pair, size) in enumerate(zip(pairs, [(40, 50), (60, 40)])):
        Path("data").mkdir(exist_ok=True)
        Image.fromarray(picture(*size, k)).save(Path("data", pair.image))
        labels = np.random.RandomState(k).randint(0, 151, size).astype(np.uint8)
        Image.fromarray(labels).save(Path("data", pair.label))
    ids = tuple(range(1, 151))
    row = make_dataset(
        (),
        150,
        name="ade20k",
        title="ADE20K",
        root=Path("data"),
        test_size=500,
        label_ids=ids,
        ranking_score=SEGMENTATION["ade20k"].ranking_score,
    )
    by_id = {label: k for k, label in enumerate(ids)}
    read = replace(row, read=lambda root, split: LabeledImages(root, pairs, by_id))
    monkeypatch.setitem(SEGMENTATION, "ade20k", read)
    return ADE20K


@pytest.mark.slow
def test_a_released_file_is_tested_as_published(rnw, ade20k, monkeypatch):
    assert _scores(rnw, "--weights", ade20k)["published"] is None  # not its content
    monkeypatch.setitem(RELEASED, ade20k, replace(RELEASED[ade20k], md5=md5(ade20k)))
    scores = _scores(rnw, "--weights", ade20k)
    assert (scores["scales"], scores["flip"], scores["steps"]) == ([500], True, 2)
    assert scores["published"] == (
        "ADE20K val, 500, flip, 2 steps: pixel accuracy 80.55, mean IoU 43.34"
    )
    small = ("--scales", "48", "--no-flip", "--test-steps", "1")
    assert _scores(rnw, "--weights", ade20k, *small)["published"] is None
    assert "score of ADE20K " in rnw("eval-seg", "--weights", ade20k, *small)[1]


def test_a_long_thin_picture_is_tested(rnw, ade20k):
    Image.new("RGB", (2000, 2)).save("data/0.jpg")  # of less than half a pixel when scaled
    Image.new("L", (2000, 2), 3).save("data/0.png")
    assert _scores(rnw, "--weights", ade20k, "--scales", "48")["images"] == 2


def test_gray_pictures_are_tested(rnw, ade20k):
    with Image.open("data/0.jpg") as image:
        gray = image.convert("L")
    gray.save("data/0.jpg")
    assert _scores(rnw, "--weights", ade20k, "--scales", "48")["images"] == 2


def _other_size():
    Image.fromarray(np.zeros((40, 51), np.uint8)).save("data/0.png")


def _colors():
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save("data/0.png")


def _damage(name):
    path = Path("data", name)
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "wording"),
    [
        (_other_size, "data/0.png: a label map of 51x40 for a prediction of 50x40 pixels"),
        (_colors, "data/0.png: expected a label map of 8 bits"),
        (lambda: _damage("1.png"), "data/1.png: cannot be read as a label map"),
        (lambda: Path("data/1.png").unlink(), "data/1.png: no such label map"),
        (lambda: _damage("1.jpg"), "data/1.jpg: cannot be read as an image"),
        (lambda: Path("data/1.jpg").unlink(), "data/1.jpg: no such image"),
    ],
)
def test_refuses_data(refused, ade20k, spoil, wording):
    spoil()
    small = ("--scales", "48", "--no-flip", "--test-steps", "1")
    assert wording in refused("eval-seg", "--weights", ade20k, *small)


STREETS = "cityscapes_rna-a1_cls19_s8_ep-0001.params"
VOC = "voc_rna-a1_cls21_s8_ep-0001.params"
SQUARES = np.kron(np.arange(20).reshape(4, 5) % 19, np.ones((8, 8), int)).astype(np.uint8)


def _prepare(fill, weights, labels):
    """A narrow network, and the prepared test split of its dataset: a picture and its labels."""
    save_params(fill(get_network("fcn_a1", 21 if weights == VOC else 19, width=1 / 32)), weights)
    Path("data").mkdir()
    Image.fromarray(picture(32, 40, 0)).save("data/a.jpg")
    (labels if isinstance(labels, Image.Image) else Image.fromarray(labels)).save("data/a.png")
    Path("data/val.lst").write_text("a.jpg\ta.png\n")
    return ("eval-seg", "--weights", weights, "--data-root", "data", "--scales", "40", "--no-flip")


def _renumbered():
    """VOC's colors, which an adaptive palette numbers by how often they occur."""
    image = Image.new("RGB", (40, 32), (192, 128, 128))
    image.paste((0, 128, 0), (0, 0, 40, 10))
    return image.convert("P", palette=1, colors=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "labels", "wording"),
    [
        (STREETS, np.where(SQUARES == 18, 255, SQUARES), "data/a.png: has labels of 0 to 18 and 2"),
        (VOC, _renumbered(), "data/a.png: label 0 has the color ("),
        (VOC, np.full((32, 40), 255, np.uint8), "data/a.png: no pixel is judged: in this and all"),
        (STREETS, np.full((32, 40), 0, np.uint8), "data/a.png: no pixel is judged: in this and"),
    ],
)
def test_refuses_labels_that_mean_something_else(refused, fill, weights, labels, wording):
    assert wording in refused(*_prepare(fill, weights, labels))


def test_numbers_that_are_hardly_those_of_the_data_set_are_warned_of(rnw, fill):
    code, _, err = rnw(*_prepare(fill, STREETS, SQUARES))
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("data: ")
    assert " such as 19 and 33 hardly occur in the label maps" in err


def test_classes_without_a_true_pixel_are_marked(rnw, fill):
    """Binary maps, as of another task, hold one class of VOC's."""
    code, out, err = rnw(*_prepare(fill, VOC, np.where(SQUARES < 9, 0, 255).astype(np.uint8)))
    assert (code, err) == (0, "")
    marked = [line.split()[2] for line in out.splitlines() if line.endswith("(no true pixel)")]
    assert marked == list(SEGMENTATION["voc"].class_names[1:])
    assert "% of all 21 classes, " in out
    assert f"pixels judged: {(SQUARES < 9).sum()}\n" in out


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_predictions_are_not_kept_among_the_data(refused, ade20k, overwrite):
    Path("mine").mkdir()
    Path("mine/labels").symlink_to("../data")
    before = {path: path.read_bytes() for path in Path("data").iterdir()}
    keep = ("--save-predictions", "mine", *overwrite)
    message = refused("eval-seg", "--weights", ade20k, "--scales", "48", *keep)
    assert "mine/labels: has files of the dataset, which predictions could replace" in message
    assert {path: path.read_bytes() for path in Path("data").iterdir()} == before


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--scales", "64;96"), "'64;96': expected sizes such as 375,500"),
        (("--mix", "a"), "'a': expected numbers such as 0.5,0.5"),
        (("--official",), "--official scores files: give '--save-predictions'"),
        (("--original-layout",), "--original-layout copies files: give '--save-predictions'"),
        (("--scores", "kept"), "give '--weights', or '--scores' in their place"),
        (("--tile", "0"), "Invalid value for '--tile'"),
    ],
)
def test_refuses_options(rnw, options, wording):
    code, out, err = rnw("eval-seg", "--weights", SHAPES, *options)
    assert (code, out) == (2, "")
    assert wording in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--mix", "0.5,0.5"), "mix 0.5,0.5: expected a positive number for each of the 1 weights"),
        (("--tile", "60"), "tiles of 60 with an overlap of 8 pixels: expected multiples"),
        (("--test-steps", "3"), "3 test steps: expected a divisor of the network's stride 8"),
        (("--crf", "densecrf"), "unknown CRF 'densecrf': expected one of deeplab, kraehenbuehl"),
        (("--scales", "0"), "longer side 0: expected scales of at least 1"),
        (("--official", "--save-predictions", "x"), "official scores are those of Cityscapes"),
    ],
)
def test_refuses_what_does_not_fit(refused, weights, options, wording):
    assert wording in refused("eval-seg", "--weights", weights, *options)
