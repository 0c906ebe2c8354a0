"""One writer at a time in a folder: a second one would mix its files with those of the first."""

import contextlib
import fcntl
import logging
import os
from pathlib import Path
from typing import Iterator, List, Optional

from rnw.errors import InputError
from rnw.files import make_folder, writing

LOCK_FILE = ".lock"

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def alone_in(folder: Optional[Path]) -> Iterator[None]:
    """Make a folder where it is missing, and let no other process write there meanwhile.

    None: nothing is written. Raises InputError as `FolderLock`.
    """
    if folder is None:
        yield
        return
    with FolderLock(folder) as lock:
        lock.acquire()
        yield


class FolderLock:
    """While active, no other process gets the lock of `folder`, on a file there that ends with it.

    The system frees the lock of a process that was killed. A folder that is not there yet is locked
    by `acquire`, and goes again if nothing was written into it.
    """

    def __init__(self, folder: Path):
        self._folder, self._path = folder, folder / LOCK_FILE
        self._made: List[Path] = []
        self._file: Optional[int] = None

    def __enter__(self) -> "FolderLock":
        with writing(self._folder):
            exists = self._folder.is_dir()
        if exists:
            self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            for folder in self._made:
                folder.rmdir()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def acquire(self) -> None:
        """Make the folder where it is missing, and lock it unless this was done.

        Raises InputError when it cannot be made or written, and when another process has the lock.
        """
        while self._file is None:
            file = self._open()
            if os.fstat(file).st_nlink:
                self._file = file
            else:  # whoever had it has just removed it
                os.close(file)

    def _open(self) -> int:
        """Return the locked file, in a folder that whoever has the lock may remove meanwhile."""
        with writing(self._path):
            for attempts_left in reversed(range(100)):
                folders = (self._folder, *self._folder.parents)
                self._made = self._made or [folder for folder in folders if not folder.exists()]
                make_folder(self._folder)
                try:
                    file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
                    break
                except FileNotFoundError:
                    if not attempts_left:
                        raise
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise InputError(
                f"{self._folder}: another run is writing there: wait for its end, or choose "
                "another folder"
            ) from None
        except OSError as error:
            logger.warning(
                "%s: cannot be locked (%s); start no other run there", self._folder, error.strerror
            )
        return file
