"""What a kind of sandbox provides, and what all kinds share.

A further kind is one more subclass of `Backend` in a file of its own, and its line in `backends`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from grader.errors import UserError
from grader.limits import Limits
from grader.types import Record

HERE = Path(__file__).resolve().parent
KIT = Path("/kit")  # where an isolated sandbox has this package's own files
SCRATCH = Path("/scratch")  # where a submission may write; not /tmp, where the environment itself may lie
INSIDE_FILES = (
    *("zygote.py", "worker.py", "definitions.py", "effects.py", "cells.py", "notebook.py", "helpers.py"),
    *("checkpoints.py", "protocol.py", "relay.py", "rules.py", "waiting.py", "counters.py", "device.py"),
    *("pace.py", "sketch.py"),
)
SHIM = HERE.parent / "torchvision_shim.py"
START = "import sys; sys.path.insert(0, {kit!r}); from boxed import zygote; zygote.main()"
_numbers = itertools.count()

State = Literal["ok", "missing", "note"]  # a note costs something, but the sandbox works without it


class Finding(Record):
    """A thing of this machine: how it was found, and what to do where it is not as it should be."""

    layer: str
    state: State
    found: str
    fix: str = ""


class Backend(ABC):
    """A kind of sandbox, and one running sandbox of it: the zygote's process and the socket that commands it.

    `device` is "cpu" or "cuda".
    """

    name: ClassVar[str]  # as --sandbox has it
    summary: ClassVar[str]  # for the command's help
    isolates: ClassVar[bool] = True  # else students' code has all rights of whoever grades
    own_user: ClassVar[bool] = True  # whether nobody else's processes count as the submission's
    warning: ClassVar[str] = ""  # what is said before anything is graded

    control: socket.socket

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.number = next(_numbers)  # no other of this process has it
        self.process: subprocess.Popen[bytes] | None = None

    # The kind

    @classmethod  # noqa: B027 (most need nothing)
    def prepare(cls) -> None:
        """Do what has to be done once, before this process starts others."""

    @classmethod
    @abstractmethod
    def runs_here(cls) -> bool:
        """Whether this operating system can have it."""

    @classmethod
    @abstractmethod
    def look(cls) -> Iterator[Finding]:
        """What it needs of this machine, as it is found; starts nothing but small programs."""

    # One sandbox

    def start(self, limits: Limits) -> None:
        """Start the zygote, which loads torch while this side goes on. It can be started again after `stop`.

        Raises UserError where there is no such sandbox to be had.
        """
        self.control, theirs = socket.socketpair()
        try:
            self._launch(theirs, limits)
        except OSError as error:
            self.stop()
            raise UserError(
                f"no process can be started for the students' code ({error.strerror}: "
                f"{error.filename or 'the system refused'}): make room, then run it again"
            ) from None
        except UserError:
            self.stop()
            raise
        finally:
            theirs.close()

    @abstractmethod
    def _launch(self, control: socket.socket, limits: Limits) -> None:
        """Start `process`, whose zygote is commanded over `control`. Raises OSError, UserError."""

    def failure(self) -> UserError:
        """Why the zygote did not come up, as a line that says what to do."""
        said = b""
        if self.process is not None and self.process.stderr is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, said = self.process.communicate(timeout=5)
        return self._explain(said.decode("utf-8", "replace"))

    @abstractmethod
    def _explain(self, said: str) -> UserError:
        """The error output of what did not start as a line that says what to do."""

    def enforce(self, limits: Limits, threads: int) -> None:  # noqa: B027 (the zygote enforces them everywhere)
        """Set limits on the sandbox as a whole, whose zygote is ready now. Raises UserError.

        `threads`: how many torch may use for one submission, beside `limits.processes`.
        """

    def begin(self) -> None:  # noqa: B027
        """A submission begins."""

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended something of this submission for want of the sandbox's memory."""
        return False

    def stop(self, *, ready: bool = False) -> None:
        """Kill the sandbox, and wait until all of it is gone. `ready`: whether its zygote was."""
        self.control.close()
        self._end(ready)
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None

    @abstractmethod
    def _end(self, ready: bool) -> None:
        """End what is in the sandbox, whose control socket is closed; `process` is killed after that."""

    def _wait(self, seconds: float) -> None:
        """Give the zygote time to end by itself: hung up on, it first kills what it has started."""
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=seconds)


def zygote_words(
    kit: Path,
    *,
    scratch: Sequence[Path],
    device: str,
    isolated: bool,
    shim: Path,
    packages: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
    uid: int | None = None,
    filter_: Path | None = None,
    relayed: bool = False,
) -> list[str]:
    """What follows the interpreter in the command of a zygote; see `zygote.main` for what it is told."""
    config = {
        "scratch": [*map(str, scratch)],
        "device": device,
        "uid": uid,
        "sandboxed": isolated,
        "shim": str(shim),
        "packages": [*map(str, packages)],
        "hidden": [*map(str, hidden)],
        "filter": str(filter_) if filter_ else "",
        "relayed": relayed,
    }
    return ["-I", "-B", "-W", "ignore", "-c", START.format(kit=str(kit)), json.dumps(config)]


def environment(scratch: Path, device: str) -> dict[str, str]:
    """The environment that a student's code sees."""
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(scratch),
        "TORCH_HOME": str(scratch),
        "XDG_CACHE_HOME": str(scratch),
        # One thread until a worker asks for more: a fork of a process with threads hangs.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "CUDA_CACHE_DISABLE": "1",  # else the driver lays its cache into the submission's folder
    }
    if device == "cpu":
        variables["TORCHDYNAMO_DISABLE"] = "1"  # torch.compile finds no compiler here: run what it is given
    return variables


def copy_inside_files(kit: Path) -> None:
    """Lay the inside files into `kit`, the way the sandbox has them."""
    (kit / "boxed").mkdir(parents=True)
    for name in INSIDE_FILES:
        shutil.copyfile(HERE / name, kit / "boxed" / name)


def last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
