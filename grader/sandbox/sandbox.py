"""A sandbox with its zygote, in which submissions run one after the other."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import secrets
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from grader.errors import UserError
from grader.lab import load_lab
from grader.limits import Limits
from grader.sandbox import protocol
from grader.sandbox.backend import Backend
from grader.sandbox.backends import BACKENDS, DEFAULT
from grader.sandbox.student import Death, SandboxError, Student, output_flood
from grader.types import Contract, Submission

START_SECONDS = 180.0  # a cold disk takes long to read torch
CLEAN_SECONDS = 60.0  # a sandbox that does not answer for so long hangs, and is replaced
FIRST_LOOK_SECONDS = 0.25  # of a request: what ends sooner, as most do, is taken to have waited for nothing
REPORT_SECONDS = 5.0  # the zygote's word on how a worker ended comes within its watching interval
MOST_FILES = 20_000  # of a submission at a time: each takes the kernel's memory, however small it is


class Output:
    """What a submission printed: the end of it, and how much it was."""

    def __init__(self, limits: Limits) -> None:
        self.kept = bytearray()
        self.total = 0
        self._keep = limits.output_kib_kept * 1024
        self._limits = limits

    def add(self, data: bytes) -> None:
        """Raises Death if it is too much."""
        self.total += len(data)
        self.kept += data
        if len(self.kept) > 2 * self._keep:
            del self.kept[: -self._keep]
        if self.total > self._limits.output_mib_killed * 2**20:
            self.total = 0  # a function that prints too much costs none of the others its points
            raise output_flood(self._limits)

    def text(self) -> str:
        return bytes(self.kept[-self._keep :]).decode("utf-8", "replace")


class Tally(NamedTuple):
    """What the zygote says of a submission's time at some moment, in seconds."""

    number: int  # that of the question
    began: float  # the time there when it began to find out
    ended: float  # and when it had
    waited: float  # for a processor, since the submission began
    used: float  # of the processors, likewise


class _Stopwatch:
    """A request's own time: wall time without the time spent waiting for a processor.

    But never less than all its CPU time takes on the processors that it has, so that
    many threads which keep each other waiting gain nothing by it.
    """

    def __init__(self, sandbox: Sandbox, seconds: float, patience: float) -> None:
        self._sandbox = sandbox
        self._seconds = seconds
        self._began = time.monotonic()
        self._end = self._began + patience
        self._until_first = min(FIRST_LOOK_SECONDS, seconds / 4)
        self._next = self._began + self._until_first
        self._asked = 0  # the number of the question that is not yet answered
        self._first: Tally | None = None

    def look(self) -> float:
        """Ask the zygote, or judge by its answer, where it is time to; for how long nothing is to be done.

        Raises Death where the request's own time is used up, SandboxError where the wall time is.
        """
        if self._asked and self._sandbox.tally.number == self._asked:
            self._asked = 0
            self._judge(self._sandbox.tally)
        now = time.monotonic()
        if now >= self._end:
            raise SandboxError(
                f"the machine is too busy: in {now - self._began:.0f} seconds the code has not had"
                f" {self._seconds:g} of its own; grade with fewer --jobs, or when there is less to do"
            )
        if self._asked:
            if now - self._next > CLEAN_SECONDS:
                raise SandboxError("the sandbox stopped answering")
            return min(self._end, self._next + CLEAN_SECONDS) - now + 0.01
        if now >= self._next:
            self._asked, self._next = self._sandbox.ask_for_tally(), now
            return min(self._end, now + CLEAN_SECONDS) - now + 0.01
        return min(self._next, self._end) - now

    def _judge(self, tally: Tally) -> None:
        if self._first is None:
            self._first = tally
            self._next = self._began + self._seconds
            return
        left = self._seconds - self._own(self._first, tally)
        if left <= 0:
            raise Death("timeout", f"the code took longer than {self._seconds:g} seconds")
        self._next = time.monotonic() + max(left, 0.01)

    def stop(self) -> float:
        """The request's own time, now that it is over; wall time where it was too short to be looked at."""
        wall = time.monotonic() - self._began
        if self._first is None:
            return wall
        number, deadline = self._sandbox.ask_for_tally(), time.monotonic() + REPORT_SECONDS
        with contextlib.suppress(OSError):
            while self._sandbox.tally.number != number and self._sandbox.hear(deadline):
                pass
        if self._sandbox.tally.number != number:
            return wall
        return min(self._own(self._first, self._sandbox.tally), wall)

    def _own(self, first: Tally, now: Tally) -> float:
        waited, used = now.waited - first.waited, now.used - first.used
        since_first = max(now.began - first.ended - waited, used / max(self._sandbox.threads, 1))
        return self._until_first + since_first


class Worker:
    """The connection to one forked process, and the pipe with what it prints."""

    def __init__(
        self, sandbox: Sandbox, connection: socket.socket, pipe: int, output: Output, limits: Limits
    ) -> None:
        self.limits = limits
        self._sandbox = sandbox
        self._connection = connection
        self._pipe = pipe
        self._output = output
        self.checkpoint: Path | None = None  # which file was sent in
        self.own_seconds = 0.0  # that the latest request took, without its waiting for a processor

    def exchange(
        self, header: dict[str, Any], payload: bytes, seconds: float, *, reply: bool, patience: float
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its reply: for `seconds` of its own time, `patience` of wall time.

        Raises Death when the worker has to be ended, SandboxError where the machine is too busy to tell.
        """
        stopwatch = _Stopwatch(self._sandbox, seconds, patience)
        number = secrets.randbits(62)
        outgoing = [memoryview(p) for p in protocol.pack({**header, "n": number}, payload) if p]
        incoming = _Frame(self.limits.reply_mib * 2**20)
        try:
            while outgoing or (reply and not incoming.complete):
                self._step(outgoing, incoming if reply else None, stopwatch)
            if not reply:
                return {}, b""
            answer = protocol.unpack_header(bytes(incoming.header))
        except protocol.ProtocolError as error:
            raise Death("crashed", f"the code's process sent {error}") from None
        finally:
            self.own_seconds = stopwatch.stop()
        if answer.pop("n", None) != number:
            raise Death("crashed", "the code's process sent an answer to another request")
        return answer, bytes(incoming.payload)

    def _step(self, outgoing: list[memoryview], incoming: _Frame | None, stopwatch: _Stopwatch) -> None:
        """Wait until something can be sent or received, and do it."""
        left = stopwatch.look()
        poll = select.poll()
        poll.register(self._connection, select.POLLIN | (select.POLLOUT if outgoing else 0))
        poll.register(self._sandbox.backend.control, select.POLLIN)
        if self._pipe >= 0:
            poll.register(self._pipe, select.POLLIN)
        events = dict(poll.poll(math.ceil(left * 1000)))
        if self._pipe in events:
            self.read_output()
        if (happened := events.get(self._connection.fileno())) is not None:
            try:
                if happened & select.POLLOUT:
                    sent = self._connection.send(outgoing[0])
                    outgoing[0] = outgoing[0][sent:]
                    if not outgoing[0]:
                        outgoing.pop(0)
                if happened & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    if incoming is None or outgoing:
                        if self._connection.recv(1):
                            raise protocol.ProtocolError("something that nobody asked for")
                        raise EOFError
                    incoming.receive(self._connection)
                    if incoming.complete:
                        return
            except (BrokenPipeError, ConnectionResetError, EOFError):
                raise self._sandbox.why_it_ended(self) from None
            except BlockingIOError:
                pass
        if self._sandbox.backend.control.fileno() in events and self._sandbox.has_news():
            raise self._sandbox.why_it_ended(self)

    def read_output(self) -> None:
        """Take what is in the pipe now. Raises Death if it is too much."""
        with contextlib.suppress(BlockingIOError):
            while self._pipe >= 0:
                data = os.read(self._pipe, 65536)
                if not data:
                    os.close(self._pipe)
                    self._pipe = -1
                    return
                self._output.add(data)

    def close(self) -> None:
        with contextlib.suppress(Death):
            self.read_output()
        self._connection.close()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


class _Frame:
    """A frame that is arriving: memory is taken only after its lengths were compared with the limits."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self._start = bytearray(protocol.START.size)
        self.header = bytearray()
        self.payload = bytearray()
        self._current: bytearray = self._start
        self._filled = 0
        self.complete = False

    def receive(self, connection: socket.socket) -> None:
        """Take what has arrived, up to the frame's end. Raises ProtocolError, BlockingIOError, EOFError."""
        while not self.complete:
            if self._filled < len(self._current):
                amount = connection.recv_into(memoryview(self._current)[self._filled :])
                if amount == 0:
                    raise EOFError
                self._filled += amount
            else:
                self._advance()

    def _advance(self) -> None:
        """Go on to the frame's next part."""
        if self._current is self._start:
            header, payload = protocol.unpack_start(
                bytes(self._start), protocol.REPLY_HEADER_BYTES, self._max_payload
            )
            self.header, self.payload = bytearray(header), bytearray(payload)
            self._current = self.header
        elif self._current is self.header:
            self._current = self.payload
        else:
            self.complete = True
        self._filled = 0


class Sandbox:
    """One sandbox. It is started at once and in the background; the first submission waits for it.

    `backend` is one of `backends.BACKENDS` by its name, or one that is started already; `device` is "cpu" or
    "cuda"; `threads` is how many torch may use for one submission; `contract` is what the modules are to
    define, by default the default lab's. Raises UserError where the sandbox cannot be set up.
    """

    def __init__(
        self,
        *,
        backend: str | Backend = DEFAULT,
        limits: Limits | None = None,
        device: str = "cpu",
        threads: int = 1,
        contract: Contract | None = None,
    ) -> None:
        self.contract = contract or load_lab().contract
        self.limits = limits or Limits()
        self.device = device
        self.threads = threads
        self.deadline = math.inf  # of time.monotonic(): later no submission is waited for
        self._ready = False
        self._proven = False  # whether the sandbox was ever ready: if so, a later failure is an accident
        self._lines = b""
        self._messages: deque[dict[str, Any]] = deque()  # what the zygote said, and nobody has read
        self.tally = Tally(0, 0.0, 0.0, 0.0, 0.0)  # its latest
        self._questions = itertools.count(1)
        if sys.platform == "win32":
            raise UserError("students' code can only be run on Linux or macOS: on Windows grade inside WSL2")
        if isinstance(backend, str):
            backend = BACKENDS[backend](device)
            backend.start(self.limits)
        self.backend = backend

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def student(
        self,
        submission: Submission,
        *,
        names: tuple[str, ...] | None = None,
        seed: int = 0,
        wall_seconds: float | None = None,
        more_seconds: float = 0.0,
        accuracy_seconds: float = 0.0,
    ) -> Iterator[Student]:
        """The handle on a submission. On leaving, its processes and files are gone.

        `names`: the functions that the module is to define, if not the contract's. `seed` fixes the random
        numbers that each request starts from. `wall_seconds` stand for the limits'. With `more_seconds` it
        may run, and print, for longer than that, with `accuracy_seconds` run alone, once these are no longer
        reserved.
        """
        wall_seconds = self.limits.wall_seconds if wall_seconds is None else wall_seconds
        longer = math.ceil(1 + more_seconds / self.limits.call_seconds)
        more = {
            "wall_seconds": wall_seconds + more_seconds + accuracy_seconds,
            "output_mib_killed": self.limits.output_mib_killed * longer,
        }
        limits = self.limits.model_copy(update=more)
        names = self.contract.functions if names is None else names
        student = Student(self, submission, names, seed, limits, self.deadline)
        student.reserve(accuracy_seconds)
        try:
            yield student
        finally:
            student.close()

    def close(self) -> None:
        """End the sandbox and everything in it."""
        self._stop()

    def new_output(self, limits: Limits) -> Output:
        return Output(limits)

    def start_worker(self, output: Output, limits: Limits) -> Worker:
        """Fork a worker whose output goes to `output`, and who keeps to `limits`.

        Raises SandboxError where a sandbox that worked does not start again, UserError where none ever did.
        """
        for attempt in (1, 2):
            try:
                if self.backend.process is None:
                    self.backend.start(self.limits)
                self._wait_ready()
            except UserError as error:
                self._stop()
                if attempt == 1:
                    continue
                if not self._proven:
                    raise
                raise SandboxError(f"the sandbox could not be started again ({error})") from None
            ours, theirs = socket.socketpair()
            pipe, their_pipe = os.pipe()
            try:
                socket.send_fds(
                    self.backend.control,
                    [json.dumps({"do": "start", "limits": self._worker_limits(limits)}).encode() + b"\n"],
                    [theirs.fileno(), their_pipe],
                )
            except OSError:
                ours.close()
                os.close(pipe)
                self._stop()
            else:
                ours.setblocking(False)
                os.set_blocking(pipe, False)
                self.backend.begin()
                return Worker(self, ours, pipe, output, limits)
            finally:
                theirs.close()
                os.close(their_pipe)
        raise SandboxError("the sandbox does not stay alive")

    def end_worker(self, worker: Worker) -> bool:
        """Kill what the submission left, wipe its files, or else replace the sandbox.

        False where the sandbox itself had ended or hung, so that nothing that was seen of
        the submission just before can be held against it.
        """
        clean = answered = False
        used_up = self.backend.out_of_memory()  # asked while the group is there
        try:
            self.backend.control.sendall(b'{"do":"end"}\n')
            deadline = time.monotonic() + CLEAN_SECONDS
            while (message := self._message(deadline)) is not None:
                if message.get("event") == "clean":
                    answered, clean = True, message.get("clean") is True
                    break
        except OSError:
            pass
        worker.close()
        if not clean:
            self._stop()
            with contextlib.suppress(UserError):  # the next submission tries again, and says so
                self.backend.start(self.limits)
        return answered or used_up

    def why_it_ended(self, worker: Worker) -> Death:
        """How the worker ended, as the zygote saw it. Raises SandboxError if the sandbox itself is gone."""
        with contextlib.suppress(Death):
            worker.read_output()
        too_much = Death("out_of_memory", f"the code used more than {self.limits.memory_mib} MiB of memory")
        try:
            message = self._message(time.monotonic() + REPORT_SECONDS)
        except OSError:
            if self.backend.out_of_memory():
                return too_much
            raise SandboxError("the sandbox ended by itself") from None
        if message is None:
            return Death("crashed", "the code closed its process's connection")
        status, why = int(message.get("status", 0)), message.get("why")
        if why == "memory" or (status == -signal.SIGKILL and self.backend.out_of_memory()):
            return too_much
        if why == "files":
            return Death("crashed", f"the code made more than {MOST_FILES} files")
        if why == "cpu":
            seconds = self._worker_limits(worker.limits)["cpu_seconds"]
            return Death("timeout", f"the code used more than {seconds:g} seconds of CPU time")
        if why == "full":
            return Death("crashed", f"the code wrote more than {self._room()}")
        if why == "machine":
            raise SandboxError("the machine ran out of memory: grade with fewer --jobs")
        if status >= 0:
            return Death("crashed", f"the code ended its own process, with exit status {status}")
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return Death("crashed", f"the code took its process down ({name})")

    def _room(self) -> str:
        scratch, shared = self.limits.scratch_mib, self.limits.shared_memory_mib
        return f"{scratch} MiB to its working folder or {shared} MiB to shared memory"

    def _worker_limits(self, limits: Limits) -> dict[str, Any]:
        threads = self.threads
        return {
            "memory_mib": limits.memory_mib,
            "file_mib": limits.file_mib,
            "files": MOST_FILES,
            "open_files": limits.open_files,
            "gpu_memory_mib": limits.gpu_memory_mib,
            "scratch_mib": limits.scratch_mib,
            "shared_memory_mib": limits.shared_memory_mib,
            "processes": limits.processes + 2 * threads if self.backend.own_user else None,
            "cpu_seconds": limits.wall_seconds * max(threads, 1) + 10,
            "threads": threads,
            "device": self.device,
            "reply_mib": limits.reply_mib,
        }

    def _wait_ready(self) -> None:
        if self._ready:
            return
        try:
            message = self._message(time.monotonic() + START_SECONDS)
        except OSError:
            message = None
        if message is None or message.get("event") != "ready":
            failure = self.backend.failure()
            self._stop()
            raise failure
        if message["leaks"]:
            self._stop()
            raise UserError(
                f"the sandbox of the students' code does not hold here: {'; '.join(message['leaks'])}; "
                "tell the kit's authors, or do without a sandbox by --sandbox none"
            )
        if self.device == "cuda" and message["gpu"] is not True:
            self._stop()
            raise UserError(
                "the sandbox hides the GPU from the students' code (torch.cuda.is_available() is false "
                "inside): see that everyone may open /dev/nvidia* (or /dev/dxg, on WSL), or grade with "
                "--device cpu"
            )
        self.backend.enforce(self.limits, self.threads)
        self._ready = self._proven = True

    def ask_for_tally(self) -> int:
        """Ask the zygote how long the submission has waited; `tally` has this number when it has answered."""
        number = next(self._questions)
        with contextlib.suppress(OSError):  # it is gone: that is found out elsewhere
            self.backend.control.sendall(json.dumps({"do": "tally", "number": number}).encode() + b"\n")
        return number

    def has_news(self) -> bool:
        """Whether the zygote has said, just now, something that is no tally, or is gone."""
        try:
            self.hear(0.0)
        except OSError:
            return True
        return bool(self._messages)

    def hear(self, deadline: float) -> bool:
        """Take in what the zygote says next. False at the deadline. Raises OSError when it is gone."""
        poll = select.poll()
        poll.register(self.backend.control, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return False
        data = self.backend.control.recv(65536)
        if not data:
            raise ConnectionResetError
        *lines, self._lines = (self._lines + data).split(b"\n")
        for message in map(json.loads, lines):
            if message["event"] == "tally":
                self.tally = Tally(*(message[field] for field in Tally._fields))
            else:
                self._messages.append(message)
        return True

    def _message(self, deadline: float) -> dict[str, Any] | None:
        """The zygote's next line; None at the deadline. Raises OSError when the zygote is gone."""
        while not self._messages:
            if not self.hear(deadline):
                return None
        return self._messages.popleft()

    def _stop(self) -> None:
        """Kill the sandbox, and wait until all of it is gone."""
        ready, self._ready = self._ready, False
        self._lines = b""
        self._messages.clear()
        self.backend.stop(ready=ready)
