"""The segmentation classifiers of section 5: '1 conv' and '2 conv' on dilated features.

The other two steps of the section, resolution and dropout, are options of the network's layout.
"""

from typing import Any

from rnw.networks.layers import SegmentationClassifier
from rnw.networks.units import LayerBlock, convolve


class SegmentationClassifierBlock(LayerBlock):
    """Features (N, C, H, W) to scores (N, classes, H, W): dilated convolutions with bias."""

    layer: SegmentationClassifier

    def compute(self, F: Any, x: Any, **parameters: Any) -> Any:
        *hidden, last = self.layer.convolutions
        for convolution in hidden:
            x = convolve(F, x, convolution, parameters)
            x = F.Activation(x, act_type="relu", name=f"{convolution.name}_relu")
        return self.to_float32(F, convolve(F, x, last, parameters))
