"""Prediction by a classification network: the most probable classes of photographs."""

from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from rnw.data.sets.reading import prepared_classes
from rnw.evaluation.classification.model import Model, average_scales
from rnw.evaluation.classification.scores import top_classes
from rnw.evaluation.photographs import OnBad, find_images, read_photographs, stop_at
from rnw.files import PathLike


class Prediction(NamedTuple):
    """The most probable classes of an image, best first: (class, name, probability)."""

    image: str
    classes: List[Tuple[int, str, float]]

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types."""
        keys = ("class", "name", "probability")
        return {"image": self.image, "classes": [dict(zip(keys, entry)) for entry in self.classes]}


def predict(
    model: Model, paths: Sequence[PathLike], *, top: int = 5, on_bad: OnBad = stop_at
) -> Iterator[Prediction]:
    """Yield the `top` most probable classes of each image file, and of each file in folders.

    `on_bad` as for `read_photographs`. Raises InputError for a folder without images.
    """
    names = _names(model)
    for path, image in read_photographs(find_images(paths), on_bad):
        probabilities = average_scales(model, [image].__getitem__, images=1, batch=1)
        (row,), (best,) = probabilities, top_classes(probabilities, top)
        classes = [(int(k), names[k] if k < len(names) else str(k), float(row[k])) for k in best]
        yield Prediction(str(path), classes)


def _names(model: Model) -> Sequence[str]:
    """Return the names of the network's classes, as far as known; a subset's are those prepared."""
    if model.classes == model.dataset.classes:
        return model.dataset.class_names()
    prepared = prepared_classes(model.dataset)
    return prepared if len(prepared) == model.classes else ()
