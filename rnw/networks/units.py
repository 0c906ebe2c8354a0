"""Gluon blocks of section 4: convolutions, pre-activation stages and residual units.

Every block has an empty prefix and declares its parameters by the original's full names, so that an
exported graph carries those names and a released file loads without renaming.
"""

from typing import Any, Callable, Dict, Iterable, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet.gluon import HybridBlock

from rnw.networks import layers
from rnw.networks.layers import FLOAT32, LOWEST, is_normalization, parameter_kind


class LayerBlock(HybridBlock):
    """A block that computes one layer and owns its parameters, under their full names.

    With `segmentation` biases and betas learn at twice the rate and without weight decay (the
    original's 'alex' setting); with `frozen` batch normalization uses the moving averages also in
    training.

    precision: the type of feature maps. Float32 parameters are cast to it where they are used, but
        for those of normalizations, and their gradients are float32.
    compute: returns the output of the layer from F, an input, masks and parameters by name.
    """

    precision = FLOAT32
    compute: Callable[..., Any]

    def __init__(self, layer: layers.Layer, segmentation: bool = False, frozen: bool = False):
        super().__init__(prefix="")
        self.layer = layer
        self._frozen = frozen
        for name, shape in layer.parameters().items():
            setattr(self, name, self._declare(name, shape, segmentation))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.layer.summary})"

    def cast(self, dtype: Any) -> None:
        """Change the type of the parameters.

        With float16 those of batch normalization are float32, as Gluon's own and its operator have.
        """
        self._clear_cached_op()
        half = np.dtype(dtype) == np.float16
        for name, parameter in self.params.items():
            parameter.cast("float32" if half and is_normalization(name) else dtype)

    def hybrid_forward(self, F: Any, x: Any, *masks: Any, **parameters: Any) -> Any:
        used = {
            name: value if is_normalization(name) else self.lower(F, value)
            for name, value in parameters.items()
        }
        return self.compute(F, x, *(self.lower(F, mask) for mask in masks), **used)

    def lower(self, F: Any, value: Any) -> Any:
        """Return a float32 value in the precision of the block."""
        return value if self.precision == FLOAT32 else F.amp_cast(value, dtype=self.precision)

    def to_float32(self, F: Any, value: Any) -> Any:
        """Return a value in the precision of the block as float32."""
        return value if self.precision == FLOAT32 else F.amp_cast(value, dtype=FLOAT32)

    @property
    def has_dropout(self) -> bool:
        """Whether the block takes a mask that stands for dropout."""
        return self.layer.dropout > 0

    def _declare(self, name: str, shape: Tuple[int, ...], segmentation: bool) -> mx.gluon.Parameter:
        moving = parameter_kind(name) == "aux"
        doubled = segmentation and name.endswith(("_bias", "_beta"))
        return self.params.get(
            name,
            shape=shape,
            init=_initializer(name),
            grad_req="null" if moving else "write",
            differentiable=not moving,
            lr_mult=2.0 if doubled else 1.0,
            wd_mult=0.0 if doubled else 1.0,
        )


def _initializer(name: str) -> Optional[str]:
    """Return what Gluon's `initialize` sets a parameter to; None leaves it to its argument."""
    if name.endswith("_weight"):
        return None
    return "ones" if name.endswith(("_gamma", "_moving_var")) else "zeros"


def convolve(F: Any, x: Any, spec: layers.Convolution, parameters: Dict[str, Any]) -> Any:
    """Apply convolution `spec` to `x` of shape (N, C, H, W)."""
    operands = [x, parameters[f"{spec.name}_weight"]]
    if spec.bias:
        operands.append(parameters[f"{spec.name}_bias"])
    return F.Convolution(
        *operands,
        kernel=(spec.kernel, spec.kernel),
        stride=(spec.stride, spec.stride),
        dilate=(spec.dilation, spec.dilation),
        pad=(spec.pad, spec.pad),
        num_filter=spec.channels,
        num_group=1,
        no_bias=not spec.bias,
        name=spec.name,
    )


def normalize(
    F: Any, x: Any, spec: layers.Normalization, parameters: Dict[str, Any], frozen: bool
) -> Any:
    """Apply batch normalization and ReLU; `frozen` uses the moving averages also in training."""
    if not spec.folded:
        x = batch_norm(F, x, spec, parameters, frozen)
    return F.Activation(x, act_type="relu", name=spec.relu)


def batch_norm(
    F: Any, x: Any, spec: layers.Normalization, parameters: Dict[str, Any], frozen: bool
) -> Any:
    """Apply the batch normalization of `normalize` alone."""
    return F.BatchNorm(
        x,
        *(parameters[name] for name in spec.parameters()),
        eps=spec.epsilon,
        fix_gamma=False,
        use_global_stats=frozen,
        name=spec.bn,
    )


class ConvolutionBlock(LayerBlock):
    """A bare convolution: the stem `conv1a`."""

    layer: layers.Convolution

    def compute(self, F: Any, x: Any, **parameters: Any) -> Any:
        return convolve(F, self.lower(F, x), self.layer, parameters)


class NormalizationBlock(LayerBlock):
    """`bn7` and `relu7`."""

    layer: layers.Normalization

    def compute(self, F: Any, x: Any, **parameters: Any) -> Any:
        return normalize(F, x, self.layer, parameters, self._frozen)


class ResidualUnitBlock(LayerBlock):
    """The sum of the shortcut and of the pre-activation stages, (N, C, H, W).

    With `mask` that multiplies the input of the last convolution in the place of dropout.
    """

    layer: layers.ResidualUnit

    def compute(self, F: Any, x: Any, mask: Optional[Any] = None, **parameters: Any) -> Any:
        shortcut, top = self.split(F, x, mask, **parameters)
        return self.join(F, F.elemwise_add(shortcut, top, name=f"res{self.layer.name}"))

    def split(
        self, F: Any, x: Any, mask: Optional[Any] = None, **parameters: Any
    ) -> Tuple[Any, Any]:
        """Return what is added up: the shortcut (`x`, or its projection) and the last stage."""
        shortcut, top = x, self.open(F, x, **parameters)
        if self.layer.projection is not None:
            shortcut = convolve(F, top, self.layer.projection, parameters)
        return shortcut, self.go_on(F, top, mask, **parameters)

    def open(self, F: Any, x: Any, **parameters: Any) -> Any:
        """Return `x` behind the normalization and the ReLU of the first stage."""
        return normalize(F, x, self.layer.stages[0].normalization, parameters, self._frozen)

    def go_on(self, F: Any, top: Any, mask: Optional[Any] = None, **parameters: Any) -> Any:
        """Return the last stage, from what `open` gives."""
        top = self.approach(F, top, mask, **parameters)
        return convolve(F, top, self.layer.stages[-1].convolution, parameters)

    def approach(self, F: Any, top: Any, mask: Optional[Any] = None, **parameters: Any) -> Any:
        """Return what the last convolution reads, from what `open` gives."""
        stages = self.layer.stages
        top = self.drop(F, top, stages[0], mask)
        for before, stage in zip(stages, stages[1:]):
            top = convolve(F, top, before.convolution, parameters)
            top = normalize(F, top, stage.normalization, parameters, self._frozen)
            top = self.drop(F, top, stage, mask)
        return top

    def join(self, F: Any, total: Any) -> Any:
        """Return the output, from the sum of what `split` gives."""
        return total

    def drop(self, F: Any, x: Any, stage: layers.Stage, mask: Optional[Any]) -> Any:
        """Return `x` as a stage has it before its convolution, with dropout if it has any."""
        if not stage.dropout:
            return x
        if mask is not None:
            return x * mask
        kept = F.Dropout(self.to_float32(F, x), p=stage.dropout, name=stage.dropout_name)
        return self.lower(F, kept)  # MXNet has no dropout in bfloat16


class UnitPart(LayerBlock):
    """A part of a unit, as a block of its own that has parameters of the unit.

    names: of its parameters. compute: gives its output, as that of a `LayerBlock`.
    """

    def __init__(
        self, unit: LayerBlock, layer: layers.Layer, names: Iterable[str], compute: Callable
    ):
        HybridBlock.__init__(self, prefix="", params=unit.params)
        self.layer, self.precision, self.compute = layer, unit.precision, compute
        for name in names:
            setattr(self, name, self.params.get(name))


def projected_parts(
    unit: ResidualUnitBlock, projection: layers.Convolution
) -> Tuple[UnitPart, UnitPart, UnitPart]:
    """Return three blocks that compute what a unit with this projection does.

    The first is the normalization and the ReLU that all else reads; the others give, from that,
    what is added up: the projection and the last stage. Each parameter is in one of them.
    """
    opening = unit.layer.stages[0].normalization
    elsewhere = {**opening.parameters(), **projection.parameters()}
    others = [name for name in unit.layer.parameters() if name not in elsewhere]

    def projected(F: Any, top: Any, **parameters: Any) -> Any:
        return convolve(F, top, projection, parameters)

    return (
        UnitPart(unit, opening, opening.parameters(), unit.open),
        UnitPart(unit, projection, projection.parameters(), projected),
        UnitPart(unit, unit.layer, others, unit.go_on),
    )


class JoinedUnitBlock(ResidualUnitBlock):
    """A unit whose last convolution reads the first ReLU, too, and so computes its projection."""

    layer: layers.JoinedUnit

    def compute(self, F: Any, x: Any, mask: Optional[Any] = None, **parameters: Any) -> Any:
        return self.go_on(F, self.open(F, x, **parameters), mask, **parameters)

    def approach(self, F: Any, top: Any, mask: Optional[Any] = None, **parameters: Any) -> Any:
        last = super().approach(F, top, mask, **parameters)
        return F.concat(top, last, dim=1, name=f"res{self.layer.name}_both")


class BottleneckBlock(ResidualUnitBlock):
    """A unit of a ResNet: normalizations behind the convolutions, and the last ReLU behind the sum.

    A projection reads the raw input and has a normalization of its own; otherwise the same.
    """

    layer: layers.Bottleneck

    def split(
        self, F: Any, x: Any, mask: Optional[Any] = None, **parameters: Any
    ) -> Tuple[Any, Any]:
        layer, frozen = self.layer, self._frozen
        shortcut = top = x
        if layer.projection is not None:
            shortcut = convolve(F, x, layer.projection, parameters)
            shortcut = batch_norm(F, shortcut, layer.shortcut_normalization, parameters, frozen)
        for stage in layer.stages:
            top = self.drop(F, top, stage, mask)
            top = convolve(F, top, stage.convolution, parameters)
            last = stage is layer.stages[-1]
            top = (batch_norm if last else normalize)(
                F, top, stage.normalization, parameters, frozen
            )
        return shortcut, top

    def join(self, F: Any, total: Any) -> Any:
        return F.Activation(total, act_type="relu", name=f"res{self.layer.name}_relu")


class PoolingBlock(LayerBlock):
    """3x3 max pooling of stride 2; where that is removed, of stride 1 and dilated."""

    layer: layers.Pooling

    def compute(self, F: Any, x: Any) -> Any:
        spec = self.layer
        if spec.dilation is None:
            return F.Pooling(x, stride=(2, 2), **_window(spec), name=spec.name)
        if spec.dilation == 1:
            return F.Pooling(x, stride=(1, 1), **_window(spec, pad=1), name=spec.name)
        largest = _dilated_max(F, self.to_float32(F, x), spec.dilation, spec.name)
        return self.lower(F, largest)  # MXNet cannot pad in bfloat16


def _window(spec: layers.Pooling, pad: Optional[int] = None) -> Dict[str, Any]:
    if pad is None:
        pad = 1 if spec.convention == "pad" else 0
    window = {"kernel": (3, 3), "pad": (pad, pad), "pool_type": "max"}
    if spec.dilation is None and spec.convention == "full":
        window["pooling_convention"] = "full"
    return window


def _dilated_max(F: Any, x: Any, dilation: int, name: str) -> Any:
    """Apply a dilated 3x3 maximum, which `Pooling` cannot do: down the columns, then the rows."""
    for axis in (2, 3):
        pad_width = [0] * 8
        pad_width[2 * axis] = pad_width[2 * axis + 1] = dilation
        padded = F.pad(
            x,
            mode="constant",
            constant_value=LOWEST,
            pad_width=tuple(pad_width),
            name=f"{name}_pad{axis}",
        )
        before = F.slice_axis(padded, axis=axis, begin=0, end=-2 * dilation, name=f"{name}_a{axis}")
        behind = F.slice_axis(
            padded, axis=axis, begin=2 * dilation, end=None, name=f"{name}_b{axis}"
        )
        outer = F.broadcast_maximum(before, behind, name=f"{name}_c{axis}")
        x = F.broadcast_maximum(outer, x, name=name if axis == 3 else f"{name}_columns")
    return x
