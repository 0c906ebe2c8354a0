"""The paper's Table 1 beside the errors of the weights at hand and the speed of this device."""

import logging
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.reading import read_examples
from rnw.errors import InputError
from rnw.evaluation.classification.baselines import BASELINES, baseline_of
from rnw.evaluation.classification.evaluate import Evaluation, OnStep, evaluate
from rnw.evaluation.classification.model import load_model
from rnw.evaluation.classification.protocol import own_protocol
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.networks.zoo import find_network
from rnw.reports.published import README, REMEMBERED, TABLE_1, Published
from rnw.weights.labels import parse_label
from rnw.weights.released import RELEASED

logger = logging.getLogger(__name__)

DATASET = "ilsvrc-cls"
SPEED_BATCH = 10  # the paper's
REMEMBERED_MARK = "†"
HEADER = (
    "network",
    "depth",
    "top-1 error, paper",
    "ours",
    "top-5 error, paper",
    "ours",
    "images/s, paper",
    "ours",
)


class ClassificationRow(NamedTuple):
    """A row of the paper's table, and what was found for it: None where nothing was.

    `speed` is in images/s, measured on crops of `speed_size`.
    """

    published: Published
    weights: Optional[Path] = None
    evaluation: Optional[Evaluation] = None
    speed: Optional[float] = None
    speed_size: Optional[int] = None

    def __str__(self) -> str:
        parts = [self.published.title]
        if self.evaluation:
            parts.append(f"{self.weights}: top-1 error {100 - self.evaluation.top1:.2f} %")
        if self.speed:
            parts.append(f"{self.speed:.2f} images/s")
        return ", ".join(parts)

    def as_dict(self) -> Dict[str, Any]:
        """Return the row in plain types; errors in percent."""
        fields = {**vars(self.published), "weights": self.weights and str(self.weights)}
        if self.evaluation:
            accuracy = self.evaluation.accuracy
            fields["ours"] = {
                "images": self.evaluation.images,
                "subset": self.evaluation.subset,
                "protocol": str(self.evaluation.protocol),
                "model": self.evaluation.meaning and self.evaluation.meaning.as_dict(),
                "top1_error": 100 - accuracy.top1,
                "top5_error": 100 - accuracy.top5,
                "top1_standard_error": accuracy.top1_standard_error,
                "top5_standard_error": accuracy.top5_standard_error,
            }
        if self.speed:
            fields["our_speed"] = {"images_per_second": self.speed, "size": self.speed_size}
        return fields


def fill_table(
    weights_folder: Path,
    devices: Sequence[Any],
    *,
    computing: Computing = REFERENCE,
    data_root: Optional[Path] = None,
    networks: Sequence[str] = (),
    speed: bool = False,
    batch: int = 64,
    on_step: OnStep = lambda progress: None,
    on_row: Callable[[ClassificationRow], None] = lambda row: None,
) -> List[ClassificationRow]:
    """Test all weights of Table 1's networks in a folder.

    devices: those that an engine has opened; contexts of MXNet. computing: the engine and the
        precision.
    networks: only the rows of these (`model_a`, `vgg16`); default all.
    speed: also measure that of each network with MXNet, on the first device, ten images of the test
        crop at a time. On a CPU it takes ten minutes.

    Predictions are kept beside the weights, as `rnw eval-cls` does, and errors that were found
    before are not computed again. `on_row` is called with each row for which something was found.
    Weights for other classes than ILSVRC's are skipped with a warning.

    Raises InputError for unknown networks, a missing folder, weights that cannot be used, and
    missing data when there are weights.
    """
    rows = [
        ClassificationRow(row, _find_weights(weights_folder, row.network))
        for row in choose(networks)
    ]
    if any(row.weights for row in rows):
        dataset = find_dataset(DATASET)
        read_examples(dataset, dataset.test_split, data_root)  # or say now what is missing
    filled = []
    for row in rows:
        if row.weights:
            model = load_model(row.weights, devices, computing=computing)
            kept = row.weights.with_suffix("")
            found = evaluate(
                model, data_root=data_root, batch=batch, predictions=kept, on_step=on_step
            )
            row = row._replace(evaluation=found)
        if speed and row.published.network:
            row = _measure(row, row.published.network, devices[0])
        filled.append(row)
        if row.evaluation or row.speed:
            on_row(row)
    return filled


def choose(networks: Sequence[str]) -> Iterable[Published]:
    """Return the rows of these networks, or all rows if none is named.

    Raises InputError for a network that is not in the table.
    """
    if not networks:
        return TABLE_1
    known = [row.network for row in TABLE_1 if row.network]
    unknown = [name for name in networks if name not in known]
    if unknown:
        raise InputError(f"{unknown[0]}: not in Table 1; expected one of {', '.join(known)}")
    return [row for row in TABLE_1 if row.network in networks]


def _find_weights(folder: Path, network: Optional[str]) -> Optional[Path]:
    """Return the released file of a network in a folder, else the one with the last name."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such directory; expected one with .params files")
    files = sorted(path for path in folder.glob("*.params") if _is_for(path, network))
    files = [path for path in files if _has_all_classes(path)]
    released = [path for path in files if path.name in RELEASED]
    return next(iter(released + files[::-1]), None)


def _is_for(path: Path, network: Optional[str]) -> bool:
    baseline = baseline_of(path)
    if network is None or network in BASELINES or baseline:
        return baseline is not None and baseline.name == network
    try:
        label = parse_label(path)
        found = find_network(label.network)
    except InputError:  # of another kind of network
        return False
    wanted = find_network(network)
    same = (found.units, found.size, found.downsampling)
    classifier = label.dataset == DATASET and label.stride is None
    return classifier and same == (wanted.units, wanted.size, wanted.downsampling)


def _has_all_classes(path: Path) -> bool:
    """Return whether weights are for all classes of the dataset; warn of others."""
    dataset = find_dataset(DATASET)
    classes = dataset.classes if baseline_of(path) else parse_label(path).classes
    if classes != dataset.classes:
        logger.warning(
            "%s: skipped, it is for %d classes, %s has %d",
            *(path, classes, dataset.title, dataset.classes),
        )
    return classes == dataset.classes


def _measure(row: ClassificationRow, network: str, context: Any) -> ClassificationRow:
    from rnw.bench.inference import measure_speed  # starts MXNet

    net, size = untrained(network)
    return row._replace(speed=measure_speed(net, SPEED_BATCH, size, context), speed_size=size)


def untrained(name: str) -> Tuple[Any, int]:
    """Return a network of the table without weights, and the side of its test crop in pixels."""
    if name in BASELINES:
        from gluoncv.model_zoo import get_model  # slow to import

        return get_model(name), BASELINES[name].protocol.scales[0]
    from rnw.networks.classifier import get_network  # starts MXNet

    net = get_network(name)
    return net, own_protocol(find_dataset(DATASET), net.config.spec.size).scales[0]


def as_dict(rows: Sequence[ClassificationRow], device: str) -> Dict[str, Any]:
    """Return the table in plain types, with what must be known to read it."""
    return {
        "device": device,
        "speed_batch": SPEED_BATCH,
        "sources": {README: "README of the original code", REMEMBERED: "remembered, not checked"},
        "rows": [row.as_dict() for row in rows],
    }


def as_markdown(rows: Sequence[ClassificationRow], device: str) -> str:
    """Return the table as Markdown, with what must be known to read it."""
    cells = [HEADER, ("---",) * len(HEADER), *map(_cells, rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in cells)
    return table + "".join(f"\n{note}\n" for note in _notes(rows, device))


def _notes(rows: Sequence[ClassificationRow], device: str) -> Iterator[str]:
    tested = sorted({row.evaluation.images for row in rows if row.evaluation})
    if tested:
        images = " or ".join(f"{number:,}" for number in tested)
        yield f"Our errors are in percent with their standard error, on {images} images."
    subsets = sorted({row.evaluation.subset or 0 for row in rows if row.evaluation} - {0})
    if subsets:
        yield (
            f"They are of images of {' or '.join(map(str, subsets))} classes that the data was "
            "prepared for, and not to be compared with the paper's."
        )
    if any(row.speed for row in rows):
        yield (
            f"Our speed is on {device}, {SPEED_BATCH} images of the test crop at a time, with "
            "random weights; the paper's is the same on a GTX 980 with cuDNN 4."
        )
    yield (
        f"{REMEMBERED_MARK} remembered by readers of the paper, not checked against it; the "
        "paper's other errors are from the README of the original code."
    )


def _cells(row: ClassificationRow) -> Sequence[str]:
    paper, found = row.published, row.evaluation
    errors = [(paper.top1_error, "-"), (paper.top5_error, "-")]
    if found:
        ours = [f"{100 - value:.2f} ± {error:.2f}" for _, value, error in found.accuracy.by_k()]
        errors = list(zip((paper.top1_error, paper.top5_error), ours))
    (top1, our_top1), (top5, our_top5) = errors
    return (
        paper.title,
        _number(paper.depth, README, "d"),
        _number(top1, paper.errors_source, _form(paper)),
        our_top1,
        _number(top5, paper.errors_source, _form(paper)),
        our_top5,
        _number(paper.speed, paper.speed_source, ".1f"),
        f"{row.speed:.2f}" if row.speed else "-",
    )


def _form(paper: Published) -> str:
    return ".2f" if paper.errors_source == README else ".1f"


def _number(value: Optional[float], source: str, form: str) -> str:
    if value is None:
        return "-"
    return f"{value:{form}}" + REMEMBERED_MARK * (source == REMEMBERED)
