"""What the report of a classifier's predictions says."""

from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.classification.kept import KeptProbabilities
from rnw.evaluation.classification.record import KeptPredictions, Record, write_record
from rnw.reports.classification_page import classification_page
from rnw.reports.confusion_matrix import most_confused
from rnw.reports.report import write_report
from tests.data.own.miniatures import class_folders
from tests.data.test_transforms import picture
from tests.reports.test_report import Page, decode

NAMES = ["cat", "<b>dog</b>", "unseen"]
TRUE = [0, 0, 0, 1, 1]
PROBABILITIES = np.float32(
    [[0.8, 0.2, 0], [0.25, 0.7, 0.05], [0.05, 0.9, 0.05], [0.3, 0.6, 0.1], [0.05, 0.45, 0.5]]
)


def _predictions(probabilities=PROBABILITIES, labels=TRUE, names=NAMES):
    pictures = [f"{number}&.png" for number in range(len(labels))]
    record = Record("pets", "A & B", "val", "one crop", ["32.npz"], list(names), pictures, labels)
    return KeptPredictions(record, probabilities, "w.params")


def _read(index):
    return picture(20, 30, index)


def _page(*arguments, pictures=2, read=_read):
    return Page(classification_page(_predictions(*arguments), read, pictures))


def _refuse(index):
    raise InputError(f"data/{index}.png: no such file")


def test_scores():
    shown = _page()
    assert shown.text("h1") == ["A & B, val"]
    assert shown.text("p")[0] == "5 pictures; w.params; one crop"
    accuracy, top5, loss, error = shown.text("dd")
    assert (accuracy, top5) == ("40.00 %", "100.00 %")
    assert float(loss) == pytest.approx(-np.log([0.8, 0.25, 0.05, 0.6, 0.45]).mean(), abs=5e-5)
    # each confidence has a bin of its own: 0.8 and 0.6 are right, 0.7, 0.9 and 0.5 wrong
    assert error == f"{100 * (0.2 + 0.4 + 0.7 + 0.9 + 0.5) / 5:.2f} %"


def test_classes_without_pictures_are_left_out():
    shown = _page()
    rows = [text for tag, text in shown.texts if tag == "th"][4:6]
    assert rows == ["0 cat", "1 <b>dog</b>"]
    assert shown.text("td")[:6] == ["33.33", "100.00", "3", "50.00", "100.00", "2"]
    bars = [bar["style"].split(";")[0] for bar in shown.all("span", **{"class": "bar"})]
    assert bars == ["width: 33.33%", "width: 50.00%"]


def test_the_most_frequent_mistakes_come_first():
    shown = _page()
    first = shown.text("td").index("<b>dog</b>")
    found = shown.text("td")[first : first + 6]
    assert found == ["<b>dog</b>", "2", "66.67", "unseen", "1", "50.00"]
    counts = np.array([[9, 1, 0], [0, 9, 3], [1, 0, 9]])
    assert most_confused(counts, 2) == [(1, 2), (0, 1)]
    assert most_confused(counts, 9) == [(1, 2), (0, 1), (2, 0)]


def test_bins_of_confidence():
    rows = _page().text("td")[-15:]
    assert rows[:3] == ["1", "50.00", "0.00"]
    assert rows[-6:] == ["1", "80.00", "100.00", "1", "90.00", "0.00"]


def test_the_most_confident_mistakes_are_the_worst():
    shown = _page()
    assert shown.text("strong") == ["2&.png", "1&.png", "0&.png", "3&.png"]
    captions = shown.text("figcaption")
    assert " predicted <b>dog</b> 90.00 %; true cat 5.00 %" in captions
    assert " cat 80.00 %" in captions
    images = [decode(a["src"]) for a in shown.all("img", alt="picture 2&.png")]
    assert np.abs(images[0].astype(int) - picture(20, 30, 2)).mean() < 8  # JPEG


def test_a_page_needs_no_other_file():
    shown = _page()
    assert all(a["src"].startswith("data:") for a in shown.all("img"))
    assert all(a["alt"] for a in shown.all("img"))
    text = classification_page(_predictions(), _read, 2)
    assert "<b>" not in text and "://" not in text
    assert text == classification_page(_predictions(), _read, 2)


def test_without_the_data_pictures_are_only_named():
    shown = _page(read=_refuse)
    notes = [text for text in shown.text("p") if "are missing" in text]
    assert [note.split("missing: ")[1] for note in notes] == [
        "data/2.png: no such file.",
        "data/0.png: no such file.",
    ]
    assert len(shown.all("img")) == 2  # matrix and diagram
    assert len(shown.text("strong")) == 4


def test_no_mistake():
    shown = _page(np.float32([[1, 0, 0], [0, 1, 0]]), [0, 1])
    assert "No picture is wrong." in shown.text("p")
    assert shown.text("dd")[-1] == "0.00 %"
    assert shown.text("h2")[-1] == "Best pictures"
    assert "Worst pictures" not in shown.text("h2")


def test_of_many_classes_only_the_most_confused_are_listed():
    labels = np.arange(2000) % 1000
    probabilities = np.full((2000, 1000), 0.1 / 999, np.float32)
    predicted = np.where(labels < 30, (labels + 1) % 1000, labels)
    probabilities[np.arange(2000), predicted] = 0.9
    names = [f"name {number}" for number in range(1000)]
    shown = _page(probabilities, labels.tolist(), names)
    assert shown.text("dd")[0] == "97.00 %"
    assert shown.text("summary") == ["All 1000 classes"]
    assert shown.text("th").count("999 name 999") == 1
    assert shown.text("th").count("0 name 0") == 2
    assert "Confusion matrix of A & B" not in [a["alt"] for a in shown.all("img")]
    first = shown.text("td").index("name 1")
    assert shown.text("td")[first : first + 3] == ["name 1", "2", "100.00"]
    assert len(shown.all("tr")) == (1 + 20) + (1 + 1000) + (1 + 20) + (1 + 1)


def _keep(pictures, dataset="data"):
    """Predictions of two pictures of each class in `class_folders`."""
    probabilities = np.float32([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    record = Record(dataset, "D", "val", "none", ["32.npz"], ["cat", "dog"], pictures, [0, 0, 1, 1])
    Path("kept").mkdir()
    kept = KeptProbabilities(Path("kept/32.npz"), {"weights": "w"}, (4, 2))
    kept.append(probabilities)
    kept.save()
    write_record(Path("kept"), record)


def test_pictures_are_those_of_the_dataset():
    class_folders("train", "val", count=2)
    _keep(["0.jpg", "1.jpg", "0.jpg", "1.jpg"])
    shown = Page(write_report(Path("kept"), dataset="./data").read_text())
    assert len(shown.all("img")) == 2 + 4
    with pytest.raises(InputError, match="kept: has predictions for val, not for --split train"):
        write_report(Path("kept"), dataset="./data", split="train", overwrite=True)
    with pytest.raises(InputError, match="kept: has predictions for data, not for --dataset dig"):
        write_report(Path("kept"), dataset="digits", overwrite=True)


@pytest.mark.slow
def test_a_dataset_that_is_gone_or_has_changed_is_told():
    _keep(["0.jpg", "1.jpg", "0.jpg", "2.jpg"])
    gone = write_report(Path("kept")).read_text()
    assert "missing: data/data/val.lst: no such list" in gone
    class_folders("train", "val", count=2)
    changed = write_report(Path("kept"), dataset="./data", overwrite=True).read_text()
    assert "missing: data, val: has other pictures than were predicted" in changed
