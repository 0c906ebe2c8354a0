"""Speed of whole evaluations beside that of the bare network, in the same process in turn.

An evaluation reads, scales and normalizes photographs, computes the network, finds labels, counts
and keeps predictions. What it takes beyond the network is to hide behind it.
"""

import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from rnw.bench.peers import Workload, make_forward
from rnw.bench.pictures import make_pictures
from rnw.bench.worker import Worker, check_counts, median_ratio, seconds_of
from rnw.data.own.description import CLASSIFICATION, SEGMENTATION, Description, Split
from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.described import TEST_SIZE, make_row
from rnw.evaluation.classification import evaluate as classification
from rnw.evaluation.classification import model as classifiers
from rnw.evaluation.classification.protocol import Protocol
from rnw.evaluation.engines.table import Forward, find_engine
from rnw.evaluation.segmentation import evaluate as segmentation
from rnw.evaluation.segmentation import model as segmenters
from rnw.memory import process_peak_mb
from rnw.networks.layout import NetworkConfig
from rnw.weights.precision import FLOAT32

# height and width in pixels: usual in ILSVRC, and as mixed as in PASCAL VOC
CLASSIFIED = ((375, 500),)
SEGMENTED = ((375, 500), (500, 333), (333, 500), (500, 375), (281, 500), (442, 500), (480, 640))
NEAREST = Image.Resampling.NEAREST
REGIONS = (8, 8)  # of one class each in a label map


class EvaluationSpeed(NamedTuple):
    """Speeds in images/s, medians over the repetitions.

    size: of the crops, or of the longer side of a picture that is segmented. bare: the speed of the
    network alone on the same batches. kept: the speed of the evaluation over that of the network,
    the median over the turns. processor_share: the processor time of the network alone over that of
    the evaluation, likewise; it depends little on other programs, so that a smaller `kept` tells of
    waiting, or of cores that others used. peak_memory_mb: of the process, in 10^6 bytes.
    """

    network: str
    engine: str
    precision: str
    images: int
    size: int
    images_per_second: float
    bare: float
    kept: float
    processor_share: float
    peak_memory_mb: float


def usual_size(config: NetworkConfig) -> int:
    """Return the size that a network is tested at: as in the paper, or of the pictures of VOC."""
    if config.segmentation:
        return TEST_SIZE
    return int(config.spec.size * find_dataset("ilsvrc-cls").test_scale)


def bench_evaluation(
    work: Workload,
    *,
    engine: Optional[str] = None,
    precision: str = FLOAT32,
    images: int = 96,
    repetitions: int = 3,
) -> EvaluationSpeed:
    """Time evaluating `images` JPEG files in turn with the network alone.

    A classifier is tested by crops of `work.size` pixels, `work.batch` at a time; a segmentation
    network by pictures of mixed sizes, one at a time, whose longer side is scaled to `work.size`.
    Predictions are kept in files. engine: its name, by default the first that is installed.

    Raises InputError for numbers below 1, and where the engine is not installed or cannot compute
    in the precision on these devices.
    """
    check_counts(batch=work.batch, size=work.size, images=images, repetitions=repetitions)
    chosen = find_engine(engine).name
    with tempfile.TemporaryDirectory() as folder:
        asked = (chosen, precision, work, images, folder)
        with Worker("the evaluation", _make_turns, *asked) as worker:
            turns = [(worker.ask("evaluation"), worker.ask("bare")) for _ in range(repetitions)]
            memory = worker.ask("memory")
    seconds, processor = zip(*(zip(*turn) for turn in turns))
    whole, bare = zip(*seconds)
    of_evaluation, of_network = zip(*processor)
    return EvaluationSpeed(
        work.config.name,
        chosen,
        precision,
        images,
        work.size,
        images / float(np.median(whole)),
        images / float(np.median(bare)),
        median_ratio(bare, whole),
        median_ratio(of_network, of_evaluation),
        memory,
    )


def _make_turns(
    engine: str, precision: str, work: Workload, images: int, folder: str
) -> Callable[[str], Any]:
    """Make files and network; return what answers "evaluation", "bare" and "memory"."""
    segmented = work.config.segmentation
    forward = make_forward(engine, precision, work)
    description = _make_dataset(Path(folder), work.config.classes, images, segmented=segmented)
    evaluate = (_segmentation if segmented else _classification)(forward, description, work)
    batches = list(_batches(work, images))
    for data in {data.shape: data for data in batches}.values():
        forward(data)

    def answer(request: str) -> Any:
        if request == "memory":
            return process_peak_mb()
        if request == "bare":
            return _time_of(lambda: [forward(data) for data in batches])
        with tempfile.TemporaryDirectory(dir=folder) as kept:
            return _time_of(lambda: evaluate(Path(kept)))

    answer("evaluation")  # a warm-up
    return answer


def _time_of(run: Callable[[], Any]) -> Tuple[float, float]:
    """Return how many seconds a call takes, and how many of processor time in all threads."""
    start = time.process_time()
    return seconds_of(run), time.process_time() - start


def _batches(work: Workload, images: int) -> Iterator[np.ndarray]:
    """Yield what the network is given in an evaluation, by shape."""
    stride = work.config.stride if work.config.segmentation else 1
    side = -(-work.size // stride) * stride
    batch = 1 if work.config.segmentation else work.batch
    data = np.random.RandomState(0).standard_normal((batch, 3, side, side)).astype(np.float32)
    for start in range(0, images, batch):
        yield data[: images - start]


Evaluate = Callable[[Path], Any]


def _classification(forward: Forward, description: Description, work: Workload) -> Evaluate:
    dataset: Any = make_row(description)
    model = classifiers.Model(forward, dataset, Protocol((work.size,)))
    return lambda kept: classification.evaluate(model, batch=work.batch, predictions=kept)


def _segmentation(forward: Forward, description: Description, work: Workload) -> Evaluate:
    dataset: Any = make_row(description)
    scorer = segmenters.Scorer(forward, work.config.stride)
    model = segmenters.Model([scorer], dataset, segmenters.own_protocol(dataset))
    model = model.tested_by(scales=(work.size,))
    return lambda kept: segmentation.evaluate(model, predictions=kept)


def _make_dataset(folder: Path, classes: int, images: int, *, segmented: bool) -> Description:
    """Write photographs, and label maps of them, as a dataset of one's own."""
    names = tuple(f"class{number}" for number in range(classes))
    pictures = folder / "images" / ("" if segmented else names[0])
    pictures.mkdir(parents=True)
    shapes = SEGMENTED if segmented else CLASSIFIED
    written = make_pictures(pictures, images, shapes)
    split = Split(images="images", labels="labels" if segmented else "")
    if segmented:
        (folder / "labels").mkdir()
        random = np.random.RandomState(0)
        for index, name in enumerate(written):
            regions = random.randint(0, classes, REGIONS).astype(np.uint8)
            labels = Image.fromarray(regions).resize(shapes[index % len(shapes)][::-1], NEAREST)
            labels.save((folder / "labels" / name).with_suffix(".png"))
    task = SEGMENTATION if segmented else CLASSIFICATION
    return Description(task, {"val": split}, name="bench", root=folder, classes=names)
