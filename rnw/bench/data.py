"""Speed of the training transform beside a plain transcription of the original's, in the same run.

Rates are per second of processor time, which other programs on the machine hardly change; only the
loader, which works in other processes, is timed by the clock.
"""

import contextlib
import io
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

import cv2
import numpy as np
from PIL import Image

from rnw.bench.pictures import make_pictures
from rnw.bench.worker import check_counts
from rnw.data import transforms
from rnw.data.augmentation import Augmentation
from rnw.data.loader import Loader, Loading
from rnw.data.readers import ImageList
from rnw.data.waiting import never
from rnw.runtime import cpu_cores

BATCH = 32
LOADED = 80  # batches of a loader that are timed


class DataSpeed(NamedTuple):
    """Speeds in images/s, medians over the repetitions, and medians of ratios to the yardstick.

    yardstick: the plain transcription of the original's transform. reference, fast: ours with
    Pillow and with OpenCV. identical: whether the reference gave the yardstick's arrays bit for
    bit. difference: the mean difference of fast from reference in gray levels (of 255).

    loader: the best rates of the fast path with one process, with two, and of two loaders with one
    process each at the same time, which is what the machine can do. scaling: the second of these
    over the first. kept: the second over the third. All three are None on a single core.
    """

    images: int
    size: int
    yardstick: float
    reference: float
    fast: float
    reference_ratio: float
    fast_ratio: float
    identical: bool
    difference: float
    loader: Optional[List[float]]
    scaling: Optional[float]
    kept: Optional[float]


def bench_data(images: int = 64, size: int = 224, *, repetitions: int = 5) -> DataSpeed:
    """Time decoding and augmenting `images` JPEGs of 500x375 for training at (size, size).

    Raises InputError for numbers below 1.
    """
    check_counts(images=images, size=size, repetitions=repetitions)
    with tempfile.TemporaryDirectory() as folder, one_thread():
        names = make_pictures(Path(folder), images)
        contents = [(Path(folder) / name).read_bytes() for name in names]
        chains = {
            "yardstick": lambda content, random, out: _plain_chain(content, size, random, out),
            "reference": chain(Augmentation(size, "pillow")),
            "fast": chain(Augmentation(size, "opencv")),
        }
        results = {name: _results(chain, contents, size) for name, chain in chains.items()}
        rounds = [time_chains(chains, contents, size) for _ in range(repetitions)]
        loader = _loader_rates(Path(folder), names, size, repetitions) if cpu_cores() > 1 else None
    levels = 255 * transforms.EXACT_DEVIATION[:, None, None]
    return DataSpeed(
        images,
        size,
        **{name: statistics.median(rates[name] for rates in rounds) for name in chains},
        reference_ratio=statistics.median(r["reference"] / r["yardstick"] for r in rounds),
        fast_ratio=statistics.median(r["fast"] / r["yardstick"] for r in rounds),
        identical=np.array_equal(results["reference"], results["yardstick"]),
        difference=float(np.mean(np.abs(results["fast"] - results["reference"]) * levels)),
        loader=loader,
        scaling=loader[1] / loader[0] if loader else None,
        kept=loader[1] / loader[2] if loader else None,
    )


Chain = Callable[[bytes, np.random.RandomState, np.ndarray], None]


def chain(augmentation: Augmentation) -> Chain:
    """Return the transform of training as a function that is timed."""
    return lambda content, random, out: augmentation(content, "picture", random, out)


def _results(chain: Chain, contents: List[bytes], size: int) -> np.ndarray:
    out = np.empty((len(contents), 3, size, size), np.float32)
    for index, content in enumerate(contents):
        chain(content, np.random.RandomState([0, 0, index]), out[index])
    return out


def time_chains(chains: Dict[str, Chain], contents: List[bytes], size: int) -> Dict[str, float]:
    """Return images per second of processor time for each chain, one after the other."""
    rates = {}
    out = np.empty((3, size, size), np.float32)
    random = np.random.RandomState()
    for name, chain in chains.items():
        start = time.process_time()
        for index, content in enumerate(contents):
            random.seed([0, 0, index])
            chain(content, random, out)
        rates[name] = len(contents) / (time.process_time() - start)
    return rates


def _loader_rates(folder: Path, names: List[str], size: int, repetitions: int) -> List[float]:
    """Return the best rates with one process, with two, and of two loaders at once, in turn."""
    listed = repeated(folder, names)
    runs = [partial(loader_rate, listed, size, workers) for workers in (1, 2)]
    runs.append(partial(_rate_of_two_loaders, listed, size))
    rounds = [[run() for run in runs] for _ in range(repetitions)]
    return [max(rates) for rates in zip(*rounds)]


def repeated(folder: Path, names: List[str]) -> ImageList:
    """Return pictures of a folder, again and again, as many as are timed with a loader."""
    count = BATCH * LOADED
    again = [names[index % len(names)] for index in range(count)]
    return ImageList(folder, again, np.zeros(count, np.int64))


def _rate_of_two_loaders(listed: ImageList, size: int) -> float:
    over = threading.Event()  # also set at Ctrl-C, which only this thread receives
    with ThreadPoolExecutor(2) as pool:
        try:
            return sum(pool.map(lambda _: loader_rate(listed, size, 1, over.is_set), range(2)))
        finally:
            over.set()


def loader_rate(
    listed: ImageList, size: int, workers: int, stopped: Callable[[], bool] = never
) -> float:
    """Return the images/s of a loader with so many processes, by the clock."""
    loader = Loader(listed, BATCH, 0, size=size, loading=Loading(workers=workers))
    with contextlib.closing(loader.epoch(0, stopped=stopped)) as batches:
        next(batches)  # the processes have started
        start = time.perf_counter()
        done = sum(len(labels) for _, labels in batches)
        return done / (time.perf_counter() - start)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV use one thread in the block."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _plain_chain(content: bytes, size: int, random: np.random.RandomState, out: np.ndarray) -> None:
    """Apply the original's training transform, step by step as written, with Pillow and NumPy."""
    image = np.array(Image.open(io.BytesIO(content)).convert("RGB"), np.uint8)
    data = _plain_crop(image, size, random).astype(np.float32)
    data *= np.float32(1 / 255)
    for step in random.permutation(3):
        factor = 1 + random.uniform(-0.4, 0.4)
        gray = np.zeros((size, size, 1), np.float32)
        gray[:, :, 0] = (data * np.array(transforms.GREY).reshape(1, 1, 3)).sum(2)
        other = (0, gray.mean(), gray)[step]
        data *= factor
        data += other * (1 - factor)
    weights = random.normal(0, 0.1, 3).reshape(1, 3)
    shift = transforms.EIGENVECTORS * weights * transforms.EIGENVALUES.reshape(1, 3)
    data += shift.sum(1).astype(np.float32).reshape(1, 1, 3)
    data /= 1 + 0.1
    data = np.minimum(1, np.maximum(0, data, out=data), out=data)
    if random.randint(2) == 0:
        data = data[:, ::-1]
    data = data.astype(np.float64)
    data -= transforms.EXACT_MEAN.reshape(1, 1, 3)
    data /= transforms.EXACT_DEVIATION.reshape(1, 1, 3)
    out[:] = data.transpose(2, 0, 1)


def _plain_crop(image: np.ndarray, size: int, random: np.random.RandomState) -> np.ndarray:
    while True:
        area = random.uniform(0.08, 1) * (image.shape[0] * image.shape[1])
        aspect = random.uniform(3 / 4, 4 / 3)
        height = int(np.round(np.sqrt(area / aspect)))
        width = int(np.round(np.sqrt(area * aspect)))
        if random.randint(2) == 0:
            height, width = width, height
        if height <= image.shape[0] and width <= image.shape[1]:
            top = random.randint(image.shape[0] - height + 1)
            left = random.randint(image.shape[1] - width + 1)
            crop = image[top : top + height, left : left + width]
            return transforms.resize(crop, size, size)
