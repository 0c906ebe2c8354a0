"""Speed of reading pictures for training beside torchvision's, and with more processes.

Rates of one core are per second of processor time, those of several processes by the clock.
"""

import importlib
import io
import math
import statistics
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np
from PIL import Image

from rnw.bench.data import (
    Chain,
    chain,
    loader_rate,
    one_thread,
    repeated,
    time_chains,
)
from rnw.bench.pictures import make_pictures
from rnw.bench.worker import check_counts
from rnw.data import transforms
from rnw.data.augmentation import Augmentation
from rnw.data.readers import ImageList
from rnw.errors import InputError
from rnw.runtime import cpu_cores

OURS = "rnw"


class ReadingSpeed(NamedTuple):
    """Rates in images/s; all decode a JPEG and augment it as the paper does (section 4).

    core: rates on one core by name, medians over the repetitions: ours, and where torchvision is
    installed its second transforms after its own decoder and after Pillow's. ratio: ours over the
    best of the others, the median over the repetitions; None without others. processes: the best
    rate of our loader by its number of processes. scaling: the rate of two over that of one; None
    on a single core. cores: how many feed `gpus` GPUs that train on `gpu_rate` images/s each, at
    the rate of a process beside as many others as there are cores; None without a rate.
    """

    images: int
    size: int
    core: Dict[str, float]
    ratio: Optional[float]
    processes: Dict[int, float]
    scaling: Optional[float]
    gpus: int
    gpu_rate: Optional[float]
    cores: Optional[int]


def bench_reading(
    images: int = 64,
    size: int = 224,
    *,
    gpus: int = 4,
    gpu_rate: Optional[float] = None,
    repetitions: int = 5,
) -> ReadingSpeed:
    """Time decoding and augmenting `images` JPEGs of 500x375 for training at (size, size).

    Raises InputError for numbers below 1.
    """
    check_counts(images=images, size=size, gpus=gpus, repetitions=repetitions)
    if gpu_rate is not None and not gpu_rate > 0:
        raise InputError(f"the rate of a GPU is {gpu_rate}, expected more than 0")
    chains = {OURS: chain(Augmentation(size)), **_peer_chains(size)}
    with tempfile.TemporaryDirectory() as name, one_thread():
        folder = Path(name)
        names = make_pictures(folder, images)
        contents = [(folder / name).read_bytes() for name in names]
        time_chains(chains, contents[:1], size)  # what is made at first use
        rounds = [time_chains(chains, contents, size) for _ in range(repetitions)]
        processes = _rates_of_processes(repeated(folder, names), size, repetitions)
    most = max(processes)
    return ReadingSpeed(
        images,
        size,
        core={name: statistics.median(rates[name] for rates in rounds) for name in chains},
        ratio=_ratio(rounds),
        processes=processes,
        scaling=processes[2] / processes[1] if most > 1 else None,
        gpus=gpus,
        gpu_rate=gpu_rate,
        cores=None if gpu_rate is None else cores_to_feed(gpus * gpu_rate, processes[most] / most),
    )


def cores_to_feed(rate: float, per_core: float) -> int:
    """Return how many cores of `per_core` images/s each read `rate` images/s."""
    return math.ceil(rate / per_core)


def _ratio(rounds: List[Dict[str, float]]) -> Optional[float]:
    if len(rounds[0]) == 1:
        return None
    best = (max(rate for name, rate in rates.items() if name != OURS) for rates in rounds)
    return statistics.median(rates[OURS] / other for rates, other in zip(rounds, best))


def _rates_of_processes(listed: ImageList, size: int, repetitions: int) -> Dict[int, float]:
    """Return the best rates of the loader with 1, 2, 4 ... processes and one for each core."""
    cores = cpu_cores()
    counts = sorted({*(2**power for power in range(cores.bit_length())), cores})
    rounds = [[loader_rate(listed, size, count) for count in counts] for _ in range(repetitions)]
    return {count: max(rates) for count, rates in zip(counts, zip(*rounds))}


def _peer_chains(size: int) -> Dict[str, Chain]:
    """Return torchvision's transforms, on one thread and without gradients; none without it."""
    if not find_spec("torchvision"):
        return {}
    torch, v2, io_ = map(
        importlib.import_module, ("torch", "torchvision.transforms.v2", "torchvision.io")
    )
    torch.set_num_threads(1)
    crop = v2.RandomResizedCrop(
        size, transforms.AREA, transforms.ASPECT, v2.InterpolationMode.BICUBIC, antialias=True
    )
    recolor = _torchvision_colors(torch, v2)

    def by_torchvision(content: bytes) -> Any:
        return crop(io_.decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8)))

    def by_pillow(content: bytes) -> Any:
        return v2.functional.to_image(crop(Image.open(io.BytesIO(content)).convert("RGB")))

    def finish(read: Callable[[bytes], Any]) -> Chain:
        def run(content: bytes, random: np.random.RandomState, out: np.ndarray) -> None:
            torch.manual_seed(random.randint(2**31))
            out[:] = recolor(read(content))

        return run

    return {"torchvision": finish(by_torchvision), "torchvision, Pillow": finish(by_pillow)}


def _torchvision_colors(torch: Any, v2: Any) -> Callable[[Any], Any]:
    """Return all that the paper does after the crop, from uint8 to normalized float32."""
    vectors = torch.tensor(transforms.EIGENVECTORS * transforms.EIGENVALUES, dtype=torch.float32)

    def light(planes: Any) -> Any:
        shift = vectors @ (transforms.LIGHTING * torch.randn(3))
        return planes.add_(shift[:, None, None]).div_(1 + transforms.LIGHTING).clamp_(0, 1)

    return v2.Compose(
        [
            v2.ColorJitter(*[transforms.JITTER] * 3),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Lambda(light),
            v2.Normalize(transforms.EXACT_MEAN.tolist(), transforms.EXACT_DEVIATION.tolist()),
        ]
    )
