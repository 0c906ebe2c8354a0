"""What a run will take, told before it starts."""

import os
import re
from pathlib import Path

import mxnet as mx
import pytest

from rnw.bench import plan
from rnw.bench.plan import format_duration, plan_training
from rnw.data.lists import write_list
from rnw.errors import InputError
from rnw.memory import free_memory
from rnw.training.memory import recipe_memory
from rnw.training.recipes import find_recipe

TINY = ("network=28-1-1-1-1-1-1-1", "width=0.0625", "batch=8")
TWO = [mx.cpu(0), mx.cpu(1)]


def _plan(*overrides, recipe="model_a", **options):
    return plan_training(find_recipe(recipe, [*TINY, *overrides]), TWO, **options)


@pytest.mark.slow
def test_steps_of_published_images_and_time_of_a_measured_step():
    planned = _plan()
    assert (planned.images, planned.steps_per_epoch) == (1_281_167, 160_145)
    assert planned.steps == 90 * 160_145
    assert (planned.devices, planned.size, planned.weights) == (2, 28, None)
    assert planned.memory == recipe_memory(planned.recipe, 2)
    measured = planned.measured
    assert (measured.batch, measured.scale) == (4, 1)
    assert 0 < measured.seconds_per_step == measured.seconds
    assert planned.seconds == pytest.approx(planned.steps * measured.seconds)
    assert re.fullmatch(
        r"[\d.,]+ (days|hours|minutes), if images are read as fast", str(planned).splitlines()[-1]
    )
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.25 s"),
        (30, "30 s"),
        (119, "119 s"),
        (120, "2 minutes"),
        (333, "5.55 minutes"),
        (7200, "2 hours"),
        (100_000, "27.8 hours"),
        (181_440, "2.1 days"),
        (86_400 * 12_345, "12,345 days"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_fits(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.slow
def test_segmentation_counts_crops():
    recipe = find_recipe("shapes", ["width=0.03125", "crop=28", "batch=8", "epochs=2"])
    planned = plan_training(recipe, TWO)
    assert (planned.size, planned.images, planned.steps) == (32, 1000, 250)
    assert planned.memory == recipe_memory(recipe, 2)
    assert planned.measured.batch == 4


@pytest.mark.parametrize("listing", ["0\t1000\ta.JPEG\n", "0 3 a.JPEG\n", ""])
def test_a_list_is_read_as_training_reads_it(listing):
    Path("train.lst").write_text(listing)
    with pytest.raises(InputError) as planned:
        _plan(data_root=Path())
    with pytest.raises(InputError) as read:
        find_recipe("model_a", TINY).read_examples(Path())
    assert str(planned.value) == str(read.value)


@pytest.mark.slow
def test_a_smaller_batch_where_time_is_short(monkeypatch, tmp_path):
    monkeypatch.setattr(plan, "SECONDS", 0)
    weights = tmp_path / "a.params"
    weights.touch()
    write_list("train.lst", [(0, "a.JPEG")] * 50_000)
    planned = _plan("batch=24", recipe="a_to_a1", weights=weights, data_root=Path())
    assert planned.images == 50_000  # the lines of the list
    assert (planned.measured.batch, planned.measured.scale) == (1, 12)
    assert planned.measured.seconds_per_step == 12 * planned.measured.seconds
    assert "measured with a batch of 1 on each device" in str(planned)
    assert "times 12 by multiply-adds" in str(planned)
    assert f"starts from {weights}\n" in str(planned)
    last = str(planned).splitlines()[-1]
    assert re.fullmatch(r"at most [\d.,]+ (days|hours|minutes), if images are read as fast", last)


def test_refuses_what_does_not_fit(monkeypatch):
    monkeypatch.setattr(plan, "USABLE", 0)
    with pytest.raises(InputError, match=r"not even one image a device fits into the \d+\.\d GB"):
        _plan()


def test_free_memory_is_that_of_this_machine():
    assert 0 < free_memory(TWO) <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("override", "wording"),
    [
        ("batch=7", "a batch of 7 cannot be cut into 2"),
        ("kvstore=dist_sync", "expected kvstore local or device, found 'dist_sync'"),
        ("network=model_z", "unknown network"),
        ("dataset=mnist", "unknown dataset"),
    ],
)
def test_refused(override, wording):
    with pytest.raises(InputError, match=wording):
        _plan(override)
