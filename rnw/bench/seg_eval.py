"""Speed of labeling and scoring full-size pictures beside Pillow's upsampling of every class."""

import statistics
import time
from functools import partial
from typing import Any, Callable, List, NamedTuple, Tuple

import numpy as np
from PIL import Image

from rnw.bench.worker import check_counts
from rnw.evaluation.segmentation.confusion import Confusion
from rnw.evaluation.segmentation.score_maps import ScoreMap
from rnw.evaluation.segmentation.upsampling import label, upsample

STRIDE = 8
CASES = (  # classes, height and width of the picture
    (19, 1024, 2048),  # Cityscapes
    (21, 500, 500),  # VOC
    (150, 500, 500),  # ADE20K
)


class ScoringSpeed(NamedTuple):
    """Seconds of processor time of all threads, medians over the rounds.

    label: finding the labels from random score maps. pillow: upsampling these maps class by class,
    without finding the largest. ratio: label over pillow, the median over the rounds. score:
    counting the pixels of each class. other_labels: the number of labels whose score is not the
    largest, up to 1e-5.
    """

    classes: int
    height: int
    width: int
    label: float
    pillow: float
    ratio: float
    score: float
    other_labels: int


def bench_scoring(*, repetitions: int = 5) -> List[ScoringSpeed]:
    """Time the steps after the network for pictures of Cityscapes, VOC and ADE20K.

    Raises InputError for no repetitions.
    """
    check_counts(repetitions=repetitions)
    return [_measure(*case, repetitions) for case in CASES]


def _measure(classes: int, height: int, width: int, repetitions: int) -> ScoringSpeed:
    stream = np.random.RandomState(0)
    size = (height, width)
    cells = tuple(-(-side // STRIDE) for side in size)
    scores = stream.uniform(size=(classes, *cells)).astype(np.float32)
    found = ScoreMap(scores, STRIDE, size)
    truth = stream.randint(0, classes, size).astype(np.uint8)
    rounds = []
    for _ in range(1 + repetitions):
        labeling, labels = _timed(lambda: label([found], size))
        upsampling, _ = _timed(lambda: _resize_each(found))
        counting, _ = _timed(partial(Confusion(classes).add, truth, labels))
        rounds.append((labeling, upsampling, labeling / upsampling, counting))
    medians = (statistics.median(times) for times in zip(*rounds[1:]))  # the first: a warm-up
    labeling, upsampling, ratio, counting = medians
    planes = upsample(found, size)
    chosen = np.take_along_axis(planes, labels[None].astype(int), axis=0)[0]
    other = int((chosen < planes.max(axis=0) - 1e-5).sum())
    return ScoringSpeed(classes, height, width, labeling, upsampling, ratio, counting, other)


def _resize_each(found: ScoreMap) -> None:
    for scores in found.scores:
        height, width = (side * found.stride for side in scores.shape)
        Image.fromarray(scores).resize((width, height), Image.Resampling.BICUBIC)


def _timed(run: Callable[[], Any]) -> Tuple[float, Any]:
    start = time.process_time()
    value = run()
    return time.process_time() - start, value
