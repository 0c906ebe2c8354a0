"""The report of training runs: recipe, best epoch, curves, and the figures of each epoch."""

from pathlib import Path
from typing import Any, Dict, Iterator

from rnw.files import read_json
from rnw.reports.curves import Key, RunCurves, draw_curves, read_runs
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
from rnw.training.progress import format_score
from rnw.training.run_folder import RunFolder

PHASES = {"epoch": "training", "val": "validation"}


def training_page(folder: Path) -> str:
    """Return the page about the runs in a folder, one section for each label."""
    runs = read_runs(folder)
    sections = [(run.label, join(_describe(folder, run))) for run in runs]
    count = "one run" if len(runs) == 1 else f"{len(runs)} runs"
    return page(f"Training in {folder}", count, sections)


def _describe(folder: Path, run: RunCurves) -> Iterator[Html]:
    epochs, files = _epochs(run), RunFolder(folder, run.label)
    best, recipe = _read(files.best), _read(files.recipe)
    yield from _summary(epochs, best)
    yield element("h3", "Curves")
    yield _curves(run)
    yield element("h3", "Epochs")
    yield _table(epochs)
    if recipe:
        yield element("h3", "Recipe")
        yield element("p", recipe.pop("source", ""), class_="note")
        yield definitions(
            (name, _value(value)) for name, value in recipe.items() if value not in ("", [])
        )


def _read(path: Path) -> Dict[str, Any]:
    """Return what a JSON file beside the checkpoints says, nothing when it is not there."""
    return read_json(path) if path.exists() else {}


def _epochs(run: RunCurves) -> Dict[int, Dict[Key, float]]:
    """Return the figures of each epoch that is done."""
    epochs: Dict[int, Dict[Key, float]] = {}
    for key, curve in run.curves.items():
        if key[0] in PHASES:
            for epoch, value in zip(curve.epochs.tolist(), curve.values.tolist()):
                epochs.setdefault(int(epoch), {})[key] = value
    return epochs


def _summary(epochs: Dict[int, Dict[Key, float]], best: Dict[str, Any]) -> Iterator[Html]:
    """Return the best epoch, else the last one, and what it reached."""
    if best:
        epoch, file = best.pop("epoch", "?"), best.pop("file", "?")
        text, scores = f"The best of the validated epochs is {epoch}, {file}:", best
    elif epochs:
        last = max(epochs)
        text = f"No epoch was tested; the last one is {last}, in training:"
        scores = {key[1]: value for key, value in epochs[last].items() if key[0] == "epoch"}
    else:
        return
    yield element("p", text)
    yield definitions(
        ((name, format_score(name, value)) for name, value in scores.items()), class_="scores"
    )


def _curves(run: RunCurves) -> Html:
    label = f"Loss, error and learning rate of {run.label} over epochs"
    curves = image(draw_curves([run]), "svg", label, style="min-width: 50rem; width: 100%")
    note = "Loss, error and learning rate over epochs; the figures of epochs are in the table."
    return element("figure", scrolling(curves, label), element("figcaption", note))


def _table(epochs: Dict[int, Dict[Key, float]]) -> Html:
    if not epochs:
        return element("p", "No epoch is done yet.")
    found = dict.fromkeys(key for figures in epochs.values() for key in figures)
    keys = sorted(found, key=lambda key: list(PHASES).index(key[0]))
    rows = [
        (
            str(epoch),
            *(format_score(key[1], figures[key]) if key in figures else "" for key in keys),
        )
        for epoch, figures in sorted(epochs.items())
    ]
    head = ("epoch", *(f"{PHASES[kind]} {name}" for kind, name in keys))
    figures = table(head, rows, "Means over the steps of an epoch, and scores on the test split.")
    return scrolling(figures, "Figures of the epochs")


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
