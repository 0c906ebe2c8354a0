"""The layers that a network is a sequence of: names, channels, strides, dilations, and their cost.

Plain Python, so that tools can know every parameter of a network without MXNet. `layout.py` lays
them out; the Gluon block that computes a layer is named after it, `Convolution` and
`ConvolutionBlock`.
"""

from dataclasses import dataclass
from itertools import count
from typing import Dict, NamedTuple, Optional, Tuple

FLOAT32 = "float32"  # the type of parameters, and of feature maps where no other is asked for
BN_EPSILON = 1.001e-5  # the original's; cuDNN refuses less than 1e-5
CLASSIFIER = "classifier"  # the block of either classifier
LOWEST = -3.4028234e38  # of float32: what a dilated maximum finds beyond the edges

NORMALIZATION_PARAMETERS = ("gamma", "beta", "moving_mean", "moving_var")

Shapes = Dict[str, Tuple[int, ...]]


class Layer:
    """A layer; a network is a sequence of layers. Maps are square, `size` cells a side."""

    @property
    def block_name(self) -> str:
        """Name of the layer's block among the children of a Gluon network."""
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """What tells the layer from others of its kind, in a few words."""
        raise NotImplementedError

    @property
    def dropout(self) -> float:
        """Rate of the dropout within the layer."""
        return 0.0

    def parameters(self) -> Shapes:
        """Return names and shapes in the order of the graph."""
        return {}

    def output_size(self, size: int) -> int:
        """Return how many cells a side the output has."""
        return size

    def least_input(self, least_output: int) -> int:
        """Return the smallest `size` on entry for an output of at least `least_output` cells."""
        return next(size for size in count(1) if self.output_size(size) >= least_output)

    def multiply_adds(self, size: int) -> int:
        """Return the multiply-adds for one image whose map has `size` cells a side on entry."""
        return 0


@dataclass(frozen=True)
class Convolution(Layer):
    """A square convolution, padded so that only its stride changes the size of a map."""

    name: str
    in_channels: int
    channels: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    bias: bool = False

    @property
    def block_name(self) -> str:
        return self.name

    @property
    def summary(self) -> str:
        stride = f", stride {self.stride}" * (self.stride > 1)
        dilation = f", dilation {self.dilation}" * (self.dilation > 1)
        return f"{self.in_channels} -> {self.channels}, kernel {self.kernel}{stride}{dilation}"

    @property
    def pad(self) -> int:
        return self.dilation * (self.kernel - 1) // 2

    def output_size(self, size: int) -> int:
        return (size - 1) // self.stride + 1

    def parameters(self) -> Shapes:
        weight = (self.channels, self.in_channels, self.kernel, self.kernel)
        shapes: Shapes = {f"{self.name}_weight": weight}
        if self.bias:
            shapes[f"{self.name}_bias"] = (self.channels,)
        return shapes

    def multiply_adds(self, size: int) -> int:
        per_cell = self.channels * self.in_channels * self.kernel**2
        return per_cell * self.output_size(size) ** 2


@dataclass(frozen=True)
class Pooling(Layer):
    """A 3x3 max pooling: of stride 2, or where that stride is removed dilated and of stride 1."""

    name: str
    convention: str
    channels: int
    dilation: Optional[int] = None  # None: it down-samples

    @property
    def block_name(self) -> str:
        return self.name

    @property
    def summary(self) -> str:
        if self.dilation is None:
            return f"{self.channels}, kernel 3, stride 2, {self.convention!r}"
        return f"{self.channels}, kernel 3, dilation {self.dilation}"

    def output_size(self, size: int) -> int:
        if self.dilation is not None:
            return size
        pad = 1 if self.convention == "pad" else 0
        round_up = 1 if self.convention == "full" else 0
        if size + 2 * pad < 3:  # the window does not fit
            return 0
        return (size + 2 * pad - 3 + round_up) // 2 + 1


@dataclass(frozen=True)
class Normalization(Layer):
    """A batch normalization and the ReLU behind it; `folded`, the ReLU alone."""

    bn: str
    relu: str
    channels: int
    folded: bool = False
    epsilon: float = BN_EPSILON  # added to variances

    @property
    def block_name(self) -> str:
        return self.bn

    @property
    def summary(self) -> str:
        return f"{self.channels}" + ", folded" * self.folded

    def parameters(self) -> Shapes:
        if self.folded:
            return {}
        return {f"{self.bn}_{suffix}": (self.channels,) for suffix in NORMALIZATION_PARAMETERS}


@dataclass(frozen=True)
class Stage:
    """Batch normalization, ReLU, dropout and convolution (pre-activation, section 4)."""

    normalization: Normalization
    convolution: Convolution
    dropout_name: str
    dropout: float = 0.0


@dataclass(frozen=True)
class ResidualUnit(Layer):
    """Stages with a shortcut; a projection reads what the first ReLU gives, not the raw input."""

    name: str
    level: int
    stages: Tuple[Stage, ...]
    projection: Optional[Convolution] = None

    @property
    def block_name(self) -> str:
        return f"res{self.name}"

    @property
    def summary(self) -> str:
        convolutions = (f"({stage.convolution.summary})" for stage in self.stages)
        dropout = f", dropout {self.dropout:g}" * (self.dropout > 0)
        return ", ".join(convolutions) + ", projection" * bool(self.projection) + dropout

    @property
    def channels(self) -> int:
        return self.stages[-1].convolution.channels

    @property
    def dropout(self) -> float:
        """Rate before the last convolution."""
        return self.stages[-1].dropout

    def output_size(self, size: int) -> int:
        for stage in self.stages:
            size = stage.convolution.output_size(size)
        return size

    def parameters(self) -> Shapes:
        shapes: Shapes = {}
        for position, stage in enumerate(self.stages):
            shapes.update(stage.normalization.parameters())
            if position == 0 and self.projection is not None:
                shapes.update(self.projection.parameters())
            shapes.update(stage.convolution.parameters())
        return shapes

    def multiply_adds(self, size: int) -> int:
        total = self.projection.multiply_adds(size) if self.projection else 0
        for stage in self.stages:
            total += stage.convolution.multiply_adds(size)
            size = stage.convolution.output_size(size)
        return total


@dataclass(frozen=True)
class JoinedUnit(ResidualUnit):
    """A unit whose projection is part of its last convolution, which reads what both would.

    It gives the same output from two maps less; see `layout.join`.
    """


@dataclass(frozen=True)
class Bottleneck(ResidualUnit):
    """A unit of a ResNet: each convolution is followed by its normalization, so is a projection.

    Also one of two 3x3 convolutions, which ResNets for small pictures have in place of bottlenecks.

    The last ReLU, and the only one of a projection, is behind the sum.
    """

    def parameters(self) -> Shapes:
        shapes: Shapes = {}
        if self.projection is not None:
            shapes.update(self.projection.parameters())
            shapes.update(self.shortcut_normalization.parameters())
        for stage in self.stages:
            shapes.update(stage.convolution.parameters())
            shapes.update(stage.normalization.parameters())
        return shapes

    @property
    def shortcut_normalization(self) -> Normalization:
        """The normalization of the projection."""
        epsilon = self.stages[0].normalization.epsilon
        bn, relu = f"bn{self.name}_branch1", f"res{self.name}_relu"
        return Normalization(bn, relu, self.channels, epsilon=epsilon)


@dataclass(frozen=True)
class LinearClassifier(Layer):
    """Global average pooling and a fully connected layer."""

    pool: str
    name: str
    in_channels: int
    classes: int

    @property
    def block_name(self) -> str:
        return CLASSIFIER

    @property
    def summary(self) -> str:
        return f"{self.in_channels} -> {self.classes}"

    def parameters(self) -> Shapes:
        return {
            f"{self.name}_weight": (self.classes, self.in_channels),
            f"{self.name}_bias": (self.classes,),
        }

    def multiply_adds(self, size: int) -> int:
        return self.in_channels * self.classes


@dataclass(frozen=True)
class SegmentationClassifier(Layer):
    """The '1 conv' or '2 conv' classifier of section 5: dilated convolutions with bias."""

    convolutions: Tuple[Convolution, ...]

    @property
    def block_name(self) -> str:
        return CLASSIFIER

    @property
    def summary(self) -> str:
        return ", ".join(f"({convolution.summary})" for convolution in self.convolutions)

    def parameters(self) -> Shapes:
        shapes: Shapes = {}
        for convolution in self.convolutions:
            shapes.update(convolution.parameters())
        return shapes

    def multiply_adds(self, size: int) -> int:
        return sum(convolution.multiply_adds(size) for convolution in self.convolutions)


class Parameter(NamedTuple):
    """One entry of a parameter file; `kind` is 'arg' or 'aux' (a moving average)."""

    name: str
    kind: str
    shape: Tuple[int, ...]


def parameter_kind(name: str) -> str:
    """Return 'aux' for a moving average, 'arg' for everything that is learnt."""
    return "aux" if name.endswith(("_moving_mean", "_moving_var")) else "arg"


def is_normalization(name: str) -> bool:
    """Tell whether a parameter is of a batch normalization."""
    return name.endswith(NORMALIZATION_PARAMETERS)


def is_classifier(name: str) -> bool:
    """Tell whether a parameter lies above the features."""
    return name.startswith(("linear", "conv6"))
