"""Reports of evaluations and of training runs: a web page in one file."""

from pathlib import Path
from typing import Callable, Optional

from rnw.errors import InputError
from rnw.evaluation.classification.record import RECORD, read_predictions
from rnw.evaluation.described import dataset_of_predictions, notes_on_test
from rnw.evaluation.segmentation.kept import LABELS, kept_dataset
from rnw.files import check_free, write_text
from rnw.reports.classification_page import classification_page
from rnw.reports.panels import read_results
from rnw.reports.predictions_page import Compared, predictions_page
from rnw.reports.recorded_pictures import recorded_pictures
from rnw.reports.training_page import training_page
from rnw.training.run_folder import METRICS_FILE

REPORT = "report.html"


def write_report(
    folder: Path,
    output: Optional[Path] = None,
    *,
    dataset: Optional[str] = None,
    split: Optional[str] = None,
    data_root: Optional[Path] = None,
    pictures: int = 4,
    overwrite: bool = False,
    on_picture: Callable[[Compared], None] = lambda compared: None,
) -> Path:
    """Write a page about a folder, by default into it; return the path of the page.

    folder: of predictions kept by an evaluation of either task, or of training runs.
    dataset, split, data_root: what the predictions are compared with, by default the dataset and
        split that are recorded beside them. A classifier's are kept with their true
        classes; there it is where the pictures are.
    pictures: so many of the best and of the worst are shown.

    Raises InputError for a folder of no such kind, for data that is missing or does not fit, and
    for a page that exists when `overwrite` is not set.
    """
    output = output or folder / REPORT
    check_free(output, overwrite=overwrite)
    if (folder / RECORD).is_file():
        predictions = read_predictions(folder)
        read = recorded_pictures(
            folder, predictions.record, dataset=dataset, split=split, data_root=data_root
        )
        beside, tested = dataset_of_predictions(folder), predictions.record.split
        note = "" if beside is None else notes_on_test(beside, tested)
        content = classification_page(predictions, read, pictures, note)
    elif (folder / LABELS).is_dir():
        found = kept_dataset(folder, dataset)
        results = read_results(folder, found, data_root=data_root, split=split)
        content = predictions_page(results, pictures, on_picture)
    elif (folder / METRICS_FILE).is_file():
        content = training_page(folder)
    else:
        raise InputError(
            f"{folder}: expected a folder of `rnw eval-seg --save-predictions`, with {LABELS} in "
            f"it, of a finished `rnw eval-cls`, with {RECORD}, or of a training run, with "
            f"{METRICS_FILE}"
        )
    write_text(output, content)
    return output
