"""Preparation of a classification dataset whose official archive holds few files, read as they are.

It only brings the files to the dataset's folder and reads them once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence

from rnw.data.archives import OnProgress
from rnw.data.prepare.official import OfficialFiles, PreparationStep, check_splits, names_of
from rnw.data.sets.publication import PackedPublication
from rnw.data.sets.reading import count_pictures
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError, counted


@dataclass(frozen=True)
class PackedPreparation:
    """A request to prepare a dataset, found in the folders `sources`, in `output`.

    splits: those to check, by default all. subset: accept other numbers of pictures than the
    official ones, and other archives. md5: check archives.
    """

    dataset: Dataset
    publication: PackedPublication
    sources: Sequence[Path]
    output: Path
    splits: Sequence[str] = ()
    subset: bool = False
    md5: bool = True

    def plan(self) -> List[PreparationStep]:
        """Return the steps still to do; raise InputError that names everything missing."""
        check_splits(self.splits, self.publication.images)
        files = OfficialFiles(self.sources, self.output, self.md5 and not self.subset)
        forms = self.publication.forms
        found = files.find(forms)
        if found is None:
            files.refuse({names_of(forms): [form.archive for form in forms]})
            return []
        form, source = found
        steps = list(files.obtain(form, source))
        if not steps:
            return []
        text = f"check the pictures in {self.output / form.folder}"
        return [*steps, PreparationStep(text, self._check)]

    def summary(self) -> List[str]:
        """Return a line for each split, with its number of pictures.

        Raises InputError where that is not the published one, also for files that were there.
        """
        return [
            f"{self.output}: {counted(self._count(split), 'picture')} of {split}"
            for split in self._all
        ]

    @property
    def _all(self) -> Sequence[str]:
        return self.splits or tuple(self.publication.images)

    def _count(self, split: str) -> int:
        """Return the number of pictures of a split; raise InputError for another than published."""
        found = count_pictures(self.dataset, split, self.output)
        expected = self.publication.images[split]
        if found != expected and not self.subset:
            raise InputError(
                f"{self.output}: expected {expected} pictures of {split}, found {found}: not the "
                "official files (--subset accepts them)"
            )
        return found

    def _check(self, on_progress: OnProgress) -> None:
        for done, split in enumerate(self._all, 1):
            self._count(split)
            on_progress(done, len(self._all))
