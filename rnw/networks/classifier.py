"""The whole network of sections 3 to 5: stem, levels of residual units, classifier, head."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Type, Union

from mxnet.gluon import HybridBlock, Parameter

from rnw.networks import heads, layers, units
from rnw.networks.fcn import SegmentationClassifierBlock
from rnw.networks.layout import NetworkConfig, NetworkOptions, configure
from rnw.networks.units import LayerBlock
from rnw.networks.zoo import NetworkSpec

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LinearClassifierBlock(LayerBlock):
    """Features (N, C, H, W) to scores (N, classes): global average pooling, fully connected."""

    layer: layers.LinearClassifier

    def compute(self, F: Any, x: Any, **parameters: Any) -> Any:
        spec = self.layer
        pooled = F.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg", name=spec.pool)
        scores = F.FullyConnected(
            pooled,
            parameters[f"{spec.name}_weight"],
            parameters[f"{spec.name}_bias"],
            num_hidden=spec.classes,
            no_bias=False,
            name=spec.name,
        )
        return self.to_float32(F, scores)


class Network(HybridBlock):
    """A network of the paper: `config.layers` one after the other, one child block each.

    Children are attributes by the names of layers: `net.conv1a`, `net.res4b2`, `net.classifier`.

    Input (N, config.channels, H, W) float32, by default normalized RGB. Output by `config.head`:
    'logits' (N, classes) or (N, classes, H/s, W/s); 'features' the map `relu7`
    (N, 4096 width, H/s, W/s), of a ResNet that of its last unit (N, 2048 width, H/s, W/s), or with
    `config.levels` a list of maps, the last of each level; 'softmax' and 'ohem' take a label as
    second input and give the probabilities, with the gradient of a loss (see `heads`).
    Further inputs are the factors that stand for dropout, one for each block that has it.

    prefix: stands before the names of parameters and operators. Files have the bare names.
    """

    def __init__(self, config: NetworkConfig, prefix: str = ""):
        super().__init__(prefix=prefix)
        self.config = config
        self._outputs = config.outputs
        with self.name_scope():
            for layer in config.layers:
                block = _BLOCKS[type(layer)](layer, config.segmentation, config.frozen_statistics)
                setattr(self, layer.block_name, block)

    @property
    def blocks(self) -> List[LayerBlock]:
        """The blocks in the order in which an input passes them."""
        return list(self._children.values())

    @property
    def precision(self) -> str:
        """What `compute_in` has set, at first 'float32'."""
        return self.blocks[0].precision

    def compute_in(self, precision: str) -> None:
        """Let feature maps be of type `precision`, 'float32', 'bfloat16' or 'float16'.

        The network takes and gives float32 all the same, and parameters and their gradients stay
        float32, so that it can be trained. Convolutions and the classifier cast weights where they
        use them; the statistics and parameters of normalizations are float32.
        """
        self._clear_cached_op()
        for block in self.blocks:
            block.precision = precision
            block._clear_cached_op()

    @property
    def named_parameters(self) -> Dict[str, Parameter]:
        """All parameters by their bare names, in the order of the graph."""
        return {p.name[len(self.prefix) :]: p for p in self.collect_params().values()}

    def hybrid_forward(self, F: Any, x: Any, label: Optional[Any] = None, *masks: Any) -> Any:
        remaining = iter(masks)
        outputs = []
        for place, block in enumerate(self.blocks):
            x = block(x, next(remaining)) if masks and block.has_dropout else block(x)
            if place in self._outputs:
                outputs.append(x)
        if self.config.levels:
            return outputs
        return self.loss(F, x, label) if self.config.takes_label else x

    def loss(self, F: Any, scores: Any, label: Any) -> Any:
        """Return probabilities from scores, with the gradient of the head's loss."""
        return heads.loss_of(self.config)(F, scores, label)


_BLOCKS: Dict[Type[layers.Layer], Type[LayerBlock]] = {
    layers.Convolution: units.ConvolutionBlock,
    layers.Pooling: units.PoolingBlock,
    layers.ResidualUnit: units.ResidualUnitBlock,
    layers.JoinedUnit: units.JoinedUnitBlock,
    layers.Bottleneck: units.BottleneckBlock,
    layers.Normalization: units.NormalizationBlock,
    layers.LinearClassifier: LinearClassifierBlock,
    layers.SegmentationClassifier: SegmentationClassifierBlock,
}


def get_network(
    name: Union[str, NetworkSpec],
    classes: Optional[int] = None,
    *,
    prefix: str = "",
    **options: "Unpack[NetworkOptions]",
) -> Network:
    """Build a network of the paper, its parameters not yet initialized.

    name: `model_a`, `model_a1`, ... `model_f`; `fcn_a1` and the like for a segmentation network
        (section 5); any `<size>-<n1>-...-<n7>`; `resnet50`, `resnet101`, `resnet152` and
        `fcn_resnet101` and the like; or a NetworkSpec.
    classes: 1000 by default, 21 for a segmentation network.
    prefix: what stands before the names of parameters and operators, so that several networks can
        be children of one block. Files that are read and written have the bare names all the same.
    width: factor on all channels but the classes, `max(1, int(channels * width))`.
    stride: input pixels per cell of the last map, 32, 16 or 8; what it removes of the network's
        own down-sampling becomes dilation. Default: the network's own, 8 for segmentation.
    pooling: 'pad' (pad 1), 'caffe' (no padding, rounded down: the released Model A is evaluated so)
        or 'full' (no padding, rounded up: MXNet at the time of the paper).
    dropout: rates before the last convolution of the units on levels 6 and 7 (the first one on the
        last level of a ResNet); default none, 0.3 and 0.5 for segmentation.
    frozen_statistics: use the moving averages also in training; default for segmentation.
    head: 'logits', 'softmax' (SoftmaxOutput with a label as second input), 'ohem' (the same with
        bootstrapping, for segmentation) or 'features' (the last map).
    levels: with the head 'features', such as (2, 4, 7): a list of maps, what the last residual unit
        of each of these levels gives, of level 7 `relu7`; what lies above is left out.
    classifier: 'linear', '1 conv' or '2 conv'; default by the name.
    channels: of the input; default 3, for RGB.
    epsilon: what batch normalizations add to variances; default the original's.

    Raises InputError for an unknown name or an option that does not fit.
    """
    return Network(configure(name, classes, **options), prefix)
