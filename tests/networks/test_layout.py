"""Names, shapes, strides and dilations of every layer."""

import pytest

from rnw.errors import InputError
from rnw.networks.layers import Pooling, ResidualUnit
from rnw.networks.layout import configure, unused_features
from tests.golden_cases import each_tsv_case, golden_rows, network_of_case


def test_options_that_do_not_exist():
    with pytest.raises(TypeError, match="unknown option 'strides' of a network"):
        configure("model_a", strides=8)


def test_what_lies_above_the_last_level_is_left_out():
    whole = configure("model_a1", head="features")
    part = configure("model_a1", head="features", levels=[2, 4])
    assert part.layers == whole.layers[: len(part.layers)]
    assert [part.layers[place].name for place in part.outputs] == ["2b2", "4b5"]
    assert part.feature_channels == (128, 512)
    assert {"res5a_branch1_weight", "bn7_gamma"} <= unused_features(part)
    own = {parameter.name for parameter in part.parameters()}
    assert own | unused_features(part) == {parameter.name for parameter in whole.parameters()}
    assert unused_features(whole) == unused_features(configure("fcn_a1")) == set()


def test_channels_are_those_of_the_input():
    for name, stem in (("model_a", "conv1a_weight"), ("resnet50", "conv1_weight")):
        three, five = (
            {p.name: p.shape for p in configure(name, **options).parameters()}
            for options in ({}, {"channels": 5})
        )
        assert three.pop(stem)[1] == 3
        assert five.pop(stem)[1] == 5
        assert three == five
    with pytest.raises(InputError, match="takes inputs of 5 channels, pictures have 3"):
        configure("model_a", channels=5).check_rgb()


@each_tsv_case("params_")
def test_parameters_are_the_originals(case):
    name, options = network_of_case(case)
    expected = golden_rows(f"params_{case}")
    found = configure(name, **options).parameters()
    assert [(n, kind, "x".join(map(str, shape))) for n, kind, shape in found] == expected


def _steps(name, **options):
    """Pooling dilations (None: it down-samples), and strides and dilations of first units."""
    poolings, units = {}, {}
    for layer in configure(name, **options).layers:
        if isinstance(layer, Pooling):
            poolings[layer.name] = layer.dilation
        elif isinstance(layer, ResidualUnit) and layer.projection is not None:
            first, second = (stage.convolution for stage in layer.stages[:2])
            assert layer.projection.stride == first.stride
            units[layer.name] = (first.stride, first.dilation, second.dilation)
    return poolings, units


@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        (32, {"4a": (2, 1, 1), "5a": (2, 1, 1), "6a": (2, 1, 1), "7a": (1, 1, 1)}),
        (16, {"4a": (2, 1, 1), "5a": (2, 1, 1), "6a": (1, 1, 2), "7a": (1, 1, 2)}),
        (8, {"4a": (2, 1, 1), "5a": (1, 1, 2), "6a": (1, 1, 4), "7a": (1, 1, 4)}),
    ],
)
def test_strided_units_become_dilated(stride, expected):
    units = _steps("model_a1", stride=stride)[1]
    assert {name: units[name] for name in expected} == expected


def test_removed_poolings_become_dilated():
    poolings, units = _steps("model_a", stride=8)
    assert poolings == {"pool1": None, "pool2": None, "pool3": None, "pool4": 1, "pool5": 2}
    assert units["5a"] == (1, 2, 2)
    assert units["6a"] == (1, 1, 4)  # its first convolution is 1x1


def test_small_inputs_are_at_stride_8_as_they_are():
    assert _steps("model_f") == _steps("model_f", stride=8)


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        ({"classes": 0}, "classes is 0"),
        ({"width": 0}, "width is 0"),
        ({"stride": 4}, "expected one of 8, 16, 32"),
        ({"pooling": "valid"}, "expected one of pad, caffe, full"),
        ({"head": "scores"}, "expected one of logits, softmax, features"),
        ({"head": "ohem"}, "expected one of logits, softmax, features"),
        ({"head": "scores", "classifier": "1 conv"}, "one of logits, softmax, ohem, features"),
        ({"classifier": "3 conv"}, "expected one of linear, 1 conv, 2 conv"),
        ({"dropout": (0.3, 1.0)}, "two rates"),
        ({"dropout": (0.3,)}, "two rates"),
    ],
)
def test_refuses_options_that_do_not_fit(options, wording):
    with pytest.raises(InputError, match=wording):
        configure("model_a", **options)


def test_stride_beyond_the_networks_own_is_refused():
    with pytest.raises(InputError, match=r"stride is 32, expected one of 8$"):
        configure("model_f", stride=32)


def test_segmentation_defaults():
    config = configure("fcn_a1")
    assert (config.classes, config.stride, config.classifier) == (21, 8, "2 conv")
    assert (config.dropout, config.frozen_statistics) == ((0.3, 0.5), True)
    assert configure("model_a1", classifier="1 conv").name == "fcn_a1"


@pytest.mark.parametrize("epsilon", [0, -1e-5, 1, float("nan")])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(InputError, match="epsilon is"):
        configure("model_a1", epsilon=epsilon)
