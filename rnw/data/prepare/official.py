"""Official files: where they are found, and how they come into the folder of a dataset."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import (
    Callable,
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

Found = Optional[Tuple[Form, Path]]


class Step(NamedTuple):
    """Something to do, in words, and what does it: `action` is told whom to tell the progress."""

    text: str
    action: Callable[[OnProgress], object]

    def run(self, on_progress: OnProgress = lambda done, total: None) -> None:
        """Do it; raises InputError when what is found is not as it should be."""
        self.action(on_progress)


class Planned(Protocol):
    """Something to prepare in the folder `output`, in the steps that are still to do."""

    output: Path

    def plan(self) -> List[Step]: ...


def take_steps(preparation: Planned, on_step: Callable[[Step], ContextManager[OnProgress]]) -> None:
    """Do all that is to do, alone in the folder; each step is given to `on_step` before.

    Raises InputError for what is missing or not as it should be, and where another process writes.
    """
    with alone_in(preparation.output):
        for step in preparation.plan():  # what another process has just done is no longer to do
            with on_step(step) as on_progress:
                step.run(on_progress)


@dataclass(frozen=True)
class OfficialFiles:
    """The archives or folders in `folders`, for the dataset in `output`; `md5` checks archives.

    Raises InputError for a folder that is missing.
    """

    folders: Sequence[Path]
    output: Path
    md5: bool = True

    def __post_init__(self) -> None:
        for folder in self.folders:
            if folder.is_file():
                raise InputError(f"{folder}: is a file; give the folder that it is in")
            if not folder.is_dir():
                raise InputError(f"{folder}: no such directory; expected archives or folders in it")

    def find(self, forms: Sequence[Form]) -> Found:
        """The form in which something is there: in place, else as archive, else as folder."""
        places = [
            *((form, self.output / form.folder) for form in forms),
            *(
                (form, folder / form.archive)
                for folder in self.folders
                for form in forms
                if (folder / form.archive).is_file()
            ),
            *(
                (form, folder / name)
                for folder in self.folders
                for form in forms
                for name in form.extracted
                if (folder / name / form.probe).exists()
            ),
        ]
        return next(((form, place) for form, place in places if place.exists()), None)

    def refuse(self, missing: Mapping[str, Sequence[str]]) -> None:
        """Raises InputError that names all that is missing, if anything is.

        missing: the archives that any of would do, by what is missing.
        """
        if missing:
            folders = ", ".join(map(str, dict.fromkeys([*self.folders, self.output])))
            archives = dict.fromkeys(name for names in missing.values() for name in names)
            hints = [hint for folder in self.folders for hint in find_hints(folder, archives)]
            raise InputError(f"missing in {folders}: {'; '.join([*missing, *hints])}")

    def check(self, archive: Path, md5: Optional[str]) -> Iterator[Step]:
        """Check the MD5 of an archive, where it is published and asked for."""
        if self.md5 and md5:
            yield Step(f"check the md5 of {archive}", partial(check_md5, archive, md5))

    def obtain(self, form: Form, source: Path) -> Iterator[Step]:
        """Bring a form from where it was found to its folder, if it is not there."""
        folder = self.output / form.folder
        if folder.is_file():
            raise InputError(f"{folder}: a file is in the place of a folder; remove it")
        if source.is_file():
            expected = form.md5 if self.md5 else None
            if expected and not is_checked(source, expected, folder):
                check = partial(check_before_extracting, source, expected, folder)
                yield Step(f"check the md5 of {source}", check)
            action = partial(extract, source, form.inside, folder, expected=expected)
            yield Step(f"extract {source} to {folder}", action)
        elif source != folder:
            yield Step(f"link {folder} to {source}", lambda _: _link(folder, source))


def names_of(forms: Sequence[Form]) -> str:
    """The archives and folders that any of the forms is found in, for messages."""
    names = [*(form.archive for form in forms), *(f"{n}/" for f in forms for n in f.extracted)]
    return " or ".join(dict.fromkeys(names))


def _link(folder: Path, source: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_dead_link(folder)
        folder.symlink_to(source.resolve(), target_is_directory=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be linked: {error.strerror}") from error
