"""What the desk does beside answering: write the results' files, and grade a student again."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grader.errors import UserError
from grader.gradebook import Run, is_at_work
from grader.text import safe_line, safe_text
from grader.types import Flag

QUIET_SECONDS = 5.0  # after the last decision, before the files are written
AGAIN_SECONDS = 60.0  # after they could not be
_OUTPUT_CHARACTERS = 20_000  # of a run that are shown


class Files:
    """Writes the files in a results folder anew when nobody has decided anything for some seconds."""

    def __init__(self, folder: Path, found: Callable[[Mapping[str, Sequence[Flag]]], None]) -> None:
        self.folder = folder
        self.found = found  # is told the flags for copies
        self.are_due = True  # the desk before this one may have been killed; and copies are to be found
        self.have_looked = False  # for copies
        self.trouble = ""  # why they could not be written
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task = asyncio.create_task(self._keep_up())

    def touch(self) -> None:
        """Something was decided, or measured."""
        self.are_due = True
        self._changed.set()

    async def _keep_up(self) -> None:
        while True:
            if not self.are_due:
                await self._changed.wait()
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), AGAIN_SECONDS if self.trouble else QUIET_SECONDS)
                continue  # somebody is still at it
            await self.write()

    async def write(self) -> None:
        """Write them now, if they are due. While a grader is at work they are left to it."""
        async with self._writing:
            if not self.are_due or is_at_work(self.folder):
                return
            self.are_due = False
            self.trouble = await self._refresh()
            self.are_due = self.are_due or bool(self.trouble)

    async def _refresh(self) -> str:
        """Why it failed; empty where it did not."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "grader.desk.refresh", str(self.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the desk, which waits for this
            )
        except OSError as error:  # no memory for another process, say
            return str(error)
        output, errors = await process.communicate()
        if process.returncode:
            return safe_line(errors.decode(errors="replace")[-500:], 500) or "their process was ended"
        told = json.loads(output)
        self.have_looked = True
        self.found({student: [Flag(**flag) for flag in flags] for student, flags in told.items()})
        return ""

    async def close(self) -> None:
        """The last time."""
        async with self._writing:  # not in the middle of it
            self._task.cancel()
        await self.write()


class Regrading:
    """`grader grade SOURCE --only STUDENT`, one at a time, with what it prints."""

    def __init__(self, folder: Path, ended: Callable[[], None]) -> None:
        self.folder = folder
        self.ended = ended
        self.student = ""
        self.output = ""  # the end of it, made safe
        self.status: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is still at it."""
        return self._task is not None and not self._task.done()

    async def start(self, student: str, run: Run) -> None:
        """Begin. Raises `UserError` where it cannot be."""
        if self.is_running or is_at_work(self.folder):
            raise UserError("a run is at work on these results: wait until it has ended, then try again")
        if not Path(run.source).exists():
            raise UserError(
                f"{run.source}: the download of run {run.number} is not there: start the desk in the folder"
                " where you graded, or run `grader grade DOWNLOAD --only STUDENT` with a new one"
            )
        sandbox = run.settings.get("sandbox") or "bubblewrap"
        options = [f"--only={student}", f"--out={self.folder}", f"--sandbox={sandbox}"]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "grader", "grade", *options, "--", run.source),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "100"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # an id with a zero byte in it, say
            raise UserError(f"{safe_line(student, 100)}: cannot be graded from here: {error}") from error
        self.student, self.status = student, None
        self.output = ""
        self._task = asyncio.create_task(self._follow(self._process))

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while output := await process.stdout.read(4096):
            text = safe_text(self.output + decoder.decode(output), 10**6)
            self.output = text[-_OUTPUT_CHARACTERS:]
        self.status = await process.wait()
        self.ended()

    async def close(self) -> None:
        """Stop it as Ctrl-C does: what is measured is kept."""
        if self.is_running and self._process and self._task:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
            await self._task
