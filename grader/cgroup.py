"""Hard limits on a whole sandbox by Linux's control groups (version 2), where this machine lets us make them.

The zygote adds up what its sandbox uses and ends what uses too much, some milliseconds late.
A control group is the kernel's own account: it counts every page, the kernel's included,
and nothing exceeds it. Root can make one where the unified hierarchy can be written
and has the controllers `memory` and `pids`; others can inside a scope that systemd hands over.
Without one the zygote watches alone, and `grader doctor` says so.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import time
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("memory", "pids")
WANTED = ("cpu",)  # with it every sandbox has the same share of the processors
LEAF = "grader-itself"  # where this process goes: a group with processes in it may hand out no controllers
PREFIX = "grader-sandbox-"
REMOVE_SECONDS = 2.0
DELEGATE = "start it as `systemd-run --user --scope -p Delegate=yes grader grade …`"


@dataclass(frozen=True)
class Place:
    """Where groups can be made, or None and the reason, with what to do about it."""

    folder: Path | None
    why: str
    fix: str = ""


@functools.cache
def place() -> Place:
    """Where this process can make groups. The first call may move it into a group of its own."""
    return find(Path("/proc/self/mountinfo"), Path("/proc/self/cgroup"))


def find(mounts: Path, own: Path) -> Place:
    """As `place`; `mounts` and `own` are read as /proc/self/mountinfo and /proc/self/cgroup are."""
    top = _mounted(mounts)
    if top is None:
        return Place(
            None, "no control groups of version 2 are mounted", "boot with systemd.unified_cgroup_hierarchy=1"
        )
    folders = []
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            path = line[3:].strip("/")
            if line.startswith("0::") and not path.startswith(".."):
                folder = top / path
                folders.append(folder.parent if folder.name == LEAF else folder)
    if os.geteuid() == 0 and top not in folders:
        folders.append(top)
    places = [_usable(folder) for folder in folders] or [Place(None, f"{own} names no group below {top}")]
    return next((found for found in places if found.folder), places[0])


def sessions_share() -> bool:
    """Whether Linux gives each session, and so each sandbox, the same share of the processors."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/sched_autogroup_enabled").read_text().strip() == "1"
    return False


def cores() -> int:
    """Of this machine, those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _mounted(mounts: Path) -> Path | None:
    """Where the unified hierarchy is mounted."""
    with contextlib.suppress(OSError):
        for line in mounts.read_text().splitlines():
            before, _, after = line.partition(" - ")
            if after.split()[:1] == ["cgroup2"]:
                return Path(before.split()[4])
    return None


def _usable(folder: Path) -> Place:
    """Whether groups with the controllers can be made in `folder`; turns the controllers on there."""
    try:
        offered = (folder / "cgroup.controllers").read_text().split()
        if lacking := sorted(set(NEEDED) - set(offered)):
            return Place(
                None,
                f"{folder} offers no control over {' and '.join(lacking)}",
                "boot with systemd.unified_cgroup_hierarchy=1" if os.geteuid() == 0 else DELEGATE,
            )
        wanted = [name for name in (*NEEDED, *WANTED) if name in offered]
        _turn_on(folder, wanted)
        _sweep(folder)
        trial = folder / f"{PREFIX}{os.getpid()}-trial"
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        return Place(None, f"{folder}: {error.strerror}", DELEGATE)
    return Place(folder, f"{folder} ({', '.join(wanted)})")


def _turn_on(folder: Path, wanted: list[str]) -> None:
    """Hand `wanted` controllers on to the groups inside `folder`. Raises OSError if that cannot be done."""
    control = folder / "cgroup.subtree_control"
    if set(wanted) <= set(control.read_text().split()):
        return
    words = " ".join(f"+{name}" for name in wanted)
    try:
        control.write_text(words)
    except OSError as error:
        alone = (folder / "cgroup.procs").read_text().split() == [str(os.getpid())]
        if error.errno != errno.EBUSY or not alone:  # nobody else's process is moved about
            raise
        leaf = folder / LEAF
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        control.write_text(words)


def _sweep(folder: Path) -> None:
    """Remove the empty groups of graders that were killed."""
    for group in folder.glob(f"{PREFIX}*"):
        pid = group.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                group.rmdir()


class Group:
    """The control group of one sandbox. Raises OSError where it cannot be made."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{PREFIX}{os.getpid()}-{name}"
        self.path.mkdir()

    def around(self, words: list[str]) -> list[str]:
        """A command line as one that runs inside this group from its first moment."""
        return ["/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *words]

    def limit(self, *, further_bytes: int, processes: int) -> None:
        """Let it take `further_bytes` beyond what it has now, and run so many processes and threads."""
        now = int((self.path / "memory.current").read_text())
        (self.path / "memory.max").write_text(str(now + further_bytes))
        with contextlib.suppress(OSError):  # a kernel without swap accounting has no such file
            (self.path / "memory.swap.max").write_text("0")
        (self.path / "pids.max").write_text(str(processes))

    def oom_kills(self) -> int:
        """How many of its processes the kernel has ended because the group's memory was used up."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self.path / "memory.events").read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return 0

    def close(self) -> None:
        """Kill what is in it and remove it."""
        with contextlib.suppress(
            OSError
        ):  # Linux before 5.14 has no such file; the sandbox's end is its end then
            (self.path / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + REMOVE_SECONDS
        while time.monotonic() < deadline:
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError:  # its last process is not quite gone
                time.sleep(0.01)
            else:
                return
