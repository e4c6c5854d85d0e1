"""Attacks of our own, run as if a student had handed them in: what does the sandbox hold?

Each probe is the body of a function that runs in the sandbox and returns what it got, "" for nothing.
Where the outside can see whether something got out, that decides, not what came back.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.limits import Limits
from grader.sandbox.sandbox import Sandbox
from grader.sandbox.student import SandboxError, StudentFailure
from grader.types import Code, Record, Submission
from grader.workdir import sockets_fit

LIMITS = Limits(
    call_seconds=40, memory_mib=512, processes=12, scratch_mib=16, shared_memory_mib=8, output_mib_killed=1
)


ACCOUNTS = (Path("/etc/passwd"), Path("/etc/shadow"))


class Probe(Record):
    """What was tried, and what it got: `escaped` is "" where the sandbox held."""

    title: str
    escaped: str

    @property
    def contained(self) -> bool:
        return not self.escaped


@dataclass
class Bait:
    """Things outside that the probes are to reach for."""

    folder: Path
    tcp: socket.socket
    unix: socket.socket
    process: subprocess.Popen[bytes]
    secret: str = field(default_factory=lambda: secrets.token_hex(8))

    def told(self) -> dict[str, str | int]:
        """What the probes know of it: more than a student could."""
        return {
            "secret_file": str(self.folder / "secret.txt"),
            "folder": str(self.folder),
            "port": self.tcp.getsockname()[1],
            "unix": str(self.folder / "socket"),
            "process": self.process.pid,
            "home": str(Path.home()),
            "package": str(Path(__file__).parents[1]),
            "ours": " ".join(map(_digest, ACCOUNTS)),
            "processes": LIMITS.processes,
            "scratch_mib": LIMITS.scratch_mib + LIMITS.shared_memory_mib,
        }

    def reached(self) -> str:
        """What something reached of it, as far as it can be seen from here."""
        for listener in (self.tcp, self.unix):
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
                return "a socket of this machine was reached"
        if self.process.poll() is not None:
            return "a process of this machine was ended"
        names = sorted(path.name for path in self.folder.iterdir())
        if names != ["secret.txt", "socket"] or (self.folder / "secret.txt").read_text() != self.secret:
            return "a folder of this machine was written to"
        return ""


BODIES = {
    "read a file of the grader's": """
        for path in (at['secret_file'], '/proc/1/root' + at['secret_file'], at['package'] + '/scoring.py'):
            try:
                return 'it read ' + path if open(path).read() else ''
            except OSError: pass
    """,
    "read the accounts and the home folder": """
        import hashlib
        for path in ('/etc/passwd', '/etc/shadow'):  # a container has files of its own by these names
            try:
                if hashlib.sha256(open(path, 'rb').read()).hexdigest() in at['ours']:
                    return 'it read ' + path
            except OSError: pass
        for path in (at['home'] + '/.bashrc', at['home'] + '/.profile'):
            try:
                return 'it read ' + path if open(path).read() else ''
            except OSError: pass
    """,
    "read the environment of the person at the keyboard": """
        names = sorted(set(os.environ) & {'SSH_AUTH_SOCK', 'SUDO_USER', 'VIRTUAL_ENV', 'XDG_RUNTIME_DIR'})
        return ', '.join(names)
    """,
    "reach a TCP socket of this machine": """
        try:
            socket.create_connection(('127.0.0.1', at['port']), 2).close()
            return 'it reached it'
        except OSError: pass
    """,
    "reach a local socket of this machine": """
        for address in (at['unix'], '/proc/1/root' + at['unix']):
            try:
                socket.socket(socket.AF_UNIX).connect(address)
                return 'it reached ' + address
            except OSError: pass
    """,
    "signal a process of this machine": """
        try:
            os.kill(at['process'], 15)
            return 'the signal was sent'
        except OSError: pass
    """,
    "see other processes": """
        seen = [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]
        return f'it saw {len(seen)}' if seen else ''
    """,
    "write outside the working folder": """
        for folder in (at['folder'], at['home'], '/', '/usr', '/usr/lib', '/etc', '/kit', '/dev', '/var/tmp'):
            try:
                path = os.path.join(folder, '.grader-probe')
                open(path, 'w').close()
                os.unlink(path)
                return 'it wrote in ' + folder
            except OSError: pass
    """,
    "fill the disk": """
        size = 0
        for folder in (os.getcwd(), '/dev/shm'):
            made = []
            try:
                for i in range(8 * at['scratch_mib']):
                    made.append(f'{folder}/.grader-probe-{i}')
                    with open(made[-1], 'wb') as file:
                        size += file.write(bytes(2**20))
            except OSError: pass
            for path in made:
                try: os.unlink(path)
                except OSError: pass
        return f'it wrote {size >> 20} MiB' if size > at['scratch_mib'] << 20 else ''
    """,
    "start processes without end": """
        import signal
        started = []
        try:
            for _ in range(8 * at['processes']):
                child = os.fork()
                if child == 0:
                    time.sleep(30)
                    os._exit(0)
                started.append(child)
        except OSError: pass
        for child in started:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return f'it started {len(started)}' if len(started) > 2 * at['processes'] else ''
    """,
    "gain a namespace, a mount or a debugger": """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if os.fork() == 0:
            got = libc.unshare(0x10000000) == 0 or libc.mount(b'none', b'/dev/shm', b'tmpfs', 0, None) == 0
            os._exit(got or libc.ptrace(0, 0, 0, 0) == 0)
        return 'it got one' if os.wait()[1] else ''
    """,
    "make system calls that are on no list": """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        def answered(number):
            return libc.syscall(number, -1, -1, -1, -1, -1, -1) >= 0 or ctypes.get_errno() not in (1, 38)
        got = [number for number in (*range(425, 434), *range(442, 500)) if answered(number)]
        return f'the kernel answered {got}' if got else ''
    """,
    "take memory that the kernel keeps for files": """
        import fcntl, select
        one, other = socket.socketpair()
        for what, action in (
            ('wider sockets', lambda: one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)),
            ('datagrams', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)),
            ('wider pipes', lambda: fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)),
            ('watches', select.epoll),
        ):
            try:
                action()
                return 'it got ' + what
            except OSError: pass
    """,
}
# What must not be tried without limits, and ends the process: how it has to end.
ENDS = {
    "take memory without end": ("kept = [bytearray(2**24) for _ in range(200)]", "out_of_memory"),
    "share memory in several processes without end": (
        "for _ in range(3):\n    if os.fork() == 0:\n        kept = os.urandom(1) * (300 << 20)\n"
        "        time.sleep(40)\ntime.sleep(25)",
        "out_of_memory",
    ),
    "print without end": ("for _ in range(4096): os.write(1, bytes(65536))", "output_flood"),
    "run without end": ("while True: pass", "timeout"),
}
LEAVE = """
import signal
open('note', 'w').write('x'); open('/dev/shm/note', 'w').write('x')
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        time.sleep(600)
    os._exit(0)
os.wait()
"""
LOOK = """
left = os.listdir('.') + os.listdir('/dev/shm')
left += [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]
return f'{len(left)} files or processes were left' if left else ''
"""
HONEST = """
import threading, torch
thread = threading.Thread(target=time.sleep, args=(0.1,)); thread.start(); thread.join()
if os.fork() == 0:
    os._exit(0)
os.wait()
open('note', 'w').write('x')
return float(torch.ones(3, requires_grad=True).sum().backward() or 3)
"""


def run(sandbox: Sandbox) -> Iterator[Probe]:
    """Try everything in `sandbox`, made with LIMITS. Raises UserError where there is none."""
    with bait() as outside:
        for title, body in BODIES.items():
            got = _try(sandbox, body, outside.told())
            yield Probe(title=title, escaped=outside.reached() or got)
        if not sandbox.backend.isolates:
            return
        for title, (body, kind) in ENDS.items():
            yield Probe(title=title, escaped=_end(sandbox, body, kind))
        _try(sandbox, LEAVE, {})
        yield Probe(title="leave something for the next submission", escaped=_try(sandbox, LOOK, {}))


def honest(sandbox: Sandbox) -> str:
    """Why honest code does not work in the sandbox, or ""."""
    try:
        with sandbox.student(_submission(HONEST)) as student:
            return "" if student.call("conv_output_size", {}) == 3.0 else "it gives a wrong result"
    except (StudentFailure, SandboxError) as failure:
        return str(failure)


@contextlib.contextmanager
def bait() -> Iterator[Bait]:
    """A secret file, two sockets and a process, as this user."""
    with (
        tempfile.TemporaryDirectory(prefix="grader-probe-", dir=None if sockets_fit() else "/tmp") as name,
        socket.socket() as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        folder = Path(name)
        folder.chmod(0o777)  # so that only the sandbox keeps others out
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "socket"))
        for listener in (tcp, unix):
            listener.listen(16)
            listener.setblocking(False)
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        try:
            outside = Bait(folder, tcp, unix, process)
            (folder / "secret.txt").write_text(outside.secret)
            yield outside
        finally:
            process.kill()
            process.wait()


def _submission(body: str) -> Submission:
    code = "import os, socket, sys, time\ndef conv_output_size(at):\n"
    code += textwrap.indent(textwrap.dedent(body), "    ")
    return Submission(student_id="probe", code=Code(filename="probe.py", cells=(code,)))


def _try(sandbox: Sandbox, body: str, told: dict[str, str | int]) -> str:
    """What the body got. One that fails got nothing, but held nothing either: that is said."""
    try:
        with sandbox.student(_submission(body)) as student:
            return str(student.call("conv_output_size", dict(told)) or "")
    except (StudentFailure, SandboxError) as failure:
        return f"could not be tried: {failure}"


def _end(sandbox: Sandbox, body: str, kind: str) -> str:
    """ "" where the body comes to that kind of end."""
    try:
        with sandbox.student(_submission(body)) as student:
            student.call("conv_output_size", {}, seconds=2.0 if kind == "timeout" else None)
        return "it was not stopped"
    except StudentFailure as failure:
        return "" if failure.kind == kind else f"it came to another end: {failure}"
    except SandboxError as failure:
        return str(failure)


def _digest(path: Path) -> str:
    """Of a file's content; empty where this user cannot read it."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
