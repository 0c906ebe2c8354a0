"""The page about a dataset: pictures with their labels, how the classes are spread, and sizes."""

import io
from typing import List, Mapping, Sequence, Tuple, Union

import numpy as np
from PIL import Image

from rnw.data.own.survey import Source, SplitSurvey, Survey
from rnw.data.readers import read_picture
from rnw.data.sets.rows import Dataset, SegmentationDataset
from rnw.errors import InputError
from rnw.networks.heads import IGNORED_LABEL
from rnw.reports.html import Html, definitions, element, image, join, page, table

LARGEST = 480  # pixels a side of a picture on the page
OVERLAY = 0.55  # how much of an overlay is the color of the class
SIZES = 3  # the most frequent that are listed
IGNORED_COLOR = (255, 255, 255)
CLASS_COLOR = "#4682b4"  # of bars where classes have no colors

Row = Union[Dataset, SegmentationDataset]


def dataset_page(
    dataset: Row, sources: Mapping[str, Source], survey: Survey, pictures: int = 8
) -> str:
    """Return the page about a dataset, with so many pictures of each split, evenly spread."""
    sections = [("Problems", _problems(survey))]
    for split, found in survey.splits.items():
        sections.append((split, _split(dataset, sources[split], found, survey.classes, pictures)))
    total = sum(found.pictures for found in survey.splits.values())
    return page(dataset.title, f"{total:,} pictures, {len(survey.classes)} classes", sections)


def _problems(survey: Survey) -> Html:
    if not survey.problems:
        return element("p", "Nothing is wrong: all pictures and labels can be read.")
    items = [element("li", survey.describe(problem)) for problem in survey.problems]
    return element("ul", *items)


def _split(
    dataset: Row, source: Source, found: SplitSurvey, names: Sequence[str], pictures: int
) -> Html:
    return join(
        (
            definitions(_facts(found)),
            _classes(dataset, found, names),
            _samples(dataset, source, names, pictures),
        )
    )


def _facts(found: SplitSurvey) -> List[Tuple[str, str]]:
    channels = "red {:.3f}, green {:.3f}, blue {:.3f}"
    sizes = [f"{w} x {h} ({count})" for (h, w), count in found.sizes.most_common(SIZES)]
    facts = [
        ("pictures", f"{found.pictures:,}"),
        ("sizes", ", ".join(sizes) + ", ..." * (len(found.sizes) > SIZES)),
        ("mean of 0 to 1", channels.format(*found.mean)),
        ("deviation", channels.format(*found.deviation)),
    ]
    if found.ignored:
        share = found.ignored / found.counts.sum()
        facts.append(("pixels without a class", f"{100 * share:.2f} %"))
    return facts


def _classes(dataset: Row, found: SplitSurvey, names: Sequence[str]) -> Html:
    counts = found.counts[: len(names)]
    total, most = max(int(counts.sum()), 1), max(int(counts.max()), 1)
    what = "pixels" if isinstance(dataset, SegmentationDataset) else "pictures"
    rows = [
        (
            f"{number} {name}",
            element(
                "span",
                class_="bar",
                style=f"width: {100 * count / most:.2f}%; background: {_color(dataset, number)}",
            ),
            f"{100 * count / total:.2f}",
            f"{count}",
            f"{pictures}",
        )
        for number, (name, count, pictures) in enumerate(
            zip(names, counts.tolist(), found.occurring.tolist())
        )
    ]
    head = ("class", "", "share", what, "in pictures")
    return table(head, rows, f"Share of the {what} of each class, in percent.", class_="classes")


def _color(dataset: Row, number: int) -> str:
    if isinstance(dataset, SegmentationDataset):
        return "#{:02x}{:02x}{:02x}".format(*dataset.palette[number])
    return CLASS_COLOR


def _samples(dataset: Row, source: Source, names: Sequence[str], count: int) -> Html:
    figures = []
    for index in np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).astype(int)):
        try:
            figures.append(_sample(dataset, source, names, int(index)))
        except InputError:  # it is among the problems
            continue
    return element("div", *figures, class_="panels")


def _sample(dataset: Row, source: Source, names: Sequence[str], index: int) -> Html:
    picture, name = read_picture(source, index), source.name(index)
    if hasattr(source, "labels"):
        caption: List[str] = [element("strong", names[source.labels[index]]), f" {name}"]
        return _figure(picture, name, caption)
    if not source.has_labels:
        return _figure(picture, name, [name])
    labels = source.label(index)
    if labels.shape != picture.shape[:2]:
        raise InputError(f"{name}: has another size than its label map")
    legend = _legend(dataset, labels, names)
    return _figure(overlay(picture, labels, _palette(dataset)), name, [name, legend])


def _palette(dataset: Row) -> np.ndarray:
    """Colors (256, 3) uint8 of classes and of what is ignored."""
    colors = np.full((IGNORED_LABEL + 1, 3), IGNORED_COLOR, np.uint8)
    if isinstance(dataset, SegmentationDataset):
        colors[: dataset.classes] = dataset.palette
    return colors


def overlay(picture: np.ndarray, labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 with the colors (256, 3) of labels (H, W) over it."""
    mixed = OVERLAY * colors[labels] + (1 - OVERLAY) * picture
    return np.rint(mixed).astype(np.uint8)


def _legend(dataset: Row, labels: np.ndarray, names: Sequence[str]) -> Html:
    present = [number for number in np.unique(labels).tolist() if number < len(names)]
    entries = [
        element(
            "li",
            element("span", class_="swatch", style=f"background: {_color(dataset, number)}"),
            names[number],
        )
        for number in present
    ]
    return element("ul", *entries, class_="legend")


def _figure(picture: np.ndarray, name: str, caption: Sequence[str]) -> Html:
    shown = Image.fromarray(picture)
    shown.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    shown.save(file, "jpeg", quality=90)
    content = image(file.getvalue(), "jpeg", f"{name} with its labels")
    return element("figure", content, element("figcaption", *caption))
