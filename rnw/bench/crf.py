"""Speed of the fully connected CRF with and without numba, beside pydensecrf in the same run.

pydensecrf is the usual binding to the authors' C++ code. Times are processor time, as on one core.
"""

import importlib
import statistics
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional

import numpy as np
from PIL import Image

from rnw.bench.pictures import make_pictures
from rnw.bench.worker import check_counts
from rnw.errors import InputError
from rnw.evaluation.segmentation.crf import (
    CRFS,
    LEAST_PROBABILITY,
    CrfParameters,
    can_compile,
    compiled_refinement,
    sparse_refinement,
)

SETTINGS = ("deeplab", "kraehenbuehl")
COARSE = 16  # cells along a side of the random scores, which are enlarged to the picture

Refinement = Callable[[np.ndarray, np.ndarray, CrfParameters], np.ndarray]


class CrfSpeed(NamedTuple):
    """Seconds that refining one picture takes, medians over the rounds; None for what is missing.

    setting: the row of `CRFS`. sparse: by SciPy alone. compiled: with numba. pydensecrf: by that.
    ratio: pydensecrf over the faster of ours, the median over the rounds. other_labels: the share
    of pixels that pydensecrf labels otherwise.
    """

    setting: str
    sparse: float
    compiled: Optional[float]
    pydensecrf: Optional[float]
    ratio: Optional[float]
    other_labels: Optional[float]


def bench_crf(size: int = 500, classes: int = 21, *, repetitions: int = 3) -> List[CrfSpeed]:
    """Time the CRF on a picture of (size, size) and random scores of `classes`, per setting.

    Raises InputError for a size below 51, where sums are exact, and other numbers below 1.
    """
    if size <= 50:
        raise InputError(f"size is {size}, expected at least 51")
    check_counts(classes=classes, repetitions=repetitions)
    with tempfile.TemporaryDirectory() as folder:
        (name,) = make_pictures(Path(folder), 1)
        image = np.array(Image.open(Path(folder) / name).resize((size, size)))
    probabilities = _probabilities(size, classes)
    return [_measure(setting, probabilities, image, repetitions) for setting in SETTINGS]


def _probabilities(size: int, classes: int) -> np.ndarray:
    """Return smooth random probabilities (classes, size, size) float32."""
    cells = np.random.RandomState(0).normal(0, 3, (classes, COARSE, COARSE)).astype(np.float32)
    maps = (
        Image.fromarray(scores).resize((size, size), Image.Resampling.BILINEAR) for scores in cells
    )
    exponentials = np.exp(np.stack([np.array(scores) for scores in maps]))
    return exponentials / exponentials.sum(axis=0)


def _measure(
    setting: str, probabilities: np.ndarray, image: np.ndarray, repetitions: int
) -> CrfSpeed:
    ways: Dict[str, Refinement] = {"sparse": sparse_refinement}
    if can_compile():
        ways["compiled"] = compiled_refinement
        compiled_refinement(probabilities[:, :60, :60], image[:60, :60], CRFS[setting])  # compiles
    if find_spec("pydensecrf"):
        ways["pydensecrf"] = _refine_by_pydensecrf
    rounds, found = [], {}
    for _ in range(repetitions):
        seconds = {}
        for name, way in ways.items():
            start = time.process_time()
            found[name] = way(probabilities, image, CRFS[setting]).argmax(axis=0)
            seconds[name] = time.process_time() - start
        rounds.append(seconds)
    medians = {name: statistics.median(seconds[name] for seconds in rounds) for name in ways}
    ours = "compiled" if "compiled" in ways else "sparse"
    theirs = found.get("pydensecrf")
    return CrfSpeed(
        setting,
        medians["sparse"],
        medians.get("compiled"),
        medians.get("pydensecrf"),
        ratio=None
        if theirs is None
        else statistics.median(s["pydensecrf"] / s[ours] for s in rounds),
        other_labels=None if theirs is None else float((found[ours] != theirs).mean()),
    )


def _refine_by_pydensecrf(
    probabilities: np.ndarray, image: np.ndarray, parameters: CrfParameters
) -> np.ndarray:
    classes, height, width = probabilities.shape
    crf = importlib.import_module("pydensecrf.densecrf").DenseCRF2D(width, height, classes)
    energies = -np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    crf.setUnaryEnergy(energies.reshape(classes, -1))
    crf.addPairwiseGaussian(sxy=parameters.smoothness_position, compat=parameters.smoothness_weight)
    crf.addPairwiseBilateral(
        sxy=parameters.appearance_position,
        srgb=parameters.appearance_color,
        rgbim=image,
        compat=parameters.appearance_weight,
    )
    return np.array(crf.inference(parameters.iterations)).reshape(probabilities.shape)
