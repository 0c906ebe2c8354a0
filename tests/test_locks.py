"""Folders that one process at a time writes."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnw.errors import InputError
from rnw.locks import LOCK_FILE, FolderLock

FOLDER = Path("folder")
HOLD = (
    "from pathlib import Path; from rnw.locks import FolderLock\n"
    f"with FolderLock(Path('{FOLDER}')) as lock: lock.acquire(); print(flush=True); input()"
)


def _hold():
    """A process that has the lock until it is killed or told to end."""
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdin=pipe, stdout=pipe, text=True)
    holder.stdout.readline()
    return holder


def test_a_second_process_is_refused():
    FOLDER.mkdir()
    holder = _hold()
    wording = "^folder: another run is writing there: wait for its end, or choose another folder$"
    with pytest.raises(InputError, match=wording), FolderLock(FOLDER):
        pass
    holder.communicate("\n")
    with FolderLock(FOLDER):
        assert [path.name for path in FOLDER.iterdir()] == [LOCK_FILE]
    assert list(FOLDER.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free():
    holder = _hold()
    holder.kill()
    holder.communicate()
    assert (FOLDER / LOCK_FILE).exists()
    with FolderLock(FOLDER):
        pass
    assert list(FOLDER.iterdir()) == []


TAKE = """
from pathlib import Path
from rnw.errors import InputError
from rnw.locks import FolderLock
for turn in range(100):
    try:
        with FolderLock(Path("folder")) as lock:
            lock.acquire()
            Path("folder/mine").touch(exist_ok=False)
            Path("folder/mine").unlink()
    except InputError as error:
        assert "another run is writing there" in str(error), error
"""


def test_no_two_have_it_at_once_though_the_folder_comes_and_goes():
    takers = [subprocess.Popen([sys.executable, "-c", TAKE]) for _ in range(3)]
    assert [taker.wait() for taker in takers] == [0, 0, 0]


@pytest.mark.parametrize("written", [False, True])
def test_a_missing_folder_is_made_by_acquiring_and_goes_if_it_is_empty(written):
    folder = Path("there/a/b")
    Path("there").mkdir()
    with FolderLock(folder) as lock:
        assert not folder.exists()
        lock.acquire()
        assert [path.name for path in folder.iterdir()] == [LOCK_FILE]
        if written:
            (folder / "file").touch()
    assert [path.name for path in Path().rglob("*")] == ["there", "a", "b", "file"][
        : 1 + 3 * written
    ]


def test_an_empty_folder_that_was_there_stays():
    FOLDER.mkdir()
    with FolderLock(FOLDER):
        pass
    assert FOLDER.is_dir()
