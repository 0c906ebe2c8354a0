"""Evaluation of segmentation networks on a dataset."""

import threading
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import read_label
from rnw.errors import InputError
from rnw.evaluation.segmentation.crf import KRAEHENBUEHL, refine
from rnw.evaluation.segmentation.evaluate import evaluate
from rnw.evaluation.segmentation.kept import correctness
from rnw.evaluation.segmentation.model import load_model
from rnw.evaluation.segmentation.protocol import Protocol
from rnw.evaluation.segmentation.upsampling import upsample
from rnw.locks import LOCK_FILE, alone_in
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, label_map, make_dataset, make_model
from tests.golden_cases import each_json_case, golden_arrays

IMAGES = [picture(60 + k, 80, k) for k in range(5)]
LABELS = [label_map(60 + k, 80, 4, k) for k in range(5)]


def _model(images=IMAGES, labels=LABELS, seeds=(1,), protocol=None, **fields):
    return make_model(
        make_dataset(Pictures(images, labels), 4, **fields), *seeds, protocol=protocol
    )


@each_json_case("segmentation_eval")
def test_evaluation_is_the_originals(case):
    expected = golden_arrays(f"segmentation_eval_{case['case']}")
    sizes = [(p["height"], p["width"]) for p in case["pictures"]]
    images = [picture(*size, p["seed"]) for size, p in zip(sizes, case["pictures"])]
    labels = [
        label_map(*size, case["classes"], p["label_seed"])
        for size, p in zip(sizes, case["pictures"])
    ]
    dataset = make_dataset(
        Pictures(images, labels), case["classes"], identical_sizes=case["identical_sizes"]
    )
    protocol = Protocol((case["scale"],), case["flip"], case["steps"])
    model = make_model(dataset, case["network_seed"], protocol=protocol)
    same = True
    found = evaluate(model, predictions=Path("kept"))
    for number, (image, truth) in enumerate(zip(images, labels)):
        (scores,) = model.score_maps(image)
        np.testing.assert_allclose(scores.scores, expected[f"{number}_scores"], atol=1e-5)
        kept = read_label(f"kept/labels/{number}.png")
        other = kept != expected[f"{number}_prediction"]
        best = np.sort(upsample(scores, truth.shape)[:, other], axis=0)
        assert ((best[-1] - best[-2]) < 1e-5).all()  # they tie
        correct = read_label(f"kept/correct/{number}.png")
        assert (correct[~other] == expected[f"{number}_correct"][~other]).all()
        same &= not other.any()
    tolerance = 0 if same else 1e-3
    confusion = found.confusion
    for name, value in (
        ("pixel_accuracy", confusion.pixel_accuracy),
        ("class_accuracy", confusion.class_accuracies),
        ("iou", confusion.ious),
    ):
        np.testing.assert_allclose(value, expected[name], atol=tolerance, rtol=0)


def test_networks_and_scales_are_averaged():
    protocol = Protocol((96, 64), flip=True)
    model = _model(seeds=(1, 2), protocol=protocol)
    scores = sum(upsample(found, IMAGES[0].shape[:2]) for found in model.score_maps(IMAGES[0]))
    assert len(model.score_maps(IMAGES[0])) == 4
    assert (model.segment(IMAGES[0]) == scores.argmax(axis=0)).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 300), (300, 1), (1, 1), (2, 900)])
@pytest.mark.parametrize("identical_sizes", [True, False])
def test_pictures_a_pixel_thin_are_segmented(size, identical_sizes):
    image = picture(*size, 3)
    model = _model(seeds=(1, 2), identical_sizes=identical_sizes)
    model = model.tested_by(scales=(32, 64), flip=True, steps=4, tile=32)
    scores = sum(upsample(found, size) for found in model.score_maps(image))
    assert (model.segment(image) == scores.argmax(axis=0)).all()
    assert model.tested_by(crf="deeplab").segment(image).shape == size


def test_averaged_scores_are_refined():
    model = _model(seeds=(1, 2)).tested_by(crf="kraehenbuehl")
    image = IMAGES[0]
    scores = np.mean([upsample(m, image.shape[:2]) for m in model.score_maps(image)], axis=0)
    scores = np.maximum(scores, 0)
    refined = refine(scores / scores.sum(axis=0), image, KRAEHENBUEHL).argmax(axis=0)
    assert (refined != scores.argmax(axis=0)).mean() > 0.01
    assert (model.segment(image) != refined).mean() < 0.001  # sums in another order


def test_the_network_computes_a_picture_while_the_one_before_is_counted():
    model = _model()
    forward, computed = model.scorers[0].forward, [threading.Event() for _ in IMAGES]
    events = iter(computed)

    def noting(data):
        next(events).set()
        return forward(data)

    def wait_for_the_next(progress):
        assert all(event.wait(30) for event in computed[: progress.step + 1])
        assert not any(event.is_set() for event in computed[progress.step + 1 :])

    watched = model._replace(scorers=[model.scorers[0]._replace(forward=noting)])
    found = evaluate(watched, on_step=wait_for_the_next)
    assert (found.confusion.counts == evaluate(model).confusion.counts).all()


def test_an_interrupted_evaluation_goes_on():
    expected = evaluate(_model())
    told = []

    def stop(progress):
        told.append(progress)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(_model(), predictions=Path("kept"), on_step=stop)
    Path("kept/labels/1.png").unlink()
    model, computed = _model(), []
    (scorer,) = model.scorers
    counting = scorer._replace(forward=lambda x: computed.append(1) or scorer.forward(x))
    model = model._replace(scorers=[counting])
    again = evaluate(model, predictions=Path("kept"), on_step=told.append)
    assert len(computed) == 3
    assert again.confusion.counts.tolist() == expected.confusion.counts.tolist()
    assert [progress.step for progress in told] == [1, 2, 3, 1, 2, 3, 4, 5]
    assert told[-1].mean_iou == pytest.approx(100 * expected.confusion.mean_iou)


@pytest.mark.parametrize(
    ("changed", "wording"),
    [
        ({"seeds": (1, 2)}, r"mix \[1.0\], now \[0.5, 0.5\]"),
        ({"protocol": Protocol((80,))}, "protocol longer side 96, now longer side 80"),
        ({"images": IMAGES[:4]}, "images"),
    ],
)
def test_predictions_of_another_evaluation_are_refused(changed, wording):
    evaluate(_model(), predictions=Path("kept"))
    before = Path("kept/labels/0.png").read_bytes()
    with pytest.raises(InputError, match=f"^kept: has predictions of another .*: {wording}"):
        evaluate(_model(**changed), predictions=Path("kept"))
    assert Path("kept/labels/0.png").read_bytes() == before
    found = evaluate(_model(**changed), predictions=Path("kept"), overwrite=True)
    expected = evaluate(_model(**changed))
    assert found.confusion.counts.tolist() == expected.confusion.counts.tolist()


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_predictions_of_an_unknown_evaluation_are_refused(content):
    evaluate(_model(), predictions=Path("kept"))
    origin = Path("kept/evaluation.json")
    origin.unlink() if content is None else origin.write_text(content)
    with pytest.raises(
        InputError, match=r"^kept.*(cannot be read|of another|expected a JSON object)"
    ):
        evaluate(_model(), predictions=Path("kept"))
    evaluate(_model(), predictions=Path("kept"), overwrite=True)


class _InFolders(Pictures):
    def name(self, index):
        return f"{'abcde'[index]}/x.jpg"


def test_pictures_of_one_name_are_not_kept_in_one_file():
    dataset = make_dataset(_InFolders(IMAGES, LABELS), 4)
    model = make_model(dataset, 1)
    with pytest.raises(InputError, match=r"^a/x\.jpg and b/x\.jpg: .* would be kept as x\.png;"):
        evaluate(model, predictions=Path("kept"), overwrite=True)
    assert not Path("kept").exists()
    found = evaluate(model)
    assert found.confusion.counts.tolist() == evaluate(_model()).confusion.counts.tolist()


def test_overwriting_that_is_interrupted_leaves_nothing_of_what_was_there():
    evaluate(_model(), predictions=Path("kept"))
    other = _model(seeds=(2,), label_ids=(1, 2, 3, 4))

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(other, predictions=Path("kept"), overwrite=True, on_step=stop)
    assert [path.name for path in Path("kept/labels").iterdir()] == ["0.png"]
    found = evaluate(other, predictions=Path("kept"))
    assert found.confusion.counts.tolist() == evaluate(other).confusion.counts.tolist()


def test_overwriting_leaves_no_pictures_of_another_split():
    evaluate(_model(), predictions=Path("kept"))
    assert len(list(Path("kept/correct").iterdir())) == 5
    evaluate(_model(IMAGES[:2], LABELS[:2]), predictions=Path("kept"), overwrite=True)
    for part in ("labels", "correct"):
        assert sorted(path.name for path in Path("kept", part).iterdir()) == ["0.png", "1.png"]
    evaluate(_model(IMAGES[:2], labels=None), predictions=Path("kept"), overwrite=True)
    assert not list(Path("kept/correct").iterdir())


def test_an_evaluation_that_kept_nothing_is_no_obstacle():
    with pytest.raises(InputError):
        evaluate(_model(labels=[LABELS[1]] * 5), predictions=Path("kept"))
    assert Path("kept/evaluation.json").exists()
    evaluate(_model(protocol=Protocol((80,))), predictions=Path("kept"))


def test_two_evaluations_do_not_keep_labels_in_one_folder():
    with alone_in(Path("kept")):
        with pytest.raises(InputError, match=r"^kept: another run is writing there: wait"):
            evaluate(_model(seeds=(2,)), predictions=Path("kept"))
        assert [path.name for path in Path("kept").iterdir()] == [LOCK_FILE]
    evaluate(_model(), predictions=Path("kept"))
    assert not Path("kept", LOCK_FILE).exists()


def test_kept_labels_have_the_published_numbers_and_the_palette():
    model = _model(label_ids=(7, 8, 11, 33))
    evaluate(model, predictions=Path("kept"))
    with Image.open("kept/labels/2.png") as image:
        assert image.mode == "P"
        numbers, colors = np.array(image), np.array(image.convert("RGB"))
    classes = model.segment(IMAGES[2])
    assert (numbers == np.array([7, 8, 11, 33])[classes]).all()
    assert (colors == np.array(model.dataset.palette)[classes]).all()
    again = evaluate(model, predictions=Path("kept"))
    assert again.confusion.counts.tolist() == evaluate(model).confusion.counts.tolist()


def test_correctness():
    found = correctness(np.uint8([[0, 1, 2]]), np.uint8([[0, 2, 255]]))
    assert found.tolist() == [[127, 0, 255]]
    assert found.dtype == np.uint8


def test_no_pixel_that_is_judged_is_no_score():
    model = _model(labels=[np.full_like(labels, 255) for labels in LABELS])
    with pytest.raises(InputError, match=r"^labels/0\.png: no pixel is judged: in this and all"):
        evaluate(model)


def test_progress_and_result_count_classes_alike():
    """Classes 2 and 3 are true nowhere, and count as 0 from the first picture on."""
    told = []
    labels = [np.minimum(labels, 1) for labels in LABELS]
    found = evaluate(_model(labels=labels), on_step=told.append)
    first = evaluate(_model(IMAGES[:1], labels[:1]))
    assert told[0].mean_iou == first.as_dict()["mean_iou"] < 50
    assert told[-1].mean_iou == found.as_dict()["mean_iou"]


def test_a_split_without_labels_is_predicted_alone():
    model = _model(labels=None)
    with pytest.raises(InputError, match=r"split test: has no labels .* --save-predictions"):
        evaluate(model, split="test")
    found = evaluate(model, split="test", predictions=Path("kept"))
    assert found.confusion is None
    assert "mean_iou" not in found.as_dict()
    assert len(list(Path("kept/labels").iterdir())) == 5
    assert not Path("kept/correct").exists()


@pytest.mark.parametrize(
    ("labels", "wording"),
    [
        (label_map(64, 80, 4, 1), r"^labels/3\.png: a label map of 80x64 .* of 80x63"),
        (np.full((63, 80), 9, np.uint8), r"^labels/3\.png: label 9: expected a class, 0 to 3"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, wording):
    with pytest.raises(InputError, match=wording):
        evaluate(_model(labels=[*LABELS[:3], labels, LABELS[4]]))


@pytest.mark.parametrize(
    ("changes", "protocol"),
    [
        ({}, Protocol((96,))),
        ({"scales": (), "flip": None}, Protocol((96,))),
        ({"tile": 64}, Protocol((96,), tile=64, overlap=16)),
        ({"tile": 64, "overlap": 0}, Protocol((96,), tile=64)),
        ({"scales": (50, 70), "flip": True}, Protocol((50, 70), flip=True)),
    ],
)
def test_protocols_are_changed_where_it_is_said(changes, protocol):
    assert _model().tested_by(**changes).protocol == protocol


@pytest.mark.parametrize("overlap", [0, 16])
def test_overlaps_are_of_tiles(overlap):
    with pytest.raises(InputError, match=f"^overlap {overlap}: is of tiles; give .* --tile"):
        _model().tested_by(overlap=overlap)
    tiled = _model(protocol=Protocol((96,), tile=64, overlap=8))
    assert tiled.tested_by(overlap=overlap).protocol.overlap == overlap


@pytest.mark.parametrize("changes", [{"scales": (0,)}, {"steps": 0}, {"crf": "x"}])
def test_protocols_that_make_no_sense_are_refused(changes):
    with pytest.raises(InputError, match=r"expected (scales of at least 1|a divisor of|one of)"):
        _model().tested_by(**changes)


SHAPES = "shapes_rna-a1_cls5_s8_ep-0001.params"


def _save(name, fill, network="fcn_a1", classes=5):
    save_params(fill(get_network(network, classes, width=1 / 32)), name)
    return name


def test_a_weights_file_says_all(fill):
    model = load_model([_save(SHAPES, fill)], [mx.cpu()])
    assert (model.dataset.name, model.protocol) == ("shapes", Protocol((128,)))
    image = picture(90, 96, 1)
    (found,) = model.score_maps(image)
    assert (found.scores.shape, found.stride) == ((5, 15, 16), 8)
    np.testing.assert_allclose(found.scores.sum(axis=0), 1, rtol=1e-5)
    two = load_model([SHAPES], [mx.cpu(0), mx.cpu(1)]).tested_by(flip=True, steps=2)
    one = model.tested_by(flip=True, steps=2)
    np.testing.assert_allclose(
        two.score_maps(image)[0].scores, one.score_maps(image)[0].scores, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "network", "classes", "wording"),
    [
        ("shapes_rna-a1_cls7_s8_ep-0001.params", "fcn_a1", 7, "is for 7 classes, drawn shapes has"),
        ("shapes_rna-a1_cls5_ep-0001.params", "model_a1", 5, "holds a classifier, expected"),
    ],
)
def test_other_weights_are_refused(name, network, classes, wording, fill):
    with pytest.raises(InputError, match=wording):
        load_model([_save(name, fill, network, classes)], [mx.cpu()])


@pytest.mark.parametrize(
    "mix", [(1.0,), (0.5, 0.0), (1.5, -0.5), (0.5, np.nan), (np.nan, 0.5), (np.inf, 1)]
)
def test_mixes_are_a_positive_number_for_each_file(mix):
    with pytest.raises(InputError, match="expected a positive number for each of the 2 weights"):
        load_model([SHAPES, SHAPES], [mx.cpu()], mix)
