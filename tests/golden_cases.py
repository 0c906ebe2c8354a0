"""Reading the reference data: `tests/golden/`, or the folder that RNW_GOLDEN names."""

import csv
import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np

from rnw.networks.zoo import POOL, STRIDE, NetworkSpec

_STEPS = {"p": POOL, "c": STRIDE}
_OPTION = re.compile(r"(?P<key>cls|s|w)(?P<value>[\d.]+)|(?P<word>[a-z0-9]+)")


def golden_folder():
    return Path(os.environ.get("RNW_GOLDEN") or Path(__file__).parent / "golden")


def golden_names(prefix):
    """What follows `prefix` in the names of the .tsv files there."""
    return sorted(path.stem[len(prefix) :] for path in golden_folder().glob(f"{prefix}*.tsv"))


def golden_rows(name):
    """The rows of a .tsv file below its header."""
    with (golden_folder() / f"{name}.tsv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file, delimiter="\t")][1:]


def golden_json(name, default=()):
    path = golden_folder() / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else default


def golden_arrays(name):
    with np.load(golden_folder() / f"{name}.npz") as arrays:
        return dict(arrays)


def deterministic_weight(name, shape):
    return _weights_module().weight(name, tuple(shape))


def fill_network(net, contexts=None):
    """The network with the deterministic parameters of the reference data."""
    net.initialize(init="zeros", ctx=contexts, force_reinit=True)
    for name, parameter in net.collect_params().items():
        parameter.set_data(deterministic_weight(name, parameter.shape))
    return net


def _weights_module():
    spec = importlib.util.spec_from_file_location("weights", golden_folder() / "weights.py")
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
