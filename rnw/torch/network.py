"""The whole network of sections 3 to 5 as a `torch.nn.Module`: stem, levels, classifier."""

from typing import TYPE_CHECKING, List, Optional, Union

from rnw.errors import InputError
from rnw.networks.layers import CLASSIFIER
from rnw.networks.layout import NetworkConfig, configure
from rnw.networks.zoo import NetworkSpec
from rnw.torch.modules import FrozenBatchNorm, Tensor, modules_of, nn

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rnw.networks.layout import NetworkOptions

HEADS = ("logits", "features")


class Network(nn.ModuleDict):
    """A network of the paper: its modules one after the other, by the original's names.

    They are attributes and items: `net.conv1a`, `net.res4b2`, `net["classifier"]`.

    Input (N, config.channels, H, W), by default normalized RGB. Output by `config.head`: 'logits'
    (N, classes) or (N, classes, H/s, W/s); 'features' the map `relu7` (N, 4096 width, H/s, W/s), of
    a ResNet that of its last unit (N, 2048 width, H/s, W/s).

    Keys of the `state_dict` are `<block>.<layer>.<parameter>` with the original's names of layers,
    such as `res4b2.res4b2_branch2a.weight` and `res4b2.bn4b2_branch2a.running_mean`.
    """

    outputs: List[str]  # modules that give what the network gives

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.outputs = []
        for place, layer in enumerate(config.layers):
            self.update(modules_of(layer, config.frozen_statistics))
            if place in config.outputs:
                self.outputs.append(list(self)[-1])

    def forward(self, x: Tensor) -> Tensor:
        for module in self.values():
            x = module(x)
        return x

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the map below the classifier, (N, 4096 width, H/s, W/s)."""
        for name, module in self.items():
            if name != CLASSIFIER:
                x = module(x)
        return x


class LevelsNetwork(Network):
    """A network that gives a list of maps, the last of each of `config.levels`."""

    def forward(self, x: Tensor) -> List[Tensor]:
        maps: List[Tensor] = []
        for name, module in self.items():
            x = module(x)
            if name in self.outputs:
                maps.append(x)
        return maps


def get_network(
    name: Union[str, NetworkSpec],
    classes: Optional[int] = None,
    **options: "Unpack[NetworkOptions]",
) -> Network:
    """Build a network of the paper, initialized as the paper does, by PyTorch's random numbers.

    name, classes, options: those of `rnw.get_network`. Heads are 'logits' and 'features': losses
    are PyTorch's.

    Raises InputError for an unknown name or an option that does not fit.
    """
    net = build(configure(name, classes, **options))
    initialize(net)
    return net


def build(config: NetworkConfig) -> Network:
    """Build a network with PyTorch's own initial values; raise InputError for another head."""
    if config.head not in HEADS:
        raise InputError(
            f"{config.name}: head is {config.head!r}, expected one of {', '.join(HEADS)} in "
            "PyTorch, where losses are functions of scores: torch.nn.CrossEntropyLoss, or "
            "rnw.torch.bootstrapped_cross_entropy"
        )
    return (LevelsNetwork if config.levels else Network)(config)


def initialize(net: Network) -> None:
    """Set all parameters to initial values, by the random numbers of PyTorch.

    Convolutions are Gaussian with variance 2 / fan-in, a linear classifier and its bias uniform in
    +-1 / sqrt(fan-in), scales and moving variances 1, everything else 0, as in the original.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.Linear, nn.BatchNorm2d, FrozenBatchNorm)):
            module.reset_parameters()
