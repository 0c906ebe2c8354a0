"""The layers of sections 3 to 5 as modules of PyTorch, from the layout of a network.

Modules have the names that the original gives to their operators, such as `bn2a_branch2a`,
`res2a_branch2a_relu` and `res2a_branch2a`. Convolutions and batch normalizations are PyTorch's own,
so that tools which look for these find them.
"""

import math
from collections import OrderedDict
from typing import Any, Callable, Dict, Type

from rnw.networks import layers
from rnw.runtime import INSTALL_TORCH

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"rnw.torch needs PyTorch: {INSTALL_TORCH}", name=error.name
    ) from error

Modules = Dict[str, nn.Module]


class FrozenBatchNorm(nn.Module):
    """A batch normalization that uses the moving averages also in training.

    Scale and shift, (channels,) each, are learned. It is no `torch.nn.BatchNorm2d`, so that
    `SyncBatchNorm.convert_sync_batchnorm` leaves it as it is; their entries in a `state_dict` are
    interchangeable.
    """

    def __init__(self, channels: int, eps: float):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )

    def reset_parameters(self) -> None:
        """Set scale and variance to 1, shift and mean to 0."""
        for tensor, value in (
            (self.weight, 1.0),
            (self.bias, 0.0),
            (self.running_mean, 0.0),
            (self.running_var, 1.0),
        ):
            nn.init.constant_(tensor, value)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, eps={self.eps}"

    def _load_from_state_dict(self, state_dict: Dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(f"{prefix}num_batches_tracked", None)  # of a torch.nn.BatchNorm2d
        super()._load_from_state_dict(state_dict, prefix, *rest)


class ResidualUnit(nn.ModuleDict):
    """The sum of the shortcut and of the pre-activation stages (section 4), (N, C, H, W).

    Its modules are in the order of the stages; the one at `projection`, if any, gives the shortcut
    from what the first ReLU gives.
    """

    def __init__(self, unit: layers.ResidualUnit, frozen: bool):
        super().__init__()
        self.projection = -1
        for stage in unit.stages:
            self.update(_normalization(stage.normalization, frozen))
            if stage is unit.stages[0] and unit.projection is not None:
                self.projection = len(self)
                self.update(_convolution(unit.projection))
            self.update(_dropped_convolution(stage))

    def forward(self, x: Tensor) -> Tensor:
        shortcut, top = x, x
        for position, module in enumerate(self.values()):
            if position == self.projection:
                shortcut = module(top)
            else:
                top = module(top)
        return shortcut + top


class Bottleneck(nn.ModuleDict):
    """A unit of a ResNet: a ReLU behind the sum of the shortcut and of the stages, (N, C, H, W).

    Its first `projected` modules, if any, give the shortcut from the input.
    """

    def __init__(self, unit: layers.Bottleneck, frozen: bool):
        super().__init__()
        if unit.projection is not None:
            self.update(_convolution(unit.projection))
            self.update(_batch_norm(unit.shortcut_normalization, frozen))
        self.projected = len(self)
        for stage in unit.stages:
            last = stage is unit.stages[-1]
            self.update(_dropped_convolution(stage))
            self.update((_batch_norm if last else _normalization)(stage.normalization, frozen))

    def forward(self, x: Tensor) -> Tensor:
        shortcut, top = x, x
        for position, module in enumerate(self.values()):
            if position < self.projected:
                shortcut = module(shortcut)
            else:
                top = module(top)
        return F.relu(shortcut + top)


def modules_of(layer: layers.Layer, frozen: bool) -> Modules:
    """Return the modules that compute a layer, one after the other, by name.

    frozen: batch normalizations use the moving averages also in training.
    """
    return _MODULES[type(layer)](layer, frozen)


def _convolution(spec: layers.Convolution, frozen: bool = False) -> Modules:
    convolution = nn.Conv2d(
        spec.in_channels,
        spec.channels,
        spec.kernel,
        stride=spec.stride,
        padding=spec.pad,
        dilation=spec.dilation,
        bias=spec.bias,
    )
    return {spec.name: convolution}


def _dropped_convolution(stage: layers.Stage) -> Modules:
    """Return the convolution of a stage, behind its dropout if it has any."""
    dropout: Modules = {stage.dropout_name: nn.Dropout(stage.dropout)} if stage.dropout else {}
    return {**dropout, **_convolution(stage.convolution)}


def _batch_norm(spec: layers.Normalization, frozen: bool) -> Modules:
    if spec.folded:
        return {}
    kind = FrozenBatchNorm if frozen else nn.BatchNorm2d
    return {spec.bn: kind(spec.channels, eps=spec.epsilon)}


def _normalization(spec: layers.Normalization, frozen: bool) -> Modules:
    return {**_batch_norm(spec, frozen), spec.relu: nn.ReLU()}


def _pooling(spec: layers.Pooling, frozen: bool) -> Modules:
    if spec.dilation is None:
        pad, round_up = int(spec.convention == "pad"), spec.convention == "full"
        return {spec.name: nn.MaxPool2d(3, stride=2, padding=pad, ceil_mode=round_up)}
    # older poolings of PyTorch refuse as much padding as their dilation asks for
    padding = nn.ConstantPad2d(spec.dilation, -math.inf)
    pooling = nn.MaxPool2d(3, stride=1, dilation=spec.dilation)
    return {f"{spec.name}_pad": padding, spec.name: pooling}


def _linear_classifier(spec: layers.LinearClassifier, frozen: bool) -> Modules:
    modules = {
        spec.pool: nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        spec.name: nn.Linear(spec.in_channels, spec.classes),
    }
    return {spec.block_name: nn.Sequential(OrderedDict(modules))}


def _segmentation_classifier(spec: layers.SegmentationClassifier, frozen: bool) -> Modules:
    modules: Modules = {}
    for convolution in spec.convolutions:
        modules.update(_convolution(convolution))
        if convolution is not spec.convolutions[-1]:
            modules[f"{convolution.name}_relu"] = nn.ReLU()
    return {spec.block_name: nn.Sequential(OrderedDict(modules))}


def _residual_unit(unit: layers.ResidualUnit, frozen: bool) -> Modules:
    return {unit.block_name: ResidualUnit(unit, frozen)}


def _bottleneck(unit: layers.Bottleneck, frozen: bool) -> Modules:
    return {unit.block_name: Bottleneck(unit, frozen)}


_MODULES: Dict[Type[layers.Layer], Callable[..., Modules]] = {
    layers.Convolution: _convolution,
    layers.Pooling: _pooling,
    layers.ResidualUnit: _residual_unit,
    layers.Bottleneck: _bottleneck,
    layers.Normalization: _normalization,
    layers.LinearClassifier: _linear_classifier,
    layers.SegmentationClassifier: _segmentation_classifier,
}
