"""Changes to the parameters of networks: classifiers, precision, folded normalizations.

Every function takes parameters by the original's names and returns a new mapping of them; arrays
that do not change are shared with the old one.
"""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

import numpy as np

from rnw.errors import InputError
from rnw.networks.initial_values import initial_value
from rnw.networks.layers import NORMALIZATION_PARAMETERS, is_classifier
from rnw.networks.layout import LINEAR, NetworkConfig, configure, foldable, joinable

Parameters = Mapping[str, np.ndarray]

ONE_CONV = "1 conv"
LISTED = 12  # the most names that are shown one by one


@dataclass(frozen=True)
class Surgery:
    """Changes to a set of parameters; by default none.

    classes: another number of classes; the new classifier is initialized as for training.
    fcn: '1 conv' or '2 conv', the segmentation classifier that replaces the linear one.
    features: leave out the classifier.
    half: convert weights and biases to half precision.
    seed: of the initial values.
    """

    classes: Optional[int] = None
    fcn: Optional[str] = None
    features: bool = False
    half: bool = False
    seed: int = 0

    def replace_classifier(
        self, config: NetworkConfig, parameters: Parameters
    ) -> Tuple[Dict[str, np.ndarray], List[str]]:
        """Return parameters with the requested classifier, and lines that say what was done.

        Raises InputError for changes that contradict each other or do not fit the network.
        """
        if self.features:
            if self.classes or self.fcn:
                raise InputError("features only have no classifier: leave out classes and fcn")
            return features_only(parameters), listed("left out", filter(is_classifier, parameters))
        classes = self.classes or config.classes
        kept = config.head != "features" and classes == config.classes
        if (self.fcn or config.classifier) == config.classifier and (kept or not self.classes):
            return dict(parameters), []
        if self.fcn == ONE_CONV and config.classifier == LINEAR and kept:
            return classifier_to_fcn(config, parameters), [
                f"linear{classes}_weight: in the middle of a 3x3 window, the rest of it zero"
            ]
        changed = configure(
            config.spec, classes, width=config.width, classifier=self.fcn or config.classifier
        )
        replaced = new_classifier(changed, parameters, np.random.RandomState(self.seed))
        return replaced, listed(
            f"initialized with seed {self.seed}", filter(is_classifier, replaced)
        )


UNCHANGED = Surgery()


def listed(what: str, names: Iterable[str]) -> List[str]:
    """Return a line that lists `names`, only the first where they are many; [] without names."""
    names = list(names)
    if len(names) > LISTED:
        return [f"{what}: {len(names)} entries, first {', '.join(names[:3])}"]
    return [f"{what}: {', '.join(names)}"] * bool(names)


def features_only(parameters: Parameters) -> Dict[str, np.ndarray]:
    """Return the parameters below the classifier."""
    return {name: array for name, array in parameters.items() if not is_classifier(name)}


def new_classifier(
    config: NetworkConfig, parameters: Parameters, rng: np.random.RandomState
) -> Dict[str, np.ndarray]:
    """Return the features of `parameters` with a newly initialized classifier of `config`."""
    replaced = features_only(parameters)
    shapes = {p.name: p.shape for p in config.parameters() if is_classifier(p.name)}
    for name, shape in shapes.items():
        weight = shapes[f"{name.rsplit('_', 1)[0]}_weight"]
        replaced[name] = initial_value(name, shape, weight, rng)
    return replaced


def classifier_to_fcn(config: NetworkConfig, parameters: Parameters) -> Dict[str, np.ndarray]:
    """Convert a linear classifier to '1 conv': its weights are in the middle of a 3x3 window.

    The mean of the score map is the linear classifier's score, since both are linear.

    Raises InputError when `config` has no linear classifier.
    """
    if config.classifier != LINEAR or config.head == "features":
        raise InputError(f"{config.name} has no linear classifier to convert to a convolution")
    name = f"linear{config.classes}_weight"
    linear = parameters[name]
    window = np.zeros((*linear.shape, 3, 3), linear.dtype)
    window[:, :, 1, 1] = linear
    return {**parameters, name: window}


def halve(parameters: Parameters) -> Dict[str, np.ndarray]:
    """Convert weights and biases to half precision.

    Batch normalizations, a thousandth of all values, stay as they are. Raises InputError for a
    value beyond the range of half precision.
    """
    return {
        name: to_half(name, array) if name.endswith(("_weight", "_bias")) else array
        for name, array in parameters.items()
    }


def to_half(name: str, array: np.ndarray) -> np.ndarray:
    """Convert an array to half precision.

    Raises InputError for a value beyond its range, +-65504.
    """
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.array_equal(np.isfinite(half), np.isfinite(array)):
        raise InputError(f"{name} has values beyond the range of half precision, 65504")
    return half


def fold_batch_norms(config: NetworkConfig, parameters: Parameters) -> Dict[str, np.ndarray]:
    """Fold normalizations into the convolutions that only they read (see `layout.foldable`).

    Each becomes a factor on the convolution's weight and a `<convolution>_bias`, and its own four
    parameters disappear. Other normalizations stay.
    """
    folded = dict(parameters)
    for convolution, bn in foldable(config).items():
        scale, shift = _scale_and_shift(folded, bn, config.epsilon)
        weight = parameters[f"{convolution}_weight"]
        scaled = weight * scale[:, None, None, None]
        folded[f"{convolution}_weight"] = scaled.astype(weight.dtype)
        folded[f"{convolution}_bias"] = shift.astype(weight.dtype)
    return folded


def join_projections(config: NetworkConfig, parameters: Parameters) -> Dict[str, np.ndarray]:
    """Put the weights of projections before those of last convolutions (see `layout.joinable`)."""
    joined = dict(parameters)
    for projection, last in joinable(config).items():
        weights = joined.pop(f"{projection}_weight"), joined[f"{last}_weight"]
        joined[f"{last}_weight"] = np.concatenate(weights, axis=1)
    return joined


def _scale_and_shift(
    parameters: Dict[str, np.ndarray], bn: str, epsilon: float
) -> Tuple[np.ndarray, np.ndarray]:
    """Remove normalization `bn`; return its factor and its summand, (C,) float64 each."""
    gamma, beta, mean, variance = (
        parameters.pop(f"{bn}_{suffix}").astype(np.float64) for suffix in NORMALIZATION_PARAMETERS
    )
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale
