"""From a network's name and options to its layers, without MXNet.

This description is the one source of all that is known or made of a network: Gluon blocks
(`units.py`, `classifier.py`, `fcn.py`), the operators of its graph (`operators.py`), ONNX graphs
(`rnw.weights.onnx_graph`), modules of PyTorch (`rnw.torch`), the feature maps alive at one time
(`liveness.py`) and what they cost (`cost.py`), the paths of gradients (`rnw.analysis.chains`), and
which parameters of other programs are which of ours (`rnw.weights`).
"""

from dataclasses import dataclass, field, replace
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    TypedDict,
    Union,
    cast,
)

from rnw.errors import InputError
from rnw.networks.layers import (
    BN_EPSILON,
    Bottleneck,
    Convolution,
    JoinedUnit,
    Layer,
    LinearClassifier,
    Normalization,
    Parameter,
    Pooling,
    ResidualUnit,
    SegmentationClassifier,
    Stage,
    parameter_kind,
)
from rnw.networks.zoo import (
    CLASSIFICATION_PREFIX,
    DOWNSAMPLED_LEVELS,
    LEVEL_SHAPES,
    LEVELS,
    POOL,
    RESNET_CHANNELS,
    SEGMENTATION_PREFIX,
    SMALL_RESNET_CHANNELS,
    STEM_CHANNELS,
    STRIDE,
    NetworkSpec,
    ResNetSpec,
    SmallResNetSpec,
    find_network,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

LOSSES = ("softmax", "ohem")  # heads that take a label
HEADS = ("logits", *LOSSES, "features")
POOLINGS = ("pad", "caffe", "full")
STRIDES = (32, 16, 8)
MAX_WIDTH = 16
SEGMENTATION_CLASSIFIERS = {"1 conv": 1, "2 conv": 2}  # section 5, step 2
LINEAR = "linear"
CLASSIFIER_CHANNELS = 512
CLASSIFIER_DILATION = 12
SEGMENTATION_DROPOUT = (0.3, 0.5)  # section 5, step 3


class NetworkOptions(TypedDict, total=False):
    """What can be chosen about a network, as `rnw.get_network` explains; None is the default."""

    width: Optional[float]
    stride: Optional[int]
    pooling: Optional[str]
    dropout: Optional[Tuple[float, float]]
    frozen_statistics: Optional[bool]
    head: Optional[str]
    levels: Optional[Sequence[int]]
    classifier: Optional[str]
    channels: Optional[int]
    epsilon: Optional[float]


@dataclass(frozen=True)
class NetworkConfig:
    """A network of the paper with all options resolved; `configure` makes and checks one."""

    name: str
    spec: NetworkSpec
    classifier: str
    classes: int
    stride: int
    dropout: Tuple[float, float]
    frozen_statistics: bool
    width: float = 1.0
    pooling: str = "pad"
    head: str = "logits"
    levels: Tuple[int, ...] = ()
    channels: int = 3
    epsilon: float = BN_EPSILON
    layers: Tuple[Layer, ...] = field(repr=False, compare=False, default=())

    @property
    def segmentation(self) -> bool:
        return self.classifier != LINEAR

    @property
    def takes_label(self) -> bool:
        return self.head in LOSSES

    @property
    def pooled(self) -> bool:
        """Whether poolings down-sample, so that their convention matters."""
        return any(isinstance(layer, Pooling) and layer.dilation is None for layer in self.layers)

    @property
    def stem(self) -> Convolution:
        """The first layer."""
        return cast(Convolution, self.layers[0])

    @property
    def outputs(self) -> Tuple[int, ...]:
        """Places in `layers` of those whose maps, or scores, the network gives."""
        if not self.levels:
            return (len(self.layers) - 1,)
        ends = _level_ends(self.layers)
        return tuple(ends[level] for level in self.levels)

    @property
    def feature_channels(self) -> Tuple[int, ...]:
        """Channels of each map that a network with the head 'features' gives."""
        maps = (self.layers[place] for place in self.outputs)
        return tuple(at.channels for at in maps if isinstance(at, (Normalization, ResidualUnit)))

    @property
    def least_size(self) -> int:
        """Pixels a side of the smallest input; of a smaller one some pooling leaves nothing."""
        size = 1
        for layer in reversed(self.layers):
            size = layer.least_input(size)
        return size

    def check_size(self, height: int, width: int) -> None:
        """Raise InputError for an input that is too small for the poolings."""
        if min(height, width) < self.least_size:
            raise InputError(
                f"{self.name} with pooling {self.pooling!r} takes inputs of at least "
                f"{self.least_size}x{self.least_size} pixels, found {width}x{height}: scale the "
                "picture up (--scales)"
            )

    def check_rgb(self) -> None:
        """Raise InputError where the input is no RGB picture."""
        if self.channels != 3:
            raise InputError(
                f"{self.name} takes inputs of {self.channels} channels, pictures have 3 (RGB)"
            )

    def parameters(self) -> List[Parameter]:
        """Return all parameters in the order of the exported graph, then all moving averages."""
        found = [
            Parameter(name, parameter_kind(name), shape)
            for layer in self.layers
            for name, shape in layer.parameters().items()
        ]
        return sorted(found, key=lambda parameter: parameter.kind == "aux")


def configure(
    name: Union[str, NetworkSpec],
    classes: Optional[int] = None,
    **options: "Unpack[NetworkOptions]",
) -> NetworkConfig:
    """Resolve the options of network `name` (see `rnw.get_network`) and lay out its layers.

    Raises InputError for an unknown name and for options that do not fit the network, TypeError for
    an unknown option.
    """
    for option in options:
        if option not in NetworkOptions.__annotations__:
            raise TypeError(f"unknown option {option!r} of a network")
    spec, segmentation = _resolve_name(name)
    given: Dict[str, Any] = {name: v for name, v in options.items() if v is not None}
    classifier = given.pop("classifier", "2 conv" if segmentation else LINEAR)
    chosen = {**_usual(spec, classifier != LINEAR), **given}
    if classes is not None:
        chosen["classes"] = classes
    for option in ("dropout", "levels"):
        chosen[option] = tuple(chosen[option])
    config = NetworkConfig(_full_name(spec, classifier), spec, classifier, **chosen)
    _check(config)
    config = replace(config, layers=tuple(_LAY_OUT[type(spec)](config)))
    return replace(config, layers=config.layers[: config.outputs[-1] + 1])


def _full_name(spec: NetworkSpec, classifier: str) -> str:
    if classifier == LINEAR:
        return spec.name
    return SEGMENTATION_PREFIX + spec.name.replace(CLASSIFICATION_PREFIX, "")


def _usual(spec: NetworkSpec, segmentation: bool) -> Dict[str, Any]:
    """Return the options whose default depends on the network."""
    return {
        "classes": 21 if segmentation else 1000,
        "stride": min(8, spec.stride) if segmentation else spec.stride,
        "dropout": SEGMENTATION_DROPOUT if segmentation else (0.0, 0.0),
        "frozen_statistics": segmentation,
        "levels": (),
    }


def _level_ends(layers: Sequence[Layer]) -> Dict[int, int]:
    """Return the place of the last layer of each level; `bn7` belongs to level 7."""
    ends: Dict[int, int] = {}
    for place, layer in enumerate(layers):
        if isinstance(layer, ResidualUnit):
            ends[layer.level] = place
        elif isinstance(layer, Normalization) and ends:
            ends[max(ends)] = place
    return ends


def unused_features(config: NetworkConfig) -> Set[str]:
    """Return the names of a whole network's parameters above the maps of `config.levels`."""
    whole = configure(config.spec, head="features").parameters()
    return {parameter.name for parameter in whole} - {p.name for p in config.parameters()}


def foldable(config: NetworkConfig) -> Dict[str, str]:
    """Return the convolutions that one normalization alone reads, with its name; none folded yet.

    These are all but the last of each unit, and the stem where a projection follows it at once.
    Every other normalization reads a sum or a pooled map, or what a shortcut reads too.
    """
    pairs = []
    follower = config.layers[1]
    if isinstance(follower, ResidualUnit) and follower.projection is not None:
        pairs.append((config.stem, follower.stages[0].normalization))
    for unit in config.layers:
        if isinstance(unit, ResidualUnit) and not isinstance(unit, Bottleneck):
            for stage, following in zip(unit.stages, unit.stages[1:]):
                pairs.append((stage.convolution, following.normalization))
    return {convolution.name: norm.bn for convolution, norm in pairs if not norm.folded}


def fold(config: NetworkConfig) -> NetworkConfig:
    """Return the network with the normalizations of `foldable` made biases of convolutions."""
    pairs = foldable(config)
    layers = (_FOLD.get(type(layer), _as_it_is)(layer, pairs) for layer in config.layers)
    return replace(config, layers=tuple(layers))


def _as_it_is(layer: Layer, pairs: Mapping[str, str]) -> Layer:
    return layer


def _fold_convolution(layer: Convolution, pairs: Mapping[str, str]) -> Convolution:
    return replace(layer, bias=layer.bias or layer.name in pairs)


def _fold_normalization(layer: Normalization, pairs: Mapping[str, str]) -> Normalization:
    return replace(layer, folded=layer.folded or layer.bn in pairs.values())


def _fold_unit(unit: ResidualUnit, pairs: Mapping[str, str]) -> ResidualUnit:
    stages = (
        replace(
            stage,
            normalization=_fold_normalization(stage.normalization, pairs),
            convolution=_fold_convolution(stage.convolution, pairs),
        )
        for stage in unit.stages
    )
    return replace(unit, stages=tuple(stages))


_FOLD: Dict[Type[Layer], Callable[..., Layer]] = {
    Convolution: _fold_convolution,
    ResidualUnit: _fold_unit,
}


def joinable(config: NetworkConfig) -> Dict[str, str]:
    """Return projections with the last convolution of their unit, where both are 1x1, stride 1."""
    pairs = (_ends(unit) for unit in config.layers if type(unit) is ResidualUnit)
    return {
        projection.name: last.name
        for projection, last in pairs
        if projection and all(layer.kernel == layer.stride == 1 for layer in (projection, last))
    }


def join(config: NetworkConfig) -> NetworkConfig:
    """Return the network with the projections of `joinable` made part of the last convolutions.

    The sum of two such convolutions is one of both inputs: neither term is a map by itself.
    """
    pairs = joinable(config)
    return replace(config, layers=tuple(_join(layer, pairs) for layer in config.layers))


def _join(layer: Layer, pairs: Mapping[str, str]) -> Layer:
    if not isinstance(layer, ResidualUnit):
        return layer
    projection, last = _ends(layer)
    if projection is None or projection.name not in pairs:
        return layer
    both = replace(last, in_channels=projection.in_channels + last.in_channels)
    stages = (*layer.stages[:-1], replace(layer.stages[-1], convolution=both))
    return JoinedUnit(layer.name, layer.level, stages)


def _ends(unit: ResidualUnit) -> Tuple[Optional[Convolution], Convolution]:
    """Return what gives the terms of a unit's sum: its projection, if any, and last convolution."""
    return unit.projection, unit.stages[-1].convolution


def _resolve_name(name: Union[str, NetworkSpec]) -> Tuple[NetworkSpec, bool]:
    if isinstance(name, NetworkSpec):
        return name, False
    if name.startswith(SEGMENTATION_PREFIX):
        return find_network(name[len(SEGMENTATION_PREFIX) :]), True
    return find_network(name), False


def _check(config: NetworkConfig) -> None:
    def expect(condition: bool, option: str, expected: str) -> None:
        if not condition:
            found = getattr(config, option)
            raise InputError(f"{config.name}: {option} is {found!r}, expected {expected}")

    expect(config.classes >= 1, "classes", "at least 1")
    expect(0 < config.width <= MAX_WIDTH, "width", f"a number above 0 and at most {MAX_WIDTH}")
    expect(config.pooling in POOLINGS, "pooling", f"one of {', '.join(POOLINGS)}")
    heads = [head for head in HEADS if head != "ohem" or config.segmentation]
    expect(config.head in heads, "head", f"one of {', '.join(heads)}")
    classifiers = (LINEAR,) + tuple(SEGMENTATION_CLASSIFIERS)
    expect(config.classifier in classifiers, "classifier", f"one of {', '.join(classifiers)}")
    expect(
        len(config.dropout) == 2 and all(0 <= rate < 1 for rate in config.dropout),
        "dropout",
        "two rates in [0, 1), of levels 6 and 7",
    )
    expect(config.channels >= 1, "channels", "at least 1")
    levels = config.spec.levels
    expect(
        config.levels == tuple(level for level in levels if level in config.levels),
        "levels",
        f"some of {', '.join(map(str, levels))}, in that order",
    )
    expect(
        not config.levels or config.head == "features", "levels", "none but with head 'features'"
    )
    expect(0 < config.epsilon < 1, "epsilon", "a number between 0 and 1")
    strides = [s for s in STRIDES if s < config.spec.stride] + [config.spec.stride]
    expect(config.stride in strides, "stride", f"one of {', '.join(map(str, sorted(strides)))}")


def scaled(channels: int, width: float) -> int:
    """Return the channels of a layer of a network whose `width` is not 1."""
    return max(1, int(channels * width))


def _lay_out(config: NetworkConfig) -> Iterator[Layer]:
    channels = scaled(STEM_CHANNELS, config.width)
    yield Convolution("conv1a", config.channels, channels)
    reached, dilation = 1, 1  # input pixels per cell so far, and the dilation that makes up for it
    for level in range(1, LEVELS + 1):
        how = _entry(config.spec, level)
        removed = how is not None and reached == config.stride
        if how == POOL:
            kept = dilation if removed else None
            yield Pooling(f"pool{level - 1}", config.pooling, channels, kept)
            dilation *= 2 if removed else 1
        for index in range(config.spec.units[level - 1]):
            first = index == 0 and level > 1
            strided = first and how == STRIDE
            inner = dilation * 2 if strided and removed else dilation
            unit = _residual_unit(
                config, level, index, channels, 2 if strided and not removed else 1, dilation, inner
            )
            yield unit
            channels, dilation = unit.channels, inner
        reached *= 2 if how is not None and not removed else 1
    yield Normalization("bn7", "relu7", channels, epsilon=config.epsilon)
    if config.head != "features":
        yield _classifier(config, channels)


def _entry(spec: NetworkSpec, level: int) -> Optional[str]:
    if level not in DOWNSAMPLED_LEVELS:
        return None
    return spec.downsampling[DOWNSAMPLED_LEVELS.index(level)]


def _residual_unit(
    config: NetworkConfig,
    level: int,
    index: int,
    in_channels: int,
    stride: int,
    dilation: int,
    inner_dilation: int,
) -> ResidualUnit:
    """Return unit `index` of a level; where its stride is removed, later stages are dilated."""
    identity = level == 1 or index > 0
    name = f"{level}b{index + (level == 1)}" if identity else f"{level}a"
    shape = LEVEL_SHAPES[level]
    rates = {6: config.dropout[0], 7: config.dropout[1]}
    channels = [in_channels, *(scaled(out, config.width) for out in shape.channels)]
    stages = []
    for position, (kernel, before, after) in enumerate(zip(shape.kernels, channels, channels[1:])):
        first, last = position == 0, position == len(shape.kernels) - 1
        stage = f"{name}_branch2" + ("a" if first else f"b{position}")
        used = dilation if first else inner_dilation
        convolution = Convolution(
            f"res{stage}", before, after, kernel, stride if first else 1, used if kernel > 1 else 1
        )
        rate = rates.get(level, 0.0) if last else 0.0
        stages.append(_stage(config, stage, before, convolution, rate))
    projection = Convolution(f"res{name}_branch1", in_channels, channels[-1], 1, stride)
    return ResidualUnit(name, level, tuple(stages), None if identity else projection)


def _stage(
    config: NetworkConfig, name: str, normalized: int, convolution: Convolution, dropout: float
) -> Stage:
    """Return a stage whose normalization has `normalized` channels."""
    normalization = Normalization(
        f"bn{name}", f"res{name}_relu", normalized, epsilon=config.epsilon
    )
    return Stage(normalization, convolution, f"res{name}_do", dropout)


def _lay_out_resnet(config: NetworkConfig) -> Iterator[Layer]:
    channels = scaled(STEM_CHANNELS, config.width)
    yield Convolution("conv1", config.channels, channels, kernel=7, stride=2)
    yield Normalization("bn_conv1", "conv1_relu", channels, epsilon=config.epsilon)
    yield Pooling("pool1", config.pooling, channels)
    reached, dilation = 4, 1
    for level, units in enumerate(config.spec.units, min(RESNET_CHANNELS)):
        strided = level > min(RESNET_CHANNELS)
        removed = strided and reached == config.stride
        for index in range(units):
            stride = 2 if index == 0 and strided and not removed else 1
            unit = _bottleneck(config, level, index, channels, stride, dilation)
            yield unit
            channels = unit.channels
            dilation *= 2 if index == 0 and removed else 1
        reached *= 2 if strided and not removed else 1
    if config.head != "features":
        yield _classifier(config, channels)


def _bottleneck(
    config: NetworkConfig, level: int, index: int, in_channels: int, stride: int, dilation: int
) -> Bottleneck:
    """Return unit `index` of a level; the 3x3 convolution has the stride and the dilation."""
    name = f"{level}a" if index == 0 else f"{level}b{index}"
    inner = scaled(RESNET_CHANNELS[level], config.width)
    out = scaled(4 * RESNET_CHANNELS[level], config.width)
    stages = []
    for letter, before, after in zip("abc", (in_channels, inner, inner), (inner, inner, out)):
        stage = f"{name}_branch2{letter}"
        shape = (3, stride, dilation) if letter == "b" else (1, 1, 1)
        convolution = Convolution(f"res{stage}", before, after, *shape)
        drops = letter == "c" and level == max(RESNET_CHANNELS)
        rate = config.dropout[0] if drops else 0.0
        stages.append(_stage(config, stage, after, convolution, rate))
    projection = Convolution(f"res{name}_branch1", in_channels, out, 1, stride)
    return Bottleneck(name, level, tuple(stages), None if index else projection)


def _lay_out_small_resnet(config: NetworkConfig) -> Iterator[Layer]:
    levels = [(n, scaled(at, config.width)) for n, at in SMALL_RESNET_CHANNELS.items()]
    channels = levels[0][1]
    yield Convolution("conv1", config.channels, channels)
    yield Normalization("bn_conv1", "conv1_relu", channels, epsilon=config.epsilon)
    for (level, out), units in zip(levels, config.spec.units):
        for index in range(units):
            yield _basic_unit(config, level, index, channels, out)
            channels = out
    if config.head != "features":
        yield _classifier(config, channels)


def _basic_unit(
    config: NetworkConfig, level: int, index: int, in_channels: int, channels: int
) -> Bottleneck:
    """Return unit `index` of a level, of two 3x3 convolutions; the first has the stride."""
    name = f"{level}a" if index == 0 else f"{level}b{index}"
    entered = index == 0 and level > min(SMALL_RESNET_CHANNELS)
    stride = 2 if entered else 1
    stages = []
    for letter, before in zip("ab", (in_channels, channels)):
        stage = f"{name}_branch2{letter}"
        convolution = Convolution(
            f"res{stage}", before, channels, stride=stride if letter == "a" else 1
        )
        stages.append(_stage(config, stage, channels, convolution, 0.0))
    projection = Convolution(f"res{name}_branch1", in_channels, channels, 1, stride)
    return Bottleneck(name, level, tuple(stages), projection if entered else None)


_LAY_OUT: Dict[Type[NetworkSpec], Callable[[NetworkConfig], Iterator[Layer]]] = {
    NetworkSpec: _lay_out,
    ResNetSpec: _lay_out_resnet,
    SmallResNetSpec: _lay_out_small_resnet,
}


def _classifier(
    config: NetworkConfig, channels: int
) -> Union[LinearClassifier, SegmentationClassifier]:
    linear = f"linear{config.classes}"
    if not config.segmentation:
        return LinearClassifier("pool7", linear, channels, config.classes)
    outputs = [("conv6a", scaled(CLASSIFIER_CHANNELS, config.width)), (linear, config.classes)]
    convolutions = []
    for name, out in outputs[-SEGMENTATION_CLASSIFIERS[config.classifier] :]:
        convolutions.append(
            Convolution(name, channels, out, dilation=CLASSIFIER_DILATION, bias=True)
        )
        channels = out
    return SegmentationClassifier(tuple(convolutions))
