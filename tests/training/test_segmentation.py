"""Training runs of segmentation networks on drawn shapes."""

import json
from dataclasses import replace

import mxnet as mx
import numpy as np
import pytest

from rnw.data.crops import Cropping
from rnw.data.loader import Loader, Loading
from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.sets.shapes import Shapes
from rnw.errors import InputError
from rnw.evaluation.segmentation.validate import make_validator
from rnw.networks.classifier import Network, get_network
from rnw.training.dropout import draw_masks
from rnw.training.initializers import initialize
from rnw.training.options import Options, Validation
from rnw.training.recipes import RECIPES, find_recipe
from rnw.training.run import train
from rnw.training.signals import RunStoppedError
from rnw.weights import load_network, save_params
from rnw.weights.formats import read_parameters
from tests.training.observers import Keeping, stop_after

pytestmark = pytest.mark.slow

NETWORK = "28-0-1-1-1-1-1-1"
LABEL = f"few_rna-{NETWORK}_cls5_s8"
TINY = (
    "dropout=0.3,0.5",
    "dataset=few",
    f"network={NETWORK}",
    "width=0.03125",
    "crop=32",
    "origin=32",
    "rates=0.7,1.3",
)
SHORT = (*TINY, "batch=10", "epochs=2", "base_lr=0.01")
IN_CALLER = Loading(workers=0)
ALONE = Options(loading=IN_CALLER)
PICTURES = 40


@pytest.fixture(autouse=True, scope="module")
def _few():
    """A dataset of few drawn shapes."""
    with pytest.MonkeyPatch.context() as patch:
        row = replace(SEGMENTATION["shapes"], name="few", read=lambda *_: Shapes(PICTURES, seed=0))
        patch.setitem(SEGMENTATION, "few", row)
        yield


def _train(folder, devices=2, overrides=SHORT, *, options=ALONE, **more):
    recipe = find_recipe("shapes", overrides)
    contexts = [mx.cpu(i) for i in range(devices)]
    return train(recipe, contexts, folder, options=options, **more)


def _results(folder):
    """All files that count, by name, and the metrics that do not depend on the clock."""
    kinds = (".params", ".state", ".best.json")
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name.endswith(kinds)}
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    for record in metrics:
        record.pop("images_per_second", None)
    return {**files, "metrics": metrics}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with validation."""
    folder = tmp_path_factory.mktemp("whole")
    _train(folder, options=_validated())
    return folder


def _validated():
    score = make_validator("few", [mx.cpu(0), mx.cpu(1)])
    return replace(ALONE, validation=Validation(score, best_by="mean-iou"))


def test_a_checkpoint_is_a_segmentation_network(whole):
    config = load_network(whole / f"{LABEL}_ep-0002.params").config
    assert (config.classes, config.stride, config.width) == (5, 8, 1 / 32)
    assert (config.classifier, config.dropout, config.frozen_statistics) == (
        "2 conv",
        (0.3, 0.5),
        True,
    )
    recipe = json.loads((whole / f"{LABEL}.json").read_text())
    assert (recipe["crop"], recipe["rates"], recipe["loss"]) == (32, [0.7, 1.3], "softmax")


def test_records(whole):
    records = [json.loads(line) for line in (whole / "metrics.jsonl").open()]
    assert [r["kind"] for r in records] == [*["train"] * 4, "epoch", "val"] * 2
    losses = [r["loss"] for r in records if r["kind"] == "train"]
    assert losses[-1] < losses[0]
    assert all(1 < r["accuracy"] < 100 for r in records)
    validations = [r for r in records if r["kind"] == "val"]
    best = json.loads((whole / f"{LABEL}.best.json").read_text())
    assert best["mean-iou"] == max(r["mean-iou"] for r in validations) > 0
    assert best["file"] == f"{LABEL}_ep-{best['epoch']:04d}.params"


def test_the_log_tells_the_multipliers(whole):
    config = find_recipe("shapes", SHORT).configure()
    names = [p.name for p in config.parameters() if p.kind == "arg"]
    doubled = sum(name.endswith(("_bias", "_beta")) for name in names)
    assert doubled > 10
    line = (
        f"{len(names) - doubled} arrays at 1 times the rate and 1 times the weight decay; "
        f"{doubled} arrays at 2 times the rate and 0 times the weight decay\n"
    )
    assert line in (whole / f"{LABEL}.log").read_text()


def test_statistics_stay_and_everything_else_learns(whole):
    recipe = find_recipe("shapes", SHORT)
    net = Network(recipe.configure())
    initialize(net, [mx.cpu()], np.random.RandomState(0))
    trained = read_parameters(whole / f"{LABEL}_ep-0002.params")
    for name, parameter in net.collect_params().items():
        moving = name.endswith(("_moving_mean", "_moving_var"))
        assert np.array_equal(parameter.data().asnumpy(), trained[name]) == moving, name


@pytest.mark.parametrize("steps", [1, 4, 6])
def test_stopped_and_resumed_is_never_stopped(tmp_path, whole, steps):
    with pytest.raises(RunStoppedError):
        _train(tmp_path, options=_validated(), observer=stop_after(steps))
    assert _results(tmp_path) != _results(whole)
    _train(tmp_path, options=_validated(), resume=True)
    assert _results(tmp_path) == _results(whole)


def test_the_first_update(tmp_path):
    """A device gives the mean over its labels that count; biases learn twice as fast, no decay."""
    overrides = (*SHORT, "batch=40", "epochs=1", "schedule=fixed", "weight_decay=0.1")
    after = read_parameters(_train(tmp_path, overrides=overrides))["linear5_bias"]
    net = Network(find_recipe("shapes", overrides).configure())
    initialize(net, [mx.cpu()], np.random.RandomState(0))
    cropping = Cropping(32, 32, 5)
    (batch,) = Loader(
        Shapes(PICTURES, seed=0), PICTURES, 0, cropping=cropping, loading=IN_CALLER
    ).epoch(0)
    ignored = [(labels == 255).mean() for labels in np.split(batch.labels, 2)]
    assert ignored[0] != ignored[1]
    gradients = []
    for device, (data, labels) in enumerate(zip(*(np.split(array, 2) for array in batch))):
        inputs, truth = mx.nd.array(data), mx.nd.array(labels)
        output = net(inputs, truth, *draw_masks(net.config, inputs, (0, 0, device)))
        rows = np.moveaxis(output.asnumpy(), 1, -1)[labels != 255]
        gradients.append((rows - np.eye(5)[labels[labels != 255].astype(int)]).mean(axis=0))
    before = net.collect_params()["linear5_bias"].data().asnumpy()
    expected = before - 2 * 0.01 * np.mean(gradients, axis=0)
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-6)
    assert np.abs(after - before).max() > 1e-4


def test_kvstores_and_recomputing_change_nothing(tmp_path):
    """A run of one epoch, whose sums are taken elsewhere or in another order."""
    overrides = (*SHORT[:-2], "epochs=1")
    _train(tmp_path / "local", overrides=overrides)
    _train(tmp_path / "device", overrides=(*overrides, "kvstore=device"))
    _train(tmp_path / "again", overrides=overrides, options=replace(ALONE, recompute=True))
    local, *others = (
        read_parameters(tmp_path / name / f"{LABEL}_ep-0001.params")
        for name in ("local", "device", "again")
    )
    for other in others:
        for name, value in local.items():
            np.testing.assert_allclose(other[name], value, rtol=0, atol=1e-4, err_msg=name)


def test_warm_start_from_a_classification_network(tmp_path):
    source = tmp_path / f"digits_rna-{NETWORK}_cls10_ep-0001.params"
    net = get_network(NETWORK, 10, width=1 / 32)
    initialize(net, [mx.cpu()], np.random.RandomState(7))
    save_params(net, source)
    told = Keeping()
    _train(tmp_path / "run", weights=source, observer=told)
    ((path, transfer),) = told.warm_starts
    assert path == source
    assert transfer.reinitialized == [
        "conv6a_weight",
        "conv6a_bias",
        "linear5_weight",
        "linear5_bias",
    ]
    assert transfer.left == ["linear10_weight", "linear10_bias"]
    assert len(transfer.taken) == len(net.config.parameters()) - 2
    assert (
        f"from {source}: {len(transfer.taken)} entries"
        in (tmp_path / "run" / f"{LABEL}.log").read_text()
    )


def test_a_second_phase_goes_on_from_the_first(tmp_path, monkeypatch):
    """It takes all parameters, no momentum, and leaves files beside those of the first."""
    first = find_recipe("shapes", SHORT)
    second = replace(first, name="second", continues="first", suffix="x1-2", epochs=1)
    monkeypatch.setitem(RECIPES, "first", replace(first, network="28-0-2-1-1-1-1-1"))
    with pytest.raises(InputError, match=r"_ep-0002\.params: not there, and recipe second starts"):
        train(second, [mx.cpu()], tmp_path, options=ALONE)
    _train(tmp_path)
    told = Keeping()
    path = train(second, [mx.cpu()], tmp_path, options=ALONE, observer=told)
    assert path == tmp_path / f"{LABEL}_x1-2_ep-0001.params"
    ((source, transfer),) = told.warm_starts
    assert source == tmp_path / f"{LABEL}_ep-0002.params"
    assert (transfer.reinitialized, transfer.left) == ([], [])


@pytest.mark.parametrize(
    ("override", "wording"),
    [
        ("classes=4", "drawn shapes has 5 classes, the recipe 4"),
        ("classes=6", "drawn shapes has 5 classes, the recipe 6"),
        ("batch=41", "cannot be drawn from 40 examples"),
        ("stride=5", "stride is 5, expected one of"),
        ("loss=focal", "loss is .focal., expected one of softmax, ohem"),
    ],
)
def test_refused(tmp_path, override, wording):
    with pytest.raises(InputError, match=wording):
        _train(tmp_path, devices=1, overrides=(*SHORT, override))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("from_scratch", [True, False])
def test_a_run_that_diverges_tells_whether_it_lacked_a_classification_network(
    tmp_path, from_scratch
):
    weights = None
    if not from_scratch:
        weights = _train(tmp_path / "first", devices=1, overrides=(*SHORT, "epochs=1"))
    with pytest.raises(InputError, match=r"a lower rate may help \(--set base_lr=X\)") as refused:
        _train(tmp_path / "run", devices=1, overrides=(*SHORT, "base_lr=1e30"), weights=weights)
    assert ("starting from a classification network (--init FILE)" in str(refused.value)) is (
        from_scratch
    )
