"""Carries a sandbox's control lines, a worker's connection and its output over one pair of pipes.

A container's engine passes on two byte streams and no descriptors. This file has both
ends of them: the zygote takes its commands from `Inside`, and as pid 1 it is out of the
student's reach; `main` runs outside, as a process that the grader talks to as if it were
the zygote itself. Between the two go frames: a control line, bytes of a
channel (an even number is a worker's connection, the odd one after it its output),
room that has become free in a channel, the end of a channel.

Neither side waits for the other: it sends a channel's bytes only as far as the other has
made room for them, so that unread bytes stop their sender and nothing else. A side that
gets more than it made room for hangs up. This file needs only the standard library and
imports nothing of the kit.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from typing import NoReturn

FRAME = struct.Struct(">cII")  # kind, channel, length of what follows or bytes of room
LINE, BYTES, ROOM, END = b"L", b"B", b"R", b"E"
CHUNK = 2**16
WINDOW = 2**21  # bytes of a channel that may be under way
RESERVE = 2**20  # of these kept for what has to be sent ahead of a control line
BACKLOG = 2**19  # bytes that wait for the other side at most, before local ends are read again
LINES = 64  # control lines that may wait
HOLD_SECONDS = 3.0  # how long a control line waits at most for the bytes that came before it
REMOVE_SECONDS = 5.0  # a sandbox that does not end by itself in this time is removed


class WireError(Exception):
    """The other side sent what it should not."""


class HungUpError(WireError):
    """The other side is gone."""


class _Channel:
    """One end of a socket or pipe here, and its counterpart on the other side."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.readable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & 3 != os.O_WRONLY
        self.waiting = bytearray()  # from the other side, to be written here
        self.room = WINDOW  # bytes that the other side still takes
        self.ended = False  # the other side's end is closed: this one follows once all is written


class Wire:
    """The two streams to the other side, and the channels that go over them."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)
        self._arrived = bytearray()
        self._outgoing: deque[memoryview] = deque()
        self._outgoing_bytes = 0
        self._channels: dict[int, _Channel] = {}
        self._newest = 0  # the highest channel that there ever was
        self.lines: deque[tuple[bytes, list[int]]] = deque()  # with the ends of a worker that it starts

    def open(self, number: int, descriptor: int) -> None:
        """From now on the channel's bytes come from and go to `descriptor`, which is ours to close."""
        self._channels[number] = _Channel(descriptor)
        self._newest = number

    def open_worker(self, number: int) -> list[int]:
        """The other side starts a worker."""
        raise WireError("a command, which is not for it to give")

    def close(self) -> None:
        """Close all descriptors; also in a fork, where they are copies."""
        for number in list(self._channels):
            self._drop(number)
        os.close(self._reading)
        os.close(self._writing)

    def send_line(self, line: bytes, opens: int = 0) -> None:
        """Send a control line, after whatever the local ends have to say up to now."""
        for number, channel in list(self._channels.items()):
            while self._read(number, channel, reserve=0):
                pass
        self._send(LINE, opens, line)

    def step(self, seconds: float | None, watched: int = -1) -> bool:
        """Move what can be moved, waiting at most `seconds` for anything. True if `watched` can be read.

        Raises HungUpError when the other side is gone, WireError when it breaks the rules.
        """
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        if self._outgoing:
            poll.register(self._writing, select.POLLOUT)
        if watched >= 0:
            poll.register(watched, select.POLLIN)
        owners = {}
        for number, channel in self._channels.items():
            reads = channel.readable and channel.room > RESERVE and self._outgoing_bytes < BACKLOG
            events = (select.POLLIN if reads else 0) | (select.POLLOUT if channel.waiting else 0)
            # An end that is only written to wakes us when its reader is gone; another one, that was
            # closed while there is no room for its last bytes, would do so again and again.
            if events or not channel.readable:
                poll.register(channel.descriptor, events)
                owners[channel.descriptor] = number
        happened = dict(poll.poll(None if seconds is None else seconds * 1000))
        if self._writing in happened:
            self._write_out()
        if self._reading in happened:
            self._take_in()
        for descriptor, events in happened.items():
            number = owners.get(descriptor, 0)
            channel = self._channels.get(number)  # type: ignore[assignment]
            if channel is None or channel.descriptor != descriptor:
                continue
            if events & select.POLLOUT:
                self._write(number, channel)
            if number in self._channels and events & ~select.POLLOUT:
                if channel.readable:
                    self._read(number, channel, reserve=RESERVE)
                else:
                    self._end(number)
        if self._outgoing:
            self._write_out()
        return watched in happened

    def settled(self) -> bool:
        """Whether all that arrived for connections has been handed over here."""
        return not any(channel.waiting for number, channel in self._channels.items() if number % 2 == 0)

    def forget(self) -> None:
        """Nobody will read any more what has arrived for connections."""
        for number, channel in self._channels.items():
            if number % 2 == 0:
                channel.waiting.clear()

    def _send(self, kind: bytes, channel: int, content: bytes = b"", amount: int = 0) -> None:
        frame = FRAME.pack(kind, channel, len(content) or amount) + content
        self._outgoing.append(memoryview(frame))
        self._outgoing_bytes += len(frame)

    def _write_out(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                while self._outgoing:
                    sent = os.write(self._writing, self._outgoing[0])
                    self._outgoing_bytes -= sent
                    if sent < len(self._outgoing[0]):
                        self._outgoing[0] = self._outgoing[0][sent:]
                        return
                    self._outgoing.popleft()
            except BrokenPipeError:
                raise HungUpError from None

    def _take_in(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._reading, CHUNK)
            if not data:
                raise HungUpError
            self._arrived += data
            while (length := self._length()) is not None and len(self._arrived) >= length:
                kind, channel, amount = FRAME.unpack_from(self._arrived)
                content = bytes(self._arrived[FRAME.size : length])
                del self._arrived[:length]
                self._obey(kind, channel, amount, content)

    def _length(self) -> int | None:
        """Of the frame that is arriving, or None while that is not known. It is compared with its limit."""
        if len(self._arrived) < FRAME.size:
            return None
        kind, _, amount = FRAME.unpack_from(self._arrived)
        if kind not in (LINE, BYTES):
            return FRAME.size
        if amount > CHUNK:
            raise WireError(f"a frame of {amount} bytes, more than is accepted")
        return FRAME.size + int(amount)

    def _obey(self, kind: bytes, number: int, amount: int, content: bytes) -> None:
        if kind == LINE:
            if len(self.lines) >= LINES:
                raise WireError("more control lines than are accepted")
            # At once: what comes next may be for the channels that this opens.
            self.lines.append((content, self.open_worker(number) if number else []))
            return
        channel = self._channels.get(number)
        if channel is None:
            if number > self._newest:
                raise WireError("bytes of a channel that nobody opened")
            return  # it was closed here while this was under way
        if kind == BYTES:
            if len(channel.waiting) + amount > WINDOW:
                raise WireError("more bytes than there was room for")
            channel.waiting += content
            self._write(number, channel)
        elif kind == ROOM:
            channel.room += amount
            if channel.room > WINDOW:
                raise WireError("more room than there can be")
        elif kind == END:
            channel.ended = True
            self._write(number, channel)
        else:
            raise WireError("a frame of an unknown kind")

    def _write(self, number: int, channel: _Channel) -> None:
        """Hand over what has arrived; afterwards close, if the other side has."""
        try:
            while channel.waiting:
                written = os.write(channel.descriptor, channel.waiting[:CHUNK])
                del channel.waiting[:written]
                self._send(ROOM, number, amount=written)
        except BlockingIOError:
            return
        except OSError:  # whoever was to read it is gone
            self._end(number)
            return
        if channel.ended:
            self._drop(number)

    def _read(self, number: int, channel: _Channel, reserve: int) -> bool:
        """Send on what the local end has, as far as there is room. Whether there may be more."""
        amount = min(CHUNK, channel.room - reserve)
        if amount <= 0 or channel.ended or not channel.readable:
            return False
        try:
            data = os.read(channel.descriptor, amount)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._end(number)
            return False
        channel.room -= len(data)
        self._send(BYTES, number, data)
        return True

    def _end(self, number: int) -> None:
        self._send(END, number)
        self._drop(number)

    def _drop(self, number: int) -> None:
        os.close(self._channels.pop(number).descriptor)


class Inside(Wire):
    """What the zygote takes its commands from and reports to, in a sandbox without a control socket."""

    def wait(self, seconds: float | None) -> tuple[bytes, list[int]] | None:
        """A command, and the ends of a worker to start; none after `seconds`, None at the end."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.lines:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return b"", []
            try:
                self.step(left)
            except WireError:
                return None
        return self.lines.popleft()

    def sendall(self, line: bytes) -> None:
        self.send_line(line)

    def open_worker(self, number: int) -> list[int]:
        """A connection and an output for a worker: its ends. Ours become channels."""
        ours, theirs = socket.socketpair()
        reading, output = os.pipe()
        self.open(number, ours.detach())
        self.open(number + 1, reading)
        return [theirs.detach(), output]


def main() -> NoReturn:
    """Start the sandbox, and stand between it and the grader until either ends.

    The standard input is an end of the control socket. The single argument is JSON: `start`,
    the command whose standard streams are the sandbox's, and `remove`, the commands that end the sandbox.
    """
    config = json.loads(sys.argv[1])
    control = socket.socket(fileno=os.dup(0))
    sandbox = subprocess.Popen(config["start"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sandbox.stdin is not None and sandbox.stdout is not None
    wire = Wire(os.dup(sandbox.stdout.fileno()), os.dup(sandbox.stdin.fileno()))
    sandbox.stdin.close()
    sandbox.stdout.close()
    try:
        _relay(control, wire)
    except (HungUpError, ConnectionError):  # the sandbox has ended, or the grader has hung up
        pass
    except WireError as error:
        print(f"the sandbox sent {error}", file=sys.stderr)
    wire.close()  # upon which the zygote ends the sandbox by itself
    try:
        status = sandbox.wait(REMOVE_SECONDS)
    except subprocess.TimeoutExpired:
        quiet = subprocess.DEVNULL
        for command in config["remove"]:
            subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60, check=False)
        sandbox.kill()
        status = sandbox.wait()
    sys.exit(1 if status else 0)


def _relay(control: socket.socket, wire: Wire) -> None:
    """Pass on what comes, until the grader hangs up. Raises HungUpError when the sandbox does."""
    workers = 0
    held: deque[tuple[float, bytes]] = deque()  # lines, and when they go whatever may be before them
    while True:
        if wire.step(HOLD_SECONDS if held else None, control.fileno()):
            lines, descriptors, _, _ = socket.recv_fds(control, CHUNK // 2, 2)
            if not lines:
                return
            if descriptors:
                workers += 1
                wire.send_line(lines, 2 * workers)  # first, or bytes would come for channels unheard of
                for offset, descriptor in enumerate(descriptors):
                    wire.open(2 * workers + offset, descriptor)
            else:
                wire.forget()  # a worker is to be ended
                wire.send_line(lines)
        while wire.lines:
            held.append((time.monotonic() + HOLD_SECONDS, wire.lines.popleft()[0]))
        if len(held) > LINES:
            raise WireError("more control lines than are accepted")
        while held and (wire.settled() or time.monotonic() >= held[0][0]):
            control.sendall(held.popleft()[1])


if __name__ == "__main__":
    main()
