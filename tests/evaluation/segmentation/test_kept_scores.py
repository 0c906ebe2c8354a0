"""Evaluation and CRFs from score maps that are kept in files, or that other programs made."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.labeled import read_label
from rnw.errors import InputError
from rnw.evaluation.computing import Computing
from rnw.evaluation.segmentation.crf import CRFS, refine
from rnw.evaluation.segmentation.evaluate import evaluate
from rnw.evaluation.segmentation.from_scores import (
    model_of_arrays,
    model_of_scores,
    with_background,
)
from rnw.evaluation.segmentation.kept_scores import RECORD, read_scores
from rnw.evaluation.segmentation.protocol import Protocol
from rnw.evaluation.segmentation.upsampling import upsample
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, label_map, make_dataset, make_model

CLASSES = 4
IMAGES = [picture(60 + k, 80, k) for k in range(3)]
LABELS = [label_map(60 + k, 80, CLASSES, k) for k in range(3)]
DATASET = make_dataset(Pictures(IMAGES, LABELS), CLASSES)
BOUND = 0.002  # as rnw/evaluation/README.md says


def _model(*seeds, scales=(48,), **protocol):
    return make_model(DATASET, *seeds, protocol=Protocol(scales, **protocol))


def _of(*folders, mix=(), **changes):
    return model_of_scores([Path(f) for f in folders], mix, **changes)._replace(dataset=DATASET)


def _counting(model):
    """The model, and the list of the inputs that its network gets."""
    (scorer,) = model.scorers
    calls = []

    def forward(data):
        calls.append(data.shape)
        return scorer.forward(data)

    return model._replace(scorers=[scorer._replace(forward=forward)]), calls


def _halves(model):
    """The model with a network whose scores half precision holds exactly."""
    (scorer,) = model.scorers

    def forward(data):
        return np.round(scorer.forward(data) * 1024) / np.float32(1024)

    return model._replace(scorers=[scorer._replace(forward=forward)])


def _kept(folder):
    return {path.name: path.read_bytes() for path in Path(folder, "labels").iterdir()}


@pytest.mark.parametrize("protocol", [{"scales": (48, 64)}, {"steps": 2, "crf": "deeplab"}])
def test_labels_are_those_of_the_network_bit_for_bit_where_half_precision_holds_its_scores(
    protocol,
):
    model = _halves(_model(1, **protocol))
    direct = evaluate(model, predictions=Path("direct"))
    keeping = evaluate(model, predictions=Path("keeping"), scores=Path("scores"))
    found = evaluate(_of("scores", crf=protocol.get("crf")), predictions=Path("found"))
    for other, folder in ((keeping, "keeping"), (found, "found")):
        assert _kept(folder) == _kept("direct")
        assert other.confusion.mean_iou == direct.confusion.mean_iou


def test_labels_differ_only_where_two_classes_are_as_close_as_is_said():
    model = _model(1, flip=True)
    evaluate(model, scores=Path("scores"))
    found = _of("scores")
    for number, image in enumerate(IMAGES):
        (exact,), (kept,) = model.score_maps(image), found.score_maps(image, str(number))
        assert 0 < np.abs(exact.scores - kept.scores).max() <= 1 / 4096
        scores = upsample(exact, image.shape[:2])
        other = model.segment(image) != found.segment(image, str(number))
        best = np.sort(scores[:, other], axis=0)
        assert (best[-1] - best[-2] < BOUND).all()


def test_files_are_as_the_originals_in_layout_and_scale():
    evaluate(_model(1, scales=(48,), steps=2), scores=Path("scores"))
    with np.load("scores/48/1.npz") as arrays:
        found = {name: arrays[name] for name in arrays.files}
    assert found["scores"].dtype == np.float16
    assert found["scores"].shape == (CLASSES, 12, 12)  # of a square of 48, each 4 pixels
    numbers = {name: found[name].tolist() for name in ("size", "stride", "scaled")}
    assert numbers == {"size": [61, 80], "stride": 4, "scaled": [37, 48]}


def test_what_is_kept_in_one_precision_is_not_continued_in_another():
    exact, fast = _model(1), _model(1)._replace(computing=Computing(precision="bfloat16"))
    told = evaluate(fast, predictions=Path("kept"), scores=Path("scores"))
    assert told.computing.precision == told.as_dict()["precision"] == "bfloat16"
    for folders in ({"predictions": Path("kept")}, {"scores": Path("scores")}):
        with pytest.raises(InputError, match="precision bfloat16, now float32"):
            evaluate(exact, **folders)
    evaluate(exact, scores=Path("exact"))
    assert evaluate(_of("scores")).computing.precision == "bfloat16"
    assert _of("exact", "scores").computing.precision == "bfloat16 and float32"


def test_a_scale_is_added_and_nothing_is_computed_again():
    model, calls = _counting(_model(1, scales=(48,)))
    evaluate(model, scores=Path("scores"))
    assert len(calls) == 3
    Path("scores/48/2.npz").unlink()  # as if it was interrupted
    both, calls = _counting(_model(1, scales=(48, 64)))
    evaluate(both, scores=Path("scores"))
    assert sorted(calls) == [(1, 3, 48, 48), *[(1, 3, 64, 64)] * 3]
    whole = evaluate(_of("scores", scales=(64, 48)), predictions=Path("kept"))
    assert whole.protocol.scales == (64, 48)
    again, calls = _counting(_model(1, scales=(48, 64)))
    evaluate(again, scores=Path("scores"))
    assert not calls


def test_a_mixture_of_kept_scores():
    for seed in (1, 2):
        evaluate(_halves(_model(seed)), scores=Path(f"scores{seed}"))
    mixed = _of("scores1", "scores2", mix=(0.75, 0.25))
    one, two = (_halves(_model(seed)) for seed in (1, 2))
    for number, image in enumerate(IMAGES):
        ((first,), (second,)) = (m.score_maps(image) for m in (one, two))
        total = 0.75 * first.scores + 0.25 * second.scores
        expected = upsample(first._replace(scores=total), image.shape[:2])
        other = mixed.segment(image, str(number)) != expected.argmax(axis=0)
        best = np.sort(expected[:, other], axis=0)
        assert (best[-1] - best[-2] < 1e-5).all()  # they tie


def test_mixtures_need_a_scale_in_common():
    for scale in (48, 64):
        evaluate(_model(1, scales=(scale,)), scores=Path(f"at{scale}"))
    with pytest.raises(InputError, match=r"^at48, at64: have scores at no scale in common"):
        _of("at48", "at64")


def test_scores_tell_what_they_were_made_by():
    evaluate(_model(1, flip=True), scores=Path("scores"))
    record = json.loads(Path("scores", RECORD).read_text())
    assert (record["dataset"], record["classes"], record["flip"]) == ("pictures", CLASSES, True)
    with pytest.raises(InputError, match=r"predictions of another evaluation: flip True, now Fal"):
        evaluate(_model(1), scores=Path("scores"))
    evaluate(_model(1), scores=Path("scores"), overwrite=True)
    assert not _of("scores").protocol.flip


@pytest.mark.parametrize(
    ("changes", "wording"),
    [
        ({"flip": True}, r"scores: has scores with flip False, expected True; `rnw eval-seg"),
        (
            {"scales": (48, 96)},
            r"scores: has scores at 48, none at 96; `rnw eval-seg --save-scores",
        ),
        ({"mix": (1, 1)}, "expected a positive number for each of the 1 weights files or folders"),
    ],
)
def test_refuses_another_protocol(changes, wording):
    evaluate(_model(1), scores=Path("scores"))
    with pytest.raises(InputError, match=wording):
        _of("scores", **changes)


@pytest.mark.parametrize(
    ("spoil", "wording"),
    [
        (lambda path: path.write_bytes(b"x"), "cannot be read as scores .*if the file is removed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "cannot be read as scores"),
        (lambda path: np.savez(path, scores=np.ones((4, 2, 2))), "cannot be read as scores"),
        (lambda path: path.unlink(), r"48.1\.npz: no such scores; `rnw eval-seg --save-sc"),
        (
            lambda path: path.write_bytes(Path("scores/48/0.npz").read_bytes()),
            "for a picture of 80",
        ),
    ],
)
def test_refuses_damaged_scores(spoil, wording):
    evaluate(_model(1), scores=Path("scores"))
    spoil(Path("scores/48/1.npz"))
    with pytest.raises(InputError, match=wording):
        evaluate(_of("scores"))


@pytest.mark.parametrize(("key", "value"), [("stride", "8"), ("flip", 1), ("tile", "no")])
def test_refuses_a_record_of_something_else(key, value):
    evaluate(_model(1), scores=Path("scores"))
    path = Path("scores", RECORD)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(InputError, match=rf"^scores.scores\.json: {key} is {value!r}, which is no"):
        _of("scores")


def test_several_networks_are_not_kept_in_one_folder():
    with pytest.raises(InputError, match="--save-scores keeps those of one network"):
        evaluate(_model(1, 2), scores=Path("scores"))
    with pytest.raises(InputError, match=r"^empty: has no scores; `rnw eval-seg --save-"):
        model_of_scores([Path("empty")])


def test_the_command_refines_kept_scores(rnw):
    evaluate(_model(1), scores=Path("scores"))
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(f"{number}.png")
    files = [f"{number}.png" for number in range(len(IMAGES))]
    code, out, err = rnw("crf", "scores", *files, "-o", "out", "--crf", "kraehenbuehl")
    assert (code, err, out.splitlines()) == (0, "", [*files, "pictures in out"])
    model = _of("scores", crf="kraehenbuehl")
    for number, image in enumerate(IMAGES):
        found = read_label(f"out/{number}.png")
        np.testing.assert_array_equal(found, model.segment(image, str(number)))


def test_the_command_takes_scores_of_other_programs_with_a_background_of_psa(rnw, refused):
    Image.fromarray(IMAGES[0]).save("a.png")
    maps = np.random.RandomState(0).rand(2, 60, 80) ** 2
    Path("cams").mkdir()
    np.save("cams/a.npy", maps)
    code, out, err = rnw(
        "crf", "cams", "a.png", "-o", "out", "--crf", "psa", "--alpha", 4, "--json"
    )
    assert (code, err) == (0, "")
    scores = np.concatenate([(1 - maps.max(axis=0, keepdims=True)) ** 4, maps]).astype(np.float32)
    np.testing.assert_allclose(with_background(maps.astype(np.float32), 4), scores, atol=1e-6)
    expected = refine(scores / scores.sum(axis=0), IMAGES[0], CRFS["psa"]).argmax(axis=0)
    assert (read_label("out/a.png") != expected).mean() < 0.001
    assert json.loads(out)["crf"] == "psa"
    options = ("-o", "plain", "--crf", "none")
    assert rnw("crf", "cams", "a.png", *options)[0] == 0
    np.testing.assert_array_equal(read_label("plain/a.png"), maps.argmax(axis=0))
    np.save("cams/a.npy", {1: maps[0]}, allow_pickle=True)
    assert "cams/a.npy: cannot be read as scores" in refused("crf", "cams", "a.png", *options)
    assert "neither scores.json" in refused("crf", "out", "a.png", *options)


def test_given_scores_have_the_size_of_the_picture():
    Path("cams").mkdir()
    np.save("cams/a.npy", np.ones((3, 5, 6)))
    model = model_of_arrays(Path("cams"))
    with pytest.raises(InputError, match=r"cams.a\.npy: scores of 6x5 for a picture of 80x60"):
        model.segment(IMAGES[0], "a")
    with pytest.raises(InputError, match=r"cams.b\.npy: cannot be read .*np\.save\(path, array\)"):
        model.segment(IMAGES[0], "b")
    with pytest.raises(InputError, match=r"a\.npy: has 3 classes, PASCAL VOC 2012 has 21"):
        model_of_arrays(Path("cams"), "voc")


def test_kept_scores_are_read_as_they_are():
    evaluate(_model(1), scores=Path("scores"))
    found, size = read_scores(Path("scores/48/0.npz"), "cubic")
    assert (size, found.stride, found.scaled, found.interpolation) == (
        (60, 80),
        8,
        (36, 48),
        "cubic",
    )
