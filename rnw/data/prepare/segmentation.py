"""Preparation of a segmentation dataset from its official archives or extracted folders.

It makes lists `<split>.lst` of pictures and label maps; label maps that are not published as
pictures are drawn. It can be stopped and resumed at any moment: a list appears only when all files
in it exist.
"""

import logging
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Callable, List, Mapping, Sequence, Tuple, TypeVar

import numpy as np

from rnw.data.archives import OnProgress
from rnw.data.labeled import check_size, read_label, read_pairs, write_label, write_pairs
from rnw.data.picture_types import Pair
from rnw.data.pictures import open_picture
from rnw.data.prepare.listing import ADVICE
from rnw.data.prepare.official import OfficialFiles, PreparationStep, check_splits, names_of
from rnw.data.sets.publication import LabeledSplit, Rendering
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError, counted
from rnw.files import open_regular, reading, remove_parts
from rnw.networks.heads import IGNORED_LABEL

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentationPreparation:
    """A request to prepare `splits` of a dataset, found in the folders `sources`, in `output`.

    dataset: a row with a publication, which says what each split is made of. splits: by default
    those of training and validation, and others whose files are all found; of a split that others
    compose, these. subset: accept the
    pictures that exist with their labels, without checks of counts and archives. md5: check
    archives. overwrite: replace lists and drawn label maps.
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

    def plan(self) -> List[PreparationStep]:
        """Return the steps still to do; raise InputError that names everything missing."""
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
                steps.append(PreparationStep(text, partial(self._render, rendering)))
        for split in splits:
            text = f"check the pictures and label maps of {split}, write {self._list(split)}"
            steps.append(PreparationStep(text, partial(self._write_list, split)))
        return list({step.text: step for step in steps}.values())  # splits share archives

    def summary(self) -> List[str]:
        """Return a line for each list that was requested, with its number of pictures."""
        files = OfficialFiles(self.sources, self.output)
        paths = [self._list(split) for split in self._wanted(files)]
        return [f"{path}: {counted(len(read_pairs(path)), 'picture')}" for path in paths]

    def _list(self, split: str) -> Path:
        return self.output / f"{split}.lst"

    def _wanted(self, files: OfficialFiles) -> List[str]:
        parts = [part for split in self.splits for part in self.dataset.parts_of(split)]
        check_splits(parts, [*self.publication, *self.dataset.composed])
        if parts:
            return list(dict.fromkeys(parts))
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
                f"{first}: no such file{self._made_of(split, first)}; {len(absent)} of the "
                f"{len(pairs)} pictures of {split} are incomplete; {ADVICE}"
            )
        pairs = [pair for pair in pairs if pair not in absent]
        expected = self.dataset.counts.get(split)  # not published of COCO's pictures
        if expected not in (None, len(pairs)) and not self.subset:
            raise InputError(
                f"{self.output}: expected {expected} pictures of {split}, found {len(pairs)}; "
                f"{ADVICE}"
            )
        if not pairs:
            raise InputError(f"{self.output}: no picture of {split} has its label map there")
        if self.publication[split].misfits:
            pairs = self._fitting(split, pairs)
        counts = sum(_for_each(self._check, pairs, on_progress), np.zeros(256, np.int64))
        warning = self.dataset.meaning and self.dataset.meaning.warning(counts)
        if warning:
            logger.warning("%s: %s", self._list(split), warning)
        write_pairs(self._list(split), pairs)

    def _fitting(self, split: str, pairs: Sequence[Pair]) -> List[Pair]:
        """Return the pictures whose label map has their size, and say how many are left out."""
        sizes = _for_each(self._sizes, pairs, lambda done, total: None)
        left_out = [pair for pair, (size, other) in zip(pairs, sizes) if size != other]
        if left_out:
            logger.warning(
                "%s: %d of %d pictures of %s are left out, whose label maps are published in "
                "another size, such as %s",
                *(self.output, len(left_out), len(pairs), split, left_out[0].image),
            )
        return [pair for pair, (size, other) in zip(pairs, sizes) if size == other]

    def _sizes(self, pair: Pair) -> Tuple[Tuple[int, int], Tuple[int, int]]:
        """Return width and height of a picture, and of its label map."""
        size = _picture_size(self.output / pair.image)
        return size, size if pair.label is None else _picture_size(self.output / pair.label)

    def _made_of(self, split: str, path: Path) -> str:
        """Return, for the path of a label map that was not drawn, the source to draw it from."""
        for rendering in self.publication[split].renderings:
            if self.output / rendering.folder in path.parents:
                return f" (it is drawn from {self.output / rendering.source})"
        return ""

    def _check(self, pair: Pair) -> np.ndarray:
        """Return how often each number (256,) occurs in a label map.

        Raises InputError for a picture or label map that is damaged or does not fit.
        """
        size = _picture_size(self.output / pair.image)
        if pair.label is None:
            return np.zeros(256, np.int64)
        path = self.output / pair.label
        labels = read_label(path, self.dataset.meaning)
        check_size(labels, size[::-1], path, self.output / pair.image)
        counts = np.bincount(labels.ravel(), minlength=256)
        if self.dataset.label_ids is None:
            known = self.dataset.classes
            void = (*(self.dataset.meaning.void if self.dataset.meaning else ()), IGNORED_LABEL)
            wrong = [number for number in counts.nonzero()[0].tolist() if number >= known]
            wrong = [number for number in wrong if number not in void]
            if wrong:
                others = " or ".join(map(str, void))
                raise InputError(
                    f"{path}: has label {wrong[-1]}, expected 0 to {known - 1} or {others}"
                )
        return counts


def _for_each(
    work: Callable[[Any], Result], items: Sequence[Any], on_progress: OnProgress
) -> List[Result]:
    """Call `work` on each item in threads; return the results, or raise the first error."""
    results = []
    with ThreadPool() as pool:
        for result in pool.imap(work, items):
            results.append(result)
            on_progress(len(results), len(items))
    return results


def _picture_size(path: Path) -> Tuple[int, int]:
    """Return width and height from a picture's header; raise InputError for other files."""
    with reading(path, "an image"), open_regular(path) as file, open_picture(file, str(path)) as im:
        return im.size
