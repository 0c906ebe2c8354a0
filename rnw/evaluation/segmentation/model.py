"""Segmentation networks with the protocol they are tested by: from a picture to its labels."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from rnw.data.picture_types import IMAGENET, Normalization
from rnw.data.sets.catalog import find_segmentation_dataset
from rnw.data.sets.numbered import segmentation_dataset_or_numbered
from rnw.data.sets.rows import Row, SegmentationDataset
from rnw.errors import InputError, look_up
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.described import dataset_beside_weights
from rnw.evaluation.engines.table import Forward, find_engine
from rnw.evaluation.loading import read_pooled
from rnw.evaluation.segmentation.fitting_tiles import (
    bytes_per_pixel,
    fitting_tile,
    kept_tile,
)
from rnw.evaluation.segmentation.kept_scores import KeptScores
from rnw.evaluation.segmentation.protocol import Protocol, own_protocol, released_protocol
from rnw.evaluation.segmentation.score_maps import (
    ScoreMap,
    check_steps,
    flipped,
    score_map,
    tiled,
)
from rnw.evaluation.segmentation.upsampling import label, upsample
from rnw.files import PathLike, md5
from rnw.memory import AUTO
from rnw.networks.layout import NetworkConfig
from rnw.weights import Recognized
from rnw.weights.meaning import Meaning
from rnw.weights.precision import FLOAT32
from rnw.weights.released import ReleasedFile, released_row

if TYPE_CHECKING:
    from rnw.networks.classifier import Network


class WeightsFile(NamedTuple):
    """A weights file, and how the network in it was recognized."""

    path: Path
    meaning: Meaning


class Scorer(NamedTuple):
    """A network as a function, its stride in pixels, its weight in the mean, and its file.

    normalization: how it is given pictures. scores: where its score maps are kept; what is there is
    not computed again. memory: the bytes of maps that it takes for each pixel of its input.
    """

    forward: Forward
    stride: int
    weight: float = 1.0
    file: Optional[WeightsFile] = None
    normalization: Normalization = IMAGENET
    scores: Optional[KeptScores] = None
    memory: float = 0.0

    @property
    def origin(self) -> Optional[Tuple[str, str]]:
        """What file it is from, with its checksum, and its network; None for one of no file."""
        if self.file is not None:
            path, meaning = self.file
            return f"{path.name} (md5 {md5(path)})", meaning.network
        if self.scores is not None:
            record = self.scores.record
            return str(record.get("weights", "")), str(record.get("network", ""))
        return None


class Model(NamedTuple):
    """Networks for the classes of a dataset, with the protocol they are tested by.

    trained_on: the dataset that is described beside each file; None where none is. computing: what
    computes the networks. devices: those it computes on, by which `tested_by` knows the memory
    there is.
    """

    scorers: List[Scorer]
    dataset: SegmentationDataset
    protocol: Protocol
    trained_on: Sequence[Optional[Row]] = ()
    computing: Computing = REFERENCE
    devices: Sequence[Any] = ()

    @property
    def meanings(self) -> List[Meaning]:
        """How each network that comes from a file was recognized."""
        return [scorer.file.meaning for scorer in self.scorers if scorer.file]

    def tested_by(
        self, *, kept: Optional[Path] = None, any_shape: bool = False, **changes: Any
    ) -> "Model":
        """Return the same networks with another protocol where a change is given (is not None).

        Tiles overlap by a quarter unless it is said. A tile 'auto' is as large as fits into memory,
        or that by which the results in the folder `kept` were made where that fits, too; where
        whole pictures fit, they are tested whole. any_shape: pictures may be of other shapes than
        the dataset's.

        Raises InputError for scales, steps, tiles and a CRF that the networks cannot be tested by,
        and as `fitting_tile`.
        """
        given = {name: value for name, value in changes.items() if value not in (None, ())}
        if given.get("tile") == AUTO:
            scales = given.get("scales", self.protocol.scales)
            given["tile"] = self._fitting_tile(max(scales), kept, any_shape=any_shape)
            if given["tile"] is None:
                given.pop("overlap", None)
        if given.get("tile"):
            stride = max(scorer.stride for scorer in self.scorers)
            given.setdefault("overlap", given["tile"] // (4 * stride) * stride)
        protocol = self.protocol._replace(**given)
        if min(protocol.scales) < 1:
            raise InputError(f"{protocol}: expected scales of at least 1")
        if protocol.tile is None and "overlap" in given:
            raise InputError(f"overlap {protocol.overlap}: is of tiles; give their size, --tile")
        if protocol.crf is not None:
            from rnw.evaluation.segmentation.crf import CRFS  # starts SciPy

            look_up(CRFS, protocol.crf, "CRF")
        changed = self._replace(protocol=protocol)
        for scorer in self.scorers:
            check_steps(scorer.stride, protocol.steps)
            changed._around(scorer)
        return changed

    def _fitting_tile(self, scale: int, kept: Optional[Path], *, any_shape: bool) -> Optional[int]:
        """Return the side of tiles that fit into memory, None for pictures as a whole."""
        scorer = max(self.scorers, key=lambda scorer: scorer.memory)
        if not scorer.memory:  # scores that were kept
            return self.protocol.tile
        short = scale
        if self.dataset.identical_sizes and self.dataset.largest and not any_shape:
            sides = self.dataset.largest
            short = math.ceil(scale * min(sides) / max(sides))
        stride = max(scorer.stride for scorer in self.scorers)
        free = find_engine(self.computing.engine).free_memory(self.devices)
        fitting = fitting_tile((short, scale), stride, scorer.memory, free)
        before = None if kept is None else kept_tile(kept)
        return before if before and before <= (fitting or before) else fitting

    def score_maps(self, image: np.ndarray, name: str = "") -> List[ScoreMap]:
        """Return what each network gives at each scale for a picture (H, W, 3) uint8.

        name: of the picture, where scores are kept.
        """
        return [self._score(scorer, image, scale, name) for scorer, scale, _ in self._views()]

    def segment(self, image: np.ndarray, name: str = "") -> np.ndarray:
        """Return the class (H, W) uint8 of each pixel of a picture (H, W, 3) uint8.

        name: of the picture, where scores are kept.
        """
        return self.labels(self.score_maps(image, name), image)

    def labels(self, maps: Sequence[ScoreMap], image: np.ndarray) -> np.ndarray:
        """Return the class (H, W) uint8 of each pixel by what `score_maps` gave for a picture."""
        mix = [weight for _, _, weight in self._views()]
        height, width = image.shape[:2]
        if self.protocol.crf is None:
            return label(maps, (height, width), mix)
        from rnw.evaluation.segmentation.crf import CRFS, refine  # as above

        scores = np.zeros((1, height, width), np.float32)
        for weight, found in zip(mix, maps):
            scores = scores + weight * upsample(found, (height, width))
        scores = np.maximum(scores, 0)  # cubic interpolation goes below
        refined = refine(scores / scores.sum(axis=0), image, CRFS[self.protocol.crf])
        return refined.argmax(axis=0).astype(np.uint8)

    def _views(self) -> List[Tuple[Scorer, int, float]]:
        return [(s, scale, s.weight) for s in self.scorers for scale in self.protocol.scales]

    def has_scores(self, name: str) -> bool:
        """Return whether all scores of a picture that are to be kept are there."""
        return all(s.scores is None or s.scores.has(name, scale) for s, scale, _ in self._views())

    def _score(self, scorer: Scorer, image: np.ndarray, scale: int, name: str) -> ScoreMap:
        height, width = image.shape[:2]
        if scorer.scores is not None and scorer.scores.has(name, scale):
            return scorer.scores.read(name, scale, (height, width))
        found = self._compute(scorer, image, scale)
        if scorer.scores is None:
            return found
        return scorer.scores.write(name, scale, found, (height, width))

    def _compute(self, scorer: Scorer, image: np.ndarray, scale: int) -> ScoreMap:
        return score_map(
            self._around(scorer),
            image,
            scale,
            scorer.stride,
            normalization=scorer.normalization,
            steps=self.protocol.steps,
            square=not self.dataset.identical_sizes,
            interpolation=self.protocol.interpolation,
        )

    def _around(self, scorer: Scorer) -> Forward:
        """Return the network with the tiles and flips of the protocol."""
        forward = scorer.forward
        if self.protocol.tile:
            forward = tiled(forward, scorer.stride, self.protocol.tile, self.protocol.overlap)
        return flipped(forward) if self.protocol.flip else forward


def load_model(
    paths: Sequence[PathLike],
    devices: Sequence[Any],
    mix: Sequence[float] = (),
    dataset: Optional[str] = None,
    network: Optional[str] = None,
    pooling: Optional[str] = None,
    *,
    computing: Computing = REFERENCE,
) -> Model:
    """Return the segmentation networks in weights files; `mix` weights the average of their scores.

    Dataset and protocol come from the name of the first file: a released file is tested as
    published, others at one scale. `dataset` replaces the dataset of all files; the classes of an
    unknown dataset are numbered. `network` is what all the weights belong to, whatever the files
    say; `pooling` the convention of its poolings, by default that which each file tells. By default
    all files have the same weight. The engine of `computing` computes on the `devices` that it has
    opened; those of MXNet are contexts.

    Raises InputError for a file that cannot be read, is no segmentation network or is for another
    dataset, for an unknown `dataset`, for a `pooling` where no network has any, and for a
    precision that the engine does not compute in.
    """
    mix = check_mix(mix, len(paths))
    given = None if dataset is None else find_segmentation_dataset(dataset)
    found = read_pooled(paths, pooling, network)
    for path, (meaning, _) in zip(paths, found):
        if not meaning.config.segmentation:
            raise InputError(
                f"{path}: holds a classifier, expected a segmentation network; `rnw eval-cls` "
                "takes it"
            )
    return model_of_files(paths, found, devices, mix, given, computing)


def model_of_files(
    paths: Sequence[PathLike],
    found: Sequence[Recognized],
    devices: Sequence[Any],
    mix: Sequence[float] = (1.0,),
    dataset: Optional[SegmentationDataset] = None,
    computing: Computing = REFERENCE,
) -> Model:
    """Return the segmentation networks that were found in files, as `load_model` does."""
    files = [WeightsFile(Path(path), meaning) for path, (meaning, _) in zip(paths, found)]
    first = files[0].meaning
    beside = [dataset_beside_weights(path) for path in paths]
    chosen = dataset or _told_dataset(beside[0], first)
    for file in files:
        _check_dataset(file, chosen, asked=dataset is not None)
    scorers = []
    for (meaning, parameters), row, weight, file in zip(found, beside, mix, files):
        forward = computing.make_forward(meaning.config, parameters, devices)
        scorer = _scorer(meaning.config, forward, row or chosen)
        scorers.append(scorer._replace(weight=weight, file=file))
    released = released_of(scorers[0], chosen)
    protocol = released_protocol(released) if released else own_protocol(chosen)
    return Model(scorers, chosen, protocol, beside, computing.on(devices), devices)


def _told_dataset(beside: Optional[Row], meaning: Meaning) -> SegmentationDataset:
    """The dataset that lies beside the file or that its name tells."""
    if isinstance(beside, SegmentationDataset):
        return beside
    return segmentation_dataset_or_numbered(meaning.dataset, meaning.config.classes)


def check_mix(mix: Sequence[float], files: int) -> Sequence[float]:
    """Return the weight of each file, by default all the same; raise InputError for others."""
    mix = mix or [1 / files] * files
    if len(mix) != files or not all(0 < weight < math.inf for weight in mix):
        raise InputError(
            f"mix {','.join(map(str, mix))}: expected a positive number for each of the "
            f"{files} weights files or folders of scores"
        )
    return mix


def own_model(
    net: "Network",
    dataset: SegmentationDataset,
    contexts: Sequence[Any],
    precision: str = FLOAT32,
) -> Model:
    """Return a network for a dataset, as it is now, tested by MXNet at the dataset's own scale.

    Raises InputError for a network that does not take RGB pictures, and for a `precision` that the
    contexts do not compute in.
    """
    from rnw.evaluation.engines.mxnet import segment  # starts MXNet
    from rnw.weights.optimize import optimize

    net.config.check_rgb()
    scorer = _scorer(net.config, segment(optimize(net, precision), contexts), dataset)
    protocol = own_protocol(dataset)
    computing = Computing(precision=precision)
    return Model([scorer], dataset, protocol, computing=computing, devices=contexts)


def released_of(scorer: Scorer, dataset: SegmentationDataset) -> Optional[ReleasedFile]:
    """Return the row of a released file that is tested on its own dataset."""
    if scorer.file is None or scorer.file.meaning.dataset != dataset.name:
        return None
    return released_row(scorer.file.path)


def _check_dataset(file: WeightsFile, dataset: SegmentationDataset, *, asked: bool) -> None:
    """Raise InputError for weights of another dataset, unless that was asked for, or classes."""
    path, meaning = file
    if not asked and meaning.dataset != dataset.name:
        raise InputError(
            f"{path}: is for dataset {meaning.dataset}, expected {dataset.name}; --dataset NAME "
            "tests all files on one"
        )
    if meaning.config.classes != dataset.classes:
        raise InputError(
            f"{path}: is for {meaning.config.classes} classes, {dataset.title} has "
            f"{dataset.classes}; choose another --dataset"
        )


def _scorer(config: NetworkConfig, forward: Forward, trained_on: Row) -> Scorer:
    def checked(data: np.ndarray) -> np.ndarray:
        config.check_size(*data.shape[2:])
        return forward(data)

    memory = bytes_per_pixel(config)
    return Scorer(checked, config.stride, normalization=trained_on.normalization, memory=memory)
