"""TABLE of the paper's networks (Table 1; Model A1 and A2 from section 5).

A network is named by its training crop and the number of residual units on levels B1 to B7,
`<size>-<n1>-...-<n7>`; the paper's letters are short for such strings. Behind one, `-a1` or `-a2`
has it downsampled as Model A1 or A2. The ResNets that section 5 compares with are beside them, and
those for small pictures, of which section 3 looks at the deepest.
"""

import re
from dataclasses import dataclass
from typing import Optional, Tuple

from rnw.errors import InputError, did_you_mean

POOL = "pool"  # a 3x3 max pooling of stride 2 before the level
STRIDE = "stride"  # stride 2 in the first unit of the level

LEVELS = 7
MAX_SIZE, MAX_UNITS = 8192, 1024
DOWNSAMPLED_LEVELS = (2, 3, 4, 5, 6)


@dataclass(frozen=True)
class LevelShape:
    """Kernels and channels of the stages of one residual unit on a level (section 4)."""

    kernels: Tuple[int, ...]
    channels: Tuple[int, ...]


STEM_CHANNELS = 64
LEVEL_SHAPES = {
    1: LevelShape((3, 3), (64, 64)),
    2: LevelShape((3, 3), (128, 128)),
    3: LevelShape((3, 3), (256, 256)),
    4: LevelShape((3, 3), (512, 512)),
    5: LevelShape((3, 3), (512, 1024)),
    6: LevelShape((1, 3, 1), (512, 1024, 2048)),
    7: LevelShape((1, 3, 1), (1024, 2048, 4096)),
}


@dataclass(frozen=True)
class NetworkSpec:
    """What distinguishes one network of the paper from another.

    `downsampling` tells how levels 2 to 6 are entered: by `POOL`, `STRIDE` or not at all (None).
    """

    name: str
    size: int
    units: Tuple[int, ...]
    downsampling: Tuple[Optional[str], ...]

    @property
    def stride(self) -> int:
        """Input pixels per cell of the last feature map, when nothing is dilated."""
        return 2 ** sum(step is not None for step in self.downsampling)

    @property
    def levels(self) -> Tuple[int, ...]:
        """The levels that have residual units."""
        return tuple(level for level, number in enumerate(self.units, 1) if number)

    @property
    def structure(self) -> str:
        """The paper's notation, `<size>-<n1>-...-<n7>`."""
        return "-".join(str(number) for number in (self.size,) + self.units)

    @property
    def depth(self) -> int:
        """Convolutions and the classifier on the longest path (column 'depth' of Table 1)."""
        stages = [len(LEVEL_SHAPES[level].kernels) for level in range(1, LEVELS + 1)]
        return 2 + sum(number * depth for number, depth in zip(self.units, stages))


@dataclass(frozen=True)
class ResNetSpec(NetworkSpec):
    """A ResNet of bottleneck units, of which `units` are those on levels 2 to 5."""

    @property
    def levels(self) -> Tuple[int, ...]:
        return tuple(RESNET_CHANNELS)

    @property
    def depth(self) -> int:
        return 2 + 3 * sum(self.units)

    @property
    def widest(self) -> Tuple[str, int]:
        """The last convolution of the first unit on the last level, and its channels."""
        return "res5a_branch2c", 4 * RESNET_CHANNELS[5]


@dataclass(frozen=True)
class SmallResNetSpec(ResNetSpec):
    """A ResNet for small pictures: units of two 3x3 convolutions, `units` on levels 2 to 4."""

    @property
    def levels(self) -> Tuple[int, ...]:
        return tuple(SMALL_RESNET_CHANNELS)

    @property
    def depth(self) -> int:
        return 2 + 2 * sum(self.units)

    @property
    def widest(self) -> Tuple[str, int]:
        return "res4a_branch2b", SMALL_RESNET_CHANNELS[4]


ALL_POOLED = (POOL,) * 5
ALL_STRIDED = (STRIDE,) * 5
TOP_STRIDED = (POOL, POOL, STRIDE, STRIDE, STRIDE)  # section 5, step 1

# letter: (structure, how the levels that the input size asks to down-sample are entered)
NETWORKS = {
    "a": ("224-0-3-3-6-3-1-1", ALL_POOLED),
    "a1": ("224-0-3-3-6-3-1-1", ALL_STRIDED),
    "a2": ("224-0-3-3-6-3-1-1", TOP_STRIDED),
    "b": ("224-0-1-1-1-3-1-1", ALL_POOLED),
    "c": ("112-1-1-1-1-13-1-1", ALL_POOLED),
    "d": ("112-1-1-1-1-9-1-1", ALL_POOLED),
    "e": ("112-1-1-1-1-5-1-1", ALL_POOLED),
    "f": ("56-1-1-1-1-9-1-1", ALL_POOLED),
}
UNNAMED = ("224-0-1-1-1-1-1-1",)  # in Table 1 without a letter

RESNETS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
RESNET_CHANNELS = {2: 64, 3: 128, 4: 256, 5: 512}  # of the first two stages; the third has 4 times
# He et al., "Deep Residual Learning for Image Recognition", section 4.2, with projections where the
# number of channels changes, as gluoncv's cifar_resnet<depth>_v1
SMALL_RESNETS = {f"resnet{6 * units + 2}": (units,) * 3 for units in (3, 9, 18)}
SMALL_RESNET_CHANNELS = {2: 16, 3: 32, 4: 64}

SEGMENTATION_PREFIX = "fcn_"
CLASSIFICATION_PREFIX = "model_"
_STRUCTURE = re.compile(r"(\d+(?:-\d+){7})(?:-(a1|a2))?")


def network_names() -> Tuple[str, ...]:
    """Return the names of all networks of Table 1 and section 5, as `find_network` takes them."""
    return tuple(CLASSIFICATION_PREFIX + letter for letter in NETWORKS) + UNNAMED


def find_network(name: str) -> NetworkSpec:
    """Return the network called `name`: `model_a1`, `a1`, `112-1-1-1-1-9-1-1-a1`, `resnet101` ...

    Raises InputError for an unknown name or a malformed string.
    """
    letter = name[len(CLASSIFICATION_PREFIX) :] if name.startswith("model_") else name
    if letter in NETWORKS:
        structure, downsampling = NETWORKS[letter]
        return _from_structure(CLASSIFICATION_PREFIX + letter, structure, downsampling)
    if name in RESNETS:
        return ResNetSpec(name, 224, RESNETS[name], (STRIDE, POOL, STRIDE, STRIDE, STRIDE))
    if name in SMALL_RESNETS:
        return SmallResNetSpec(name, 32, SMALL_RESNETS[name], (None, STRIDE, STRIDE, None, None))
    described = _STRUCTURE.fullmatch(name)
    if described:
        return _from_structure(name, described[1], NETWORKS[described[2] or "a"][1])
    if name[:1].isdigit():
        raise InputError(
            f"malformed network {name!r}: expected <input size>-<n1>-...-<n7>, eight numbers "
            f"joined by '-', for example {UNNAMED[0]}, and -a1 or -a2 behind them if any"
        )
    known = (*network_names(), *RESNETS, *SMALL_RESNETS)
    raise InputError(
        f"unknown network {name!r}: expected one of {', '.join(known)}, or "
        f"<input size>-<n1>-...-<n7>{did_you_mean(name, known)}"
    )


def find_trunk(name: str) -> NetworkSpec:
    """Return the network called `name`, and of `fcn_<name>` what its classifier stands on.

    Raises InputError as `find_network` does.
    """
    return find_network(
        name[len(SEGMENTATION_PREFIX) :] if name.startswith(SEGMENTATION_PREFIX) else name
    )


def _from_structure(name: str, structure: str, downsampling: Tuple[str, ...]) -> NetworkSpec:
    size, *units = (int(number) for number in structure.split("-"))
    if min(units[1:]) < 1:
        raise InputError(
            f"malformed network {name!r}: levels 2 to 7 need at least one residual unit each, "
            f"found {'-'.join(map(str, units))}; only level 1 may have none"
        )
    if not 8 <= size <= MAX_SIZE or sum(units) > MAX_UNITS:
        raise InputError(
            f"malformed network {name!r}: expected an input size of 8 to {MAX_SIZE} and at most "
            f"{MAX_UNITS} units"
        )
    entered = tuple(
        how if _is_downsampled(size, level) else None
        for level, how in zip(DOWNSAMPLED_LEVELS, downsampling)
    )
    return NetworkSpec(name, size, tuple(units), entered)


def _is_downsampled(size: int, level: int) -> bool:
    """Tell whether a network for inputs of `size` halves its maps on entry to `level` (6.1)."""
    smallest_input = {5: 112, 6: 224}.get(level, 0)
    return size >= smallest_input
