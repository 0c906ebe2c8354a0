"""The names of PyTorch projects: one to one for every parameter of every network they have."""

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.layers import is_classifier
from rnw.networks.layout import configure
from rnw.networks.zoo import NETWORKS
from rnw.weights.formats import FORMATS
from rnw.weights.names import (
    RESNET38D,
    WIDER_RESNET,
    WRN38,
    common_prefix,
    find_naming,
    find_prefix,
    rename_to_ours,
    rename_to_theirs,
)

NAMINGS = {name: row.naming for name, row in FORMATS.items() if row.naming}
WITHOUT_LEVEL_1 = [
    *(f"model_{letter}" for letter, (structure, _) in NETWORKS.items() if structure[4] == "0"),
    "224-0-12-1-1-11-2-2",
]


def _parameters(name, **options):
    config = configure(name, 7, width=1 / 64, **options)
    return {p.name: np.empty(p.shape, np.float32) for p in config.parameters()}


@pytest.mark.parametrize("network", WITHOUT_LEVEL_1)
@pytest.mark.parametrize("naming", NAMINGS)
def test_there_and_back_is_the_same(network, naming):
    parameters = _parameters(network)
    renamed = rename_to_theirs(parameters, NAMINGS[naming])
    assert len(renamed.entries) + len(renamed.left) == len(parameters)
    assert find_naming(renamed.entries) == NAMINGS[naming]
    back = rename_to_ours(renamed.entries, NAMINGS[naming])
    assert back.left == []
    kept = {name: array for name, array in parameters.items() if name not in renamed.left}
    assert list(back.entries) == list(kept)
    assert all(back.entries[name] is array for name, array in kept.items())


STOCK = {
    "resnet38d": {
        "conv1a_weight": "conv1a.weight",
        "bn2a_branch2a_gamma": "b2.bn_branch2a.weight",
        "bn2a_branch2a_beta": "b2.bn_branch2a.bias",
        "res2a_branch1_weight": "b2.conv_branch1.weight",
        "res2b1_branch2b1_weight": "b2_1.conv_branch2b1.weight",
        "bn4b5_branch2b1_moving_mean": "b4_5.bn_branch2b1.running_mean",
        "res6a_branch2b2_weight": "b6.conv_branch2b2.weight",
        "bn7a_branch2b2_moving_var": "b7.bn_branch2b2.running_var",
        "bn7_moving_mean": "bn7.running_mean",
        "linear7_weight": None,
    },
    "wider_resnet": {
        "conv1a_weight": "mod1.conv1.weight",
        "bn2a_branch2a_gamma": "mod2.block1.bn1.weight",
        "res2a_branch1_weight": "mod2.block1.proj_conv.weight",
        "res2a_branch2a_weight": "mod2.block1.convs.conv1.weight",
        "bn2b1_branch2b1_beta": "mod2.block2.convs.bn2.bias",
        "res4b5_branch2b1_weight": "mod4.block6.convs.conv2.weight",
        "bn6a_branch2b2_moving_var": "mod6.block1.convs.bn3.running_var",
        "res7a_branch2b2_weight": "mod7.block1.convs.conv3.weight",
        "bn7_gamma": "bn_out.weight",
        "linear7_weight": "classifier.fc.weight",
        "linear7_bias": "classifier.fc.bias",
    },
    "wrn38": {
        "conv1a_weight": "module.mod1.conv1.weight",
        "bn2b2_branch2a_gamma": "module.mod2.block3.bn1.0.weight",
        "bn6a_branch2b2_moving_var": "module.mod6.block1.convs.bn3.0.running_var",
        "bn7_moving_mean": "module.bn_out.0.running_mean",
        "linear7_weight": "module.classifier.fc.weight",
    },
}
STOCK["wider_resnet_a2"] = STOCK["wider_resnet"]


@pytest.mark.parametrize("naming", NAMINGS)
def test_names_are_those_of_the_projects(naming):
    found = {name: NAMINGS[naming].theirs(name) for name in STOCK[naming]}
    assert found == STOCK[naming]


@pytest.mark.parametrize(("naming", "entries"), [(RESNET38D, 191), (WIDER_RESNET, 193)])
def test_a_whole_network(naming, entries):
    renamed = rename_to_theirs(_parameters("model_a1"), naming)
    assert len(renamed.entries) == entries
    assert renamed.left == ["linear7_weight", "linear7_bias"] * (naming is RESNET38D)


def test_segmentation_classifiers_have_no_place_in_a_linear_one():
    parameters = _parameters("fcn_a1")
    renamed = rename_to_theirs(parameters, WIDER_RESNET)
    assert renamed.left == [name for name in parameters if is_classifier(name)]
    assert len(renamed.left) == 4


@pytest.mark.parametrize("naming", NAMINGS)
def test_units_on_level_1_are_refused(naming):
    with pytest.raises(InputError, match=r"^bn1b1_branch2a_gamma: .*no level 1"):
        rename_to_theirs(_parameters("model_c"), NAMINGS[naming])


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("naming", [RESNET38D, WIDER_RESNET])
def test_the_prefix_of_data_parallel_is_read(naming, prefix):
    parameters = _parameters("model_a1")
    renamed = rename_to_theirs(parameters, naming)
    theirs = {prefix + key: array for key, array in renamed.entries.items()}
    theirs[f"{prefix}bn7.num_batches_tracked"] = np.array(3)
    theirs[f"{prefix}fc8.weight"] = np.empty((20, 64, 1, 1), np.float32)
    assert find_naming(theirs) == naming
    back = rename_to_ours(theirs, naming)
    assert list(back.entries) == [name for name in parameters if name not in renamed.left]
    assert back.left == [f"{prefix}fc8.weight"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "conv1a",
        "conv1a.gamma",
        "conv1a_weight",
        "b1.bn_branch2a.weight",
        "b2_0.bn_branch2a.weight",
        "b2.bn_branch2a.gamma",
        "b2.bn7.weight",
        "bn_branch2a.weight",
        "mod2.block1.bn1.weight",
    ],
)
def test_other_names_are_unknown(key):
    assert RESNET38D.ours(key, (1,)) is None


def test_our_own_names_are_no_projects():
    parameters = _parameters("model_a1")
    assert find_naming(parameters) is None
    assert find_naming({f"conv1a.{name}": array for name, array in parameters.items()}) is None
    assert find_naming({}) is None


def test_one_parameter_twice_is_refused():
    twice = dict.fromkeys(["conv1a.weight", "module.conv1a.weight"], np.empty((1, 3, 3, 3)))
    with pytest.raises(InputError, match="two entries stand for conv1a_weight"):
        rename_to_ours(twice, RESNET38D)


PREFIXES = ["", "module.", "backbone.", "module.backbone.", "enc.", "body/", "a.b/c."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("naming", [RESNET38D, WIDER_RESNET])
def test_the_place_of_a_network_is_found(naming, prefix):
    keys = [prefix + key for key in rename_to_theirs(_parameters("model_a1"), naming).entries]
    assert find_prefix(keys) == prefix
    assert find_prefix([*keys, "head.conv1.weight", "head.0.weight"]) == prefix


def test_a_resnet_is_found_by_its_stem():
    keys = ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight"]
    assert find_prefix([f"net.{key}" for key in keys]) == "net."
    assert find_prefix(keys) == ""


def test_two_networks_in_one_file_are_refused():
    keys = rename_to_theirs(_parameters("model_a1"), RESNET38D).entries
    with pytest.raises(
        InputError, match=r"contains two networks, below `student\.` and `teacher\.`: save"
    ):
        find_prefix([f"{which}.{key}" for which in ("student", "teacher") for key in keys])


def test_names_of_our_own_have_no_place():
    assert find_prefix([f"conv1a.{name}" for name in _parameters("model_a1")]) == ""
    assert find_prefix([]) == ""


@pytest.mark.parametrize(
    ("keys", "prefix"),
    [
        (["my/a", "my/b"], "my/"),
        (["a.b.c", "a.b.d.e"], "a.b."),
        (["ab.c", "ac.d"], ""),
        (["a"], ""),
        (["a.x", "b"], ""),
        ([], ""),
    ],
)
def test_what_all_names_begin_with(keys, prefix):
    assert common_prefix(keys) == prefix


def test_nvidias_names_are_told_from_inplace_abns():
    parameters = _parameters("model_a2")
    for naming in (WIDER_RESNET, WRN38):
        assert find_naming(rename_to_theirs(parameters, naming).entries) is naming
