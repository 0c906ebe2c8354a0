"""The report of a classifier's kept predictions: scores, confusions, calibration, pictures."""

import io
from typing import List, NamedTuple, Sequence, Tuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from rnw.errors import InputError
from rnw.evaluation.classification.record import KeptPredictions, Record
from rnw.evaluation.classification.scores import (
    BINS,
    Calibration,
    accuracy,
    calibrate,
    class_accuracies,
    confusion_counts,
    cross_entropy,
    top_classes,
)
from rnw.plots import write_plot
from rnw.reports.confusion_matrix import FEW, draw_matrix, most_confused, shares_of_true
from rnw.reports.html import Html, definitions, element, image, join, page, scrolling, table
from rnw.reports.panels import shorten
from rnw.reports.recorded_pictures import ReadPicture

LARGEST = 480  # pixels a side of a picture on the page
DRAWN = 100  # classes up to which the confusion matrix is drawn
LISTED = 50  # classes up to which all are listed at once
FIRST = 20  # classes that are listed before one asks for all of them
PAIRS = 20  # of confused classes that are listed
BAR_COLOR = "#4682b4"
CALIBRATION = (
    "Predictions are sorted by their confidence, the network's probability of the class it "
    f"predicts, into {BINS} bins of equal width from 0 to 1, each without its lower bound. A dot "
    "is a bin's mean confidence and its accuracy; those of a calibrated network are on the "
    "diagonal. The expected calibration error is the mean gap between both over all predictions "
    "(Guo et al., 2017)."
)
SHARES = (
    "The numbers are shares of the true class's pictures in percent; the shade grows with their "
    "square root."
)
SHADES = (
    "The shade grows with the square root of the share of the true class's pictures; there are too "
    "many classes to write the shares in it."
)
NOTES = {
    False: "Wrong predictions with the highest probability of the predicted class.",
    True: "Right predictions with the highest probability.",
}


class Judged(NamedTuple):
    """Predictions beside the truth.

    probabilities: (N, classes) float32. labels: the true classes (N,). best: the five most
    probable classes (N, 5).
    """

    record: Record
    probabilities: np.ndarray
    labels: np.ndarray
    best: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class (N,) of each picture."""
        return self.best[:, 0]

    @property
    def right(self) -> np.ndarray:
        """Whether that is the true class (N,)."""
        return self.predicted == self.labels

    @property
    def confidence(self) -> np.ndarray:
        """Its probability (N,)."""
        return self.probabilities.max(axis=1)


def classification_page(
    found: KeptPredictions, read: ReadPicture, pictures: int, note: str = ""
) -> str:
    """Return the page about kept predictions, with that many of the worst and best pictures.

    read: returns the pixels (H, W, 3) uint8 of a picture by its index; what it raises InputError
    for is not shown. note: what is to be said of the test.
    """
    record, labels = found.record, np.asarray(found.record.labels, np.int64)
    judged = Judged(record, found.probabilities, labels, top_classes(found.probabilities))
    calibration = calibrate(judged.confidence, judged.right)
    sections = [
        ("Scores", _scores(judged, calibration)),
        ("Classes", _classes(judged)),
        ("Confusions", _confusions(judged)),
        ("Calibration", _calibration(calibration)),
    ]
    for title, right in (("Worst pictures", False), ("Best pictures", True)):
        chosen = most_confident(judged, pictures, right=right)
        if chosen:
            sections.append((title, _pictures(judged, chosen, read, NOTES[right])))
    parts = [f"{len(labels):,} pictures", found.weights, record.protocol, found.computing]
    about = "; ".join(filter(None, [*parts, *note.splitlines()]))
    return page(f"{record.title}, {record.split}", about, sections)


def most_confident(judged: Judged, most: int, *, right: bool) -> List[int]:
    """Return the indices of at most so many pictures, right or wrong, the most confident first."""
    chosen = np.flatnonzero(judged.right == right)
    order = np.argsort(-judged.confidence[chosen], kind="stable")
    return list(chosen[order[:most]].tolist())


def _scores(judged: Judged, calibration: Calibration) -> Html:
    scores = accuracy(judged.best, judged.labels).by_k()
    loss = cross_entropy(judged.probabilities, judged.labels)
    return definitions(
        [
            *((f"top-{k} accuracy ± {error:.2f}", f"{value:.2f} %") for k, value, error in scores),
            ("cross-entropy", f"{loss:.4f}"),
            ("expected calibration error", f"{100 * calibration.error:.2f} %"),
        ],
        class_="scores",
    )


def _classes(judged: Judged) -> Html:
    found = class_accuracies(judged.best, judged.labels, judged.record.class_names)
    ordered = sorted(found, key=lambda row: row.top1)
    rows = [
        (
            f"{row.label} {row.name}",
            element("span", class_="bar", style=f"width: {row.top1:.2f}%; background: {BAR_COLOR}"),
            f"{row.top1:.2f}",
            f"{row.top5:.2f}",
            f"{row.images}",
        )
        for row in ordered
    ]
    head = ("class", "", "top-1", "top-5", "images")
    caption = "Accuracies in percent of the pictures of a class, the lowest first."
    if len(rows) <= LISTED:
        return table(head, rows, caption, class_="classes")
    first = table(head, rows[:FIRST], f"{caption} The first {FIRST}.", class_="classes")
    summary = element("summary", f"All {len(rows)} classes")
    every = table(head, rows, caption, class_="classes")
    return join((first, element("details", summary, every)))


def _confusions(judged: Judged) -> Html:
    record = judged.record
    counts = confusion_counts(judged.predicted, judged.labels, len(record.class_names))
    mistakes = _mistakes(counts, record.class_names)
    if len(counts) > DRAWN:
        return mistakes
    few = len(counts) <= FEW
    label = f"Confusion matrix of {record.title}"
    names = [shorten(name) for name in record.class_names]
    matrix = image(draw_matrix(names, shares_of_true(counts), numbers=few), "svg", label)
    caption = (
        "A row for each true class, a column for each predicted one. "
        f"{SHARES if few else SHADES} The row of a class without pictures is empty."
    )
    figure = element("figure", scrolling(matrix, label), element("figcaption", caption))
    return join((figure, mistakes))


def _mistakes(counts: np.ndarray, names: Sequence[str]) -> Html:
    pairs = most_confused(counts, PAIRS)
    if not pairs:
        return element("p", "No picture is wrong.")
    shares = shares_of_true(counts)
    rows = [
        (names[true], names[found], f"{counts[true, found]}", f"{100 * shares[true, found]:.2f}")
        for true, found in pairs
    ]
    head = ("true", "predicted", "pictures", "of the true class's")
    caption = "The most frequent mistakes: their pictures, and in percent of the true class's."
    return scrolling(table(head, rows, caption), "The most frequent mistakes")


def _calibration(calibration: Calibration) -> Html:
    label = "Reliability diagram: accuracy over confidence, and the share of pictures in each bin"
    diagram = image(_draw_calibration(calibration), "svg", label)
    figure = element("figure", scrolling(diagram, label), element("figcaption", CALIBRATION))
    bins = len(calibration.counts)
    rows = [
        (
            f"{number / bins:.3f} to {(number + 1) / bins:.3f}",
            f"{count}",
            f"{100 * calibration.confidences[number]:.2f}",
            f"{100 * calibration.accuracies[number]:.2f}",
        )
        for number, count in enumerate(calibration.counts.tolist())
        if count
    ]
    head = ("confidence", "pictures", "mean confidence", "accuracy")
    caption = "Bins that have pictures; mean confidence and accuracy in percent."
    return join((figure, scrolling(table(head, rows, caption), "Bins of confidence")))


def _draw_calibration(calibration: Calibration) -> bytes:
    """Return an SVG file; the text in it is outlines, so that it looks the same everywhere."""
    bins = len(calibration.counts)
    left, width = np.arange(bins) / bins, 1 / bins
    with matplotlib.rc_context({"font.size": 11}):
        figure = Figure(figsize=(6, 6.5), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        bars = {"width": width, "align": "edge", "color": BAR_COLOR, "edgecolor": "white"}
        above.bar(left, calibration.accuracies, **bars)
        above.plot([0, 1], [0, 1], "--", color="black")
        drawn = calibration.counts > 0
        means = calibration.confidences[drawn], calibration.accuracies[drawn]
        above.plot(*means, "o", color="black", markersize=4)
        above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
        below.bar(left, calibration.counts / calibration.counts.sum(), **bars)
        below.set(xlabel="confidence", ylabel="share of pictures")
        file = io.BytesIO()
        write_plot(figure, file, "svg")
    return file.getvalue()


def _pictures(judged: Judged, chosen: Sequence[int], read: ReadPicture, note: str) -> Html:
    figures, missing = [], ""
    for index in chosen:
        try:
            shown = [_show(read(index), judged.record.pictures[index])]
        except InputError as error:
            shown, missing = [], missing or f" Pictures are missing: {error}."
        figures.append(element("figure", *shown, element("figcaption", *_describe(judged, index))))
    panels = element("div", *figures, class_="panels")
    return join((element("p", note + missing, class_="note"), panels))


def _describe(judged: Judged, index: int) -> Tuple[str, ...]:
    """Return the caption of a picture: its name, what it is, and what it is taken for."""
    names, label = judged.record.class_names, judged.labels[index]
    predicted, probabilities = judged.predicted[index], judged.probabilities[index]
    name = element("strong", judged.record.pictures[index])
    found = f"{shorten(names[predicted])} {100 * probabilities[predicted]:.2f} %"
    if predicted == label:
        return name, f" {found}"
    truth = f"{shorten(names[label])} {100 * probabilities[label]:.2f} %"
    return name, f" predicted {found}; true {truth}"


def _show(picture: np.ndarray, name: str) -> Html:
    shown = Image.fromarray(picture)
    shown.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    shown.save(file, "jpeg", quality=90)
    return image(file.getvalue(), "jpeg", f"picture {name}")
