"""Reading the reference data: `tests/golden/`, or the folder that RNW_GOLDEN names.

Tests name kinds of cases, never a case, and take all cases that there are; a few, for which one
takes long, take the first of each kind (`first_of_each`). `each_case` lets a test that finds none
fail.
"""

import csv
import functools
import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from rnw.networks.zoo import POOL, STRIDE, NetworkSpec

HERE = Path(__file__).parent / "golden"
_STEPS = {"p": POOL, "c": STRIDE}
_OPTION = re.compile(r"(?P<key>cls|s|w)(?P<value>[\d.]+)|(?P<word>[a-z0-9]+)")


def golden_folder():
    return Path(os.environ.get("RNW_GOLDEN") or HERE)


def each_case(argument, kind, cases):
    """Run a test for each of `cases`, found in the files called `kind`; without any it fails."""
    return pytest.mark.parametrize(argument, case_params(kind, cases))


def case_params(kind, cases):
    """The `params` of a test or a fixture for `each_case`."""
    missing = pytest.mark.no_case(f"{golden_folder()}: no case in {kind}, which this test needs")
    found = [pytest.param(case, id=_identifier(case)) for case in cases]
    return found or [pytest.param(None, id="no case", marks=missing)]


def _identifier(case):
    if isinstance(case, Path):
        return case.stem
    return str(case["case"] if isinstance(case, dict) else case)


def each_json_case(name):
    """Run a test for each `case` that a .json file lists."""
    return each_case("case", f"{name}.json", golden_json(name, []))


def each_tsv_case(prefix):
    """Run a test for each `case` that a .tsv file is of: what follows `prefix` in its name."""
    names = sorted(path.stem[len(prefix) :] for path in golden_folder().glob(f"{prefix}*.tsv"))
    return each_case("case", f"{prefix}*.tsv", names)


def each_checkpoint():
    """Run a test for the `path` of each weights file."""
    return each_case("path", "*_ep-*.params", sorted(golden_folder().glob("*_ep-*.params")))


def golden_files(pattern):
    """The files whose names match, in order. Raises FileNotFoundError where there are none."""
    found = sorted(golden_folder().glob(pattern))
    if not found:
        raise FileNotFoundError(f"{golden_folder()} holds no {pattern}")
    return found


def golden_rows(name):
    """The rows of a .tsv file below its header."""
    (path,) = golden_files(f"{name}.tsv")
    with path.open(newline="") as file:
        return [tuple(row) for row in csv.reader(file, delimiter="\t")][1:]


def golden_json(name, default):
    """What a .json file holds, or `default` where there is no such file."""
    path = golden_folder() / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else default


def first_of_each(key, name):
    """Of the cases that a .json file lists, the first with each value of `key`."""
    return list({key(case): case for case in reversed(golden_json(name, []))}.values())


def one_of_each_task():
    """Run a test of `forward_case` for the first of classification and of segmentation."""
    found = first_of_each(lambda case: case["graph"].startswith("fcn_"), "forward_cases")
    params = case_params("forward_cases.json", found)
    return pytest.mark.parametrize("forward_case", params, indirect=True)


def golden_arrays(name):
    """What a .npz file holds, by name."""
    (path,) = golden_files(f"{name}.npz")
    with np.load(path) as arrays:
        return dict(arrays)


def input_shape_of(expected, stride):
    """The shape of a checkpoint's input, as its reference or its maps tell; else 64 pixels wide."""
    count, _, *cells = expected["probabilities"].shape
    sides = [stride * side for side in cells] or [64, 64]
    if "input_size" in expected:
        sides = [int(expected["input_size"])] * 2
    return expected.get("input_shape", (count, 3, *sides))


def deterministic_weight(name, shape):
    return _weights_module().weight(name, tuple(shape))


def deterministic_weights(config):
    """The parameters of a network, by name."""
    return {p.name: deterministic_weight(p.name, p.shape) for p in config.parameters()}


def fill_network(net, contexts=None, values=None):
    """The network with `values` by name; else with the deterministic ones of the reference data."""
    from mxnet.initializer import Constant  # reading the data needs no MXNet

    parameters = net.collect_params()
    for name, value in (values or deterministic_weights(net.config)).items():
        parameters[name].initialize(Constant(value), contexts, force_reinit=True)
    return net


@functools.lru_cache(maxsize=None)
def _weights_module():
    """The rule of the values; a folder without one is taken to follow the one that is kept here."""
    paths = (folder / "weights.py" for folder in (golden_folder(), HERE))
    spec = importlib.util.spec_from_file_location("weights", next(filter(Path.exists, paths)))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network_of_case(case):
    """`get_network`'s name and options for a case such as `model_a2_cls365` or `fcn_a1_cls21_s16`.

    An option that is not known here fails, rather than being skipped.
    """
    words = case.split("_")
    segmentation = words[0] == "fcn"
    network, *words = words[1:] if words[0] in ("model", "fcn") else words
    options = {}
    for word in words:
        match = _OPTION.fullmatch(word)
        if match["key"]:
            key = {"cls": "classes", "s": "stride", "w": "width"}[match["key"]]
            options[key] = float(match["value"]) if key == "width" else int(match["value"])
        elif word in ("caffe", "full", "pad"):
            options["pooling"] = word
        elif word in ("1conv", "2conv"):
            options["classifier"] = f"{word[0]} conv"
        elif word != "ohem":
            raise ValueError(f"case {case}: unknown option {word}")
    return f"fcn_{network}" if segmentation else network, options


def training_network(case):
    """`get_network`'s name and options for a case of train_cases.json."""
    downsampling = tuple(_STEPS.get(step) for step in case["downsampling"])
    options = {
        "head": "softmax",
        "classes": case["classes"],
        "width": case["width"],
        "pooling": case.get("pooling", "pad"),
    }
    if case["task"] == "segmentation":
        rate = case["dropout"]
        options.update(stride=case["stride"], classifier=case["classifier"], dropout=(rate, rate))
        options["head"] = case["loss"].split(",")[0]
    return NetworkSpec("reference", case["input"][1], tuple(case["units"]), downsampling), options


def training_data(case):
    """All images (N, 3, H, W) and labels of a training case, in the order of its batches."""
    count = case["batch"] * case["batches_per_epoch"]
    stream = np.random.RandomState(case["data_seed"])
    images = stream.standard_normal([count, *case["input"]]).astype(np.float32)
    stream = np.random.RandomState(case["data_seed"] + 1)
    if case["task"] == "classification":
        return images, stream.randint(0, case["classes"], count).astype(np.float32)
    height, width = (side // case["stride"] for side in case["input"][1:])
    labels = stream.randint(0, case["classes"], (count, height * width)).astype(np.float32)
    labels[stream.uniform(size=labels.shape) < 0.2] = 255
    return images, labels.reshape(count, height, width)
