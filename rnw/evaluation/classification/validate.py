"""Scores of a classification network in training on the test split, by its dataset's protocol."""

from pathlib import Path
from typing import Callable, Dict, Optional, Sequence, Union

import mxnet as mx

from rnw.data.sets.catalog import find_dataset
from rnw.data.sets.reading import read_examples
from rnw.data.sets.rows import Dataset
from rnw.data.sets.subsets import match_labels
from rnw.evaluation.classification.model import average_scales, own_model, picture_reader
from rnw.evaluation.classification.scores import cross_entropy, top_accuracy
from rnw.networks.classifier import Network


def make_validator(
    dataset: Union[str, Dataset],
    contexts: Sequence[mx.Context],
    *,
    data_root: Optional[Path] = None,
    batch: int = 64,
) -> Callable[[Network], Dict[str, float]]:
    """Return a function that tests a network in training as `evaluate` tests its file.

    dataset: a name, a path or the row itself.

    It returns cross-entropy ("loss") and accuracies in percent ("top-1", "top-5"). Raises
    InputError when the data is missing, and the function does for labels unknown to the network.
    """
    row = find_dataset(dataset)
    examples = read_examples(row, row.test_split, data_root)
    read = picture_reader(examples)

    def validate(net: Network) -> Dict[str, float]:
        model = own_model(net, row, contexts)
        split, classes = row.test_split, model.classes
        labels = match_labels(row, split, data_root, examples.labels, classes, "the network")
        probabilities = average_scales(model, read, len(examples.labels), batch)
        return {
            "loss": cross_entropy(probabilities, labels),
            "top-1": top_accuracy(probabilities, labels, 1),
            "top-5": top_accuracy(probabilities, labels, 5),
        }

    return validate
