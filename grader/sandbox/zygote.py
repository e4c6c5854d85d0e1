"""The process inside the box that has torch already, and forks one worker a submission.

It runs as pid 1 of the box's own process namespace, with one thread, and never runs
a student's code itself. Over its control socket it takes two commands, one line of
JSON each: `start` (with the submission's socket and output pipe) forks a worker;
`end` kills everything in the box, reaps it, wipes the scratch, and answers whether
the box is as clean as before. Between the two it adds up the box's memory.

This file runs inside the box and imports nothing of the kit but its neighbours.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
MIB = 2**20
WATCH_SECONDS = 0.05  # how often the memory of a running submission is added up


def main() -> NoReturn:
    """Set up, load torch, say so, and serve until the trusted side hangs up.

    The single argument is JSON: `scratch` (folders to wipe), `uid` (whom to become, or
    null), `walled` (whether this is pid 1 of a box), `shim` (path of the torchvision shim).
    """
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    _drop_root(config["uid"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a handler would let the inside interrupt pid 1
    _preload(config["shim"])
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    _prctl(PR_SET_DUMPABLE, 0)  # nobody inside may look into this process
    box = Box(control, [Path(folder) for folder in config["scratch"]], walled=config["walled"])
    box.wipe()
    gc.collect()
    gc.freeze()  # what is here now is never collected, so that the pages stay shared after a fork
    box.say(event="ready")
    box.serve()
    os._exit(0)


class Box:
    """The state of one box: the control socket, and the worker that is running, if any."""

    def __init__(self, control: socket.socket, scratch: list[Path], *, walled: bool) -> None:
        self.control = control
        self.scratch = scratch
        self.walled = walled
        self.worker = 0  # process id, 0: none
        self.memory_bytes = 0  # of the running submission at most
        self.own_bytes = _status_bytes(Path("/proc/self/status"))
        if not walled and sys.platform == "linux":
            _prctl(PR_SET_CHILD_SUBREAPER, 1)

    def say(self, **message: Any) -> None:
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def serve(self) -> None:
        """Take commands until the other end closes."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        while True:
            waiting = self.worker != 0
            ready = poll.poll(int(WATCH_SECONDS * 1000) if waiting else None)
            if waiting:
                self.look_after_worker()
            if not ready:
                continue
            line, descriptors, _, _ = socket.recv_fds(self.control, 65536, 2)
            if not line:
                self.kill_all()
                return
            command = json.loads(line)
            if command["do"] == "start":
                self.start(command["limits"], descriptors)
            elif command["do"] == "end":
                self.end()

    def start(self, limits: dict[str, Any], descriptors: list[int]) -> None:
        connection, output = descriptors
        self.memory_bytes = limits["memory_mib"] * MIB
        try:
            child = os.fork()
        except OSError as error:
            for descriptor in descriptors:
                os.close(descriptor)
            self.say(event="exit", status=-1, why=f"no worker could be started: {error.strerror}")
            return
        if child == 0:
            try:
                self.control.close()
                _become_worker(connection, output, limits)
            finally:
                os._exit(1)
        self.worker = child
        for descriptor in descriptors:
            os.close(descriptor)

    def look_after_worker(self) -> None:
        """Report the worker's end; stop the submission if it takes too much memory."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.worker:
                self.worker = 0
                self.say(event="exit", status=os.waitstatus_to_exitcode(status), why="")
        if self.worker and self.used_bytes() > self.memory_bytes:
            worker = self.worker
            self.worker = 0
            self.kill_all()
            self.say(event="exit", status=-signal.SIGKILL, why="memory", pid=worker)

    def used_bytes(self) -> int:
        """Memory of all processes but this one.

        First what costs little: resident private and shared memory, in which pages shared
        with the zygote count once a process. Only where that is too much, proportional
        shares are read, which is exact and slow; a process that cannot be read that way
        counts in full.
        """
        processes = self.processes()
        rough = {pid: _status_bytes(Path(f"/proc/{pid}/status")) for pid in processes}
        # The worker's own share of the zygote's pages, which the limit does not include.
        if sum(rough.values()) <= self.memory_bytes + self.own_bytes:
            return 0
        return sum(_proportional_bytes(pid, rough[pid]) for pid in processes)

    def processes(self) -> list[int]:
        """Process ids of everything that this box has started."""
        if self.walled:
            return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
        return _descendants(os.getpid())

    def kill_all(self) -> bool:
        """Kill and reap everything but this process. True once nothing is left."""
        deadline = time.monotonic() + 2.0
        while True:
            if self.walled:
                try:
                    os.kill(-1, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            else:
                for pid in _descendants(os.getpid()):
                    _kill(pid)
                if self.worker:
                    _kill(-self.worker)
                    _kill(self.worker)
            while True:
                try:
                    # Waiting is right in the box: all that is left there is our child and killed.
                    pid, _ = os.waitpid(-1, 0 if self.walled else os.WNOHANG)
                except ChildProcessError:
                    return not self.processes()
                if pid == 0:
                    break
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)

    def end(self) -> None:
        dead = self.kill_all()
        self.worker = 0
        empty = self.wipe()
        self.say(event="clean", clean=dead and empty)

    def wipe(self) -> bool:
        """Remove every file that a submission could have left. True once nothing is there."""
        for folder in self.scratch:
            try:
                _wipe_folder(folder)
            except (OSError, RecursionError):
                return False
        return True


def _become_worker(connection: int, output: int, limits: dict[str, Any]) -> None:
    """In the fork: own session, own output, limits, then serve requests."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    # New objects: the inherited ones remember what the zygote's descriptors were.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    _prctl(PR_SET_DUMPABLE, 1)  # so that the zygote can read this process's share of memory
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")  # rather this process than the zygote
    except OSError:
        pass
    _limit(limits)
    from . import worker

    worker.serve(socket.socket(fileno=connection), limits)


def _limit(limits: dict[str, Any]) -> None:
    bounds = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": int(limits["cpu_seconds"]),
        "RLIMIT_FSIZE": limits["file_mib"] * MIB,
        "RLIMIT_NOFILE": limits["open_files"],
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_MEMLOCK": 0,
    }
    if limits["processes"]:  # without a wall it would count all that the person at the keyboard runs
        bounds["RLIMIT_NPROC"] = limits["processes"]
    if limits["device"] == "cpu":  # CUDA reserves address space far beyond what it uses
        bounds["RLIMIT_AS"] = (
            _status_bytes(Path("/proc/self/status"), ("VmSize:",)) + limits["memory_mib"] * MIB
        )
    for name, bound in bounds.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            bound = min(bound, hard)
        try:
            resource.setrlimit(number, (bound, bound))
        except (OSError, ValueError):
            if sys.platform == "linux":
                raise


def _drop_root(uid: int | None) -> None:
    """Become an ordinary user that owns nothing. With that the kernel takes all capabilities away."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def _preload(shim: str) -> None:
    """Load what submissions import, with one thread only and without touching CUDA."""
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    import numpy
    import torch.utils._python_dispatch
    import torch.utils.data

    from . import definitions, worker

    del numpy, definitions, worker
    if shim:
        sys.path.insert(0, str(Path(shim).parent))
        try:
            importlib.import_module(Path(shim).stem).import_torchvision()
            importlib.import_module("torchvision.transforms.v2")
        except ImportError:
            pass  # then a student's import fails too, and says so
        finally:
            sys.path.pop(0)
    sys.path.pop(0)  # where this file's neighbours lie


def _wipe_folder(folder: Path) -> None:
    """Empty a folder, and put its own permissions and attributes back. Raises OSError if it cannot be."""
    ours = folder.stat().st_uid == os.geteuid()  # else it belongs to root, and only its contents could change
    if ours:
        os.chmod(folder, 0o700)
    for name in os.listdir(folder):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, onerror=_open_up)
        else:
            path.unlink()
    if os.listdir(folder):
        raise OSError("not empty")
    if ours:
        if hasattr(os, "listxattr"):
            for attribute in os.listxattr(folder):
                os.removexattr(folder, attribute)
        os.utime(folder, (0, 0))


def _open_up(remove: Any, name: str, error: Any) -> None:
    """Let shutil.rmtree into a folder that its owner has closed."""
    for path in (os.path.dirname(name), name):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.chmod(path, 0o700)
    if os.path.isdir(name) and not os.path.islink(name):
        shutil.rmtree(name)
    else:
        os.unlink(name)


def _descendants(ancestor: int) -> list[int]:
    """Process ids below `ancestor`, from /proc; empty where there is none (macOS)."""
    parents: dict[int, int] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            text = Path(f"/proc/{name}/stat").read_text(errors="replace")
            parents[int(name)] = int(text.rpartition(")")[2].split()[1])
        except OSError:
            continue
    found: list[int] = []
    wanted = {ancestor}
    while True:
        new = {pid for pid, parent in parents.items() if parent in wanted and pid not in wanted}
        if not new:
            return found
        found += new
        wanted |= new


def _status_bytes(path: Path, fields: tuple[str, ...] = ("RssAnon:", "RssShmem:")) -> int:
    """The sum of some fields of a /proc/PID/status, in bytes; 0 for a process that has ended."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return 0
    lines = (line.split() for line in text.splitlines() if line.startswith(fields))
    return sum(int(words[1]) * 1024 for words in lines)


def _proportional_bytes(pid: int, full: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(errors="replace")
    except OSError:
        return full
    lines = (line.split() for line in text.splitlines() if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return sum(int(words[1]) * 1024 for words in lines)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
