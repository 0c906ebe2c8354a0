"""The report of kept label maps: scores, classes, confusions, the best and the worst pictures."""

import io
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
from PIL import Image

from rnw.data.sets.rows import SegmentationDataset
from rnw.evaluation.computing import Computing
from rnw.evaluation.described import notes_on_test
from rnw.evaluation.segmentation.confusion import Confusion
from rnw.evaluation.segmentation.kept import ORIGIN, read_origin
from rnw.reports.confusion_matrix import FEW, draw_matrix, most_confused, shares_of_true
from rnw.reports.html import (
    Html,
    definitions,
    element,
    image,
    join,
    page,
    scrolling,
    table,
)
from rnw.reports.panels import Results, by_iou, describe_iou, short_name

LARGEST = 640  # pixels a side of a picture on the page
MISTAKES = 10  # the most frequent that are listed
SCORES = (
    ("mean IoU of all {classes} classes", "mean_iou"),
    ("mean IoU of the {occurring} that occur", "mean_iou_of_occurring_classes"),
    ("pixel accuracy", "pixel_accuracy"),
    ("mean accuracy", "mean_accuracy"),
)
SHARES = (
    "The numbers are shares of the true class's pixels in percent; the shade grows with their "
    "square root."
)
SHADES = (
    "The shade grows with the square root of the share of the true class's pixels; there are too "
    "many classes to write the shares in it."
)
ABSENT = " (no true pixel)"
DIFFERENCE = "In the difference what is right is gray, what is wrong black, what is ignored white."


class Compared(NamedTuple):
    """How far a comparison is: `step` of `steps` pictures."""

    step: int
    steps: int

    def __str__(self) -> str:
        return f"{self.step}/{self.steps} images compared"

    def short(self) -> str:
        """Return the same in so few words that a progress bar fits beside them."""
        return "comparing"


def predictions_page(
    results: Results, pictures: int, on_picture: Callable[[Compared], None]
) -> str:
    """Return the page about kept predictions, with that many of the best and worst pictures."""
    confusion, ious = _compare(results, on_picture)
    confusion.check_judged(results.examples.label_name(results.indices[0]))
    ordered = by_iou(ious)[::-1]
    best, rest = ordered[:pictures], ordered[pictures:]
    worst = rest[: -pictures - 1 : -1] if pictures else []
    dataset = results.dataset
    sections = [
        ("Scores", _scores(dataset, confusion)),
        ("Classes", _classes(dataset, confusion)),
        ("Confusions", _confusions(dataset, confusion)),
    ]
    for title, names in (("Best pictures", best), ("Worst pictures", worst)):
        if names:
            sections.append((title, _pictures(results, names)))
    return page(f"{dataset.title}, {results.split}", _describe(results), sections)


def _compare(
    results: Results, on_picture: Callable[[Compared], None]
) -> Tuple[Confusion, Dict[str, float]]:
    """Return the counts of all pictures, and the mean IoU of the classes that occur in each."""
    total = Confusion(results.dataset.classes)
    ious = {}
    for step, name in enumerate(results.names, 1):
        confusion = results.confusion(name)
        total.counts += confusion.counts
        ious[name] = confusion.mean_iou_of_occurring
        on_picture(Compared(step, len(results.names)))
    return total, ious


def _describe(results: Results) -> str:
    origin = read_origin(results.folder) if (results.folder / ORIGIN).exists() else {}
    found, total = len(results.names), len(results.examples)
    parts = [f"{total} pictures" if found == total else f"{found} of {total} pictures so far"]
    parts += origin.get("weights", [])
    parts += [origin["protocol"]] if "protocol" in origin else []
    parts += filter(None, [Computing.of_record(origin).note])
    parts += notes_on_test(results.dataset, results.split).splitlines()
    return "; ".join(parts)


def _scores(dataset: SegmentationDataset, confusion: Confusion) -> Html:
    found = confusion.as_dict(dataset.class_names)
    rows = [*SCORES, *([dataset.ranking_score] if dataset.ranking_score else [])]
    counts = {"classes": dataset.classes, "occurring": found["occurring_classes"]}
    scores = [(name.format(**counts), f"{found[key]:.2f} %") for name, key in rows]
    return definitions([*scores, ("pixels judged", f"{confusion.judged:,}")], class_="scores")


def _classes(dataset: SegmentationDataset, confusion: Confusion) -> Html:
    shares = confusion.counts.sum(axis=1) / max(confusion.counts.sum(), 1)
    found = confusion.as_dict(dataset.class_names)["per_class"]
    rows = [
        (
            f"{row['class']} {row['name']}" + ABSENT * (not row["true_pixels"]),
            _bar(dataset, row),
            f"{row['iou']:.2f}",
            f"{row['accuracy']:.2f}",
            f"{100 * share:.2f}",
        )
        for row, share in zip(found, shares.tolist())
    ]
    order = sorted(range(len(rows)), key=lambda number: -found[number]["iou"])
    return table(
        ("class", "", "IoU", "accuracy", "share"),
        [rows[number] for number in order],
        "IoU, accuracy and share of the true pixels in percent, the highest IoU first. A class "
        "that no true pixel has counts as 0 in means.",
        class_="classes",
    )


def _bar(dataset: SegmentationDataset, row: Dict[str, Any]) -> Html:
    color = _color(dataset, row["class"])
    style = f"width: {row['iou']:.2f}%; background: {color}"
    return element("span", class_="bar", style=style)


def _color(dataset: SegmentationDataset, number: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*dataset.palette[number])


def _confusions(dataset: SegmentationDataset, confusion: Confusion) -> Html:
    few = dataset.classes <= FEW
    names = [short_name(dataset, number) for number in range(dataset.classes)]
    label = f"Confusion matrix of {dataset.title}"
    shares = shares_of_true(confusion.counts)
    matrix = image(draw_matrix(names, shares, numbers=few), "svg", label)
    caption = (
        "A row for each true class, a column for each predicted one. "
        f"{SHARES if few else SHADES} The row of a class that no true pixel has is empty."
    )
    figure = element("figure", scrolling(matrix, label), element("figcaption", caption))
    return join((figure, _mistakes(dataset, confusion)))


def _mistakes(dataset: SegmentationDataset, confusion: Confusion) -> Html:
    pairs = most_confused(confusion.counts, MISTAKES)
    if not pairs:
        return element("p", "No pixel is wrong.")
    shares = shares_of_true(confusion.counts)
    rows = [
        (
            dataset.class_names[true],
            dataset.class_names[found],
            f"{100 * confusion.counts[true, found] / confusion.counts.sum():.2f}",
            f"{100 * shares[true, found]:.2f}",
        )
        for true, found in pairs
    ]
    head = ("true", "predicted", "of all pixels", "of the true class's")
    mistakes = table(head, rows, "The most frequent mistakes, in percent of pixels.")
    return scrolling(mistakes, "The most frequent mistakes")


def _pictures(results: Results, names: Sequence[str]) -> Html:
    note = element("p", DIFFERENCE, class_="note")
    return join((note, *(_picture(results, name) for name in names)))


def _picture(results: Results, name: str) -> Html:
    panels = [
        element("figure", _show(panel, kind, f"{kind} of {name}"), element("figcaption", kind))
        for kind, panel in results.panels(name).items()
    ]
    confusion = results.confusion(name)
    iou = f" {describe_iou(confusion.mean_iou_of_occurring)}"
    legend = element("ul", *_legend(results, name, confusion), class_="legend")
    caption = element("figcaption", element("strong", name), iou, legend)
    return element("figure", element("div", *panels, class_="panels"), caption, class_="picture")


def _legend(results: Results, name: str, confusion: Confusion) -> List[Html]:
    """Return the classes that the picture shows, and their IoU where a pixel of them is judged."""
    judged = confusion.counts.any(axis=0) | confusion.counts.any(axis=1)
    entries = []
    for number in results.present(name).tolist():
        style = f"background: {_color(results.dataset, number)}"
        iou = f"{100 * confusion.ious[number]:.1f} %" if judged[number] else "not judged"
        swatch = element("span", class_="swatch", style=style)
        entries.append(element("li", swatch, f"{short_name(results.dataset, number)} {iou}"))
    return entries


def _show(panel: np.ndarray, kind: str, alt: str) -> Html:
    """Return a picture, smaller where it is large."""
    picture = Image.fromarray(panel)
    photograph = kind == "photograph"
    filters = Image.Resampling
    picture.thumbnail((LARGEST, LARGEST), filters.LANCZOS if photograph else filters.NEAREST)
    file = io.BytesIO()
    form = "jpeg" if photograph else "png"
    picture.save(file, form, quality=90)
    return image(file.getvalue(), form, alt)
