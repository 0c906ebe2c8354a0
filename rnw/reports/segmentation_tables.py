"""The paper's Tables 2 to 7 beside the scores of the weights at hand."""

from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from rnw.data.sets.catalog import find_segmentation_dataset
from rnw.errors import InputError
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.segmentation.evaluate import Evaluation, OnStep, evaluate
from rnw.evaluation.segmentation.model import load_model
from rnw.networks.zoo import SEGMENTATION_PREFIX, find_network
from rnw.reports.published import (
    SEGMENTATION_TABLES,
    SOURCES,
    PublishedSegmentation,
    SegmentationTable,
)
from rnw.weights.labels import ModelLabel, parse_label

if TYPE_CHECKING:
    from rnw.reports.cost_tables import MemoryRow

COCO = "coco"  # in the suffix of a label
MEMORY_TABLE = 2
MEMORY_HEADER = ("memory, paper", "ours, MB", "over ResNet-101's")
JUDGED = ("images", "pixels_judged", "occurring_classes", "mean_iou_of_occurring_classes")
SCORES = {"mean IoU": "mean_iou", "pixel accuracy": "pixel_accuracy", "score": "ade20k_score"}


class SegmentationRow(NamedTuple):
    """A row of the paper's table, the weights found for it, and what they give."""

    published: PublishedSegmentation
    weights: Optional[Path] = None
    evaluation: Optional[Evaluation] = None
    memory: "Optional[MemoryRow]" = None

    def score(self, name: str) -> Optional[float]:
        """Return our score by the paper's name of it, in percent."""
        if self.evaluation is None or name not in SCORES:
            return None
        return self.evaluation.as_dict()[SCORES[name]]

    def judged(self) -> Optional[Dict[str, Any]]:
        """Return what our score counts, and the mean IoU of the classes that occur there."""
        scores = self.evaluation and self.evaluation.as_dict()
        return scores and {name: scores[name] for name in JUDGED}

    def as_dict(self) -> Dict[str, Any]:
        """Return the row in plain types; all scores in percent."""
        paper = self.published
        return {
            **vars(paper),
            "scores": dict(paper.scores),
            "weights": self.weights and str(self.weights),
            "models": self.evaluation.as_dict()["models"] if self.evaluation else None,
            "ours": {name: self.score(name) for name, _ in paper.scores},
            "ours_judged": self.judged(),
            "memory": self.memory and self.memory._asdict(),
        }


def find_table(number: int) -> SegmentationTable:
    """Return Table `number` of the paper; raise InputError for one that is not of segmentation."""
    if number not in SEGMENTATION_TABLES:
        expected = ", ".join(map(str, SEGMENTATION_TABLES))
        raise InputError(f"table {number}: expected one of {expected}")
    return SEGMENTATION_TABLES[number]


def fill_table(
    number: int,
    weights_folder: Path,
    devices: Sequence[Any],
    *,
    computing: Computing = REFERENCE,
    data_root: Optional[Path] = None,
    memory_at: Optional[int] = None,
    on_step: OnStep = lambda progress: None,
    on_row: "Callable[[MemoryRow], None]" = lambda row: None,
) -> List[SegmentationRow]:
    """Test the weights in a folder that are for rows whose labels are public.

    Labels are kept beside the weights, so that an interrupted table can be resumed.

    devices: those that an engine has opened; contexts of MXNet. computing: the engine and the
        precision.
    memory_at: measure for Table 2, with MXNet on the first device, the memory of tuning each
    network on a crop with that many pixels a side (504 for the paper's 500).

    Raises InputError for an unknown table, one without memory, a missing folder, weights that
    cannot be used, and missing data when there are weights.
    """
    table = find_table(number)
    if memory_at is not None and number != MEMORY_TABLE:
        raise InputError(f"table {number} has no memory; only table {MEMORY_TABLE} has")
    if not weights_folder.is_dir():
        raise InputError(f"{weights_folder}: no such directory; expected one with .params files")
    dataset = find_segmentation_dataset(table.dataset)
    rows = []
    for published in table.rows:
        row = SegmentationRow(published)
        if published.split == dataset.test_split:
            row = row._replace(weights=_find_weights(weights_folder, table.dataset, published))
        if row.weights:
            model = load_model([row.weights], devices, computing=computing)
            kept = row.weights.with_suffix("")
            found = evaluate(model, data_root=data_root, predictions=kept, on_step=on_step)
            row = row._replace(evaluation=found)
        rows.append(row)
    return rows if memory_at is None else _add_memory(rows, devices[0], memory_at, on_row)


def _add_memory(
    rows: Sequence[SegmentationRow],
    context: Any,
    size: int,
    on_row: "Callable[[MemoryRow], None]",
) -> List[SegmentationRow]:
    from rnw.reports.cost_tables import compare_memory  # starts MXNet

    names = [f"{SEGMENTATION_PREFIX}{row.published.network}" for row in rows]
    measured = compare_memory(context, networks=names, size=size, on_row=on_row)
    by_name = {memory.network: memory for memory in measured}
    return [row._replace(memory=by_name[name]) for row, name in zip(rows, names)]


def _find_weights(folder: Path, dataset: str, row: PublishedSegmentation) -> Optional[Path]:
    """Return the file with the last name among those for a row."""
    found = [path for path in sorted(folder.glob("*.params")) if _is_for(path, dataset, row)]
    return found[-1] if found else None


def _is_for(path: Path, dataset: str, row: PublishedSegmentation) -> bool:
    try:
        label: ModelLabel = parse_label(path)
        network = find_network(label.network)
    except InputError:  # of another kind of file
        return False
    coco = COCO in label.suffix.split("_")
    same = row.network is not None and network == find_network(row.network)
    return label.dataset == dataset and same and coco == row.coco


def as_markdown(number: int, rows: Sequence[SegmentationRow]) -> str:
    """Return the table as Markdown, with the sources of its numbers."""
    header = ["network", "split", "score", "paper", "source", "ours"]
    if number == MEMORY_TABLE:
        header += MEMORY_HEADER
    lines = [header, ["---"] * len(header)]
    for row in rows:
        paper = row.published
        for name, value in paper.scores:
            ours = row.score(name)
            cells = [paper.title, paper.split, name, f"{value:g}", paper.source]
            cells.append("-" if ours is None else f"{ours:.2f}")
            lines.append([*cells, *_memory_cells(row)] if number == MEMORY_TABLE else cells)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    title = f"Table {number}, {find_table(number).title}, in percent"
    return "\n\n".join((title, table, *_notes(number, rows))) + "\n"


def _memory_cells(row: SegmentationRow) -> Tuple[str, ...]:
    """Return the paper's memory, which no source of ours has, and what is found here."""
    if row.memory is None:
        return ("-",) * len(MEMORY_HEADER)
    return "-", f"{row.memory.memory_mb:.0f}", f"{row.memory.ratio:.2f}"


def _notes(number: int, rows: Sequence[SegmentationRow]) -> Iterator[str]:
    used = {row.published.source for row in rows}
    yield "; ".join(f"{key}: {SOURCES[key]}" for key in SOURCES if key in used)
    classes = find_segmentation_dataset(find_table(number).dataset).classes
    for row in rows:
        judged = row.judged()
        if judged and judged["occurring_classes"] < classes:
            yield (
                f"{row.published.title}: only {judged['occurring_classes']} of {classes} classes "
                "occur, and the others count as 0 as in the original; the mean IoU of those that "
                f"occur is {judged['mean_iou_of_occurring_classes']:.2f}."
            )
    if number == MEMORY_TABLE:
        yield "Memory is that of tuning (ours: --memory-at); the paper's is not known here."
    for size in {row.memory.size for row in rows if row.memory}:
        yield f"Ours: the peak of a process that tunes on a crop of {size}x{size}, in 10^6 bytes."


def as_dict(number: int, rows: Sequence[SegmentationRow]) -> Dict[str, Any]:
    """Return the table in plain types, with the sources of its numbers."""
    table = find_table(number)
    return {
        "table": number,
        "title": table.title,
        "dataset": table.dataset,
        "sources": SOURCES,
        "rows": [row.as_dict() for row in rows],
    }
