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


def test_a_missing_folder_is_made_by_acquiring_alone():
    with FolderLock(FOLDER) as lock:
        assert not FOLDER.exists()
        lock.acquire()
        assert (FOLDER / LOCK_FILE).exists()
