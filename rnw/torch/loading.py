"""Weights files of any format in and out of the networks for PyTorch."""

from typing import Any, Dict, Mapping, Optional

import numpy as np

from rnw.files import PathLike
from rnw.torch.modules import Tensor, torch
from rnw.torch.network import Network, build
from rnw.weights import Transfer, plan_transfer
from rnw.weights.choices import MODULE
from rnw.weights.formats import read_parameters, write_parameters
from rnw.weights.meaning import meaning_of
from rnw.weights.metadata import network_metadata
from rnw.weights.module_names import original_name


def load(path: PathLike, network: Optional[str] = None, **options: Any) -> Network:
    """Build the network that a weights file is for and fill it; it is in training mode.

    path: a file of any format that `rnw convert` reads. What it says of itself, its name, a graph
        beside it and the table of released files tell the network, as everywhere in rnw.
    network: the name of the network, where these do not tell it.
    options: those of `get_network`, such as `pooling`, `stride`, `head` and `levels`.

    The network is on the CPU; its numbers have PyTorch's default type.

    Raises InputError when the file cannot be read, when nothing tells the network, and when the
    parameters do not fit.
    """
    found = read_parameters(path)
    meaning = meaning_of(path, found, network=network, **options)
    with torch.device("meta"):  # takes no memory and no time for initial values
        net = build(meaning.config)
    net.to_empty(device="cpu")
    fill(net, found)
    return net


def warm_start(net: Network, path: PathLike) -> Transfer:
    """Set a network to the weights of a related network, as far as they fit.

    It does what `rnw.warm_start` does: a layer of the classifier that does not fit keeps its
    values, and so does the first convolution where the number of input channels differs. Return
    what was transferred.

    Raises InputError, before anything is changed, when features are missing, unexpected or wrongly
    shaped, and for numbers that are not finite.
    """
    found = read_parameters(path)
    transfer = plan_transfer(net.config, found, path)
    fill(net, {name: found[name] for name in transfer.taken})
    return transfer


def save(net: Network, path: PathLike, to: str = MODULE) -> None:
    """Write a network in the published format (`to='module'`) or another one of `rnw convert`.

    to: a format of `rnw.weights.choices`, except ONNX; a safetensors file also says which network
        it is for. Numbers are float32. The file is written completely or not at all.

    Raises InputError for an unknown format, and for features that the format cannot store.
    """
    tensors = _named_tensors(net)
    values = {name: tensor.to("cpu", torch.float32).numpy() for name, tensor in tensors.items()}
    ordered = {parameter.name: values[parameter.name] for parameter in net.config.parameters()}
    write_parameters(path, ordered, to, metadata=network_metadata(net.config))


def _named_tensors(net: Network) -> Dict[str, Tensor]:
    """Return parameters and moving averages by the original's names."""
    named = ((original_name(key), tensor) for key, tensor in net.state_dict().items())
    return {name: tensor for name, tensor in named if name is not None}


def fill(net: Network, values: Mapping[str, np.ndarray]) -> None:
    """Set what `values` has of a network, in place; it starts to count its batches anew."""
    for name, tensor in _named_tensors(net).items():
        if name in values:
            tensor.copy_(torch.from_numpy(np.array(values[name], np.float32)))
    for key, buffer in net.named_buffers():
        if original_name(key) is None:  # num_batches_tracked
            buffer.zero_()
