"""Official files of a dataset: how they are found, and brought into the dataset's folder."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import (
    Callable,
    Collection,
    ContextManager,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
)

from rnw.data.archives import (
    OnProgress,
    check_before_extracting,
    check_md5,
    clear_dead_link,
    extract,
    is_checked,
)
from rnw.data.prepare.other_releases import find_hints
from rnw.data.sets.publication import Form
from rnw.errors import InputError
from rnw.locks import alone_in

RAR = ".rar"  # is not extracted here
Found = Optional[Tuple[Form, Path]]


class PreparationStep(NamedTuple):
    """A step of a preparation: a description, and a function that takes a progress callback."""

    text: str
    action: Callable[[OnProgress], object]

    def run(self, on_progress: OnProgress = lambda done, total: None) -> None:
        """Take the step; raise InputError when files are not as they should be."""
        self.action(on_progress)


class Planned(Protocol):
    """A preparation in the folder `output`, by the steps that are still to do."""

    @property
    def output(self) -> Path: ...

    def plan(self) -> List[PreparationStep]: ...


def take_steps(
    preparation: Planned, on_step: Callable[[PreparationStep], ContextManager[OnProgress]]
) -> None:
    """Take all steps of a preparation, with the output folder locked.

    on_step: called with each step before it is taken; returns a context that gives its progress
        callback.

    Raises InputError for files that are missing or not as they should be, and where another process
    holds the lock.
    """
    with alone_in(preparation.output):
        for step in preparation.plan():  # planned under the lock: another process may have ended
            with on_step(step) as on_progress:
                step.run(on_progress)


@dataclass(frozen=True)
class OfficialFiles:
    """The archives or folders in `folders`, for the dataset in `output`.

    md5: check archives. Raises InputError for a folder that is missing.
    """

    folders: Sequence[Path]
    output: Path
    md5: bool = True

    def __post_init__(self) -> None:
        for folder in self.folders:
            if folder.is_file():
                raise InputError(f"{folder}: is a file; give the folder that contains it")
            if not folder.is_dir():
                raise InputError(f"{folder}: no such directory; expected archives or folders in it")

    def find(self, forms: Sequence[Form]) -> Found:
        """Return the form in which a part is found: in place, else archive, else folder."""
        archives = [
            (form, folder / form.archive)
            for folder in self.folders
            for form in forms
            if (folder / form.archive).is_file()
        ]
        places = [
            *((form, self.output / form.folder) for form in forms),
            *((form, path) for form, path in archives if path.suffix != RAR),
            *(
                (form, folder / name)
                for folder in self.folders
                for form in forms
                for name in form.extracted
                if (folder / name / form.probe).exists()
            ),
            *archives,  # of a kind that cannot be read, as will be said
        ]
        return next(((form, place) for form, place in places if place.exists()), None)

    def refuse(self, missing: Mapping[str, Sequence[str]]) -> None:
        """Raise InputError that names everything missing, if anything is.

        missing: what is missing, with the archives any of which would do.
        """
        if missing:
            folders = ", ".join(map(str, dict.fromkeys([*self.folders, self.output])))
            archives = dict.fromkeys(name for names in missing.values() for name in names)
            hints = [hint for folder in self.folders for hint in find_hints(folder, archives)]
            raise InputError(f"missing in {folders}: {'; '.join([*missing, *hints])}")

    def check(self, archive: Path, md5: Optional[str]) -> Iterator[PreparationStep]:
        """Yield a step that checks the MD5 of an archive, if that is published and requested."""
        if self.md5 and md5:
            yield PreparationStep(f"check the md5 of {archive}", partial(check_md5, archive, md5))

    def obtain(self, form: Form, source: Path) -> Iterator[PreparationStep]:
        """Yield the steps that bring a form from where it was found to its folder."""
        folder = self.output / form.folder
        if folder.is_file():
            raise InputError(f"{folder}: a file is where a folder must be; remove it")
        if source.is_file():
            expected = form.md5 if self.md5 else None
            if expected and not is_checked(source, expected, folder):
                check = partial(check_before_extracting, source, expected, folder)
                yield PreparationStep(f"check the md5 of {source}", check)
            action = partial(extract, source, form.inside, folder, expected=expected)
            yield PreparationStep(f"extract {source} to {folder}", action)
        elif source != folder:
            yield PreparationStep(f"link {folder} to {source}", lambda _: _link(folder, source))


def check_splits(splits: Sequence[str], known: Collection[str]) -> None:
    """Raise InputError for a split that is not one of `known`."""
    unknown = [split for split in splits if split not in known]
    if unknown:
        raise InputError(f"no split {unknown[0]!r}: expected {' or '.join(known)}")


def names_of(forms: Sequence[Form]) -> str:
    """Return the names of the archives and folders of any of the forms, for messages."""
    names = [*(form.archive for form in forms), *(f"{n}/" for f in forms for n in f.extracted)]
    return " or ".join(dict.fromkeys(names))


def _link(folder: Path, source: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_dead_link(folder)
        folder.symlink_to(source.resolve(), target_is_directory=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be linked: {error.strerror}") from error
