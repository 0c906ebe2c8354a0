"""What files of weights say of themselves, and what they are read back as."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.files import md5
from rnw.networks.classifier import get_network
from rnw.networks.inputs import IMAGENET
from rnw.networks.layout import configure
from rnw.networks.zoo import STRIDE
from rnw.weights import load_network, save_params
from rnw.weights.containers import read_metadata
from rnw.weights.convert import convert
from rnw.weights.formats import read_parameters
from rnw.weights.meaning import find_clues, meaning_of
from rnw.weights.metadata import named_network, network_metadata, read_normalization
from rnw.weights.safetensors_file import write_safetensors

NARROW = 1 / 32


def _save(fill, path, name, classes, **options):
    save_params(fill(get_network(name, classes, width=NARROW, **options)), path)
    return path


@pytest.fixture
def cats(fill):
    """A segmentation network of three classes."""
    return _save(fill, "cats_rna-a1_cls3_s8_ep-0002.params", "fcn_a1", 3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("model_a", {"pooling": "caffe", "classes": 7}),
        ("fcn_a2", {"stride": 16, "classes": 7, "epsilon": 1e-5}),
        ("28-1-1-1-1-1-1-1", {"classes": 7}),
        ("resnet101", {"head": "features"}),
    ],
)
def test_a_network_is_read_back(name, options):
    config = configure(name, width=NARROW, **options)
    said = network_metadata(config)
    spec, told = named_network(said)
    assert spec == config.spec
    assert all(told[key] == getattr(config, key) for key in told)
    assert ("classes" in said, "pooling" in said) == (config.head != "features", config.pooled)


def test_a_network_that_no_name_stands_for_is_not_named():
    spec = replace(configure("model_a").spec, name="224-0-3-3-6-3-1-1", downsampling=(STRIDE,) * 5)
    said = network_metadata(configure(spec))
    assert "network" not in said
    assert named_network(said) is None


def test_what_other_programs_write_is_not_ours(cats):
    said = {"format": "pt", "network": "lora", "dataset": "dogs", "class_names": "[]"}
    write_safetensors("x.safetensors", read_parameters(cats), said)
    assert find_clues("x.safetensors").metadata == {}


def test_converted_files_say_what_they_are(cats):
    convert(cats, "x.safetensors", "safetensors", dataset={"dataset": "cats"})
    said = read_metadata("x.safetensors")
    assert said == {
        "producer": "rnw",
        "network": "fcn_a1",
        "classes": "3",
        "classifier": "2 conv",
        "stride": "8",
        "width": "0.03125",
        "epsilon": "1.001e-05",
        "source": cats,
        "source_md5": md5(cats),
        "dataset": "cats",
    }
    meaning = meaning_of("x.safetensors", read_parameters("x.safetensors"))
    assert (meaning.config.name, meaning.dataset) == ("fcn_a1", "cats")
    assert meaning.told_by == "the metadata in the file"
    convert(cats, "x.onnx", "onnx", dataset={"dataset": "cats"})
    assert said.items() <= read_metadata("x.onnx").items()


def test_a_saved_network_says_what_it_is(fill):
    net = fill(get_network("model_a", 7, width=NARROW, pooling="caffe"))
    save_params(net, "best.safetensors", to="safetensors")
    assert load_network("best.safetensors").config.pooling == "caffe"


@pytest.mark.parametrize(
    ("metadata", "wording"),
    [
        ({"network": "best"}, "x.safetensors: unknown network 'best'"),
        ({"network": "model_a", "stride": "x"}, "x.safetensors: its metadata cannot be used: "),
        ({"network": "model_b"}, "x.safetensors: does not fit fcn_b"),
    ],
)
def test_what_cannot_be_is_refused(cats, metadata, wording):
    parameters = read_parameters(cats)
    write_safetensors("x.safetensors", parameters, {"producer": "rnw", **metadata})
    with pytest.raises(InputError, match=f"^{wording}"):
        meaning_of("x.safetensors", parameters)


def test_nothing_is_said_of_what_is_not_known(cats):
    Path(cats).rename("best.params")
    convert("best.params", "x.safetensors", "safetensors")
    assert read_metadata("x.safetensors") == {
        "producer": "rnw",
        "source": "best.params",
        "source_md5": md5("best.params"),
    }
    convert("best.params", "y.safetensors", "safetensors", network="fcn_a1")
    assert read_metadata("y.safetensors")["stride"] == "8"


def test_the_order_of_keys_does_not_matter():
    write_safetensors("x.safetensors", {"a": np.zeros(2, np.float32)}, {"b": "c"})
    assert read_metadata("x.safetensors") == {"b": "c"}
    assert list(read_parameters("x.safetensors")) == ["a"]


def test_the_normalization_is_read_back():
    told = {"mean": "[0.41, 0.43, 0.45]", "deviation": "[0.29, 0.3, 0.31]"}
    assert read_normalization(told) == ((0.41, 0.43, 0.45), (0.29, 0.3, 0.31))
    assert read_normalization({}) == IMAGENET
    with pytest.raises(InputError, match="expected three numbers"):
        read_normalization({"mean": "3"})
