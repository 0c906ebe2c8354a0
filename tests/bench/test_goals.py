"""The table of goals, and what is said of ratios beside them."""

import json

import pytest

from rnw.bench import goals
from rnw.bench.goals import Goal, Measurement, measure_goals
from rnw.bench.worker import half_quartile_distance
from rnw.errors import InputError

SPEED = Goal("speed over another", 0.95, lambda found: found / 10)
TIME = Goal("time over another", 1.25, lambda found: found / 8, at_most=True)


def _measured(values, goal):
    """The outcome of a goal where these values are found, round after round."""
    found = iter(values)
    table = {"row": Measurement("row", lambda width: next(found), (goal,))}
    (outcome,) = measure_goals(rounds=len(values), table=table)
    return outcome


@pytest.mark.parametrize(
    ("goal", "values", "ratio", "noise", "met"),
    [
        (SPEED, [9.6], 0.96, 0, True),
        (SPEED, [9.4], 0.94, 0, False),
        (SPEED, [9.4, 9.4, 9.4], 0.94, 0, False),
        (SPEED, [9.2, 9.4, 9.6], 0.94, 0.01, True),
        (SPEED, [9.3, 9.3, 9.0, 9.4, 9.6], 0.93, 0.005, False),
        (TIME, [9.6], 1.2, 0, True),
        (TIME, [10.4], 1.3, 0, False),
        (TIME, [9.2, 10.4, 11.6], 1.3, 0.075, True),
    ],
)
def test_a_goal_is_missed_by_more_than_the_noise(goal, values, ratio, noise, met):
    outcome = _measured(values, goal)
    assert outcome.ratio == pytest.approx(ratio)
    assert outcome.noise == pytest.approx(noise)
    assert outcome.met is met
    assert ("NOT MET" in str(outcome)) is not met


def test_noise_is_half_the_distance_of_the_quartiles():
    assert half_quartile_distance([5]) == 0
    assert half_quartile_distance([1, 2, 4, 8, 16]) == 3


def test_what_cannot_be_measured_is_told():
    def refuse(width):
        raise InputError("two processes need two cores")

    table = {"row": Measurement("row", refuse, (SPEED, TIME))}
    outcomes = list(measure_goals(table=table))
    assert [outcome.name for outcome in outcomes] == [SPEED.name, TIME.name]
    assert all((outcome.ratio, outcome.met) == (None, None) for outcome in outcomes)
    assert str(outcomes[1]) == (
        "row: time over another: at most 1.25: not measured: two processes need two cores"
    )


def test_a_ratio_that_lacks_its_other_part_misses_no_goal():
    outcome = _measured([5, None, 5], Goal("speed over another", 9, lambda found: found))
    assert (outcome.ratio, outcome.met) == (None, None)
    assert str(outcome).endswith("not measured: there is nothing here to compare with")


@pytest.mark.parametrize("name", goals.MEASUREMENTS)
def test_goals_of_a_measurement_have_names_of_their_own(name):
    row = goals.MEASUREMENTS[name]
    assert row.name == name
    assert len({goal.name for goal in row.goals}) == len(row.goals) > 0
    assert all(0 < goal.limit < 100 for goal in row.goals)


def test_refused(refused):
    assert "unknown measurement 'lost'" in refused("bench", "all", "--only", "lost")
    with pytest.raises(InputError, match="rounds is 0, expected at least 1"):
        list(measure_goals(rounds=0))


@pytest.mark.slow
def test_json_and_exit_status(rnw):
    code, out, err = rnw("bench", "all", "--only", "loss", "--rounds", 1, "--json")
    found = json.loads(out)
    (row,) = found["ratios"]
    assert (row["measurement"], row["limit"], row["at_most"]) == ("loss", 1.0, True)
    assert row["ratio"] > 0
    assert row["met"] is (row["ratio"] <= 1)
    assert (found["missed"], code) == ((0, 0) if row["met"] else (1, 1))
    assert err.startswith("loss: time over that of SoftmaxOutput alone: at most 1: ")
