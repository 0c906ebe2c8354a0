"""From the official archives of a segmentation dataset, or their folders, to lists.

A list `<split>.lst` names pictures and label maps; label maps that are not published as pictures
are drawn. It can stop at any moment and go on: a list stands there only when all it names does.
"""

import logging
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Callable, List, Mapping, Sequence, Tuple, TypeVar

import numpy as np

from rnw.data.archives import OnProgress
from rnw.data.labeled import IGNORED, check_size, read_label, read_pairs, write_label, write_pairs
from rnw.data.picture_types import Pair
from rnw.data.pictures import open_picture
from rnw.data.prepare.listing import ADVICE
from rnw.data.prepare.official import OfficialFiles, Step, names_of
from rnw.data.sets.publication import LabeledSplit, Rendering
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError
from rnw.files import open_regular, reading, remove_parts

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentationPreparation:
    """What is asked for: `splits` of a dataset, found in the folders `sources`, in `output`.

    The row `dataset` has a publication, which says what each split is made of. No splits: those of
    training and validation, and the others whose files are all there. `subset` takes the pictures
    that are there with their labels, without checks of counts and archives; `md5` checks archives;
    `overwrite` does lists and drawn label maps anew.
    """

    dataset: SegmentationDataset
    sources: Sequence[Path]
    output: Path
    splits: Sequence[str] = ()
    subset: bool = False
    md5: bool = True
    overwrite: bool = False

    @property
    def publication(self) -> Mapping[str, LabeledSplit]:
        """Return the splits of the dataset as they are published."""
        return self.dataset.publication or {}

    def plan(self) -> List[Step]:
        """The steps still to do; raises InputError that names all that is missing."""
        files = OfficialFiles(self.sources, self.output, self.md5 and not self.subset)
        splits = [s for s in self._wanted(files) if self.overwrite or not self._list(s).exists()]
        wanted = [forms for split in splits for forms in self.publication[split].parts]
        parts = {forms: files.find(forms) for forms in wanted}
        missing = [forms for forms, found in parts.items() if found is None]
        files.refuse({names_of(forms): [form.archive for form in forms] for forms in missing})
        steps = [step for found in parts.values() if found for step in files.obtain(*found)]
        for split in splits:
            for rendering in self.publication[split].renderings:
                text = f"draw the label maps {self.output / rendering.folder}"
                steps.append(Step(text, partial(self._render, rendering)))
        for split in splits:
            text = f"check the pictures and label maps of {split}, write {self._list(split)}"
            steps.append(Step(text, partial(self._write_list, split)))
        return list({step.text: step for step in steps}.values())  # splits share archives

    def summary(self) -> List[str]:
        """How many pictures the lists asked for have, a line each."""
        files = OfficialFiles(self.sources, self.output)
        paths = [self._list(split) for split in self._wanted(files)]
        return [f"{path}: {len(read_pairs(path))} pictures" for path in paths]

    def _list(self, split: str) -> Path:
        return self.output / f"{split}.lst"

    def _wanted(self, files: OfficialFiles) -> List[str]:
        unknown = [split for split in self.splits if split not in self.publication]
        if unknown:
            known = ", ".join(self.publication)
            raise InputError(f"{self.dataset.name} has no split {unknown[0]!r}: it has {known}")
        if self.splits:
            return list(dict.fromkeys(self.splits))
        always = (self.dataset.train_split, self.dataset.test_split)
        return [
            name
            for name, split in self.publication.items()
            if name in always or all(files.find(forms) for forms in split.parts)
        ]

    def _render(self, rendering: Rendering, on_progress: OnProgress) -> None:
        items = rendering.items(self.output)
        paths = {self.output / rendering.folder / f"{name}.png": name for name in items}
        for folder in {path.parent for path in paths}:
            remove_parts(folder, "")

        def draw(path: Path) -> None:
            if self.overwrite or not path.exists():
                write_label(path, rendering.draw(items[paths[path]]))

        _for_each(draw, list(paths), on_progress)

    def _write_list(self, split: str, on_progress: OnProgress) -> None:
        pairs = self.publication[split].pairs(self.output)
        paths = ((pair, self.output / name) for pair in pairs for name in pair if name is not None)
        absent = {pair: path for pair, path in paths if not path.is_file()}
        if absent and not self.subset:
            first = next(iter(absent.values()))
            raise InputError(
                f"{first}: not there, as {len(absent)} of the {len(pairs)} pictures or label maps "
                f"of {split}{self._made_of(split, first)}; {ADVICE}"
            )
        pairs = [pair for pair in pairs if pair not in absent]
        expected = self.dataset.counts.get(split)  # not published of COCO's pictures
        if expected not in (None, len(pairs)) and not self.subset:
            raise InputError(
                f"{self.output}: expected {expected} pictures of {split}, found {len(pairs)}; "
                f"{ADVICE}"
            )
        if not pairs:
            raise InputError(f"{self.output}: no picture of {split} is there with its label map")
        counts = sum(_for_each(self._check, pairs, on_progress), np.zeros(256, np.int64))
        warning = self.dataset.meaning and self.dataset.meaning.warning(counts)
        if warning:
            logger.warning("%s: %s", self._list(split), warning)
        write_pairs(self._list(split), pairs)

    def _made_of(self, split: str, path: Path) -> str:
        """Of a label map that could not be drawn, what it would have been drawn of."""
        for rendering in self.publication[split].renderings:
            if self.output / rendering.folder in path.parents:
                return f" (it is drawn of {self.output / rendering.source})"
        return ""

    def _check(self, pair: Pair) -> np.ndarray:
        """How often each number (256,) is in a label map.

        Raises InputError for a picture or label map that is damaged or does not fit.
        """
        size = _picture_size(self.output / pair.image)
        if pair.label is None:
            return np.zeros(256, np.int64)
        path = self.output / pair.label
        labels = read_label(path, self.dataset.meaning)
        check_size(labels, size[::-1], path, self.output / pair.image)
        known = self.dataset.classes
        if self.dataset.label_ids is None and (labels[labels != IGNORED] >= known).any():
            wrong = labels[labels != IGNORED].max()
            raise InputError(f"{path}: has label {wrong}, expected 0 to {known - 1} or {IGNORED}")
        return np.bincount(labels.ravel(), minlength=256)


def _for_each(
    work: Callable[[Any], Result], items: Sequence[Any], on_progress: OnProgress
) -> List[Result]:
    """Do work on each of the items, in threads; raises what the first that fails raises."""
    results = []
    with ThreadPool() as pool:
        for result in pool.imap(work, items):
            results.append(result)
            on_progress(len(results), len(items))
    return results


def _picture_size(path: Path) -> Tuple[int, int]:
    """Width and height, from its first bytes; raises InputError for what is no picture."""
    with reading(path, "an image"), open_regular(path) as file, open_picture(file, str(path)) as im:
        return im.size
