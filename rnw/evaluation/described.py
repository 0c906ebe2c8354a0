"""Datasets of one's own that lie beside weights or predictions, as a training run leaves them."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, Optional

from rnw.data.own.description import FILE, Description
from rnw.data.sets.catalog import names_of
from rnw.data.sets.described import describe_own, make_row
from rnw.data.sets.numbered import numbering_note, read_own_list
from rnw.data.sets.rows import Row, SegmentationDataset, note_on_tests
from rnw.data.sets.summary import read_summary
from rnw.errors import InputError
from rnw.evaluation.summaries import dataset_within, description_beside
from rnw.files import PathLike, read_json
from rnw.weights.labels import label_text, parse_label


def dataset_beside_weights(weights: PathLike) -> Optional[Row]:
    """Return the dataset that is described beside or in a weights file; None where none is.

    Raises InputError for a description that cannot be read.
    """
    path = description_beside(weights)
    if path is not None:
        return describe_own(path)
    said = dataset_within(weights)
    if said is None:
        return None
    row: Any = make_row(read_summary(said, Path(weights)))  # of either task, as what it reads
    return replace(row, read=read_own_list(row.read))


def dataset_of_predictions(folder: Path) -> Optional[Row]:
    """Return the dataset that is described beside kept predictions; as `dataset_beside_weights`."""
    return describe_own(folder / FILE) if (folder / FILE).is_file() else None


def notes_on_test(
    dataset: Row,
    split: str,
    trained_on: Iterable[Optional[Row]] = (),
    weights: Iterable[Path] = (),
) -> str:
    """Return what is to be said of a test, a line each; empty where there is nothing.

    Its classes may be numbered or others than those of training, and networks may have been trained
    on what they are tested on. dataset, split: what is tested on. trained_on: the dataset described
    beside each file of `weights`.
    """
    rows = [row for row in trained_on if row is not None]
    notes = [numbering_note(dataset), *(_note_on_classes(dataset, row) for row in rows)]
    notes += [_note_on_split(dataset, split, path) for path in weights]
    if split == dataset.test_split:
        now, same = dataset.description, [r.description for r in rows if r.name == dataset.name]
        notes.append(note_on_tests(dataset))
        notes += [_note_on_part(now, then) for then in same if now and then]
    return "\n".join(dict.fromkeys(filter(None, notes)))


def _note_on_classes(dataset: Row, trained_on: Row) -> str:
    """What to say of the first class that has another name than in training, if it had one."""
    for number, (name, trained) in enumerate(zip(names_of(dataset), names_of(trained_on))):
        if trained not in (name, str(number), f"class {number}"):
            return (
                f"class {number} is {name!r} in {dataset.name}, and was {trained!r} in training, "
                f"on {trained_on.name}: classes are compared by number"
            )
    return ""


def _note_on_split(dataset: Row, split: str, weights: Path) -> str:
    """What to say where the recipe beside a weights file names the split that is tested on."""
    path = weights.with_name(f"{label_text(weights)}.json")
    trained = ""
    with contextlib.suppress(InputError):  # of another name, or no recipe is there
        if parse_label(weights).dataset == dataset.name and path.is_file():
            trained = str(read_json(path).get("split") or "")
    parts = dataset.parts_of(trained) if isinstance(dataset, SegmentationDataset) else (trained,)
    if split not in parts:
        return ""
    return f"the network was trained on split {split} of {dataset.name}, which this is a test on"


def _note_on_part(now: Description, then: Description) -> str:
    """What a test on a part of the pictures means where training had held out another part.

    The smaller of two parts is within the larger, as a hash of the name decides.
    """
    if not now.holds_out or now.held_out == then.held_out:
        return ""
    note = (
        f"{100 * then.held_out:g} % of the pictures of {now.name} were held out of training, and "
        f"this is a test on {100 * now.held_out:g} % of them"
    )
    if now.held_out < then.held_out:
        return f"{note}, all of which were held out"
    seen = 1 - then.held_out / now.held_out
    return (
        f"{note}: the network was trained on {100 * seen:.0f} % of what it is tested on; leave out "
        "--dataset and --val-fraction to test on what was held out"
    )
