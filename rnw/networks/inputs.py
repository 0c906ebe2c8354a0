"""What networks take: RGB pictures, normalized."""

from typing import NamedTuple, Tuple


class Normalization(NamedTuple):
    """Mean and deviation of RGB in [0, 1] by which pictures are normalized; default: ImageNet's."""

    mean: Tuple[float, float, float] = (0.485, 0.456, 0.406)
    deviation: Tuple[float, float, float] = (0.229, 0.224, 0.225)


IMAGENET = Normalization()
