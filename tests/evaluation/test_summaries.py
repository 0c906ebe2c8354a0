"""What is told of the dataset of weights, and what converted files say of it."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from rnw.data.own.description import Description, Split, write_description
from rnw.evaluation.described import dataset_beside_weights
from rnw.evaluation.summaries import dataset_of_weights
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from rnw.weights.containers import read_metadata
from rnw.weights.convert import GraphOptions, convert
from rnw.weights.surgery import Surgery

CATS = Description(
    "segmentation",
    {"train": Split(images="a", labels="b")},
    name="cats",
    classes=("ground", "cat", "Käfer"),
    colors=((0, 0, 0), (255, 0, 0), (0, 0, 255)),
    labels={0: "ground", 7: "cat", 9: "Käfer"},
    mean=(0.4, 0.5, 0.6),
)
FILE = "cats_rna-a1_cls3_s8_ep-0002.params"


def _save(fill, path, classes):
    save_params(fill(get_network("fcn_a1", classes, width=1 / 32)), path)


def _convert(source, target, to="safetensors", **options):
    convert(source, target, to, dataset=dataset_of_weights(source), **options)
    return read_metadata(target)


@pytest.fixture
def cats(fill):
    """A segmentation network of three classes, with the description of its data beside it."""
    Path("cats_rna-a1_cls3_s8.dataset.yaml").write_text(write_description(CATS, {}))
    _save(fill, FILE, 3)
    return FILE


def test_converted_files_say_what_is_described_beside_their_source(cats):
    said = _convert(cats, "x.safetensors")
    assert (said["network"], said["dataset"]) == ("fcn_a1", "cats")
    assert json.loads(said["class_names"]) == list(CATS.classes)
    assert json.loads(said["colors"]) == [[0, 0, 0], [255, 0, 0], [0, 0, 255]]
    assert json.loads(said["label_coding"]) == {"0": "ground", "7": "cat", "9": "Käfer"}
    assert json.loads(said["mean"]) == [0.4, 0.5, 0.6]
    assert json.loads(said["deviation"]) == [0.229, 0.224, 0.225]
    graph = _convert(cats, "x.onnx", "onnx")
    assert said.items() <= graph.items()
    assert {entry.key for entry in onnx.load("x.onnx").metadata_props} == set(graph)


def test_graphs_that_take_bytes_say_how_they_normalize_them(cats):
    graph = GraphOptions(input_type="uint8")
    assert json.loads(_convert(cats, "x.onnx", "onnx", graph=graph)["mean"]) == [0.4, 0.5, 0.6]
    assert dataset_beside_weights("x.onnx").normalization == CATS.normalization


def test_converted_files_need_nothing_beside_them(cats):
    ours = _convert(cats, "x.safetensors")
    Path("cats_rna-a1_cls3_s8.dataset.yaml").unlink()
    row = dataset_beside_weights("x.safetensors")
    assert (row.name, row.class_names, row.palette) == ("cats", CATS.classes, CATS.colors)
    assert row.normalization == CATS.normalization
    theirs = _convert("x.safetensors", "y.safetensors")
    assert {key for key in ours if ours[key] != theirs[key]} == {"source", "source_md5"}


def test_a_dataset_of_the_catalog_is_told_by_its_name(fill):
    _save(fill, "cityscapes_rna-a1_cls19_s8_ep-0001.params", 19)
    said = _convert("cityscapes_rna-a1_cls19_s8_ep-0001.params", "x.safetensors")
    assert json.loads(said["class_names"])[:2] == ["road", "sidewalk"]
    assert json.loads(said["label_coding"])["7"] == "road"
    assert json.loads(said["colors"])[0] == [128, 64, 128]
    assert (said["ignored"], said["test_size"]) == ("others", "2048")
    assert dataset_beside_weights("x.safetensors") is None  # it is in the catalog


def test_data_of_ones_own_may_be_called_as_a_dataset_of_the_catalog(fill):
    Path("voc_rna-a1_cls3_s8.dataset.yaml").write_text(
        write_description(replace(CATS, name="voc"), {})
    )
    _save(fill, "voc_rna-a1_cls3_s8_ep-0001.params", 3)
    _convert("voc_rna-a1_cls3_s8_ep-0001.params", "x.safetensors")
    assert dataset_beside_weights("x.safetensors").class_names == CATS.classes
    assert _convert("x.safetensors", "y.safetensors")["dataset"] == "voc"
    assert dataset_beside_weights("y.safetensors").class_names == CATS.classes


@pytest.mark.parametrize("surgery", [Surgery(classes=5), Surgery(features=True)])
def test_another_classifier_has_no_names(cats, surgery):
    said = _convert(cats, "x.safetensors", surgery=surgery)
    assert said.get("classes") == (None if surgery.features else "5")
    assert json.loads(said["mean"]) == [0.4, 0.5, 0.6]
    assert not {"class_names", "colors", "dataset"} & said.keys()


def test_nothing_is_told_of_an_unknown_dataset(cats):
    Path(cats).rename("best.params")
    assert dataset_of_weights("best.params") == {}
    Path("cats_rna-a1_cls3_s8.dataset.yaml").rename("best.dataset.yaml")
    assert dataset_of_weights("best.params")["dataset"] == "cats"
