"""No sandbox: the same zygote as a plain process, for one's own code on one's own machine."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from grader.errors import UserError
from grader.limits import Limits
from grader.sandbox import runtime
from grader.sandbox.backend import (
    SHIM,
    Backend,
    Finding,
    copy_inside_files,
    environment,
    last_line,
    zygote_words,
)
from grader.workdir import Workdir


class Unconfined(Backend):
    name = "none"
    summary = "`none` trusts every student with this machine"
    isolates = False
    own_user = False
    warning = (
        "--sandbox none: student code runs with all your rights on this machine and can read "
        "the hidden checks; the gradebook records it"
    )

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self.folder: Workdir | None = None

    @classmethod
    def runs_here(cls) -> bool:
        return sys.platform != "win32"

    @classmethod
    def look(cls) -> Iterator[Finding]:
        yield from ()

    def _launch(self, control: socket.socket, limits: Limits) -> None:
        self.folder = Workdir()
        kit, scratch = self.folder.path / "kit", self.folder.path / "scratch"
        scratch.mkdir()
        copy_inside_files(kit)
        self.process = subprocess.Popen(
            command(kit, scratch, self.device),
            stdin=control.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(scratch, self.device) | {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"},
            cwd=scratch,
        )

    def _explain(self, said: str) -> UserError:
        return UserError(
            f"the process for the students' code does not start ({last_line(said)}): "
            "see that `python -c 'import torch'` works for this user"
        )

    def _end(self, ready: bool) -> None:
        if ready:
            self._wait(3)

    def stop(self, *, ready: bool = False) -> None:
        super().stop(ready=ready)
        if self.folder is not None:
            self.folder.close()
            self.folder = None


def command(kit: Path, scratch: Path, device: str) -> list[str]:
    """The command of a zygote without a sandbox; `kit` holds copies of the inside files."""
    packages = runtime.package_folders()
    words = zygote_words(kit, scratch=[scratch], device=device, isolated=False, shim=SHIM, packages=packages)
    return [sys.executable, *words]
