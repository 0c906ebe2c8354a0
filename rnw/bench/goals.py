"""TABLE of the goals of speed and memory, and their measurement in one run.

Every ratio is one of two measurements of the same run, so that it depends little on the machine.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
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

from rnw.bench.worker import check_counts, median_and_noise
from rnw.errors import InputError, look_up
from rnw.evaluation.engines.table import ENGINES, ONNXRUNTIME
from rnw.networks.layout import configure
from rnw.runtime import make_contexts
from rnw.weights.precision import BFLOAT16, FLOAT32, check_precision

if TYPE_CHECKING:
    from rnw.bench.crf import CrfSpeed
    from rnw.bench.evaluation import EvaluationSpeed
    from rnw.bench.frontier import RecomputedShare
    from rnw.bench.loss import LossSpeed
    from rnw.bench.pass_memory import PassMemory
    from rnw.bench.peers import PeerSpeed, Standing
    from rnw.bench.reading import ReadingSpeed
    from rnw.bench.seg_eval import ScoringSpeed
    from rnw.bench.start import StartSpeed
    from rnw.bench.train import TrainingSpeed

NETWORK, SEGMENTATION_NETWORK = "model_a1", "fcn_a1"
CLASSIFIED, SEGMENTED = 96, 12  # pictures
_PASSES = (  # networks, and batch, height and width of what they are given
    (NETWORK, (8, 224, 224)),
    (SEGMENTATION_NETWORK, (1, 512, 1024)),
    (SEGMENTATION_NETWORK, (1, 1024, 2048)),
)
HELP_LIMIT, PREDICTION_LIMIT = 4.0, 60.0  # 0.16 and 2.4 s where importing click takes 0.04


@dataclass(frozen=True)
class Goal:
    """A ratio, and what it has to be at least, or `at_most`.

    ratio: a function of what is measured; it gives None where a part of that is missing.
    """

    name: str
    limit: float
    ratio: Callable[[Any], Optional[float]]
    at_most: bool = False

    def is_met(self, ratio: float, noise: float) -> bool:
        """Return whether a ratio falls short by no more than the noise of its measurement."""
        if self.at_most:
            return ratio - noise <= self.limit
        return ratio + noise >= self.limit


@dataclass(frozen=True)
class Measurement:
    """A measurement, whose result has the ratios of one or several goals.

    run: a function of the width of networks, a factor on the channels of all layers.
    """

    name: str
    run: Callable[[float], Any]
    goals: Tuple[Goal, ...]


class Outcome(NamedTuple):
    """A goal beside what was measured: the median ratio, and half the distance of its quartiles.

    ratio and met are None where it could not be measured, and `missing` says why.
    """

    measurement: str
    name: str
    limit: float
    at_most: bool
    ratio: Optional[float] = None
    noise: float = 0.0
    met: Optional[bool] = None
    missing: str = ""

    def __str__(self) -> str:
        bound = f"at {'most' if self.at_most else 'least'} {self.limit:g}"
        if self.ratio is None:
            return f"{self.measurement}: {self.name}: {bound}: not measured: {self.missing}"
        verdict = "met" if self.met else "NOT MET"
        found = f"{self.ratio:.4g} +- {self.noise:.2g}"
        return f"{self.measurement}: {self.name}: {bound}: {found}, {verdict}"


def measure_goals(
    names: Sequence[str] = (),
    *,
    rounds: int = 3,
    width: float = 1.0,
    table: Optional[Dict[str, Measurement]] = None,
) -> Iterator[Outcome]:
    """Yield every goal with its ratio, measured `rounds` times.

    names: of the measurements, by default all of `MEASUREMENTS`. width: a factor on the channels of
    networks; goals are those of width 1. table: other measurements than these.

    A goal whose measurement needs what this machine has not is yielded without a ratio. Raises
    InputError for an unknown name and for fewer than one round.
    """
    table = MEASUREMENTS if table is None else table
    check_counts(rounds=rounds)
    chosen = [look_up(table, name, "measurement") for name in names] or list(table.values())
    for measurement in chosen:
        yield from _measure(measurement, rounds, width)


def _measure(measurement: Measurement, rounds: int, width: float) -> List[Outcome]:
    rows = [
        Outcome(measurement.name, goal.name, goal.limit, goal.at_most) for goal in measurement.goals
    ]
    try:
        results = [measurement.run(width) for _ in range(rounds)]
    except (InputError, ModuleNotFoundError) as error:
        return [row._replace(missing=str(error)) for row in rows]
    return [_compare(goal, row, results) for goal, row in zip(measurement.goals, rows)]


def _compare(goal: Goal, row: Outcome, results: Sequence[Any]) -> Outcome:
    ratios = [ratio for ratio in map(goal.ratio, results) if ratio is not None]
    if len(ratios) < len(results):
        return row._replace(missing="there is nothing here to compare with")
    ratio, noise = median_and_noise(ratios)
    return row._replace(ratio=ratio, noise=noise, met=goal.is_met(ratio, noise))


class _Inference(NamedTuple):
    """The speed of the engine that is used by default, and how the best engine stands."""

    speed: "PeerSpeed"
    standing: Optional["Standing"]

    @property
    def best(self) -> Optional[float]:
        return self.standing.ratio if self.standing else None


def _peers(precision: str, width: float) -> _Inference:
    """Return how fast the engines are in a precision.

    Raises InputError where it cannot compute in it.
    """
    from rnw.bench.peers import Workload, compare_peers

    if precision == BFLOAT16:
        check_precision(precision, ["cpu"], newer=True)
    work = Workload(configure(NETWORK, width=width), batch=8, size=224)
    found = compare_peers(work, peers=True, precision=precision, repetitions=3)
    speed = next(speed for speed in found.speeds if speed.precision == precision)
    standing = next((row for row in found.standings if row.precision == precision), None)
    return _Inference(speed, standing)


def _evaluation(
    network: str, images: int, engine: str, precision: str, width: float
) -> "EvaluationSpeed":
    from rnw.bench.evaluation import bench_evaluation, usual_size
    from rnw.bench.peers import Workload

    config = configure(network, width=width)
    work = Workload(config, batch=64, size=usual_size(config))
    asked = {"engine": engine, "precision": precision}
    return bench_evaluation(work, images=images, repetitions=1, **asked)


def _training(width: float) -> Dict[str, "TrainingSpeed"]:
    from rnw.bench.train import bench_training

    rows = bench_training(NETWORK, batch=8, size=224, repetitions=3, width=width)
    return {row.variant: row for row in rows}


def _recomputation(share: float, width: float) -> "RecomputedShare":
    from rnw.bench.frontier import bench_share

    return bench_share(NETWORK, 8, 224, share, width=width)


def _loss(crops: int, network: Optional[str], width: float) -> "LossSpeed":
    """Measure the loss of crops of the paper's, and a step of a network with it."""
    (context,) = make_contexts()
    from rnw.bench.loss import bench_loss  # starts MXNet

    return bench_loss(crops, 21, 63, context, network=network, width=width)


def _pass_memory(
    network: str, shape: Tuple[int, int, int], engine: str, width: float
) -> "PassMemory":
    from rnw.bench.pass_memory import measure_pass

    return measure_pass(configure(network, width=width), *shape, engine=engine)


def _start(width: float) -> "StartSpeed":
    from rnw.bench.start import bench_start

    return bench_start(repetitions=3)


def _reading(width: float) -> "ReadingSpeed":
    from rnw.bench.reading import bench_reading

    return bench_reading()


def _crf(width: float) -> List["CrfSpeed"]:
    from rnw.bench.crf import bench_crf

    return bench_crf()


def _slowest_crf(rows: Sequence["CrfSpeed"]) -> Optional[float]:
    """Return pydensecrf's time over ours, the least over the settings; None without it."""
    return min((row.ratio for row in rows if row.ratio is not None), default=None)


def _labels(width: float) -> List["ScoringSpeed"]:
    from rnw.bench.seg_eval import bench_scoring

    return bench_scoring()


def _evaluations() -> Iterator[Measurement]:
    kept = (Goal("speed over that of the network alone", 0.95, lambda found: found.kept),)
    for engine in ENGINES:
        for precision in (FLOAT32, BFLOAT16) if engine != ONNXRUNTIME else (FLOAT32,):
            run = partial(_evaluation, NETWORK, CLASSIFIED, engine, precision)
            yield Measurement(f"evaluation-{engine}-{precision}", run, kept)
    run = partial(_evaluation, SEGMENTATION_NETWORK, SEGMENTED, ONNXRUNTIME, FLOAT32)
    yield Measurement(f"segmentation-{ONNXRUNTIME}", run, kept)


def _recomputing(name: str, share: float, time: float) -> Measurement:
    memory = "activations with recomputation over those without"
    return Measurement(
        f"recomputation-{name}",
        partial(_recomputation, share),
        (
            Goal(memory, share, lambda found: found.memory, at_most=True),
            Goal("time over that without", time, lambda found: found.time, at_most=True),
        ),
    )


def _memories() -> Iterator[Measurement]:
    goal = Goal(
        "memory beyond parameters over what the graph needs",
        1.2,
        lambda found: found.ratio,
        at_most=True,
    )
    for engine, (network, shape) in product(ENGINES, _PASSES):
        name = "x".join(map(str, shape[1:]))
        run = partial(_pass_memory, network, shape, engine)
        yield Measurement(f"memory-{engine}-{name}", run, (goal,))


MEASUREMENTS: Dict[str, Measurement] = {
    row.name: row
    for row in (
        Measurement(
            "inference",
            partial(_peers, FLOAT32),
            (
                Goal("speed over that of the best other", 0.98, lambda found: found.speed.ratio),
                Goal("the best engine over the best peer", 0.98, lambda found: found.best),
            ),
        ),
        Measurement(
            f"inference-{BFLOAT16}",
            partial(_peers, BFLOAT16),
            (
                Goal("speed over that in float32", 1.9, lambda found: found.speed.gain),
                Goal("speed over that of the best other", 0.95, lambda found: found.speed.ratio),
                Goal("the best engine over the best peer", 0.95, lambda found: found.best),
            ),
        ),
        *_evaluations(),
        Measurement(
            "training",
            _training,
            (
                Goal(
                    "time over that of Module",
                    1.0,
                    lambda rows: 1 / rows["module"].ratio,
                    at_most=True,
                ),
            ),
        ),
        _recomputing("half", 1 / 2, 1.25),
        _recomputing("third", 1 / 3, 1.4),
        *_memories(),
        Measurement(
            "loss",
            partial(_loss, 4, None),
            (
                Goal(
                    "time over that of SoftmaxOutput alone",
                    1.0,
                    lambda found: found.softmax_ratio,
                    at_most=True,
                ),
            ),
        ),
        Measurement(
            "loss-share",
            partial(_loss, 1, SEGMENTATION_NETWORK),
            (
                Goal(
                    "time over that of a step of FCN A1",
                    0.01,
                    lambda found: found.share,
                    at_most=True,
                ),
            ),
        ),
        Measurement(
            "start",
            _start,
            (
                Goal(
                    "time of the slowest --help over that of importing click",
                    HELP_LIMIT,
                    lambda found: found.help_ratio,
                    at_most=True,
                ),
                Goal(
                    "time of predicting a digit over that of importing click",
                    PREDICTION_LIMIT,
                    lambda found: found.predict_ratio,
                    at_most=True,
                ),
            ),
        ),
        Measurement(
            "reading",
            _reading,
            (
                Goal("speed over the best of torchvision's", 1.3, lambda found: found.ratio),
                Goal("speed of two processes over one", 1.95, lambda found: found.scaling),
            ),
        ),
        Measurement("crf", _crf, (Goal("speed over pydensecrf's", 1.0, _slowest_crf),)),
        Measurement(
            "labels",
            _labels,
            (
                Goal(
                    "time over that of upsampling by Pillow",
                    1.0,
                    lambda cases: max(case.ratio for case in cases),
                    at_most=True,
                ),
            ),
        ),
    )
}
