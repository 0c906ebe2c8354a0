"""Scores of a segmentation network in training on the test split, at one scale without flips."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from PIL import Image

from rnw.data.catalog import SegmentationDataset, find_segmentation_dataset, read_pictures
from rnw.data.labelled import IGNORED
from rnw.data.readers import decode
from rnw.data.transforms import normalize, scale_longer_side
from rnw.evaluation.confusion import Confusion
from rnw.networks.classifier import Network
from rnw.weights import parameter_values
from rnw.weights.inference import optimize


def make_validator(
    name: str, contexts: Sequence[mx.Context], *, data_root: Optional[Path] = None
) -> Callable[[Network], Dict[str, float]]:
    """A function that tests a segmentation network in training on data set `name`.

    It returns cross-entropy ("loss"), "accuracy" and "mean-iou" between 0 and 1, over all pixels of
    the pictures that are not ignored. Raises InputError when the data is missing.
    """
    dataset = find_segmentation_dataset(name)
    pictures = read_pictures(dataset, dataset.test_split, data_root)

    def validate(net: Network) -> Dict[str, float]:
        fast = optimize(_scoring_copy(net))
        confusion = Confusion(net.config.classes)
        loss = 0.0
        for first in range(0, len(pictures), len(contexts)):
            chosen = range(first, min(first + len(contexts), len(pictures)))
            images = [decode(pictures.read(index), pictures.name(index)) for index in chosen]
            maps = _probabilities(fast, dataset, contexts, images)
            for index, probabilities in zip(chosen, maps):
                truth = pictures.label(index)
                confusion.add(truth, probabilities.argmax(axis=0).astype(np.uint8))
                loss += _cross_entropy(probabilities, truth)
        return {
            "loss": loss / max(int(confusion.counts.sum()), 1),
            "accuracy": confusion.pixel_accuracy,
            "mean-iou": confusion.mean_iou,
        }

    return validate


def _scoring_copy(net: Network) -> Network:
    """The network as it is now, with scores in place of a head that takes labels."""
    copy = Network(replace(net.config, head="logits"))
    contexts = next(iter(net.collect_params().values())).list_ctx()
    values = parameter_values(net)
    for name, parameter in copy.collect_params().items():
        parameter.initialize(init="zeros", ctx=contexts, default_init="zeros")
        parameter.set_data(values[name])
    return copy


def _probabilities(
    net: Any,
    dataset: SegmentationDataset,
    contexts: Sequence[mx.Context],
    images: Sequence[np.ndarray],
) -> Sequence[np.ndarray]:
    """Of each image (H, W, 3) uint8 the probabilities (classes, H, W), one on each device."""
    stride = net.config.stride
    scaled = [scale_longer_side(image, dataset.test_size) for image in images]
    outputs = [
        net(mx.nd.array(_padded(image, _input_shape(dataset, image, stride)), ctx=context))
        for image, context in zip(scaled, contexts)
    ]
    return [
        _upsample(
            mx.nd.softmax(output[0], axis=0).asnumpy(), stride, small.shape[:2], image.shape[:2]
        )
        for output, small, image in zip(outputs, scaled, images)
    ]


def _input_shape(dataset: SegmentationDataset, image: np.ndarray, stride: int) -> Tuple[int, int]:
    """Whole strides that the largest picture fits in, so that nearly all inputs have one shape."""
    factor = dataset.test_size / max(dataset.largest)
    sides = zip(image.shape, dataset.largest)
    return tuple(-(-max(side, round(most * factor)) // stride) * stride for side, most in sides)


def _padded(image: np.ndarray, shape: Tuple[int, int]) -> np.ndarray:
    """An image (H, W, 3) uint8 as input (1, 3, *shape), with the mean colour at the end."""
    data = np.zeros((1, 3, *shape), np.float32)
    data[0, :, : image.shape[0], : image.shape[1]] = normalize(image)
    return data


def _upsample(
    maps: np.ndarray, stride: int, scaled: Tuple[int, int], shape: Tuple[int, int]
) -> np.ndarray:
    """Maps (classes, h, w) by the stride, cut to the `scaled` image, and to its `shape`."""
    resized = np.empty((len(maps), *shape), np.float32)
    for values, out in zip(maps, resized):
        height, width = (side * stride for side in values.shape)
        large = Image.fromarray(values).resize((width, height), Image.BICUBIC)
        out[:] = large.crop((0, 0, *scaled[::-1])).resize(shape[::-1], Image.BICUBIC)
    return resized


def _cross_entropy(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Summed over the pixels that are not ignored."""
    rows, columns = np.nonzero(truth != IGNORED)
    true = probabilities[truth[rows, columns], rows, columns]
    smallest = np.finfo(np.float32).tiny  # cubic interpolation may go below 0
    return float(-np.log(np.maximum(true, smallest)).sum(dtype=np.float64))
