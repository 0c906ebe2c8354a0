"""Cityscapes' own scores, by its own tool: class and category IoU and iIoU (Table 4)."""

import contextlib
import copy
import importlib
import io
import math
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, NamedTuple, Optional, Sequence

from rnw.errors import InputError

PARTS = ("Classes", "InstClasses", "Categories", "InstCategories")  # in the order of the scores
INSTALL = "pip install '.[cityscapes]' in the rnw checkout"


class OfficialScores(NamedTuple):
    """Means in percent, nan where nothing is to be scored, and what the tool says in full."""

    class_iou: float
    class_iiou: float
    category_iou: float
    category_iiou: float
    details: Dict[str, Any]

    def __str__(self) -> str:
        class_iou, class_iiou, category_iou, category_iiou = self[:4]
        return (
            f"classes IoU {class_iou:.2f} %, iIoU {class_iiou:.2f} %; "
            f"categories IoU {category_iou:.2f} %, iIoU {category_iiou:.2f} %"
        )

    def as_dict(self) -> Dict[str, Optional[float]]:
        """Return the means alone, with None in the place of nan."""
        return {
            name: None if math.isnan(value) else value
            for name, value in zip(self._fields[:4], self[:4])
        }


def load_tool(name: str) -> ModuleType:
    """Return the module `name` of the tool; raise InputError when it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: {INSTALL}") from None


def official_scores(
    tool_name: str, predictions: Sequence[Path], truth: Sequence[Path]
) -> OfficialScores:
    """Score pictures of label ids against `*_gtFine_labelIds.png`, beside which are instances.

    tool_name: the module of the tool (`SegmentationDataset.official_tool`).

    Raises InputError when the tool is not installed or refuses a file.
    """
    tool = load_tool(tool_name)
    settings = copy.copy(tool.args)
    settings.quiet, settings.JSONOutput = True, False
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            found = tool.evaluateImgLists([*map(str, predictions)], [*map(str, truth)], settings)
    except SystemExit:  # its way to report an error
        raise InputError(f"Cityscapes' tool: {said.getvalue().strip()}") from None
    means = (100 * found[f"averageScore{part}"] for part in PARTS)
    class_iou, class_iiou, category_iou, category_iiou = means
    return OfficialScores(class_iou, class_iiou, category_iou, category_iiou, found)
