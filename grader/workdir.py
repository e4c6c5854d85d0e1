"""Temporary folders that do not outlive their grader: one that was killed is cleared up after by the next."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from grader.errors import UserError

PREFIX = "grader-"
LOCK = "in-use.lock"  # held as long as the process that made the folder lives, however it ends
YOUNG_SECONDS = 60.0  # a folder may be younger than its lock


def sockets_fit() -> bool:
    """Whether a socket can have a path in the folder of temporary files, a folder of its own below it."""
    return len(os.fsencode(tempfile.gettempdir())) <= 60  # of 103 on some systems; the names take some forty


class Workdir:
    """A folder of this process's own, at `path`; use it as a context manager, or close it.

    Raises UserError where none can be made.
    """

    def __init__(self) -> None:
        sweep(Path(tempfile.gettempdir()))
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._lock = FileLock(self._folder / LOCK, thread_local=False)
            self._lock.acquire(timeout=0)
            self.path = self._folder / "work"
            self.path.mkdir()
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: no temporary folder can be made ({error.strerror}): make room, "
                "or set TMPDIR to another folder"
            ) from error

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        self._lock.release()
        shutil.rmtree(self._folder, ignore_errors=True)


def sweep(top: Path) -> None:
    """Remove this user's folders in `top` whose graders were killed."""
    for folder in top.glob(f"{PREFIX}*"):
        lock = folder / LOCK
        try:
            found, held = folder.lstat(), lock.lstat()
            ours = not hasattr(os, "geteuid") or found.st_uid == held.st_uid == os.geteuid()
            if not (ours and stat.S_ISDIR(found.st_mode) and stat.S_ISREG(held.st_mode)):
                continue
            if time.time() - held.st_mtime < YOUNG_SECONDS:
                continue
            with FileLock(lock).acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, Timeout):  # none of ours, or still in use
            continue
