"""Scores of a segmentation network in training on split val, at one scale without flips."""

from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence, Union

import mxnet as mx
import numpy as np

from rnw.data.labeled import check_size
from rnw.data.readers import read_picture
from rnw.data.sets.catalog import find_segmentation_dataset
from rnw.data.sets.reading import check_label_maps, read_pictures
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import naming
from rnw.evaluation.segmentation.confusion import Confusion
from rnw.evaluation.segmentation.model import own_model
from rnw.evaluation.segmentation.upsampling import upsample
from rnw.networks.classifier import Network
from rnw.networks.heads import IGNORED_LABEL
from rnw.weights import parameter_values


def make_validator(
    dataset: Union[str, SegmentationDataset],
    contexts: Sequence[mx.Context],
    *,
    data_root: Optional[Path] = None,
) -> Callable[[Network], Dict[str, float]]:
    """Return a function that tests a segmentation network in training.

    dataset: a name, a path or the row itself.

    It returns cross-entropy ("loss"), and in percent "accuracy" and "mean-iou" of all classes,
    over all pixels of the pictures that are not ignored. Both raise InputError: this one when the
    data is missing, the function for pictures and label maps that cannot be read or do not fit,
    naming them, and where no pixel is judged.
    """
    row = find_segmentation_dataset(dataset)
    pictures = read_pictures(row, row.validation_split, data_root)
    check_label_maps(row, pictures)

    def validate(net: Network) -> Dict[str, float]:
        model = own_model(_scoring_copy(net), row, contexts)
        confusion = Confusion(net.config.classes)
        loss = 0.0
        for index in range(len(pictures)):
            image = read_picture(pictures, index)
            truth, label_name = pictures.label(index), pictures.label_name(index)
            check_size(truth, image.shape[:2], label_name, pictures.name(index))
            (found,) = model.score_maps(image)
            height, width = truth.shape
            probabilities = upsample(found, (height, width))
            with naming(label_name):
                confusion.add(truth, probabilities.argmax(axis=0).astype(np.uint8))
            loss += _cross_entropy(probabilities, truth)
        confusion.check_judged(pictures.label_name(0))
        return {
            "loss": loss / confusion.judged,
            "accuracy": 100 * confusion.pixel_accuracy,
            "mean-iou": 100 * confusion.mean_iou,
        }

    return validate


def _scoring_copy(net: Network) -> Network:
    """Return the network as it is now, with scores in place of a head that takes labels."""
    copy = Network(replace(net.config, head="logits"))
    contexts = next(iter(net.collect_params().values())).list_ctx()
    values = parameter_values(net)
    for name, parameter in copy.named_parameters.items():
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros")
        parameter.set_data(values[name])
    copy.compute_in(net.precision)
    return copy


def _cross_entropy(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Summed over the pixels that are not ignored."""
    rows, columns = np.nonzero(truth != IGNORED_LABEL)
    true = probabilities[truth[rows, columns], rows, columns]
    smallest = np.finfo(np.float32).tiny  # cubic interpolation may go below 0
    return float(-np.log(np.maximum(true, smallest)).sum(dtype=np.float64))
