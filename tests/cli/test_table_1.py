"""Table 1 on a miniature ImageNet."""

import json
import shutil
from pathlib import Path

import pytest

from rnw.networks.classifier import get_network
from rnw.reports import classification_tables
from rnw.reports.published import TABLE_1
from rnw.weights import save_params
from tests.cli.conftest import A1, F
from tests.golden_cases import fill_network


@pytest.mark.slow
def test_table_1(prepared, rnw, refused):
    shutil.copy(f"weights/{F}", f"weights/{F.replace('0003', '0001')}")
    Path("weights/voc_rna-a1_cls21_s8_ep-0001.params").write_bytes(b"not used")
    command = ("table", "1", "--weights-dir", "weights")
    code, out, err = rnw(*command)
    assert code == 0
    assert err.count("\n") == 2  # what was tested
    assert out == Path("tables/table1.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:]] == [row.title for row in TABLE_1]
    found = {row[0]: row[1:] for row in rows[2:]}
    a1, f = found["Model A1"], found["Model F, 56-1-1-1-1-9-1-1"]
    assert (a1[0], a1[1], a1[3], a1[5:]) == ("38", "19.54", "4.75", ["-", "-"])
    assert (f[0], f[1], f[3], f[5:]) == ("34", "25.2†", "7.8†", ["113.2†", "-"])
    content = {
        row["network"]: row for row in json.loads(Path("tables/table1.json").read_text())["rows"]
    }
    for name, cells, weights in (("model_a1", a1, A1), ("model_f", f, F)):
        row = content[name]
        _, evaluated, _ = rnw("eval-cls", "--weights", f"weights/{weights}", "--json")
        assert row["weights"] == f"weights/{weights}"
        assert row["ours"]["top5_error"] == pytest.approx(100 - json.loads(evaluated)["top5"])
        assert cells[4].split(" ± ")[0] == f"{row['ours']['top5_error']:.2f}"
    others = [row for row in rows[2:] if row[0] not in ("Model A1", "Model F, 56-1-1-1-1-9-1-1")]
    assert {cell for row in others for cell in row[3::2]} == {"-"}
    assert "on 12 images" in out
    assert "images of 4 classes that the data was prepared for, and not to be compared" in out
    assert {row["ours"]["subset"] for row in content.values() if "ours" in row} == {4}
    assert "Our speed" not in out
    assert rnw(*command)[:2] == (0, out)  # it rewrites its own
    Path("tables/table1.json").write_text("mine")
    assert "tables/table1.md: exists" in refused(*command)
    assert Path("tables/table1.json").read_text() == "mine"


@pytest.mark.parametrize("classes", [4, 21])
def test_weights_for_other_classes_are_passed_over(prepared, rnw, classes):
    other = F.replace("cls1000_ep-0003", f"cls{classes}_ep-0009")
    save_params(fill_network(get_network("model_f", classes, width=1 / 32)), f"weights/{other}")
    Path("weights", A1).unlink()
    code, out, err = rnw("table", "1", "--weights-dir", "weights", "--json")
    assert code == 0
    said, _ = err.splitlines()
    assert said == (
        f"weights/{other}: skipped, it is for {classes} classes, ILSVRC 2012 classification "
        "has 1000"
    )
    found = {row["network"]: row["weights"] for row in json.loads(out)["rows"] if row["weights"]}
    assert found == {"model_f": f"weights/{F}"}
    Path("weights", F).unlink()
    code, out, err = rnw("table", "1", "--weights-dir", "weights", "--json")
    assert (code, err.splitlines()) == (0, [said])
    assert not [row for row in json.loads(out)["rows"] if row["weights"]]


@pytest.mark.slow
def test_table_1_measures_speed(rnw, monkeypatch):
    monkeypatch.setattr(classification_tables, "SPEED_BATCH", 1)
    Path("empty").mkdir()
    code, out, err = rnw(
        "table", "1", "--weights-dir", "empty", "--only", "resnet50_v1", "--json", "--speed"
    )
    assert (code, err.count("\n")) == (0, 1)
    (row,) = json.loads(out)["rows"]
    assert row["our_speed"]["size"] == 320
    assert row["our_speed"]["images_per_second"] > 0
    assert row["weights"] is None
    assert "ours" not in row


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("--weights-dir", "absent"), "absent: no such directory"),
        (("--weights-dir", ".", "--only", "model_x"), "model_x: not in Table 1"),
    ],
)
def test_table_1_refuses(refused, options, wording):
    assert wording in refused("table", "1", *options)


def test_table_1_says_that_data_is_missing(refused, archives):
    assert "val.lst: no such list" in refused("table", "1", "--weights-dir", archives / "weights")
