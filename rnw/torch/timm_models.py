"""The paper's networks in timm's registry: importing this lets `timm.create_model` build them.

They are called `rnw_a1` and the like, `rnw_224-0-1-1-1-1-1-1` and `rnw_resnet50`.
"""

from collections import OrderedDict
from functools import partial
from typing import Any, Callable, Dict, Iterator, Optional

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from rnw.errors import InputError
from rnw.networks.inputs import IMAGENET
from rnw.networks.layers import CLASSIFIER, Normalization, ResidualUnit
from rnw.networks.layout import NetworkConfig, configure
from rnw.networks.zoo import CLASSIFICATION_PREFIX, RESNETS, find_network, network_names
from rnw.torch.modules import Tensor, nn
from rnw.torch.network import Network, initialize

_TEST_ENLARGEMENT = 10 / 7  # networks for 224 pixels are tested at 320 (section 6)
_PREFIX = "rnw_"
_MEASURED = 4096  # pixels a side of an input, by which the strides of maps are found


class TimmNetwork(Network):
    """A classification network with the attributes and methods that timm asks of a model.

    name: as `rnw.get_network` takes it.
    num_classes: 0 leaves out the linear classifier, so that the output is (N, num_features).
    in_chans: channels of the input.
    output_stride: input pixels per cell of the last map; default the network's own.
    drop_rate: of a dropout before the linear classifier.
    global_pool: 'avg', or with no classes '' for the last map itself, (N, num_features, H/s, W/s).
    options: others of `rnw.get_network`, such as `width`, `pooling` and `dropout`.
    """

    def __init__(
        self,
        name: str,
        num_classes: int = 1000,
        in_chans: int = 3,
        output_stride: Optional[int] = None,
        drop_rate: float = 0.0,
        global_pool: str = "avg",
        **options: Any,
    ):
        config = configure(
            name, max(num_classes, 1), channels=in_chans, stride=output_stride, **options
        )
        super().__init__(config)
        self.drop_rate, self.global_pool = drop_rate, global_pool
        self.feature_info = list(_feature_info(config))
        self.num_features = self.head_hidden_size = self.feature_info[-1]["num_chs"]
        self.reset_classifier(num_classes, global_pool)
        initialize(self)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Return scores (N, num_classes) of a map, or with `pre_logits` what is classified."""
        for module in self[CLASSIFIER]:
            if not (pre_logits and isinstance(module, nn.Linear)):
                x = module(x)
        return x

    def get_classifier(self) -> nn.Module:
        """Return the fully connected layer, an Identity where there are no classes."""
        last = list(self[CLASSIFIER])[-1:]
        return last[0] if self.num_classes else nn.Identity()

    def reset_classifier(self, num_classes: int, global_pool: Optional[str] = None) -> None:
        """Give the network a new classifier, with other numbers to begin with.

        Raises InputError for a pooling that is not known, and for classes without one.
        """
        pool = self.global_pool if global_pool is None else global_pool
        if pool not in ("avg", "") or (num_classes and not pool):
            raise InputError(
                f"global_pool is {pool!r}, expected 'avg', or '' where num_classes is 0"
            )
        self.global_pool, self.num_classes = pool, num_classes
        modules: Dict[str, nn.Module] = {}
        if pool:
            modules.update(pool7=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
        if self.drop_rate:
            modules["dropout"] = nn.Dropout(self.drop_rate)
        if num_classes:
            modules[f"linear{num_classes}"] = nn.Linear(self.num_features, num_classes)
        self[CLASSIFIER] = nn.Sequential(OrderedDict(modules))


def _feature_info(config: NetworkConfig) -> Iterator[Dict[str, Any]]:
    """Yield what timm asks of maps, the finest first: the last of each size.

    Where strides are removed these are the same maps, so that their indices stay.
    """
    whole = configure(config.spec, width=config.width)
    size = undilated = _MEASURED
    maps: Dict[int, Dict[str, Any]] = {}
    for layer, original in zip(config.layers, whole.layers):
        size, undilated = layer.output_size(size), original.output_size(undilated)
        if isinstance(layer, (ResidualUnit, Normalization)):
            maps[undilated] = {
                "num_chs": layer.channels,
                "reduction": round(_MEASURED / size),
                "module": layer.relu if isinstance(layer, Normalization) else layer.block_name,
            }
    yield from maps.values()


def _description(network: str) -> Dict[str, Any]:
    """Return the inputs that a network is trained and tested with, as timm describes them."""
    size = find_network(network).size
    tested = round(size * _TEST_ENLARGEMENT)
    return {
        "input_size": (3, size, size),
        "test_input_size": (3, tested, tested),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": IMAGENET.mean,
        "std": IMAGENET.deviation,
        "num_classes": 1000,
        "first_conv": configure(network).stem.name,
        "classifier": f"{CLASSIFIER}.linear1000",
    }


def _entry_point(name: str, network: str) -> Callable[..., nn.Module]:
    """Return the function by which timm makes a network."""
    maps = len(list(_feature_info(configure(network))))

    def create(pretrained: bool = False, **options: Any) -> nn.Module:
        taken = {"out_indices": tuple(range(maps))}
        model = partial(TimmNetwork, network)
        return build_model_with_cfg(model, name, pretrained, feature_cfg=taken, **options)

    create.__name__ = name
    create.__doc__ = f"Return {network} of arXiv 1611.10080 with what timm asks of a model."
    return create


_NETWORKS = {
    _PREFIX + name.replace(CLASSIFICATION_PREFIX, ""): name for name in (*network_names(), *RESNETS)
}
default_cfgs = generate_default_cfgs(  # timm looks for it under this name
    {name: _description(network) for name, network in _NETWORKS.items()}
)
for _name, _network in _NETWORKS.items():
    globals()[_name] = register_model(_entry_point(_name, _network))
