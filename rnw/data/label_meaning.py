"""Checks that the numbers in label maps stand for the classes of their dataset.

A label map that was converted to another palette or numbering still has valid labels, but of other
classes. It is detected by the colors of its palette, and by which numbers occur in it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

from rnw.errors import InputError
from rnw.files import PathLike
from rnw.networks.heads import IGNORED_LABEL

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image  # neither of which the catalog must need

Color = Tuple[int, int, int]


@dataclass(frozen=True)
class LabelMeaning:
    """The classes that numbers in the label maps of the dataset `title` stand for.

    ids: the number of each class. colors: (R, G, B) of each class in the palette of label maps that
    have one; None: they are not published. remedy: advice for a label map with other numbers. void:
    numbers of pixels without a class, where all other numbers are classes; 255 is always one.
    """

    title: str
    ids: Tuple[int, ...]
    colors: Optional[Tuple[Color, ...]] = None
    remedy: str = "use the published label map, or a gray one with the published numbers"
    void: Tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the number of each class is the class itself, 0, 1, 2..."""
        return self.ids == tuple(range(len(self.ids)))

    @property
    def classes(self) -> Optional[Dict[int, int]]:
        """The class of each number, others are ignored; None: each number is the class itself."""
        if not self.is_plain:
            return {number: k for k, number in enumerate(self.ids)}
        if not self.void:
            return None
        return {number: number for number in range(IGNORED_LABEL) if number not in self.void}

    def check(self, image: "Image.Image", path: PathLike) -> None:
        """Check a label map, a picture of mode L or P, read from `path`.

        Raises InputError where a class in it has another color than the published one, and where
        classes are numbered from 0 though they have other ids.
        """
        import numpy as np

        counts = np.array(image.histogram())
        if image.mode == "P" and self.colors is not None:
            self._check_colors(self.colors, image, counts, path)
        self._check_numbers(counts, path)

    def warning(self, counts: "np.ndarray") -> Optional[str]:
        """Return a warning if label maps seem to be numbered from 0 though classes have other ids.

        counts: how often each number (256,) occurs in label maps. They seem to be if few pixels
        have ids beyond the number of classes, which two thirds of Cityscapes' classes have, and
        many have small numbers that are not ids.
        """
        beyond, foreign = self._beyond, self._foreign
        other = [number for number in foreign if number]  # 0 is often what is not labeled
        if 2 * len(beyond) < len(self.ids) or 2 * counts[beyond].sum() >= counts[other].sum():
            return None
        return (
            f"ids of classes of {self.title} such as {min(beyond)} and {max(beyond)} hardly "
            f"occur in the label maps, others such as {min(other)} do: they look as if numbered "
            "from 0 (trainIds); expected the published ids"
        )

    @property
    def _beyond(self) -> List[int]:
        """The ids that do not occur if classes are numbered from 0."""
        return [number for number in self.ids if number >= len(self.ids)]

    @property
    def _foreign(self) -> List[int]:
        """The numbers that occur if classes are numbered from 0, but are not ids."""
        return sorted(set(range(len(self.ids))) - set(self.ids))

    def _check_colors(
        self, colors: Sequence[Color], image: "Image.Image", counts: "np.ndarray", path: PathLike
    ) -> None:
        found = _palette(image)
        used = [(number, color) for number, color in zip(self.ids, colors) if counts[number]]
        if all(found[number] == (number,) * 3 for number, _ in used):
            return  # shades of gray, from which nothing follows
        for number, color in used:
            if found[number] != color:
                raise InputError(
                    f"{path}: label {number} has the color {found[number]} in its palette, "
                    f"{self.title} has {color}: the labels were renumbered by the program that "
                    f"wrote the palette; {self.remedy}"
                )

    def _check_numbers(self, counts: "np.ndarray", path: PathLike) -> None:
        last = len(self.ids) - 1
        from_zero = counts[self._foreign].any() and not counts[last + 1 : IGNORED_LABEL].any()
        if from_zero and counts[IGNORED_LABEL]:
            raise InputError(
                f"{path}: has labels of 0 to {last} and {IGNORED_LABEL}, as if numbered from 0 "
                f"(trainIds), expected the ids of {self.title}, {self.ids[0]} to {self.ids[-1]}, "
                f"and 0 for what has no label; {self.remedy}"
            )


def _palette(image: "Image.Image") -> List[Optional[Color]]:
    """Return the color of each index, None for indices that the file has no color for."""
    values = iter(image.getpalette("RGB") or ())
    colors: List[Optional[Color]] = list(zip(values, values, values))
    return colors + [None] * (256 - len(colors))
