"""The process inside the sandbox that has torch already, and forks one worker a submission.

It runs as pid 1 of the sandbox's own process namespace, with one thread, and never runs
a student's code itself. Over its control socket it takes three commands, one line of
JSON each: `start` (with the submission's socket and output pipe) forks a worker;
`end` kills everything in the sandbox, reaps it, wipes the scratch, and answers whether
the sandbox is as clean as before. Between the two it adds up the sandbox's memory and how long
its threads wait for a processor, which `tally` asks for.

This file runs inside the sandbox and imports nothing of the kit but its neighbours.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import platform
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from . import counters, relay, waiting

PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
PR_SET_CHILD_SUBREAPER = 36
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000
KIB, MIB = 2**10, 2**20
SIGNALS = 1024  # that may wait for all processes together
# The kernel's memory for a submission is in no process's, and is counted by what it is for. Uncounted, with
# the usual limits, remain at most 64 MiB of mappings and locks, 64 in a person's first thousand pipes, 28 in
# sockets, 24 for 20,000 files, and a seventh of the files' size where these are sparse: 110 of 768 MiB. The
# seccomp filter refuses the rest: epoll, inotify, wider sockets and pipes, datagrams, timers, …
UNSEEN_BYTES = 64 * MIB  # where the machine has less more of it than before, it is not looked for
MAPPING_BYTES = KIB  # 230 for itself, 104 for its pages' owner, 64 for each ancestor that shares these
LOCK_BYTES = 256  # of a part of a file; 192 where it is one of many
DESCRIPTOR_BYTES = 8 * KIB  # a pipe's, once the person's pipes have taken up their 64 MiB; others have less
SOCKETS_FREE = 64  # more sockets than honest code has: what waits in the others counts as memory
XCPU_SECONDS = 5  # after the signal that says that the CPU time is used up comes the end
# The watching process comes a little before the students' code. Where both are in one scheduling group, a
# higher niceness costs them much of the group's share: beside ten busy processes on two cores a loop gets
# 15 % of a core at a niceness of 1, 14 % at 5, 11 % at 10 and less than 5 % at 19.
NICE = 2
# Fields of /proc/PID/status, with the bytes of one: its memory, in the swap as well, and the kernel's for it.
OVERHEAD = {"VmPTE:": KIB, "FDSize:": DESCRIPTOR_BYTES}
RESIDENT = {"RssAnon:": KIB, "RssShmem:": KIB, "VmSwap:": KIB} | OVERHEAD
PROPORTIONAL = {"Pss_Anon:": KIB, "Pss_Shmem:": KIB, "SwapPss:": KIB}
WATCH_SECONDS = 0.05  # how often the memory of a running submission is added up
KILL_SECONDS = 2.0
LINUX = sys.platform == "linux"


def main() -> NoReturn:
    """Set up, load torch, say so, and serve until the trusted side hangs up.

    The single argument is JSON: `scratch` (folders to wipe), `uid` (whom to become, or
    null), `sandboxed` (whether this is pid 1 of a sandbox), `shim` (path of the torchvision
    shim), `packages` (folders to import from besides), `hidden` (paths that must not be there),
    `device` ("cpu" or "cuda"), `filter` (the folder of compiled seccomp filters where this process is to
    load its own, or ""), and `relayed` (whether the standard streams are a relay's, not the control socket).
    """
    config = json.loads(sys.argv[1])
    _forget_arguments()
    os.closerange(3, 1024)  # bubblewrap passes on what it was given
    control: Control | relay.Inside
    if config["relayed"]:
        control = relay.Inside(os.dup(0), os.dup(1))
        os.dup2(2, 1)  # nothing else may come in between
    else:
        control = Control(socket.socket(fileno=os.dup(0)))
    if config["filter"]:
        _filter_system_calls(config["filter"])
    _drop_root(config["uid"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a handler would let the inside interrupt pid 1
    sys.path += [folder for folder in config["packages"] if folder not in sys.path]
    gc.disable()  # or it looks again and again for garbage that imports do not leave: a fifth of their time
    _preload(config["shim"])
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    _prctl(PR_SET_DUMPABLE, 0)  # nobody inside may look into this process
    zygote = Zygote(control, [Path(folder) for folder in config["scratch"]], sandboxed=config["sandboxed"])
    # Before any student's code has run: afterwards only a student's process could tell.
    gpu = config["device"] == "cuda" and _sees_gpu()
    zygote.wipe()
    zygote.counters = counters.Counters(zygote.scratch) if config["sandboxed"] else None
    gc.collect()
    gc.enable()
    gc.freeze()  # what is here now is never collected, so that the pages stay shared after a fork
    zygote.say(event="ready", gpu=gpu, leaks=leaks(config["hidden"]) if config["sandboxed"] else [])
    zygote.serve()
    os._exit(0)


def leaks(hidden: list[str]) -> list[str]:
    """What the sandbox does not hold, tried from inside; an empty list is as it should be."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    wrong = [] if os.getpid() == 1 else ["other processes are in reach"]
    if any(int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")):
        wrong.append("capabilities are left")
    if status["NoNewPrivs"].strip() != "1" or status["Seccomp"].strip() != "2":
        wrong.append("system calls are not filtered")
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0:
        wrong.append("new namespaces can be made")
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET).close()
        wrong.append("network sockets can be opened")
    links = [line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]]
    if set(links) - {"lo"}:
        wrong.append("the network is in reach")
    wrong += [f"{path} can be read" for path in hidden if Path(path).exists()]
    for folder in ("/", "/dev", "/usr", "/kit", sys.prefix):
        with contextlib.suppress(OSError):
            Path(folder, ".written").touch()
            wrong.append(f"{folder} can be written")
    return wrong


class Control:
    """The control socket, over which commands come and reports go."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def wait(self, seconds: float | None) -> tuple[bytes, list[int]] | None:
        """Commands, and the descriptors that came along; none after `seconds`, None at the end."""
        if not self._poll.poll(None if seconds is None else seconds * 1000):
            return b"", []
        lines, descriptors, _, _ = socket.recv_fds(self._connection, 65536, 2)
        return (lines, descriptors) if lines else None

    def sendall(self, line: bytes) -> None:
        self._connection.sendall(line)

    def close(self) -> None:
        self._connection.close()


class Look(NamedTuple):
    """What was seen of a process's memory that is in no account of its own."""

    at: float
    refused: bool  # whether it keeps its mappings from us
    shared: dict[str, int]  # bytes of shared memory without a file, by inode, since processes share it
    kernel_bytes: int


class Zygote:
    """The state of one sandbox: how it is commanded, and the worker that is running, if any."""

    def __init__(self, control: Control | relay.Inside, scratch: list[Path], *, sandboxed: bool) -> None:
        self.control = control
        self.scratch = scratch
        self.sandboxed = sandboxed
        self.worker = 0  # process id, 0: none
        self.running = False  # from a submission's start to its end: what it started may outlive its worker
        self.cpu_seconds = 0.0  # of the running submission's worker at most
        self.oom_kills = 0  # on the whole machine, when the submission began
        self.memory_bytes = 0  # of the running submission at most
        self.files = 0  # likewise
        self.own_bytes = _status_bytes("self", RESIDENT)
        self.waiting = waiting.Waiting(sandboxed=sandboxed)  # of the running submission
        self.counters: counters.Counters | None = None
        self.machine_bytes = (0, 0)  # the machine's, as below, at its lowest since the submission began
        self.looks: dict[str, Look] = {}  # the latest at each process's mappings and locks
        self.socket_bytes = _socket_bytes()
        if not sandboxed:
            _prctl(PR_SET_CHILD_SUBREAPER, 1)

    def say(self, **message: Any) -> None:
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def serve(self) -> None:
        """Take commands until the other end closes."""
        while True:
            commands = self.control.wait(WATCH_SECONDS if self.running else None)
            if commands is None:
                self.kill_all()
                return
            lines, descriptors = commands
            if self.running and not lines:  # else its end may be asked for, which is not to wait
                self.look_after_worker()
            for line in lines.splitlines():
                command = json.loads(line)
                if command["do"] == "start":
                    self.start(command["limits"], descriptors)
                elif command["do"] == "tally":
                    self.say(event="tally", number=command["number"], **self.look_at_waiting())
                else:
                    self.running = False
                    clean = self.kill_all()
                    clean = self.wipe() and clean
                    self.say(event="clean", clean=clean and self.move_counters_on())

    def start(self, limits: dict[str, Any], descriptors: list[int]) -> None:
        """Fork a worker that serves the socket and prints to the pipe that came along."""
        connection, output = descriptors
        self.memory_bytes = limits["memory_mib"] * MIB
        self.files = limits["files"]
        self.cpu_seconds = limits["cpu_seconds"]
        self.machine_bytes = _machine_bytes()
        self.looks = {}
        self.oom_kills = _oom_kills()
        nice = os.getpriority(os.PRIO_PROCESS, 0) + NICE
        self.waiting = waiting.Waiting(nice=min(nice, 19), sandboxed=self.sandboxed)
        self.running = True
        child = os.fork()
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
        """Report the worker's end; stop the submission if it takes too much."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self.worker:
                    self.worker = 0
                    self.tell_end(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)
        self.look_at_waiting()
        if why := self.excess():
            self.running = False
            if self.worker:  # told first: to end many large processes takes its time
                self.say(event="exit", status=-signal.SIGKILL, why=why)
            self.kill_all()

    def look_at_waiting(self) -> dict[str, float]:
        return self.waiting.look(self.processes(), full_share=not self.sandboxed or _full_share())

    def tell_end(self, status: int, cpu_seconds: float) -> None:
        """Report how the worker ended by itself, and the limit that is likely to be the reason."""
        why = ""
        used_up = cpu_seconds > 0.9 * self.cpu_seconds  # for the limit the kernel counts in coarser steps
        if status == -signal.SIGXCPU or (status == -signal.SIGKILL and used_up):
            why = "cpu"
        elif status == -signal.SIGKILL and _oom_kills() > self.oom_kills:
            why = "machine"
        elif status == -signal.SIGBUS and self.sandboxed:  # shared memory that had no room
            full = [str(folder) for folder in self.scratch if os.statvfs(folder).f_bavail == 0]
            why = "full" if full else ""
        self.say(event="exit", status=status, why=why)

    def excess(self) -> str:
        """What the submission takes too much of: "memory", "files", or nothing."""
        if self.used_bytes() > self.memory_bytes:
            return "memory"
        if self.sandboxed:  # else the scratch lies on a disk with other people's files
            disks = [os.statvfs(folder) for folder in self.scratch]
            if any(disk.f_files - disk.f_ffree > self.files for disk in disks):
                return "files"
        return ""

    def used_bytes(self) -> int:
        """Memory of all processes but this one, or 0 where it is surely little.

        First what costs little to read: resident private and shared memory, in which pages
        that are shared with the zygote count once a process. Only where that is too much,
        proportional shares are read, which is exact and slow; a process that cannot be read
        that way counts in full.
        """
        rough = dict(map(_resident_bytes, self.processes()))
        unseen = self.unseen_bytes(list(rough))
        if self.sandboxed:
            unseen += max(0, _sockets() - SOCKETS_FREE) * self.socket_bytes
        if sum(rough.values()) + unseen <= self.memory_bytes + self.own_bytes:
            return 0
        return sum(_proportional_bytes(pid, full) for pid, full in rough.items()) + unseen

    def unseen_bytes(self, pids: list[str]) -> int:
        """Shared memory without a file, which lasts while no process has it resident; mappings and locks.

        The machine's totals say cheaply whether there may be any. What is resident as well
        counts twice, which costs an honest submission little.
        """
        shared, kernel = _machine_bytes()
        self.machine_bytes = min(self.machine_bytes[0], shared), min(self.machine_bytes[1], kernel)
        grown = shared - self.machine_bytes[0], kernel - self.machine_bytes[1]
        if max(grown) < UNSEEN_BYTES:
            return 0
        self.look_closely(pids)
        if any(look.refused for look in self.looks.values()):  # all that there can be, then
            return sum(grown)
        sizes: dict[str, int] = {}
        for look in self.looks.values():
            sizes |= {inode: max(sizes.get(inode, 0), size) for inode, size in look.shared.items()}
        return sum(sizes.values()) + sum(look.kernel_bytes for look in self.looks.values())

    def look_closely(self, pids: list[str]) -> None:
        """Look at the processes' mappings and locks, those first that were not looked at for longest.

        Some have so many that to look at all would take seconds; the others' turn comes the next time.
        """
        began = time.monotonic()
        self.looks = {pid: look for pid, look in self.looks.items() if pid in pids}
        for pid in sorted(pids, key=lambda pid: self.looks[pid].at if pid in self.looks else 0.0):
            self.looks[pid] = _look_at(pid)
            if time.monotonic() > began + WATCH_SECONDS:
                break

    def processes(self) -> list[str]:
        """Process ids of everything that this sandbox has started."""
        if self.sandboxed:
            return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]  # noqa: PTH208
        return _descendants(os.getpid())

    def kill_all(self) -> bool:
        """Kill and reap everything but this process. True once nothing is left."""
        deadline = time.monotonic() + KILL_SECONDS
        while time.monotonic() < deadline:
            if self.sandboxed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            else:
                for pid in [
                    *self.processes(),
                    *([f"-{self.worker}", str(self.worker)] if self.worker else []),
                ]:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(int(pid), signal.SIGKILL)
            try:
                # In a sandbox all that is left is killed and our child, so that waiting comes to an end.
                while os.waitpid(-1, 0 if self.sandboxed else os.WNOHANG)[0] != 0:
                    pass
            except ChildProcessError:
                self.worker = 0
                return not self.processes()
            time.sleep(0.001)
        return False

    def wipe(self) -> bool:
        """Remove every file that a submission could have left. True once nothing is there."""
        try:
            for folder in self.scratch:
                _wipe(folder)
        except (OSError, RecursionError):
            return False
        return not self.sandboxed or _full_share()

    def move_counters_on(self) -> bool:
        """See that no number tells the next submission what this one did. False where one would."""
        if self.counters is None:
            return True
        try:
            return self.counters.next_block()
        except OSError:
            return False


def _become_worker(connection: int, output: int, limits: dict[str, Any]) -> None:
    """In the fork: own session, own output, limits, then serve requests."""
    os.setsid()
    os.nice(NICE)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    # New objects: the inherited ones remember what the zygote's descriptors were.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _prctl(PR_SET_DUMPABLE, 1)  # so that the zygote can read this process's share of memory
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # rather this process than the zygote
    _limit(limits)
    from . import worker

    worker.serve(socket.socket(fileno=connection), limits)


def _limit(limits: dict[str, Any]) -> None:
    """Set this process's own limits, which its children inherit and cannot raise."""
    rlimits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": max(1, int(limits["cpu_seconds"])),
        "RLIMIT_FSIZE": limits["file_mib"] * MIB,
        "RLIMIT_NOFILE": limits["open_files"],
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": SIGNALS,
    }
    if limits["processes"]:  # without a sandbox it would count all that the person at the keyboard runs
        rlimits["RLIMIT_NPROC"] = limits["processes"]
    if LINUX and limits["device"] == "cpu":  # CUDA reserves address space far beyond what it uses
        rlimits["RLIMIT_AS"] = _status_bytes("self", {"VmSize:": KIB}) + limits["memory_mib"] * MIB
    for name, most in rlimits.items():
        number = getattr(resource, name, None)  # macOS has fewer
        if number is not None:
            hard = resource.getrlimit(number)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # The signal of used-up time would never come if the end came with it.
            last = most + XCPU_SECONDS if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else most
            resource.setrlimit(number, (most, last))


def _filter_system_calls(folder: str) -> None:
    """Load the compiled seccomp filter, for good; an engine's own filter holds besides."""
    program = Path(folder, f"{platform.machine()}.bpf").read_bytes()
    instructions = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    whole = Program(len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(whole), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the seccomp filter is refused")


def _forget_arguments() -> None:
    """Empty this process's command line, which everyone inside can read, here and in each fork."""
    if LINUX:
        words = b"".join(os.fsencode(word) + b"\0" for word in sys.orig_argv)
        start = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "program_invocation_name").value
        if start and ctypes.string_at(start, len(words)) == words:
            ctypes.memset(start, 0, len(words))
    del sys.argv[1:], sys.orig_argv[1:]


def _drop_root(uid: int | None) -> None:
    """Become an ordinary user that owns nothing. With that the kernel takes all capabilities away."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())  # the inheritable ones are left: those too


def _preload(shim: str) -> None:
    """Load what submissions import, with one thread only and without touching CUDA."""
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    from . import sketch, worker  # noqa: F401 - the first for a worker to find

    if shim:
        sys.path.insert(0, str(Path(shim).parent))
        with contextlib.suppress(ImportError):  # then a student's import fails too, and says so
            importlib.import_module(Path(shim).stem).import_torchvision()
            importlib.import_module("torchvision.transforms.v2")
        sys.path.pop(0)
    sys.path.pop(0)  # where this file's neighbours lie
    worker.rehearse()


def _sees_gpu() -> bool:
    """Whether torch finds a GPU here. A child tries it: after a fork CUDA does not work any more."""
    child = os.fork()
    if child == 0:
        try:
            import torch

            os._exit(0 if torch.cuda.is_available() else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _wipe(folder: Path) -> None:
    """Empty a folder and take off it what a student may have put on it. Raises OSError if it cannot be."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        ours = os.fstat(descriptor).st_uid == os.geteuid()  # else it is root's: only its contents can change
        if ours:
            os.chmod(descriptor, 0o700)  # noqa: PTH101
        _empty(descriptor)
        if ours:
            if hasattr(os, "listxattr"):
                for attribute in os.listxattr(descriptor):
                    os.removexattr(descriptor, attribute)
            os.utime(descriptor, (0, 0))
    finally:
        os.close(descriptor)


def _empty(descriptor: int) -> None:
    """Remove all that is in an open folder. Nothing else runs here now, so that names stay what they are."""
    with os.scandir(descriptor) as entries:
        found = list(entries)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=descriptor)
            continue
        os.chmod(entry.name, 0o700, dir_fd=descriptor)
        inner = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        try:
            _empty(inner)
        finally:
            os.close(inner)
        os.rmdir(entry.name, dir_fd=descriptor)


def _descendants(ancestor: int) -> list[str]:
    """Process ids below `ancestor`, from /proc; none where there is no /proc (macOS)."""
    children: dict[str, list[str]] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit():
                with contextlib.suppress(OSError):
                    text = Path("/proc", name, "stat").read_text(errors="replace")
                    children.setdefault(text.rpartition(")")[2].split()[1], []).append(name)
    found: list[str] = []
    waiting = [str(ancestor)]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _status_bytes(pid: str, fields: dict[str, int]) -> int:
    """The sum of some fields of /proc/PID/status, in bytes; 0 for a process that has ended."""
    return _sum_of_fields(Path("/proc", pid, "status"), fields, 0)


def _resident_bytes(pid: str) -> tuple[str, int]:
    """A process's resident memory in bytes, after the id by which /proc tells of its memory.

    That is its own id, unless its first thread has ended: then it is that of another thread.
    """
    found = _status_bytes(pid, RESIDENT)
    if not found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                if found := _status_bytes(thread, RESIDENT):
                    return thread, found
    return pid, found


def _full_share() -> bool:
    """Whether this sandbox's session still has its share of the processors; anyone inside can lessen it."""
    with contextlib.suppress(OSError):  # else Linux was built without such shares
        return Path("/proc/self/autogroup").read_text().split()[-1] == "0"
    return True


def _sockets() -> int:
    """How many sockets there are in this sandbox, be they in no process's hands."""
    try:
        with open("/proc/self/net/unix", "rb") as file:  # noqa: PTH123
            return sum(1 for _ in file) - 1
    except OSError:
        return 0


def _socket_bytes() -> int:
    """What can wait in one socket: Linux lets a last message be as large as all that may wait before it."""
    with socket.socket(socket.AF_UNIX) as new:
        return 2 * new.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) + 32 * KIB


def _look_at(pid: str) -> Look:
    """Nothing, for a process that has ended."""
    shared: dict[str, int] = {}
    kernel = 0
    try:
        maps = Path("/proc", pid, "maps").read_bytes()
        kernel = MAPPING_BYTES * maps.count(b"\n") + _lock_bytes(pid)
    except PermissionError:
        return Look(time.monotonic(), True, {}, 0)
    except OSError:
        return Look(time.monotonic(), False, {}, 0)
    for line in maps.splitlines() if b"/dev/zero (deleted)" in maps else ():
        if line.endswith(b"/dev/zero (deleted)"):
            span, _, _, _, inode, _ = line.decode().split(maxsplit=5)
            start, end = (int(address, 16) for address in span.split("-"))
            shared[inode] = max(shared.get(inode, 0), end - start)
    return Look(time.monotonic(), False, shared, kernel)


def _lock_bytes(pid: str) -> int:
    """What a process's locks on parts of files take; /proc has a line for each. Raises OSError."""
    locks = 0
    for path in Path("/proc", pid, "fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed just now
            locks += path.read_bytes().count(b"\nlock:")
    return LOCK_BYTES * locks


def _oom_kills() -> int:
    """How many processes on this machine the kernel has ended for want of memory, in all sandboxes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _machine_bytes() -> tuple[int, int]:
    """The machine's memory for shared memory and files in memory, and the kernel's in small pieces."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return kib["Shmem"] * KIB, kib["SUnreclaim"] * KIB
    return 0, 0


def _proportional_bytes(pid: str, full: int) -> int:
    """A process's own memory and its share of what it shares; `full` where that may not be read."""
    shares = _sum_of_fields(Path("/proc", pid, "smaps_rollup"), PROPORTIONAL, -1)
    return full if shares < 0 else shares + _status_bytes(pid, OVERHEAD)


def _sum_of_fields(path: Path, fields: dict[str, int], refused: int) -> int:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except PermissionError:
        return refused
    except OSError:  # it has ended
        return 0
    words = (line.split(maxsplit=2) for line in lines)
    return sum(fields[found[0]] * int(found[1]) for found in words if found and found[0] in fields)


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
