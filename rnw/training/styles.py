"""TABLE of how fast layers learn: the original's `lr_type`, multiples of rate and weight decay."""

from typing import TYPE_CHECKING, Dict, NamedTuple, Sequence

from rnw.networks.layers import is_classifier

if TYPE_CHECKING:
    from rnw.networks.classifier import Network


class Style(NamedTuple):
    """Multiples of the rate for weights (and gamma) and for biases (and beta), and of the decay.

    Biases never decay.
    """

    weight: float
    bias: float
    decay: float


STYLES: Dict[str, Style] = {
    "torch": Style(1, 1, 1),  # of classification
    "alex": Style(1, 2, 1),  # of segmentation (section 5)
    "alex10": Style(10, 20, 1),
    "fixed": Style(0, 0, 0),
}


def set_styles(net: "Network", styles: Sequence[str]) -> None:
    """Let the features of a network learn by the first style, its classifier by the last one.

    No styles leave a network as it is: 'torch', in segmentation 'alex'.
    """
    if not styles:
        return
    for name, parameter in net.named_parameters.items():
        style = STYLES[styles[-1] if is_classifier(name) else styles[0]]
        biased = name.endswith(("_bias", "_beta"))
        parameter.lr_mult = style.bias if biased else style.weight
        parameter.wd_mult = 0.0 if biased else style.decay
