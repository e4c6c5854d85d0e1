"""Runs the student's code in a process of its own, and ends it when it takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from grader.errors import UserError
from grader.limits import Limits
from grader.sandbox import protocol
from grader.sandbox.student import MESSAGE_CHARACTERS, Death, Student, output_flood
from grader.text import safe_line
from grader.types import Contract, Submission

START_SECONDS = 120.0  # a cold disk takes long to read torch
POLL_SECONDS = 0.2
TOKEN_BYTES = 16


class Output:
    """What the code printed, in a file."""

    def __init__(self, limits: Limits) -> None:
        self._keep = limits.output_kib_kept * 1024
        self._limits = limits
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 (`LocalPlace` closes it)

    def check(self) -> None:
        """Raises Death if it is too much."""
        if os.fstat(self.file.fileno()).st_size > self._limits.output_mib_killed * 2**20:
            raise output_flood(self._limits)

    def text(self) -> str:
        end = os.fstat(self.file.fileno()).st_size
        self.file.seek(max(0, end - self._keep))
        return self.file.read(self._keep).decode("utf-8", "replace")


class Worker:
    """The connection to one process."""

    def __init__(self, place: LocalPlace, output: Output, limits: Limits) -> None:
        self.limits = limits
        self.checkpoint: Path | None = None  # which file was sent in
        self.own_seconds = 0.0  # that the latest request took, waiting for a processor included
        self._output = output
        self._folder = tempfile.TemporaryDirectory(prefix="selftest-", ignore_cleanup_errors=True)
        token = secrets.token_hex(TOKEN_BYTES)
        given = limits.model_dump() | {"threads": place.threads, "device": place.device}
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(POLL_SECONDS)
            words = [str(server.getsockname()[1]), token, json.dumps(place.closed), json.dumps(given)]
            self._process = subprocess.Popen(
                [sys.executable, str(place.program), "--host", *words],
                stdin=subprocess.DEVNULL,
                stdout=output.file,
                stderr=output.file,
                cwd=self._folder.name,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"},
            )
            try:
                self._connection = self._accept(server, token)
            except BaseException:
                self._kill()
                raise

    def _accept(self, server: socket.socket, token: str) -> socket.socket:
        """The process's connection. Raises UserError where it ends before it connects, or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # nobody yet, or something else, which has not sent the token
                connection, _ = server.accept()
                connection.settimeout(max(POLL_SECONDS, deadline - time.monotonic()))
                if _receive(connection, len(token)) == token.encode():
                    return connection
                connection.close()
            status = self._process.poll()
            if status is not None:
                last = self._output.text().strip().rpartition("\n")[2]
                told = safe_line(last, MESSAGE_CHARACTERS) or f"exit status {status}"
                raise UserError(f"the process for your code ended before it began: {told}")
        raise UserError(
            f"the process for your code did not answer within {START_SECONDS:g} seconds: "
            "something keeps Python from starting, or from connecting to itself (127.0.0.1)"
        )

    def exchange(
        self, header: dict[str, Any], payload: bytes, seconds: float, *, reply: bool, patience: float
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its reply. Raises Death when the process has to be ended."""
        began = time.monotonic()
        try:
            return self._exchange(header, payload, seconds, reply)
        finally:
            self.own_seconds = time.monotonic() - began

    def _exchange(
        self, header: dict[str, Any], payload: bytes, seconds: float, reply: bool
    ) -> tuple[dict[str, Any], bytes]:
        deadline, number = time.monotonic() + seconds, secrets.randbits(62)

        def read(amount: int) -> bytes:
            whole = bytearray()
            while len(whole) < amount:
                self._output.check()
                if time.monotonic() > deadline:
                    raise Death("timeout", f"not done after {seconds:g} seconds on this machine")
                with contextlib.suppress(TimeoutError):
                    part = self._connection.recv(amount - len(whole))
                    if not part:
                        raise self._end()
                    whole += part
            return bytes(whole)

        try:
            self._connection.settimeout(seconds)
            for piece in protocol.pack({**header, "n": number}, payload):
                self._connection.sendall(piece)
            if not reply:
                return {}, b""
            self._connection.settimeout(POLL_SECONDS)
            answer, length = protocol.receive(
                read, protocol.REPLY_HEADER_BYTES, self.limits.reply_mib * 2**20
            )
            return answer, read(length)
        except TimeoutError:
            raise Death("timeout", f"not done after {seconds:g} seconds on this machine") from None
        except protocol.ProtocolError as error:
            raise Death("crashed", f"the code's process sent {error}") from None
        except OSError:
            raise self._end() from None

    def _end(self) -> Death:
        """How the process ended by itself."""
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return Death("crashed", "the code closed its process's connection")
        if status >= 0:
            return Death("crashed", f"the code ended its own process, with exit status {status}")
        return Death("crashed", f"the code took its process down (signal {-status})")

    def close(self) -> None:
        self._connection.close()
        self._kill()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


class LocalPlace:
    """What a `Student` needs of a sandbox, on the student's own machine.

    `program` is what this self-test was started from; files below the folders `closed` are kept from the
    student's code.
    """

    device = "cpu"

    def __init__(self, program: Path, closed: list[str], limits: Limits, contract: Contract) -> None:
        self.program = program
        self.closed = closed
        self.limits = limits
        self.contract = contract
        self.threads = 1  # the grader may have no more for a submission
        self._workers: list[Worker] = []
        self._outputs: list[Output] = []

    def __enter__(self) -> LocalPlace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in list(self._workers):
            self.end_worker(worker)
        for output in self._outputs:
            output.file.close()

    @contextlib.contextmanager
    def student(self, submission: Submission) -> Iterator[Student]:
        """The handle on a submission. On leaving, its processes and files are gone."""
        student = Student(self, submission, self.contract.functions, 0, self.limits)
        try:
            yield student
        finally:
            student.close()

    def new_output(self, limits: Limits) -> Output:
        self._outputs.append(output := Output(limits))
        return output

    def start_worker(self, output: Output, limits: Limits) -> Worker:
        self._workers.append(worker := Worker(self, output, limits))
        return worker

    def end_worker(self, worker: Worker) -> bool:
        worker.close()
        self._workers.remove(worker)
        return True


def _receive(connection: socket.socket, amount: int) -> bytes:
    whole = b""
    while len(whole) < amount and (part := connection.recv(amount - len(whole))):
        whole += part
    return whole
