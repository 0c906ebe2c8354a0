"""What is said of pictures that are waited for."""

import numpy as np
import pytest

from rnw.data.waiting import NOTHING, Watch

NEVER = float("inf")


class Names:
    """Pictures that are called after their place."""

    def name(self, index):
        return f"{index}.jpg"


@pytest.mark.parametrize("times", [2, 3, 9])
def test_each_picture_that_takes_long_is_named_once(caplog, times):
    reading = np.array([4, 5])
    watch = Watch(0, Names(), reading)
    watch.look([0, 1])
    assert caplog.messages == []
    for _ in range(1, times):
        watch.look([0, 1])
    assert [message.split(":")[0] for message in caplog.messages] == ["4.jpg", "5.jpg"]
    reading[1] = 6
    for _ in range(times):
        watch.look([0, 1])
    assert [message.split(":")[0] for message in caplog.messages] == ["4.jpg", "5.jpg", "6.jpg"]


def test_those_who_have_nothing_to_do_are_not_looked_at(caplog):
    watch = Watch(0, Names(), np.array([4, NOTHING]))
    for _ in range(3):
        watch.look([0])
    assert [message.split(":")[0] for message in caplog.messages] == ["4.jpg"]


def test_patience(caplog):
    watch = Watch(NEVER, Names(), np.array([4]))
    for _ in range(3):
        watch.look([0])
    assert caplog.messages == []
