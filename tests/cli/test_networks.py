"""The table of networks against the paper's numbers."""

import json

import pytest

# name: (size, units, depth, parameters, multiply-adds in 10^9 at the training size)
TABLE = {
    "model_a": (224, [0, 3, 3, 6, 3, 1, 1], 38, 109_167_912, 49.5),
    "model_a1": (224, [0, 3, 3, 6, 3, 1, 1], 38, 109_167_912, 49.5),
    "model_a2": (224, [0, 3, 3, 6, 3, 1, 1], 38, 109_167_912, 49.5),
    "model_b": (224, [0, 1, 1, 1, 3, 1, 1], 20, 82_612_520, 16.2),
    "model_c": (112, [1, 1, 1, 1, 13, 1, 1], 42, 177_089_064, 11.3),
    "model_d": (112, [1, 1, 1, 1, 9, 1, 1], 34, 139_328_040, 9.5),
    "model_e": (112, [1, 1, 1, 1, 5, 1, 1], 26, 101_567_016, 7.6),
    "model_f": (56, [1, 1, 1, 1, 9, 1, 1], 34, 139_328_040, 7.2),
    "224-0-1-1-1-1-1-1": (224, [0, 1, 1, 1, 1, 1, 1], 16, 63_732_008, 12.5),
}


def test_json_holds_the_papers_networks(rnw):
    code, out, err = rnw("networks", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    rows = json.loads(out)["networks"]
    assert {row.pop("name"): row for row in rows} == {
        name: {
            "size": size,
            "units": units,
            "depth": depth,
            "parameters": parameters,
            "multiply_adds": pytest.approx(giga * 1e9, abs=0.05e9),
        }
        for name, (size, units, depth, parameters, giga) in TABLE.items()
    }


def test_text_holds_the_same(rnw):
    code, out, err = rnw("networks")
    assert (code, err) == (0, "")
    header, *rows, note = out.splitlines()
    assert header.split()[:2] == ["name", "size"]
    assert [row.split() for row in rows] == [
        [
            name,
            str(size),
            "-".join(map(str, units)),
            str(depth),
            f"{parameters:,}",
            str(giga),
        ]
        for name, (size, units, depth, parameters, giga) in TABLE.items()
    ]
    assert "1,000 classes" in note
