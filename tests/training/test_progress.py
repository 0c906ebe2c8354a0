"""What is said of a run under way."""

import time

import pytest

from rnw.training.progress import Pace, Place, Progress, Stopwatch, Validated, format_seconds

SCORES = {"loss": 6.90776, "top-1": 0.123, "top-5": 10.56}
LONGEST = Progress(12, 90, 5004, 5004, SCORES, 1234.4, 0.09876, 90.1 * 3600)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (765.5, "12m45s"),
        (3599.9, "59m59s"),
        (3600 + 59, "1h00m"),
        (86399, "23h59m"),
        (5 * 86400 + 3 * 3600, "5d03h"),
        (123 * 86400, "123d00h"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_lines():
    rest = "lr 0.09876, 3d18h left: loss 6.9078, top-1 0.12 %, top-5 10.56 %, 1234 images/s"
    assert str(LONGEST) == f"epoch 12/90, step 5004/5004, {rest}"
    assert LONGEST.of_epoch() == f"epoch 12/90, {rest}"
    assert LONGEST.update == 12 * 5004
    scores = "loss 6.9078, top-1 0.12 %, top-5 10.56 %"
    assert str(Validated(3, 4, SCORES, False)) == f"epoch 3/4, validation: {scores}"
    assert str(Validated(3, 4, SCORES, True)).endswith("10.56 %, the best so far")


def test_a_bar_fits_beside_the_short_form():
    scores = "loss 6.908 top-1 0.12 top-5 10.56"
    assert LONGEST.short() == f"12/90 {scores} 1234 img/s lr 0.099 3d18h left"
    assert len(f"{LONGEST.short()} [] 100%") <= 80


def test_speed_is_that_since_the_start():
    begun = time.monotonic()
    watch = Stopwatch(10)
    assert (watch.rate(10), watch.seconds_until(30, 10)) == (0, None)
    time.sleep(0.05)
    rate = watch.rate(15)
    assert 5 / (time.monotonic() - begun) <= rate <= 5 / 0.05
    left = watch.seconds_until(30, 15)
    assert 3 * 0.05 <= left <= 3 * (time.monotonic() - begun)
    assert watch.seconds_until(15, 15) == 0


def test_a_place_counts_from_the_beginning_of_the_run():
    place = Place(epochs=3, steps=5, epoch=1, history=[{"loss": 1.0}, {"loss": 2.0}])
    assert (place.step, place.updates, place.last_update) == (2, 7, 15)
    assert place.mean_scores == {"loss": 1.5}
    progress = Pace(place, 4, lambda updates: updates / 100).progress({"loss": 2.0})
    assert progress == Progress(2, 3, 2, 5, {"loss": 2.0}, 0.0, 0.07, None)
    place.finish_epoch()
    assert (place.epoch, place.step, place.updates) == (2, 0, 10)
