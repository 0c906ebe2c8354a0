"""TABLE of the paper's numbers: errors and speed on ILSVRC 2012 val (Table 1)."""

from dataclasses import dataclass
from typing import Optional

# where a number is from
README = "R"  # of the original code, with the released files
REMEMBERED = "M"  # by readers of the paper, not checked against it


@dataclass(frozen=True)
class Published:
    """A row of Table 1: errors in per cent, speed in images/s on a GTX 980, ten a batch, cuDNN 4.

    `network` is a name of `networks.zoo` or `evaluation.baselines`, None for what is only quoted.
    """

    title: str
    network: Optional[str]
    depth: Optional[int]
    top1_error: float
    top5_error: float
    speed: Optional[float] = None
    errors_source: str = REMEMBERED
    speed_source: str = REMEMBERED


TABLE_1 = (
    Published("Model F, 56-1-1-1-1-9-1-1", "model_f", 34, 25.2, 7.8, 113.2),
    Published("Model E, 112-1-1-1-1-5-1-1", "model_e", 26, 22.3, 6.2, 76.2),
    Published("Model D, 112-1-1-1-1-9-1-1", "model_d", 34, 22.1, 6.0, 60.9),
    Published("Model C, 112-1-1-1-1-13-1-1", "model_c", 42, 21.8, 5.9, 51.8),
    Published("224-0-1-1-1-1-1-1", "224-0-1-1-1-1-1-1", 16, 22.0, 5.8, 55.3),
    Published("Model B, 224-0-1-1-1-3-1-1", "model_b", 20, 21.0, 5.5, 43.3),
    Published("Model A, 224-0-3-3-6-3-1-1", "model_a", 38, 19.20, 4.73, 15.7, README),
    Published("Model A1", "model_a1", 38, 19.54, 4.75, errors_source=README),
    Published("ResNet-50, tested", "resnet50_v1", 50, 23.5, 6.8, 75.2),
    Published("ResNet-101, tested", "resnet101_v1", 101, 22.1, 6.1, 48.3),
    Published("ResNet-152, tested", "resnet152_v1", 152, 21.8, 5.8, 32.9),
    Published("VGG16, ten crops", "vgg16", 16, 28.1, 9.3),
    Published("ResNet-152, published", None, 152, 21.3, 5.5),
    Published("Pre-activation ResNet-152, published", None, 152, 21.1, 5.5),
    Published("Pre-activation ResNet-200, published", None, 200, 20.7, 5.3),
    Published("Inception-v4, published", None, None, 20.0, 5.0),
    Published("Inception-ResNet-v2, published", None, None, 19.9, 4.9),
)
