"""Preparation of a classification dataset from its official archives or extracted folders.

It makes a folder for each split, with lists such as `train.lst` and `classes.txt` beside them. It
can be stopped and resumed at any moment: a folder or a list appears only when it is complete.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from rnw.data.archives import OnProgress, read_member
from rnw.data.lists import CLASSES_FILE, read_classes, read_list, write_classes, write_list
from rnw.data.prepare.listing import (
    Picture,
    archives_of,
    check_annotations,
    check_counts,
    find_pictures,
    label_order,
)
from rnw.data.prepare.official import (
    Found,
    OfficialFiles,
    PreparationStep,
    check_splits,
    names_of,
)
from rnw.data.readers import ImageList
from rnw.data.recordio import index_file, is_packed, pack_file, write_pack
from rnw.data.sets.publication import AnnotationFiles, Annotations, Form, Publication
from rnw.errors import InputError, counted
from rnw.files import atomic_write, remove

FoundAnnotations = Optional[Tuple[AnnotationFiles, Path]]


@dataclass(frozen=True)
class Preparation:
    """A request to prepare `splits` of a publication, found in the folders `sources`, in `output`.

    splits: by default those of the publication, and optional ones whose files are found. subset:
    accept other pictures than the official ones, without checks. md5: check archives. pack: write a
    RecordIO pack beside each list. overwrite: replace lists and packs.
    """

    publication: Publication
    sources: Sequence[Path]
    output: Path
    splits: Sequence[str] = ()
    subset: bool = False
    md5: bool = True
    pack: bool = False
    overwrite: bool = False

    def plan(self) -> List[PreparationStep]:
        """Return the steps still to do; raise InputError that names everything missing."""
        files = OfficialFiles(self.sources, self.output, self.md5 and not self.subset)
        wanted = self._wanted(files)
        splits = [s for s in wanted if self.overwrite or not self._list(s).exists()]
        steps = self._make_lists(splits, files) if splits else []
        for split in wanted:
            if self.pack and (split in splits or not is_packed(self._list(split))):
                text = f"pack the pictures of {split} in {pack_file(self._list(split))}"
                steps.append(PreparationStep(text, partial(self._write_pack, split)))
        return steps

    def summary(self) -> List[str]:
        """Return a line for each list that was requested, with its pictures and classes."""
        splits = self._wanted(OfficialFiles(self.sources, self.output))
        labels = {path: read_list(path).labels for path in map(self._list, splits)}
        return [
            f"{path}: {counted(len(n), 'picture')} of {n.max() + 1} classes"
            for path, n in labels.items()
        ]

    def _wanted(self, files: OfficialFiles) -> List[str]:
        known = self.publication.images
        check_splits(self.splits, known)
        optional = self.publication.optional
        return list(dict.fromkeys(self.splits)) or [
            split
            for split in known
            if split not in optional or files.find(self.publication.forms[split])
        ]

    def _make_lists(self, splits: Sequence[str], files: OfficialFiles) -> List[PreparationStep]:
        found = {split: files.find(self.publication.forms[split]) for split in splits}
        annotations = self._find_annotations()
        files.refuse(self._missing(found, annotations))
        forms = {split: place for split, place in found.items() if place}
        steps: List[PreparationStep] = []
        if annotations:
            kind, path = annotations
            if path.is_file():
                steps += files.check(path, kind.md5)
            steps.append(PreparationStep(f"read {path}", lambda _: self._annotations(kind, path)))
        for form, source in forms.values():
            steps += files.obtain(form, source)
        folders = {split: form.folder for split, (form, _) in forms.items()}
        text = "write " + " and ".join(str(self._list(split)) for split in splits)
        return [*steps, PreparationStep(text, lambda _: self._write_lists(folders, annotations))]

    def _list(self, split: str) -> Path:
        return self.output / f"{split}.lst"

    def _find_annotations(self) -> FoundAnnotations:
        for files in self.publication.annotations:
            for source in (*self.sources, self.output):
                if (source / files.archive).is_file():
                    return files, source / files.archive
                for folder in (source / files.extracted, source):
                    if (folder / files.probe).is_file():
                        return files, folder
        return None

    def _missing(
        self, forms: Mapping[str, Found], annotations: FoundAnnotations
    ) -> Dict[str, List[str]]:
        """Return what is missing, each with the archives that contain it."""
        missing = {}
        for split, found in forms.items():
            if found is None:
                known = self.publication.forms[split]
                pictures = f"the pictures of {split} ({names_of(known)})"
                missing[pictures] = [form.archive for form in known]
            elif annotations is None and _is_flat(*found):
                archives = [files.archive for files in self.publication.annotations]
                names = archives_of(self.publication)
                missing[f"{names}, which has the classes of {found[1]}"] = archives
        return missing

    def _annotations(self, files: AnnotationFiles, source: Path) -> Annotations:
        known = files.read(source)
        if not self.subset:
            for split in self.publication.images:
                check_annotations(source, split, known, self.publication)
        return known

    def _write_lists(self, folders: Mapping[str, str], annotations: FoundAnnotations) -> None:
        known = self._annotations(*annotations) if annotations else None
        pictures = {}
        for split, name in folders.items():
            folder = self.output / name
            pictures[split] = find_pictures(folder, self.publication, known)
            if not self.subset:
                check_counts(folder, split, pictures[split], self.publication, known)
        classes = self._classes(pictures, label_order(pictures, known, self.subset))
        listed = {
            split: self._labeled(split, self.output / name, pictures[split], classes)
            for split, name in folders.items()
        }
        for split in folders:  # an earlier preparation is no longer valid
            remove(self._list(split))
            remove(index_file(pack_file(self._list(split))))
        if annotations:
            self._keep(*annotations)
        write_classes(self.output / CLASSES_FILE, classes)
        for split, name in folders.items():
            write_list(self._list(split), ((n, f"{name}/{path}") for n, path in listed[split]))

    def _keep(self, files: AnnotationFiles, annotations: Path) -> None:
        """Copy the annotations that are needed later to the dataset's folder."""
        folder = (self.output / files.extracted / files.probe).parent
        for name in files.kept:
            if self.overwrite or not (folder / name).is_file():
                content = read_member(annotations, name)
                with atomic_write(folder / name) as file:
                    file.write(content)

    def _classes(
        self, pictures: Mapping[str, Sequence[Picture]], classes: Tuple[str, ...]
    ) -> Tuple[str, ...]:
        """Return `classes`, or those of an earlier list, since both lists have the same labels."""
        path = self.output / CLASSES_FILE
        known = self.publication.images
        before = [s for s in known if s not in pictures and self._list(s).exists()]
        if not before or (not self.subset and not path.exists()):
            return classes
        if not path.exists():
            raise InputError(
                f"{path}: is missing, with which {self._list(before[0])} was made; prepare both "
                "splits again with --overwrite"
            )
        earlier = read_classes(path)
        if earlier != classes and not (self.subset and "train" in before):
            raise InputError(
                f"{self._list(before[0])}: made for {len(earlier)} classes, not for the "
                f"{len(classes)} found now; prepare both splits again with --overwrite"
            )
        return earlier

    def _labeled(
        self, split: str, folder: Path, pictures: Sequence[Picture], classes: Sequence[str]
    ) -> List[Tuple[int, str]]:
        """Return (label, path) of the pictures, in order; those outside a subset are left out."""
        labels = {name: label for label, name in enumerate(classes)}
        other = next((p for p in pictures if p.category not in labels), None)
        if other and not self.subset:
            raise InputError(f"{folder}: class {other.category} is not in {CLASSES_FILE}")
        chosen = [p for p in pictures if p.category in labels]
        if not chosen:
            raise InputError(f"{folder}: none of its pictures is of a class in {CLASSES_FILE}")
        if split == "train":
            chosen.sort(key=lambda p: (labels[p.category], p.folder, p.name))
        else:
            chosen.sort(key=lambda p: (p.name, p.folder))
        return [(labels[p.category], p.folder + p.name) for p in chosen]

    def _write_pack(self, split: str, on_progress: OnProgress) -> None:
        listing = self._list(split)
        images = ImageList(self.output, *read_list(listing))
        write_pack(
            images,
            pack_file(listing),
            lambda done: on_progress(done, len(images)),
            listing=listing,
        )


def _is_flat(form: Form, place: Path) -> bool:
    """Return whether there are no class folders, so that annotations must give the classes."""
    return form.flat if place.is_file() else not any(entry.is_dir() for entry in os.scandir(place))
