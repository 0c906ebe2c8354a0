"""The paper's networks as ONNX graphs, built from their layout without MXNet.

Nodes and initializers have the original's names. Batch and image size are free: a graph trained at
one size runs at any other, as the networks do.
"""

from typing import Any, Callable, Dict, List, Mapping, Optional, Type

import numpy as np

from rnw import __version__
from rnw.files import PathLike, atomic_write
from rnw.networks import layers
from rnw.networks.layout import NetworkConfig
from rnw.weights.onnx_nodes import GraphForm, Nodes
from rnw.weights.safetensors_file import release_pages
from rnw.weights.surgery import to_half

PLAIN = GraphForm()


def write_onnx(
    path: PathLike,
    config: NetworkConfig,
    parameters: Mapping[str, np.ndarray],
    form: GraphForm = PLAIN,
    metadata: Optional[Mapping[str, str]] = None,
) -> None:
    """Write the graph that `onnx_graph` makes; the file appears whole or not at all.

    metadata: what the file says of itself besides.

    Raises InputError as that does.
    """
    graph = onnx_graph(config, parameters, form)
    for name, text in (metadata or {}).items():
        graph.metadata_props.add(key=name, value=text)
    with atomic_write(path) as file:
        file.write(graph.SerializeToString())


def onnx_graph(
    config: NetworkConfig, parameters: Mapping[str, np.ndarray], form: GraphForm = PLAIN
) -> Any:
    """Return the `onnx.ModelProto` of a network.

    Its only input is `data` (batch, 3, height, width) float32. Its output is named by `config.head`
    and is float32: 'logits' or 'softmax' (batch, classes), of a segmentation network one such map
    per image, or 'features'; with `config.levels` there is an output 'level2' and the like for
    each. With weights in half precision everything between is computed in it. Parameters may have
    been through `fold_batch_norms`, and with the layers of `layout.join` through
    `join_projections`. Where poolings without padding leave nothing of small inputs
    (`config.least_size`), the graph refuses them, and says so in its documentation and metadata.

    form: other inputs and outputs: pictures as bytes, scores of pixels, and `labels` (batch,
        height, width), uint8 for up to 256 classes and else int32.

    Raises InputError without the onnx package, for values beyond half precision, and for a form
    that the network cannot have.
    """
    return _Emitter(config, parameters, form).model()


class _Emitter(Nodes):
    """Collects the nodes and initializers of a graph; methods return the name of their output."""

    def __init__(
        self, config: NetworkConfig, parameters: Mapping[str, np.ndarray], form: GraphForm
    ):
        super().__init__(config, form)
        self.parameters = parameters
        self.half = parameters[f"{config.stem.name}_weight"].dtype == np.float16
        self.initializers: Dict[str, np.ndarray] = {}

    def model(self) -> Any:
        helper = self.onnx.helper
        x = self.enter()
        x = self.cast(x, self.onnx.TensorProto.FLOAT16, "data_half") if self.half else x
        maps = []
        for place, layer in enumerate(self.config.layers):
            x = _EMIT[type(layer)](self, layer, x)
            maps += [x] * (place in self.config.outputs)
        outputs = self.levels(maps) if self.config.levels else [self.leave(self.in_float(x))]
        graph = helper.make_graph(self.nodes, self.config.name, [self.input()], outputs)
        opset = helper.make_opsetid("", self.form.opset)
        model = helper.make_model(
            graph,
            producer_name="rnw",
            producer_version=__version__,
            opset_imports=[opset],
            ir_version=helper.find_min_ir_version_for([opset]),
            doc_string=self.documentation(),
        )
        helper.set_model_props(model, {"least_input_size": str(self.config.least_size)})
        for name, array in self.initializers.items():  # last, since make_model copies what it gets
            model.graph.initializer.append(self.onnx.numpy_helper.from_array(array, name))
            release_pages(array)
        return model

    def in_float(self, x: str) -> str:
        """What the network gives in float32, in which scores are exponentiated and resampled."""
        if not self.half:
            return x
        return self.cast(x, self.onnx.TensorProto.FLOAT, f"{x}_float")

    def levels(self, maps: List[str]) -> List[Any]:
        """An output for each level, of its map."""
        outputs = []
        for level, x, channels in zip(self.config.levels, maps, self.config.feature_channels):
            name = self.cast(x, self.onnx.TensorProto.FLOAT, f"level{level}")
            shape = ["batch", channels, f"rows{level}", f"columns{level}"]
            outputs.append(self.value(name, shape))
        return outputs

    def documentation(self) -> str:
        config, least = self.config, self.config.least_size
        pooling = f", pooling {config.pooling!r}" if config.pooled else ""
        return (
            f"{config.name} at stride {config.stride}{pooling}; inputs of at least {least}x{least}"
        )

    def parameter(self, name: str) -> str:
        array = self.parameters[name]
        array = to_half(name, array) if self.half else array.astype(np.float32, copy=False)
        self.initializers[name] = array
        return name

    def convolve(self, spec: layers.Convolution, x: str) -> str:
        operands = [x, self.parameter(f"{spec.name}_weight")]
        if f"{spec.name}_bias" in self.parameters:
            operands.append(self.parameter(f"{spec.name}_bias"))
        return self.add(
            "Conv",
            operands,
            spec.name,
            kernel_shape=[spec.kernel] * 2,
            strides=[spec.stride] * 2,
            dilations=[spec.dilation] * 2,
            pads=[spec.pad] * 4,
        )

    def normalize(self, spec: layers.Normalization, x: str) -> str:
        return self.add("Relu", [self.batch_norm(spec, x)], spec.relu)

    def batch_norm(self, spec: layers.Normalization, x: str) -> str:
        if f"{spec.bn}_gamma" in self.parameters:  # it is not folded
            operands = [self.parameter(name) for name in spec.parameters()]
            x = self.add("BatchNormalization", [x, *operands], spec.bn, epsilon=spec.epsilon)
        return x

    def residual_unit(self, unit: layers.ResidualUnit, x: str) -> str:
        shortcut, first = x, self.normalize(unit.stages[0].normalization, x)
        if unit.projection is not None:
            shortcut = self.convolve(unit.projection, first)
        top = self.convolve(unit.stages[-1].convolution, self.approach(unit, first))
        return self.add("Add", [shortcut, top], f"res{unit.name}")

    def joined_unit(self, unit: layers.JoinedUnit, x: str) -> str:
        first = self.normalize(unit.stages[0].normalization, x)
        last = self.approach(unit, first)
        both = self.add("Concat", [first, last], f"res{unit.name}_both", axis=1)
        return self.convolve(unit.stages[-1].convolution, both)

    def approach(self, unit: layers.ResidualUnit, top: str) -> str:
        """What the last convolution of a unit reads, from what its first one does."""
        for before, stage in zip(unit.stages, unit.stages[1:]):
            top = self.normalize(stage.normalization, self.convolve(before.convolution, top))
        return top

    def bottleneck(self, unit: layers.Bottleneck, x: str) -> str:
        shortcut = top = x
        if unit.projection is not None:
            shortcut = self.convolve(unit.projection, x)
            shortcut = self.batch_norm(unit.shortcut_normalization, shortcut)
        for stage in unit.stages:
            last = stage is unit.stages[-1]
            top = self.convolve(stage.convolution, top)
            top = (self.batch_norm if last else self.normalize)(stage.normalization, top)
        total = self.add("Add", [shortcut, top], f"res{unit.name}")
        return self.add("Relu", [total], f"res{unit.name}_relu")

    def pool(self, spec: layers.Pooling, x: str) -> str:
        down = spec.dilation is None
        dilation = spec.dilation or 1
        pad = 0 if down and spec.convention != "pad" else dilation
        return self.add(
            "MaxPool",
            [x],
            spec.name,
            kernel_shape=[3, 3],
            strides=[2 if down else 1] * 2,
            dilations=[dilation] * 2,
            pads=[pad] * 4,
            ceil_mode=int(down and spec.convention == "full"),
        )

    def linear(self, spec: layers.LinearClassifier, x: str) -> str:
        pooled = self.add("GlobalAveragePool", [x], spec.pool)
        operands = [self.parameter(name) for name in spec.parameters()]
        flat = self.add("Flatten", [pooled], f"{spec.pool}_flat")
        return self.add("Gemm", [flat, *operands], spec.name, transB=1)

    def segmentation(self, spec: layers.SegmentationClassifier, x: str) -> str:
        *hidden, last = spec.convolutions
        for convolution in hidden:
            x = self.add("Relu", [self.convolve(convolution, x)], f"{convolution.name}_relu")
        return self.convolve(last, x)


_EMIT: Dict[Type[layers.Layer], Callable[..., str]] = {
    layers.Convolution: _Emitter.convolve,
    layers.Pooling: _Emitter.pool,
    layers.ResidualUnit: _Emitter.residual_unit,
    layers.JoinedUnit: _Emitter.joined_unit,
    layers.Bottleneck: _Emitter.bottleneck,
    layers.Normalization: _Emitter.normalize,
    layers.LinearClassifier: _Emitter.linear,
    layers.SegmentationClassifier: _Emitter.segmentation,
}
