"""What a weights file says of itself: texts by name, for which safetensors and ONNX have room.

They are the network with all that it computes by (`network`, `classes`, `stride`, `width`,
`classifier`, `pooling`, `epsilon`), the file that it was converted from (`source`, `source_md5`),
and the dataset as `rnw.data.sets.summary` tells it. All but words are JSON.
"""

import json
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from rnw.errors import InputError
from rnw.files import PathLike, md5
from rnw.networks.inputs import Normalization
from rnw.networks.layout import NetworkConfig
from rnw.networks.zoo import NetworkSpec, find_network, find_trunk

Metadata = Mapping[str, str]

PRODUCER = "rnw"  # by which a file tells that the texts are ours
CLASS_NAMES = "class_names"
PICTURES = ("mean", "deviation", "orientation")  # what holds whatever the classes are


def network_metadata(config: NetworkConfig) -> Dict[str, str]:
    """Return a network with all that it computes by.

    One that is downsampled as no network of that name has no name.
    """
    names = ["stride", "width", "epsilon"] + ["pooling"] * config.pooled
    names += ["classes", "classifier"] * (config.head != "features")
    found = {name: str(getattr(config, name)) for name in names}
    known = find_network(config.spec.name) == config.spec
    return {"producer": PRODUCER, **({"network": config.name} if known else {}), **found}


def named_network(metadata: Metadata) -> Optional[Tuple[NetworkSpec, Dict[str, Any]]]:
    """Return the network that a file is said to be for, with options of `configure`.

    Returns None where that is not said. Raises InputError for what no network has.
    """
    if "network" not in metadata:
        return None
    kinds: Dict[str, Callable[[str], Any]] = {"stride": int, "pooling": str, "epsilon": float}
    try:
        options = {key: kind(metadata[key]) for key, kind in kinds.items() if key in metadata}
    except ValueError as error:
        raise InputError(f"its metadata cannot be used: {error}") from None
    return find_trunk(metadata["network"]), options


def describe_file(
    source: PathLike, config: Optional[NetworkConfig], dataset: Metadata
) -> Dict[str, str]:
    """Return what a file says that is converted from another one.

    config: the network in the new one; None: not known. dataset: what is said of its dataset. Of
    one with another number of classes, and for features, only what holds for pictures is kept.
    """
    found = {"source": Path(source).name, "source_md5": md5(source)}
    if config is None:
        return {"producer": PRODUCER, **found, **dataset}
    names = json.loads(dataset.get(CLASS_NAMES, "[]"))
    if config.head == "features" or len(names) not in (0, config.classes):  # a new classifier
        dataset = {key: dataset[key] for key in PICTURES if key in dataset}
    return {**network_metadata(config), **found, **dataset}


def read_normalization(metadata: Metadata) -> Normalization:
    """Return how pictures of a dataset are normalized; by ImageNet's numbers where none are told.

    Raises InputError for numbers that are none.
    """
    told = {key: metadata[key] for key in Normalization._fields if key in metadata}
    try:
        return Normalization(**{key: tuple(json.loads(text)) for key, text in told.items()})
    except (ValueError, TypeError):
        raise InputError(f"the normalization is {told}, expected three numbers each") from None
