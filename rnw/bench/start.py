"""How quickly commands start, beside Python that imports click alone.

What counts is processor time, on which other programs have little influence.
"""

import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple, Sequence, Tuple

from PIL import Image

from rnw.bench.weights import random_parameters
from rnw.bench.worker import check_counts, median_ratio, run_python
from rnw.networks.layout import configure
from rnw.weights.labels import ModelLabel
from rnw.weights.ndarray_file import write_arrays

LABEL = ModelLabel("digits", "28-1-1-1-1-1-1-1", 10)
HELP = ((), ("train-cls",), ("eval-seg",), ("bench",))  # with many commands, or many options


class StartSpeed(NamedTuple):
    """Seconds of processor time of new processes, medians over the repetitions.

    bare: of Python that imports click. help: of the command whose `--help` takes longest.
    predict: of `rnw predict` of one digit. help_ratio, predict_ratio: these two over bare, the
    medians over the turns.
    """

    bare: float
    help: float
    predict: float
    help_ratio: float
    predict_ratio: float


def bench_start(*, repetitions: int = 5) -> StartSpeed:
    """Time `--help` of commands and the prediction of a digit, by a network with random weights.

    Raises InputError for no repetitions, and when a command fails.
    """
    check_counts(repetitions=repetitions)
    with tempfile.TemporaryDirectory() as folder:
        predict = ("predict", *_digit_files(Path(folder)))
        turns = [_turn(predict) for _ in range(1 + repetitions)][1:]  # the first: a warm-up
    bare, helped, predicted = zip(*turns)
    return StartSpeed(
        statistics.median(bare),
        statistics.median(helped),
        statistics.median(predicted),
        median_ratio(helped, bare),
        median_ratio(predicted, bare),
    )


def _digit_files(folder: Path) -> Tuple[str, ...]:
    """Write weights and a picture; return what `rnw predict` is to be given."""
    weights, picture = folder / LABEL.params_file(1), folder / "digit.png"
    write_arrays(weights, random_parameters(configure(LABEL.network, LABEL.classes)))
    Image.new("RGB", (28, 28), "white").save(picture)
    return "--weights", str(weights), str(picture)


def _turn(predict: Sequence[str]) -> Tuple[float, float, float]:
    """Return the seconds of Python alone, of the slowest help, and of the prediction."""
    bare = _processor_seconds("-c", "import click")
    helped = max(_processor_seconds("-m", "rnw", *names, "--help") for names in HELP)
    return bare, helped, _processor_seconds("-m", "rnw", *predict)


def _processor_seconds(*arguments: str) -> float:
    """Run Python in a new process; return the processor time that it takes."""
    _, usage = run_python(*arguments)
    return usage.ru_utime + usage.ru_stime
