"""Tables 2 to 7 by the command line."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.evaluation.engines.table import ENGINES
from rnw.networks.classifier import get_network
from rnw.networks.cost import count_parameters
from rnw.networks.layout import configure
from rnw.reports import cost_tables
from rnw.weights import save_params
from tests.data.test_transforms import picture

ADE20K = "ade20k_rna-a1_cls150_s8_ep-0001.params"


@pytest.fixture
def ade20k(fill):
    """A narrow network under a released name, another one, and a prepared split of two pictures."""
    for folder in ("weights", "data"):
        Path(folder).mkdir()
    save_params(fill(get_network("fcn_a1", 150, width=1 / 32)), f"weights/{ADE20K}")
    Path("weights", "ade20k_rna-c_cls150_s8_ep-0001.params").write_bytes(b"not for a row")
    Path("weights", "resnet.params").write_bytes(b"no label")
    lines = []
    for k, size in enumerate([(40, 50), (60, 40)]):
        Image.fromarray(picture(*size, k)).save(f"data/{k}.jpg")
        labels = np.random.RandomState(k).randint(0, 151, size).astype(np.uint8)
        Image.fromarray(labels).save(f"data/{k}.png")
        lines.append(f"{k}.jpg\t{k}.png\n")
    Path("data", "val.lst").write_text("".join(lines))


@pytest.mark.slow
def test_what_is_there_is_tested_and_the_rest_is_a_dash(ade20k, rnw, refused):
    command = ("table", "6", "--weights-dir", "weights", "--data-root", "data")
    code, out, _ = rnw(*command, "--json")
    assert code == 0
    first, *others = json.loads(out)["rows"]
    assert (first["title"], first["weights"]) == ("Model A1, 2 conv", f"weights/{ADE20K}")
    assert first["scores"] == {"pixel accuracy": 80.55, "mean IoU": 43.34}
    evaluate = ("eval-seg", "--weights", f"weights/{ADE20K}", "--data-root", "data", "--json")
    ours = json.loads(rnw(*evaluate)[1])
    assert first["ours"]["mean IoU"] == pytest.approx(ours["mean_iou"])
    assert first["ours"]["pixel accuracy"] == pytest.approx(ours["pixel_accuracy"])
    assert all(set(row["ours"].values()) == {None} for row in others)
    lines = Path("tables/table6.md").read_text().splitlines()
    value = f"{ours['mean_iou']:.2f}"
    assert f"| Model A1, 2 conv | val | mean IoU | 43.34 | R | {value} |" in lines
    assert sum(line.endswith("| - |") for line in lines) == 5
    written = [path.read_text() for path in sorted(Path("tables").iterdir())]
    assert rnw(*command)[0] == 0  # it rewrites its own
    assert [path.read_text() for path in sorted(Path("tables").iterdir())] == written
    judged = {key: ours[key] for key in ("images", "pixels_judged", "occurring_classes")}
    assert judged.items() <= first["ours_judged"].items()
    assert others[0]["ours_judged"] is None
    elsewhere = (*command, "--engine", "onnxruntime", "--output", "elsewhere")
    if ENGINES["onnxruntime"].installed:
        assert "engine mxnet, now onnxruntime" in refused(*elsewhere)  # labels are kept
        shutil.rmtree(f"weights/{Path(ADE20K).stem}")
        code, text, _ = rnw(*elsewhere)
        assert code == 0
        assert text.endswith("\ncomputed by onnxruntime (cpu)\n")
        assert f"| {value} |" in text
        assert json.loads(Path("elsewhere/table6.json").read_text())["engine"] == "onnxruntime"
    Path("tables/table6.md").write_text("mine")
    assert "tables/table6.md: exists" in refused(*command)
    assert Path("tables/table6.md").read_text() == "mine"


@pytest.mark.slow
def test_a_table_of_a_subset_says_so(ade20k, rnw):
    for k, size in enumerate([(40, 50), (60, 40)]):
        Image.new("L", size[::-1], 7).save(f"data/{k}.png")
    command = ("table", "6", "--weights-dir", "weights", "--data-root", "data", "--json")
    judged = json.loads(rnw(*command)[1])["rows"][0]["ours_judged"]
    assert 1 <= judged["occurring_classes"] < 150
    assert judged["pixels_judged"] == 40 * 50 + 60 * 40
    text = Path("tables/table6.md").read_text()
    assert f"only {judged['occurring_classes']} of 150 classes occur" in text
    assert f"occur is {judged['mean_iou_of_occurring_classes']:.2f}.\n" in text


@pytest.mark.parametrize("number", range(2, 8))
def test_missing_weights_leave_dashes(number, rnw):
    Path("none").mkdir()
    code, out, err = rnw("table", number, "--weights-dir", "none")
    assert (code, err) == (0, "")
    assert out == Path(f"tables/table{number}.md").read_text()
    rows = [line for line in out.splitlines() if line.startswith("|")][2:]
    assert rows
    assert all(row.endswith("| - |" if number != 2 else "| - | - | - | - |") for row in rows)


@pytest.mark.slow
def test_memory_of_table_2_is_measured(rnw, monkeypatch):
    """Of networks of half the width, which take a quarter of it."""
    monkeypatch.setattr(cost_tables, "configure", partial(configure, width=0.5))
    Path("none").mkdir()
    code, _, _ = rnw("table", "2", "--weights-dir", "none", "--memory-at", "48", "--json")
    assert code == 0
    content = json.loads(Path("tables/table2.json").read_text())
    first, second = (row["memory"] for row in content["rows"])
    assert first == second
    assert (first["network"], first["size"]) == ("fcn_a1", 48)
    weights_mb = 4e-6 * count_parameters(configure("fcn_a1", width=0.5))
    assert 4 < first["memory_mb"] / weights_mb < 8
    assert 1.5 < first["ratio"] < 3
    cells = f"| - | {first['memory_mb']:.0f} | {first['ratio']:.2f} |"
    assert Path("tables/table2.md").read_text().count(cells) == 2


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        (("2", "--weights-dir", "nowhere"), "nowhere: no such directory"),
        (("4", "--weights-dir", ".", "--memory-at", "504"), "table 4 has no memory"),
    ],
)
def test_refused(refused, options, wording):
    assert wording in refused("table", *options)


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("0",), "0 is not in the range 1<=x<=7"),
        (("8",), "8 is not in the range 1<=x<=7"),
        (("2", "--speed"), "--speed is not for table 2"),
        (("3", "--batch", "64"), "--batch is not for table 3"),
        (("7", "--only", "model_a"), "--only is not for table 7"),
        (("1", "--memory-at", "504"), "--memory-at is not for table 1"),
        (("1", "--speed", "--precision", "float16"), "--speed measures MXNet in float32: leave"),
    ],
)
def test_options_are_refused_where_they_say_nothing(rnw, arguments, wording):
    code, out, err = rnw("table", *arguments, "--weights-dir", ".")
    assert (code, out) == (2, "")
    assert wording in err
