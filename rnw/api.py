"""What `import rnw` offers for both tasks: whether a network labels pictures or pixels is found."""

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Iterator, List, Mapping, Optional, Sequence, Union

from rnw.data.sets.catalog import ROWS, find_dataset, find_segmentation_dataset
from rnw.data.sets.rows import Row
from rnw.errors import InputError
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.engines.table import MXNET, find_engine
from rnw.files import PathLike
from rnw.networks.zoo import (
    NETWORKS,
    RESNETS,
    SEGMENTATION_PREFIX,
    SMALL_RESNETS,
    UNNAMED,
    network_names,
)
from rnw.weights.precision import FLOAT32

if TYPE_CHECKING:
    from rnw.evaluation.classification import evaluate as classification
    from rnw.evaluation.classification.model import Model
    from rnw.evaluation.classification.predict import Prediction
    from rnw.evaluation.segmentation import evaluate as segmentation
    from rnw.evaluation.segmentation import model as segmentation_model
    from rnw.evaluation.segmentation import predict as segmentation_predict
    from rnw.networks.classifier import Network

datasets: Mapping[str, Row] = MappingProxyType(ROWS)


def list_networks() -> List[str]:
    """Return the names that `get_network` takes: classifiers, then segmentation networks.

    It also takes any other `<input size>-<n1>-...-<n7>`, with or without `fcn_` before it, and with
    or without `-a1` or `-a2` behind it.
    """
    segmentation = [SEGMENTATION_PREFIX + name for name in (*NETWORKS, *UNNAMED, *RESNETS)]
    return [*network_names(), *RESNETS, *SMALL_RESNETS, *segmentation]


def evaluate(
    weights: Union[PathLike, "Network"],
    dataset: Optional[str] = None,
    contexts: Optional[Sequence[Any]] = None,
    *,
    network: Optional[str] = None,
    engine: Optional[str] = None,
    precision: str = FLOAT32,
    data_root: Optional[Path] = None,
    predictions: Optional[Path] = None,
    overwrite: bool = False,
) -> "Union[classification.Evaluation, segmentation.Evaluation]":
    """Test a network on the test split of its dataset by the protocol of the paper (section 6).

    weights: a weights file, or an initialized network with the head 'logits'.
    dataset: one of `rnw.datasets`; default: that which the file's name tells.
    contexts: MXNet devices; default: one CPU, or those of the network that is given.
    network: the name of the network that a weights file is for; default: what the file tells.
    engine: 'mxnet', or 'onnxruntime' or 'openvino', which compute the network of a weights file on
        the CPU without MXNet; default: MXNet where it is installed or `contexts` are given.
    precision: what the network is computed in: 'float32', 'bfloat16' on CPUs with instructions for
        it, or 'float16' on GPUs.
    data_root: the folder of the prepared dataset; default: `root` of its row in `rnw.datasets`.
    predictions: a folder where predictions of a weights file are kept while they are computed, so
        that an interrupted evaluation can be resumed.
    overwrite: compute kept predictions anew.

    Return top-1 and top-5 accuracy of a classifier, pixel accuracy and IoU of a segmentation
    network, in percent. Raise InputError for a file that cannot be read or does not tell its
    network, for an unknown dataset, for data that is missing or does not fit, and for a precision
    that the engine does not compute in, or not faster than in float32.
    """
    from rnw.evaluation.classification.evaluate import evaluate as evaluate_classifier
    from rnw.evaluation.segmentation.evaluate import evaluate as evaluate_segmentation
    from rnw.evaluation.segmentation.model import Model as SegmentationModel

    model = _load_model(weights, dataset, contexts, network, engine, precision)
    options: Any = {"data_root": data_root, "predictions": predictions, "overwrite": overwrite}
    if isinstance(model, SegmentationModel):
        return evaluate_segmentation(model, **options)
    return evaluate_classifier(model, **options)


def predict(
    weights: Union[PathLike, "Network"],
    images: Sequence[PathLike],
    dataset: Optional[str] = None,
    contexts: Optional[Sequence[Any]] = None,
    *,
    network: Optional[str] = None,
    engine: Optional[str] = None,
    precision: str = FLOAT32,
    top: int = 5,
    output: Optional[Path] = None,
    overwrite: bool = False,
) -> "Iterator[Union[Prediction, segmentation_predict.Prediction]]":
    """Yield what a network sees in image files, and in those of folders, one picture at a time.

    weights, dataset, contexts, network, engine, precision: as for `evaluate`.
    top: how many of the most probable classes a classifier names for each picture.
    output: the folder for the label maps and overlays of a segmentation network, which needs one.
    overwrite: replace what was written to `output` before.

    Raise InputError for a file that cannot be read or does not tell its network, an unknown
    dataset, a precision that cannot be had, a picture that cannot be read, and a segmentation
    network without `output`.
    """
    from rnw.evaluation.classification.predict import predict as predict_classes
    from rnw.evaluation.segmentation.model import Model as SegmentationModel
    from rnw.evaluation.segmentation.predict import predict as predict_pixels

    model = _load_model(weights, dataset, contexts, network, engine, precision)
    if not isinstance(model, SegmentationModel):
        return predict_classes(model, images, top=top)
    if output is None:
        raise InputError("a segmentation network draws pictures: give a folder as `output`")
    return predict_pixels(model, images, Path(output), overwrite=overwrite)


def load_model(
    path: PathLike,
    devices: Sequence[Any],
    dataset: Optional[str] = None,
    network: Optional[str] = None,
    pooling: Optional[str] = None,
    computing: Computing = REFERENCE,
) -> "Union[Model, segmentation_model.Model]":
    """Return the network in a weights file, of either task, with the protocol that it is tested by.

    devices: those that the engine has opened; contexts of MXNet. dataset: replaces that of the
    file's name. network: what the weights belong to, whatever the file says. pooling: the
    convention of its poolings, by default that which the file tells. computing: the engine and the
    precision. Raise InputError for a file that cannot be read or does not tell its network, for an
    unknown dataset, for a `pooling` of a network that has none, and for a precision that the engine
    does not compute in.
    """
    from rnw.evaluation.classification import model as classifiers
    from rnw.evaluation.classification.baselines import baseline_of
    from rnw.evaluation.loading import read_pooled
    from rnw.evaluation.segmentation.model import model_of_files

    if baseline_of(path) is not None:
        return classifiers.load_model(
            path, devices, dataset=dataset, network=network, pooling=pooling, computing=computing
        )
    (found,) = read_pooled([path], pooling, network)
    if found.meaning.config.segmentation:
        labeled = None if dataset is None else find_segmentation_dataset(dataset)
        return model_of_files([path], [found], devices, dataset=labeled, computing=computing)
    row = None if dataset is None else find_dataset(dataset)
    return classifiers.model_of_file(path, found, devices, row, computing)


def _load_model(
    weights: Union[PathLike, "Network"],
    dataset: Optional[str],
    contexts: Optional[Sequence[Any]],
    network: Optional[str],
    engine: Optional[str],
    precision: str,
) -> "Union[Model, segmentation_model.Model]":
    chosen = find_engine(MXNET if contexts and engine is None else engine)
    if not isinstance(weights, (str, os.PathLike)):
        if engine not in (None, MXNET):
            raise InputError(f"engine {engine}: takes weights files, MXNet alone a network")
        return _model_of(weights, dataset, contexts, precision)
    if contexts and chosen.name != MXNET:
        raise InputError(f"engine {engine}: computes on no contexts of MXNet; leave them out")
    devices = contexts or chosen.open_devices()
    computing = Computing(chosen.name, precision)
    return load_model(weights, devices, dataset, network, computing=computing)


def _model_of(
    net: "Network", dataset: Optional[str], contexts: Optional[Sequence[Any]], precision: str
) -> "Union[Model, segmentation_model.Model]":
    """Return a network with the protocol that it is tested by on a dataset."""
    from rnw.evaluation.classification.model import own_model as own_classifier
    from rnw.evaluation.segmentation.model import own_model as own_segmentation_model
    from rnw.weights.optimize import optimize

    if dataset is None:
        raise InputError("a network does not tell its dataset: give one of `rnw.datasets`")
    if net.config.head != "logits":
        raise InputError(f"the network has the head {net.config.head!r}, expected 'logits'")
    contexts = contexts or next(iter(net.collect_params().values())).list_ctx()
    if net.config.segmentation:
        return own_segmentation_model(net, find_segmentation_dataset(dataset), contexts, precision)
    model = own_classifier(optimize(net, precision), find_dataset(dataset), contexts)
    return model._replace(computing=Computing(precision=precision))
