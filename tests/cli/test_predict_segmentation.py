"""Pictures of what a segmentation network sees, by the command line."""

import json
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.readers import ORIENTATION, read_image
from rnw.data.sets.catalog import SEGMENTATION
from rnw.evaluation.segmentation.model import load_model
from rnw.locks import alone_in
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.test_transforms import picture

SHAPES = "shapes_rna-a1_cls5_s8_ep-0001.params"
DIGITS = "digits_rna-a1_cls10_ep-0001.params"
FILES = ("a.json", "a.png", "a_overlay.png", "b.json", "b.png", "b_overlay.png")
COMMAND = ("predict", "--weights", SHAPES, "-o", "out")


@pytest.fixture
def pictures(fill):
    """A folder with a photograph and a gray picture, and the weights."""
    save_params(fill(get_network("fcn_a1", 5, width=1 / 32)), SHAPES)
    Path("mine").mkdir()
    Image.fromarray(picture(50, 70, 1)).save("mine/a.jpg")
    Image.fromarray(picture(30, 20, 2)[:, :, 0]).save("mine/b.png")
    return "mine"


def test_pictures_and_areas_are_written(rnw, pictures):
    code, out, err = rnw(*COMMAND, "--json", pictures)
    assert (code, err) == (0, "")
    predictions = json.loads(out)["predictions"]
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(FILES)
    for name, size, prediction in zip("ab", [(70, 50), (20, 30)], predictions):
        assert json.loads(Path("out", f"{name}.json").read_text()) == prediction
        with Image.open(f"out/{name}.png") as image:
            assert (image.mode, image.size) == ("P", size)
            labels, colors = np.array(image), np.array(image.convert("RGB"))
        assert (colors == np.array(SEGMENTATION["shapes"].palette)[labels]).all()
        counts = {row["class"]: row["pixels"] for row in prediction["areas"]}
        assert counts == dict(zip(*(v.tolist() for v in np.unique(labels, return_counts=True))))
        assert sum(row["share"] for row in prediction["areas"]) == pytest.approx(1)


def test_text_says_the_same(rnw, pictures):
    code, out, err = rnw(*COMMAND, f"{pictures}/a.jpg")
    told = "fcn_a1 (5 classes, width 0.03125), stride 8, according to the file name"
    assert (code, err.splitlines()) == (0, [told, "longer side 128"])
    areas = json.loads(Path("out/a.json").read_text())["areas"]
    lines = [line.split() for line in out.splitlines()]
    assert (lines[0], lines[-1]) == (["mine/a.jpg"], ["pictures", "in", "out"])
    assert lines[1:-1] == [
        [f"{100 * row['share']:.2f}", "%", str(row["class"]), row["name"]] for row in areas
    ]


def test_the_protocol_is_that_of_the_library(rnw, pictures):
    code, _, _ = rnw(*COMMAND, "--scales", "40,64", "--flip", "--tile", "32", "mine/a.jpg")
    assert code == 0
    plain = load_model([SHAPES], [mx.cpu()])
    model = plain.tested_by(scales=(40, 64), flip=True, tile=32)
    image = read_image("mine/a.jpg")
    labels = np.array(Image.open("out/a.png"))
    assert (labels == model.segment(image)).all()
    assert (labels != plain.segment(image)).any()


def test_two_at_once_do_not_write_into_one_folder(refused, pictures):
    with alone_in(Path("out")):
        assert "out: another run is writing there: wait for its end" in refused(*COMMAND, pictures)
    assert not Path("out").exists()


@pytest.mark.slow
def test_nothing_is_replaced_unasked(rnw, refused, pictures):
    Path("out").mkdir()
    Path("out/b.json").write_text("precious")
    assert "out/b.json: exists" in refused(*COMMAND, pictures)
    assert [path.name for path in Path("out").iterdir()] == ["b.json"]
    assert rnw(*COMMAND, "--overwrite", pictures)[0] == 0
    assert len(list(Path("out").iterdir())) == len(FILES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "output", "named"),
    [
        (("mine",), "mine", "mine/b.png"),
        (("mine",), "link", "link/b.png"),
        (("b.jpg",), "mine", "mine/b.png"),  # nor one that is not among the images
        (("one.png",), "drawn", "drawn/one.png"),  # a palette alone makes no label map
    ],
)
def test_photographs_are_never_replaced(refused, pictures, images, output, named):
    Path("link").symlink_to("mine")
    Image.fromarray(picture(9, 9, 3)).save("b.jpg")
    Path("drawn").mkdir()
    Image.fromarray(picture(9, 9, 4)).quantize(8).save("drawn/one.png")
    Path("one.png").symlink_to("drawn/one.png")
    before = {path: path.read_bytes() for path in (Path("mine/b.png"), Path("drawn/one.png"))}
    message = refused("predict", "--weights", SHAPES, "-o", output, "--overwrite", *images)
    assert f"{named}: is a picture that would be replaced; choose another folder" in message
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(Path("mine").iterdir())) == 2


def test_two_pictures_of_one_output_are_refused(refused, pictures):
    Image.fromarray(picture(9, 9, 3)).save("mine/a_overlay.jpg")
    message = refused(*COMMAND, pictures)
    assert "mine/a.jpg and mine/a_overlay.jpg: would both be written to a_overlay.png" in message
    assert not Path("out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "wording"),
    [
        (("empty",), "empty: no images in this folder"),
        (("missing.jpg",), "missing.jpg: no such image"),
        (("mine", "x/a.png"), "mine/a.jpg and x/a.png: would both be written to a.png"),
    ],
)
def test_refuses_before_any_is_segmented(refused, pictures, images, wording):
    Path("empty").mkdir()
    assert wording in refused(*COMMAND, *images)
    assert not Path("out").exists()


def test_images_that_cannot_be_read_are_named_at_the_end(rnw, pictures):
    Path("mine/0.png").write_bytes(Path("mine/b.png").read_bytes()[:60])
    Path("mine/c.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    code, out, err = rnw(*COMMAND, "--json", pictures, "missing.jpg")
    assert code == 1
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        "mine/0.png",
        "mine/c.heic",
        "missing.jpg",
    ]
    found = [prediction["image"] for prediction in json.loads(out)["predictions"]]
    assert found == ["mine/a.jpg", "mine/b.png"]
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(FILES)


def test_label_maps_have_the_size_of_the_picture_upright(rnw, pictures):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(picture(50, 70, 1)).save("held.jpg", exif=exif)
    assert rnw(*COMMAND, "held.jpg")[0] == 0
    with Image.open("out/held.png") as labels, Image.open("out/held_overlay.png") as overlay:
        assert labels.size == (50, 70)
        assert overlay.height == 70
    assert {"height": 70, "width": 50}.items() <= json.loads(
        Path("out/held.json").read_text()
    ).items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--weights", SHAPES, "a.jpg"), "a segmentation network draws pictures: give '-o DIR'"),
        (("--weights", DIGITS, "-o", "x", "a.jpg"), "'-o' is for"),
        (("--weights", DIGITS, "--no-flip", "a.jpg"), "scales, flips"),
    ],
)
def test_refuses_options(rnw, options, wording, fill):
    for name, network in ((SHAPES, "fcn_a1"), (DIGITS, "model_a1")):
        classes = 5 if name == SHAPES else 10
        save_params(fill(get_network(network, classes, width=1 / 32)), name)
    code, out, err = rnw("predict", *options)
    assert (code, out) == (2, "")
    assert wording in err
