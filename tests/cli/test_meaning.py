"""What commands say of the network and the dataset that a weights file is for."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.networks.classifier import get_network
from rnw.networks.symbols import to_json
from rnw.weights import save_params
from tests.data.test_transforms import picture

NARROW = 1 / 32
TINY = "28-1-1-1-1-1-1-1"
DIGITS = f"digits_rna-{TINY}_cls10_ep-0001.params"
GRAPH = f"digits_rna-{TINY}_cls10_ep-symbol.json"
GTA = "gta_rna-a1_cls19_s8_ep-0000.params"


@pytest.fixture
def caffe(fill):
    """A network for the digits without padding in its poolings, and its graph."""
    net = fill(get_network(TINY, 10, width=NARROW, pooling="caffe"))
    save_params(net, DIGITS)
    Path(GRAPH).write_text(to_json(net))
    return DIGITS


@pytest.fixture
def gta(fill):
    """A segmentation network for a dataset that is not known, and a picture."""
    save_params(fill(get_network("fcn_a1", 19, width=NARROW)), GTA)
    Image.fromarray(picture(40, 60, 1)).save("a.jpg")
    return GTA


def _json(rnw, *arguments):
    code, out, err = rnw(*arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.slow
def test_an_evaluation_goes_by_the_graph_and_says_so(rnw, refused, caffe):
    found = _json(rnw, "eval-cls", "--weights", caffe)
    assert (found["model"]["pooling"], found["model"]["recognized_by"]) == ("caffe", GRAPH)
    out = rnw("eval-cls", "--weights", caffe)[1]
    line = f"{TINY} (10 classes, width 0.03125), stride 8, pooling 'caffe', according to {GRAPH}"
    assert line in out.splitlines()
    Path(GRAPH).unlink()  # then what was kept is another network's
    message = refused("eval-cls", "--weights", caffe)
    assert "pooling 'caffe', now " in message
    other = _json(rnw, "eval-cls", "--weights", caffe, "--overwrite")
    assert other["model"]["recognized_by"] == "the file name"
    assert other["by_scale"] != found["by_scale"]


def test_predictions_say_what_told_the_network(rnw, caffe):
    Image.fromarray(picture(28, 28, 1)).save("a.png")
    found = _json(rnw, "predict", "--weights", caffe, "a.png")
    assert (found["model"]["recognized_by"], found["note"]) == (GRAPH, None)
    assert "pooling 'caffe', according to" in rnw("predict", "--weights", caffe, "a.png")[2]


def test_weights_are_shown_with_what_told_their_network(rnw, caffe):
    found = _json(rnw, "weights", "show", caffe)
    assert (found["network"]["pooling"], found["network"]["recognized_by"]) == ("caffe", GRAPH)
    assert "pooling 'caffe', according to" in rnw("weights", "show", caffe)[1]


def test_what_is_analyzed_is_said(rnw, caffe):
    few = ("--examples", 4, "--samples", 2, "--images", 8)
    found = _json_of_analysis(rnw, "analyze", "unravel", "--weights", caffe, *few)
    assert found["recognized"].startswith(f"{TINY} (10 classes, width 0.03125)")
    assert found["recognized"].endswith(f"pooling 'caffe', according to {GRAPH}")


def _json_of_analysis(rnw, *arguments):
    code, out, _ = rnw(*arguments, "--json")
    assert code == 0
    return json.loads(out)


@pytest.mark.parametrize(
    "command",
    [
        ("eval-cls", "--weights", "NAME"),
        ("predict", "--weights", "NAME", "a.png"),
        ("analyze", "unravel", "--weights", "NAME"),
        ("convert", "NAME", "x.onnx", "--to", "onnx"),
        ("convert", "NAME", "x.npz", "--to", "wider_resnet"),
        ("train-cls", "--dataset", "digits", "--set", "width=0.03125", "--weights", "NAME"),
    ],
    ids=" ".join,
)
def test_a_name_that_contradicts_the_graph_is_refused_everywhere(refused, caffe, command):
    name = DIGITS.replace("cls10", "cls9")
    Path(caffe).rename(name)
    Path(GRAPH).rename(GRAPH.replace("cls10", "cls9"))
    message = refused(*(name if word == "NAME" else word for word in command))
    assert f"{name}: its name and the graph beside it, " in message
    assert "contradict each other: 9 and 10 classes; rename the file, or move" in message


def test_crops_that_are_too_small_are_refused(refused, caffe):
    wording = f"{TINY} with pooling 'caffe' takes inputs of at least 15x15 pixels, found 14x14"
    assert wording in refused("eval-cls", "--weights", caffe, "--scales", 14)


def test_pictures_that_are_too_small_are_refused(refused, fill):
    net = fill(get_network("fcn_a", 5, width=NARROW, pooling="caffe", stride=16))
    save_params(net, "shapes_rna-a_cls5_s16_ep-0001.params")
    Path("shapes_rna-a_cls5_s16-symbol.json").write_text(to_json(net))
    Image.fromarray(picture(40, 60, 1)).save("a.jpg")
    command = ("predict", "--weights", "shapes_rna-a_cls5_s16_ep-0001.params", "-o", "o", "a.jpg")
    assert "fcn_a with pooling 'caffe' takes inputs of at least 31x31 pixels, found 16x16" in (
        refused(*command, "--scales", 16)
    )


def test_classes_of_an_unknown_data_set_are_numbered(rnw, gta):
    code, _, err = rnw("predict", "--weights", gta, "--scales", 64, "-o", "out", "a.jpg")
    assert code == 0
    assert "dataset 'gta' is unknown: its classes are numbered; give --dataset" in err
    areas = json.loads(Path("out/a.json").read_text())["areas"]
    assert [row["name"] for row in areas] == [f"class {row['class']}" for row in areas]
    with Image.open("out/a.png") as labels:
        assert set(np.unique(np.array(labels))) == {row["class"] for row in areas}
        assert labels.getpalette()[3:6] == [128, 0, 0]


def test_a_data_set_can_be_named(rnw, gta):
    options = ("--scales", 64, "-o", "out", "--dataset", "cityscapes")
    found = _json(rnw, "predict", "--weights", gta, *options, "a.jpg")
    assert found["note"] is None
    names = {row["name"] for row in found["predictions"][0]["areas"]}
    assert names <= {"road", "sidewalk", "building", "wall", "fence", "pole", "traffic light"} | {
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
    } | {"train", "motorcycle", "bicycle"}


def test_a_download_suffix_is_no_hindrance(rnw, gta):
    Path(gta).rename(f"{gta}?dl=0")
    command = ("predict", "--weights", f"{gta}?dl=0", "--scales", 64, "-o", "out", "a.jpg")
    assert _json(rnw, *command)["model"]["name"] == "fcn_a1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("voc", "is for 19 classes"),
        ("gta", "unknown dataset 'gta'"),
        (
            "shapes-cls",
            "shapes-cls: is a dataset for classification, expected one for segmentation",
        ),
    ],
)
def test_other_data_sets_are_refused(refused, gta, dataset, expected):
    command = ("predict", "--weights", gta, "-o", "out", "--dataset", dataset, "a.jpg")
    assert expected in refused(*command)


@pytest.mark.slow
def test_an_unknown_data_set_is_evaluated_by_its_list(rnw, refused, gta):
    message = refused("eval-seg", "--weights", gta, "--scales", 64)
    assert "data/gta/val.lst: no such list" in message
    assert "give --dataset, or a list of its pictures in --data-root" in message
    Path("mine").mkdir()
    shutil.copy("a.jpg", "mine")
    labels = np.random.RandomState(0).randint(0, 19, (40, 60)).astype(np.uint8)
    Image.fromarray(labels).save("mine/a.png")
    Path("mine/val.lst").write_text("a.jpg\ta.png\n")
    command = ("eval-seg", "--weights", gta, "--scales", 64, "--data-root", "mine")
    found = _json(rnw, *command)
    assert (found["dataset"], found["images"], len(found["per_class"])) == ("gta", 1, 19)
    assert found["models"][0]["recognized_by"] == "the file name"
    assert found["note"].startswith("dataset 'gta' is unknown")
    assert found["note"] in rnw(*command)[1].splitlines()


def test_classifiers_of_an_unknown_data_set(rnw, refused, fill):
    name = f"mnist_rna-{TINY}_cls10_ep-0001.params"
    save_params(fill(get_network(TINY, 10, width=NARROW)), name)
    Image.fromarray(picture(28, 28, 1)).save("a.png")
    found = _json(rnw, "predict", "--weights", name, "a.png")
    assert found["note"].startswith("dataset 'mnist' is unknown")
    classes = found["predictions"][0]["classes"]
    assert [row["name"] for row in classes] == [f"class {row['class']}" for row in classes]
    assert "data/mnist/val.lst: no such list" in refused("eval-cls", "--weights", name)
    Path("val.lst").write_text("0\t3\ta.png\n")
    assert _json(rnw, "eval-cls", "--weights", name, "--data-root", ".")["images"] == 1
    digits = _json(rnw, "eval-cls", "--weights", name, "--dataset", "digits", "--overwrite")
    assert (digits["dataset"], digits["images"], digits["note"]) == ("digits", 359, None)
    assert "unknown dataset 'mnist'" in refused("eval-cls", "--weights", name, "--dataset", "mnist")


def test_a_baseline_is_for_its_own_data_set(refused):
    Path("vgg16-e660d456.params").touch()
    command = ("eval-cls", "--weights", "vgg16-e660d456.params", "--dataset", "digits")
    assert "vgg16: is for ilsvrc-cls; leave out --dataset digits" in refused(*command)


def test_a_file_of_any_name_is_for_the_network_that_is_asked_for(rnw, refused, gta):
    Path(gta).rename("best.params")
    command = ("predict", "--weights", "best.params", "--scales", 64, "-o", "out", "a.jpg")
    message = refused(*command)
    assert "the file name does not indicate the network" in message
    assert "the arrays are those of model_a, model_a1, model_a2 with 0-3-3-6-3-1-1 units" in message
    for network in ("a1", "fcn_a1"):
        found = _json(rnw, *command[:-1], "--overwrite", "--network", network, "a.jpg")
        assert (found["model"]["name"], found["model"]["classes"]) == ("fcn_a1", 19)
        assert found["note"].startswith("the dataset is unknown: its classes are numbered")
    named = _json(rnw, *command, "--overwrite", "--network", "a1", "--dataset", "cityscapes")
    assert named["note"] is None
    assert "does not fit fcn_b" in refused(*command, "--overwrite", "--network", "b")


def test_networks_are_asked_for_in_evaluations_too(rnw, refused, caffe):
    Path(caffe).rename("best.params")
    command = ("eval-cls", "--weights", "best.params", "--dataset", "digits")
    assert "width 0.03125" in refused(*command)
    assert _json(rnw, *command, "--network", TINY)["model"]["name"] == TINY
    Path("vgg16-e660d456.params").touch()
    baseline = ("eval-cls", "--weights", "vgg16-e660d456.params", "--network", "a")
    assert "vgg16: is a network of gluoncv; leave out --network a" in refused(*baseline)


def test_a_label_of_an_unknown_network_gives_way(rnw, gta):
    name = "gta_rna-deep_cls19_s8_ep-0000.params"
    Path(gta).rename(name)
    command = ("predict", "--weights", name, "--scales", 64, "-o", "out", "--network", "a1")
    assert _json(rnw, *command, "a.jpg")["model"]["name"] == "fcn_a1"
