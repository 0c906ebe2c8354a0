"""Runs that begin after some epochs, end before the last one, or are made longer."""

import json
import logging

import mxnet as mx
import pytest

from rnw.errors import InputError
from rnw.training.options import Options
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from tests.training.observers import Keeping

SHORT = ("epochs=3", "width=0.03125", "batch=512")
RECIPE = find_recipe("digits", SHORT)


def _train(folder, recipe=RECIPE, told=None, **options):
    given = {name: options.pop(name) for name in ("from_epoch", "stop_epoch") if name in options}
    return train(recipe, [mx.cpu()], folder, options=Options(**given), observer=told, **options)


def _weights(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.params")}


def _rates(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").open())
    return {row["update"]: row["lr"] for row in lines if row["kind"] == "train"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of three epochs."""
    folder = tmp_path_factory.mktemp("whole")
    _train(folder)
    return folder


@pytest.mark.slow
def test_a_run_ends_before_and_is_resumed_as_if_it_did_not(tmp_path, whole):
    told = Keeping()
    assert _train(tmp_path, told=told, stop_epoch=1).name == RECIPE.label.params_file(1)
    assert told.steps[-1].seconds_left == 0
    assert _train(tmp_path, resume=True, stop_epoch=2).name == RECIPE.label.params_file(2)
    _train(tmp_path, resume=True)
    assert _weights(tmp_path) == _weights(whole)
    assert _rates(tmp_path) == _rates(whole)


@pytest.mark.slow
def test_weights_alone_go_on_with_the_schedule_and_without_momentum(tmp_path, whole, caplog):
    first = RECIPE.label.params_file(1)
    (tmp_path / first).write_bytes((whole / first).read_bytes())
    with caplog.at_level(logging.WARNING, "rnw"):
        _train(tmp_path, from_epoch=1, stop_epoch=2)
    (warning,) = caplog.messages
    assert warning.startswith(
        f"{tmp_path / first}: trained on after epoch 1 with the weights alone"
    )
    steps = len(_rates(whole)) // 3
    assert _rates(tmp_path) == {u: r for u, r in _rates(whole).items() if steps < u <= 2 * steps}
    found, expected = _weights(tmp_path), _weights(whole)
    assert found[first] == expected[first]
    assert found[RECIPE.label.params_file(2)] != expected[RECIPE.label.params_file(2)]
    _train(tmp_path, resume=True)
    assert len(_weights(tmp_path)) == 3
    with pytest.raises(InputError, match="already holds a run"):
        _train(tmp_path, from_epoch=1)
    _train(tmp_path, from_epoch=1, stop_epoch=2, overwrite=True)
    assert _weights(tmp_path) == found


@pytest.mark.slow
def test_without_momentum_weights_alone_are_all_there_is(tmp_path):
    recipe = find_recipe("digits", (*SHORT, "momentum=0", "epochs=2"))
    _train(tmp_path / "whole", recipe)
    start = tmp_path / "whole" / recipe.label.params_file(1)
    last = _train(tmp_path / "other", recipe, weights=start, from_epoch=1)
    assert last.read_bytes() == (tmp_path / "whole" / last.name).read_bytes()


@pytest.mark.slow
def test_a_run_of_any_length_is_made_longer(tmp_path, whole):
    short, long = (find_recipe("digits", (*SHORT, "schedule=fixed", f"epochs={n}")) for n in (1, 2))
    _train(tmp_path / "short", short)
    _train(tmp_path / "short", long, resume=True)
    _train(tmp_path / "long", long)
    assert _weights(tmp_path / "short") == _weights(tmp_path / "long")
    assert (tmp_path / "short" / f"{long.label}.json").read_text() == long.to_json()
    with pytest.raises(InputError, match=r"epochs was 3, now 4; .*a run of its own trains on from"):
        _train(whole, find_recipe("digits", (*SHORT, "epochs=4")), resume=True)


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        ({"from_epoch": 3}, "--from-epoch is 3, expected less than the epochs of the recipe, 3"),
        ({"stop_epoch": 4}, "--stop-epoch is 4, expected 1 to 3, the epochs of the recipe"),
        ({"from_epoch": 2, "stop_epoch": 2}, "--stop-epoch is 2, expected 3 to 3"),
        ({"from_epoch": 1}, r"_ep-0001\.params: not there, and --from-epoch 1 begins from it"),
    ],
)
def test_refuses_epochs_that_are_not_there(tmp_path, options, wording):
    with pytest.raises(InputError, match=wording):
        _train(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
