"""Predictions for pictures by the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.readers import ORIENTATION
from rnw.data.sets.digits import read_digits

LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture
def pictures():
    """Twelve digits as files of several kinds and sizes."""
    images = read_digits(Path(), "test").images[:12]
    kinds = ("0.png", "1.jpg", "2.bmp", "3.png", "4.png", "5.png")
    for image, name in zip(images, kinds):
        Image.fromarray(image).save(name)
    Image.open("3.png").convert("L").save("3.png")
    Image.open("4.png").resize((90, 40)).save("4.png")
    Image.open("5.png").convert("RGBA").resize((28, 9)).save("5.png")
    return list(kinds)


def _predictions(rnw, weights, *arguments):
    code, out, err = rnw("predict", "--weights", weights, "--json", *arguments)
    assert (code, err, out.count("\n")) == (0, "", 1)
    return json.loads(out)["predictions"]


def test_json(rnw, checkpoint, pictures):
    predictions = _predictions(rnw, checkpoint, "--top", 10, *pictures)
    assert [prediction["image"] for prediction in predictions] == pictures
    for prediction in predictions:
        classes = prediction["classes"]
        assert set(prediction) == {"image", "classes"}
        assert all(set(entry) == {"class", "name", "probability"} for entry in classes)
        assert sorted(entry["class"] for entry in classes) == list(range(10))
        assert all(entry["name"] == NAMES[entry["class"]] for entry in classes)
        probabilities = [entry["probability"] for entry in classes]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(0 <= probability <= 1 for probability in probabilities)
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert probabilities[0] > 0.11


@pytest.mark.slow
@pytest.mark.parametrize(("top", "count"), [((), 5), (("--top", 1), 1), (("--top", 99), 10)])
def test_top(rnw, checkpoint, pictures, top, count):
    best = _predictions(rnw, checkpoint, "--top", 10, pictures[0])[0]["classes"]
    assert _predictions(rnw, checkpoint, *top, pictures[0])[0]["classes"] == best[:count]


def test_text_says_the_same(rnw, checkpoint, pictures):
    predictions = _predictions(rnw, checkpoint, "--top", 2, *pictures[:2])
    code, out, err = rnw("predict", "--weights", checkpoint, "--top", 2, *pictures[:2])
    assert code == 0
    assert err == (
        f"{LABEL[11:-6]} (10 classes, width 0.03125), stride 8, pooling 'pad', according to "
        f"{LABEL}_ep-symbol.json\n"
        "center crop of 28, adaptive interpolation\n"
    )
    expected = []
    for prediction in predictions:
        expected.append([prediction["image"]])
        for entry in prediction["classes"]:
            expected.append([f"{entry['probability']:.4f}", str(entry["class"]), entry["name"]])
    assert [line.split() for line in out.splitlines()] == expected


@pytest.mark.slow
def test_pictures_of_the_test_split_score_as_evaluated(rnw, checkpoint):
    """Predictions for the test pictures, saved to files, are those that eval-cls counts."""
    examples = read_digits(Path(), "test")
    names = [f"{number:03}.png" for number in range(len(examples.labels))]
    for image, name in zip(examples.images, names):
        Image.fromarray(image).save(name)
    predictions = _predictions(rnw, checkpoint, "--top", 5, *names)
    found = np.array([[e["class"] for e in p["classes"]] for p in predictions])
    hits = found == examples.labels[:, None]
    _, out, _ = rnw("eval-cls", "--weights", checkpoint, "--json")
    scores = json.loads(out)
    assert 100 * hits[:, 0].mean() == pytest.approx(scores["top1"], abs=0.3)
    assert 100 * hits.any(axis=1).mean() == pytest.approx(scores["top5"], abs=0.3)
    assert scores["top1"] > 40


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (None, "bad.png: no such image"),
        (b"", "bad.png: cannot be read as an image"),
        (b"not an image", "bad.png: cannot be read as an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "bad.png: cannot be read as an image"),
    ],
    ids=["missing", "empty", "text", "damaged"],
)
def test_an_unreadable_image_is_named_at_the_end(
    rnw, refused, checkpoint, pictures, content, wording
):
    if content is not None:
        Path("bad.png").write_bytes(content)
    code, out, err = rnw("predict", "--weights", checkpoint, "bad.png", *pictures[:2])
    assert code == 1
    origin, _, error = err.splitlines()
    assert origin.endswith("according to digits_rna-28-1-1-1-1-1-1-1_cls10_ep-symbol.json")
    assert error.startswith(f"Error: {wording}")
    assert out == rnw("predict", "--weights", checkpoint, *pictures[:2])[1]
    assert wording in refused("predict", "--weights", checkpoint, "bad.png")


def test_refuses_a_truncated_image(refused, checkpoint):
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (64, 64, 3), np.uint8)).save("x.jpg")
    Path("cut.jpg").write_bytes(Path("x.jpg").read_bytes()[:1500])
    assert "cut.jpg: cannot be read" in refused("predict", "--weights", checkpoint, "cut.jpg")


def test_json_is_whole_although_images_are_not(rnw, checkpoint, pictures):
    Path("bad.png").write_text("no picture")
    code, out, err = rnw(
        "predict", "--weights", checkpoint, "--json", pictures[0], "bad.png", "absent.png"
    )
    assert (code, out.count("\n"), err.count("\n")) == (1, 1, 2)
    assert [row["image"] for row in json.loads(out)["predictions"]] == [pictures[0]]


def test_folders_are_taken_with_all_images_in_them(rnw, checkpoint, pictures, refused):
    Path("folder").mkdir()
    assert "folder: no images in this folder" in refused(
        "predict", "--weights", checkpoint, "folder"
    )
    for name in pictures[:2]:
        Path(name).rename(f"folder/{name}")
    Path("folder/notes.txt").write_text("no picture")
    found = _predictions(rnw, checkpoint, "folder", pictures[2])
    expected = [f"folder/{pictures[0]}", f"folder/{pictures[1]}", pictures[2]]
    assert [prediction["image"] for prediction in found] == expected


def test_images_of_one_scene_are_alike_however_the_camera_was_held(rnw, checkpoint):
    image = read_digits(Path(), "test").images[4]
    for turn, stored in {1: image, 3: image[::-1, ::-1], 6: np.rot90(image)}.items():
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        Image.fromarray(stored).save(f"{turn}.png", exif=exif)
    found = _predictions(rnw, checkpoint, "1.png", "3.png", "6.png")
    assert found[0]["classes"] == found[1]["classes"] == found[2]["classes"]


@pytest.mark.parametrize(
    ("name", "size", "wording"),
    [
        (
            f"{LABEL[:-2]}7_ep-0001.params",
            None,
            "(7 classes, width 0.03125) (it is for 10 classes)",
        ),
        (f"{LABEL}_ep-0001.params", 1000, "truncated"),
        (f"{LABEL}_ep-0001.params", 0, "the file is empty"),
        ("weights.params", None, "the file name does not indicate the network"),
    ],
)
def test_refuses_weights(refused, checkpoint, pictures, name, size, wording):
    Path(name).write_bytes(checkpoint.read_bytes()[:size])
    message = refused("predict", "--weights", name, pictures[0])
    assert message.startswith(f"Error: {name}: ")
    assert wording in message


def test_refuses_missing_weights(refused, pictures):
    name = f"{LABEL}_ep-0009.params"
    assert f"{name}: no such file" in refused("predict", "--weights", name, pictures[0])


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("--weights", "x.params"), "Missing argument 'IMAGES...'"),
        (("x.png",), "Missing option '--weights'"),
        (("--weights", "x.params", "--top", "0", "x.png"), "Invalid value for '--top'"),
    ],
)
def test_refuses_options(rnw, arguments, wording):
    code, out, err = rnw("predict", *arguments)
    assert (code, out) == (2, "")
    assert wording in err
