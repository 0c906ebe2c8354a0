"""What reports of evaluations and of training runs say."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION
from rnw.errors import InputError
from rnw.evaluation.segmentation.evaluate import evaluate
from rnw.evaluation.segmentation.kept import KeptLabels
from rnw.reports.html import element, page
from rnw.reports.panels import read_results
from rnw.reports.predictions_page import predictions_page
from rnw.reports.report import write_report
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, label_map, make_dataset, make_model

NAMES = ("ground", "<b>disc</b>", 'it\'s & "$x"')
VOID = ("meta", "img")


class Page(HTMLParser):
    """The elements of a page, each closed in its turn, and the text below each kind."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag, **wanted):
        pairs = wanted.items()
        return [a for t, a in self.elements if t == tag and pairs <= a.items()]

    def text(self, tag):
        return [data for name, data in self.texts if name == tag]


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """An evaluation of five pictures by a stand-in, and what was kept of it."""
    folder = tmp_path_factory.mktemp("kept")
    labels = [label_map(40, 60, 3, seed) for seed in range(5)]
    pictures = Pictures([picture(40, 60, seed) for seed in range(5)], labels)
    palette = ((255, 255, 255), (1, 2, 3), (200, 100, 0))
    dataset = make_dataset(pictures, 3, class_names=NAMES, palette=palette, title="A & B")
    result = evaluate(make_model(dataset, 1), predictions=folder)
    return result, read_results(folder, dataset)


@pytest.fixture
def shown(evaluation):
    steps = []
    found = Page(predictions_page(evaluation[1], 1, steps.append))
    assert [str(step) for step in steps][::4] == ["1/5 images compared", "5/5 images compared"]
    return found


def test_scores_are_those_of_the_evaluation(evaluation, shown):
    scores = evaluation[0].as_dict()
    keys = ("mean_iou", "mean_iou_of_occurring_classes", "pixel_accuracy", "mean_accuracy")
    judged = 5 * (40 - 2) * 60  # two lines of each are ignored
    assert shown.text("dd") == [*(f"{scores[key]:.2f} %" for key in keys), f"{judged:,}"]
    names = ["mean IoU of all 3 classes", "mean IoU of the 3 that occur", "pixel accuracy"]
    assert shown.text("dt")[:3] == names
    bars = [bar["style"] for bar in shown.all("span", **{"class": "bar"})]
    assert len(bars) == 3
    for row, color in zip(scores["per_class"], ("ffffff", "010203", "c86400")):
        assert f"width: {row['iou']:.2f}%; background: #{color}" in bars
        for value in (row["iou"], row["accuracy"]):
            assert f"{value:.2f}" in shown.text("td")
    assert "score of ADE20K" not in shown.text("dt")


def test_labels_of_an_unknown_origin_are_reported(evaluation):
    _, results = evaluation
    shutil.copytree(results.folder / "labels", "mine/labels")
    mine = read_results(Path("mine"), results.dataset)
    content, known = (predictions_page(r, 1, lambda _: None) for r in (mine, results))
    assert "longer side 96" in known
    assert content == known.replace("5 pictures; longer side 96", "5 pictures")


def test_the_score_that_a_benchmark_ranks_by_is_shown(evaluation):
    result, results = evaluation
    score = SEGMENTATION["ade20k"].ranking_score
    other = results._replace(dataset=replace(results.dataset, ranking_score=score))
    found = Page(predictions_page(other, 0, lambda compared: None))
    assert found.text("dd")[-2] == f"{result.as_dict()['ade20k_score']:.2f} %"
    assert "Best pictures" not in found.text("h2")


def test_mistakes_are_the_largest_counts(evaluation, shown):
    counts = evaluation[0].confusion.counts.copy()
    share = counts / counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(counts, 0)
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    total = evaluation[0].confusion.counts.sum()
    first = shown.texts.index(("caption", "The most frequent mistakes, in percent of pixels."))
    row = [text for _, text in shown.texts[first + 5 : first + 9]]
    assert row == [
        NAMES[true],
        NAMES[predicted],
        f"{100 * counts.max() / total:.2f}",
        f"{100 * share[true, predicted]:.2f}",
    ]


def test_the_best_and_the_worst_picture(evaluation, shown):
    results = evaluation[1]
    order = sorted(results.names, key=results.iou)
    assert shown.text("strong") == [order[-1], order[0]]
    for name in (order[0], order[-1]):
        assert f" mean IoU {100 * results.iou(name):.2f} %" in shown.text("figcaption")
    kinds = [a["alt"].split(" of ")[0] for a in shown.all("img")]
    assert kinds == ["Confusion matrix"] + 2 * ["photograph", "truth", "prediction", "difference"]


def test_pictures_are_what_they_are_said_to_be(evaluation, shown):
    results = evaluation[1]
    images = [decode(a["src"]) for a in shown.all("img")[1:]]
    for name, found in zip(shown.text("strong"), (images[:4], images[4:])):
        expected = list(results.panels(name).values())
        assert np.abs(found[0].astype(int) - expected[0]).mean() < 5  # JPEG
        for one, other in zip(found[1:], expected[1:]):
            np.testing.assert_array_equal(one, other)


def decode(source):
    kind, data = re.fullmatch(r"data:image/(png|jpeg|svg\+xml);base64,([\w+/=]+)", source).groups()
    content = base64.b64decode(data, validate=True)
    if kind == "svg+xml":
        return ElementTree.fromstring(content)
    return np.array(Image.open(io.BytesIO(content)))


def test_a_page_is_for_everyone(shown):
    assert shown.all("html") == [{"lang": "en"}]
    assert shown.text("title") == shown.text("h1") == ["A & B, val"]
    assert all(a["alt"] for a in shown.all("img"))
    assert len(shown.all("table")) == len(shown.all("caption")) == 2
    ids = {a["id"] for a in shown.all("section")}
    assert {a["href"][1:] for a in shown.all("a")} == ids


@pytest.mark.slow
def test_a_page_needs_no_other_file(evaluation, shown):
    places = [a[name] for _, a in shown.elements for name in ("src", "href") if name in a]
    assert all(place.startswith(("data:", "#part")) for place in places)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in shown.elements}
    text = predictions_page(evaluation[1], 1, lambda compared: None)
    assert "://" not in text and "url(" not in text
    assert text == predictions_page(evaluation[1], 1, lambda compared: None)


def test_names_are_escaped(evaluation):
    text = predictions_page(evaluation[1], 1, lambda compared: None)
    assert "&lt;b&gt;disc&lt;/b&gt;" in text
    assert "<b>" not in text
    assert element("p", "<i>", title='"') == '<p title="&quot;">&lt;i&gt;</p>'
    assert "<h1>&lt;x&gt;</h1>" in page("<x>", "", [])


def test_an_evaluation_without_mistakes():
    truth = [label_map(40, 60, 3, 1)]
    dataset = make_dataset(Pictures([picture(40, 60, 1)], truth), 3)
    KeptLabels(Path("kept"), dataset, {}).write("0", np.where(truth[0] == 255, 0, truth[0]))
    found = Page(predictions_page(read_results(Path("kept"), dataset), 1, lambda compared: None))
    assert "No pixel is wrong." in found.text("p")
    assert found.text("h2") == ["Scores", "Classes", "Confusions", "Best pictures"]
    assert found.text("dd") == ["100.00 %"] * 4 + ["2,280"]


def _keep(truth, found, classes=3):
    """Results of pictures 40 x 60 that have one class in truth and one in the prediction."""
    truth, found = (
        [np.full((40, 60), number, np.uint8) for number in numbers] for numbers in (truth, found)
    )
    pictures = Pictures([picture(40, 60, seed) for seed in range(len(truth))], truth)
    dataset = make_dataset(pictures, classes)
    kept = KeptLabels(Path("kept"), dataset, {})
    for number, labels in enumerate(found):
        kept.write(str(number), labels)
    return read_results(Path("kept"), dataset)


def test_classes_that_do_not_occur_are_told():
    """Class 1 has no true pixel, though it is predicted; class 3 has neither."""
    found = Page(predictions_page(_keep([0, 2], [0, 1], 4), 1, lambda compared: None))
    assert found.text("dt")[:2] == ["mean IoU of all 4 classes", "mean IoU of the 3 that occur"]
    assert found.text("dd")[:2] == ["25.00 %", "33.33 %"]
    marked = [text for _, text in found.texts if text.endswith("(no true pixel)")]
    assert marked == ["1 class 1 (no true pixel)", "3 class 3 (no true pixel)"]


def test_a_picture_of_which_no_pixel_is_judged_is_neither_best_nor_worst():
    results = _keep([255, 1, 2], [0, 0, 2])
    found = Page(predictions_page(results, 3, lambda compared: None))
    assert found.text("strong") == ["2", "1"]
    assert found.text("dd")[-1] == "4,800"


def test_a_report_needs_a_pixel_that_is_judged():
    with pytest.raises(InputError, match=r"^labels/0\.png: no pixel is judged: in this and all"):
        predictions_page(_keep([255, 255], [0, 1]), 1, lambda compared: None)


def test_large_pictures_become_smaller(evaluation):
    image, truth = np.zeros((100, 1600, 3), np.uint8), np.zeros((100, 1600), np.uint8)
    dataset = make_dataset(Pictures([image], [truth]), 2)
    evaluate(make_model(dataset, 1), predictions=Path("kept"))
    found = Page(predictions_page(read_results(Path("kept"), dataset), 1, lambda compared: None))
    sizes = {decode(a["src"]).shape for a in found.all("img")[1:]}
    assert sizes == {(40, 640, 3)}


def _write_run(folder, labels=("a_cls3", "b<"), epochs=2):
    folder.mkdir()
    lines = []
    for label in labels:
        for epoch in range(1, epochs + 1):
            scores = {"loss": 1 / epoch, "top-1": 50 + epoch * 12.5, "top-5": 90}
            place = {"label": label, "epoch": epoch}
            lines.append({**place, "kind": "train", "step": 1, "steps": 1, "lr": 0.1, **scores})
            lines += [{**place, "kind": "epoch", **scores}]
        lines.append({**place, "kind": "val", "loss": 0.25, "top-1": 62.5, "top-5": 75})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = {"source": "<ours>", "name": "mine", "rates": [0.7, 1.3], "lr_steps": []}
    (folder / "a_cls3.json").write_text(json.dumps(recipe))
    best = {"epoch": 2, "file": "a_cls3_ep-0002.params", "loss": 0.25, "top-1": 62.5}
    (folder / "a_cls3.best.json").write_text(json.dumps(best))
    return folder


def test_runs_have_a_section_each():
    found = Page(write_report(_write_run(Path("run"))).read_text())
    assert found.text("h2") == ["a_cls3", "b<"]
    assert "The best of the validated epochs is 2, a_cls3_ep-0002.params:" in found.text("p")
    assert found.text("dd")[:4] == ["0.2500", "62.50 %", "mine", "0.7, 1.3"]
    assert "No epoch was tested; the last one is 2, in training:" in found.text("p")
    assert found.text("dd")[4:] == ["0.5000", "75.00 %", "90.00 %"]
    assert "<ours>" in found.text("p")
    assert found.text("td")[:6] == ["1.0000", "62.50 %", "90.00 %", "0.5000", "75.00 %", "90.00 %"]
    curves = [decode(a["src"]) for a in found.all("img")]
    assert [curve.tag.split("}")[1] for curve in curves] == ["svg", "svg"]


def test_runs_that_have_done_little():
    folder = _write_run(Path("run"), ["a_cls3"])
    (folder / "a_cls3.best.json").unlink()
    (folder / "a_cls3.json").unlink()
    found = Page(write_report(folder).read_text())
    assert found.text("dd") == ["0.5000", "75.00 %", "90.00 %"]
    assert "Recipe" not in found.text("h3")
    (folder / "metrics.jsonl").write_text(
        '{"label": "a", "kind": "train", "epoch": 1, "step": 1, "steps": 9, "lr": 1, "loss": 2}\n'
    )
    found = Page(write_report(folder, overwrite=True).read_text())
    assert "No epoch is done yet." in found.text("p")


@pytest.mark.parametrize(
    ("file", "content", "wording"),
    [
        ("a_cls3.json", "{", r"^run/a_cls3\.json: cannot be read"),
        ("a_cls3.best.json", "[]", r"^run/a_cls3\.best\.json: expected a JSON object"),
        ("metrics.jsonl", "", r"^run/metrics\.jsonl: holds no metrics yet"),
        ("report.html", "mine", r"^run/report\.html: exists already; .*--overwrite"),
        ("labels/x.png", "", r"^run: no evaluation\.json in it names the dataset; give --dataset"),
    ],
)
def test_refuses(file, content, wording):
    path = _write_run(Path("run")) / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    before = {p: p.read_bytes() for p in Path("run").rglob("*.*")}
    with pytest.raises(InputError, match=wording):
        write_report(Path("run"))
    assert {p: p.read_bytes() for p in Path("run").rglob("*.*")} == before
