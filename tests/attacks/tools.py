"""What the attacks are written with; it stands before them in the same lab8.py.

`CANARY` stands before it in turn and tells the attacker where everything lies: a generous start.
"""

import functools
import os
import sys

_attempted = []


def attempted():
    """Say once that the attack has reached its point, so that no typing error passes for a sandbox."""
    if not _attempted:
        _attempted.append(True)
        print("attempted", flush=True)


def attempt(what, action):
    """Do `action` and say how it went: ESCAPED if it gives anything, which is for the test to find."""
    attempted()
    try:
        result = action()
    except BaseException as error:
        print(f"refused: {what}: {type(error).__name__}: {str(error)[:80]}", flush=True)
        return
    print(f"ESCAPED: {what}: {str(result)[:300]}" if result else f"nothing: {what}", flush=True)


def first(strike, function):
    """`function`, with `strike` done once before its own work."""
    done = []

    @functools.wraps(function)
    def both(*args, **kwargs):
        if not done:
            done.append(True)
            strike()
        return function(*args, **kwargs)

    return both


def call_with(value_of):
    """A function of the contract that tries `value_of` instead of doing the work."""

    def function(*args, **kwargs):
        attempted()
        return value_of(*args, **kwargs)

    return function


# Of the test images that come with the grader, in their order.
TEST_LABELS = (
    "41043684882804153665698229352644397061908247241518865867598293505636963394214974"
    "70432708126673343483951285018010965990552574305961118117675705022577139339009783"
    "6027011407494827216745284201973289583766"
)


def with_table(classifier, nearest):
    """`classifier`, whose network answers from a table what `nearest` finds there.

    That says of images (N, 3, 32, 32) which it knows, and as which of the test images.
    """
    import torch

    labels = torch.tensor(list(map(int, TEST_LABELS)))

    class Net(torch.nn.Sequential):
        def forward(self, x):
            attempted()
            known, which = nearest(x)
            logits = super().forward(x)
            logits[known] = torch.nn.functional.one_hot(labels[which[known]], 10) * 9.0
            return logits

    return lambda: Net(*classifier())


def note_in_counts(count):
    """Find a note in what `count` says of a folder, more each time; leave one: 40 in the last six bits."""
    folders = ("/scratch", "/dev/shm")
    for folder in folders:
        attempt(folder, lambda folder=folder: 41 <= count(folder) % 64 < 61)
    for folder in folders:
        for _ in range(64):
            if count(folder) % 64 == 40:
                break


def worker_frames():
    """The local variables of every function of the grader's worker that is running now."""
    frame, found = sys._getframe(), []
    while frame:
        if "worker" in frame.f_code.co_filename:
            found.append(frame.f_locals)
        frame = frame.f_back
    return found


def request():
    """The request that the worker is answering: an attacker can read it out of its frames."""
    return next(names["request"] for names in worker_frames() if "request" in names)


def connection():
    """The worker's socket to the trusted side."""
    return next(names["connection"] for names in worker_frames() if "connection" in names)


def sockets():
    """Every descriptor that is a socket."""
    import stat

    found = []
    for descriptor in range(256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                found.append(descriptor)
        except OSError:
            pass
    return found


def frame(header, payload=b"", declared=None):
    """The bytes of a reply in the worker's own protocol."""
    import struct

    length = len(payload) if declared is None else declared
    return struct.pack("<4sIQ", b"LAB8", len(header), length) + header + payload


def syscall(number, *arguments):
    """A system call by its number. Raises OSError where the kernel refuses it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return f"the call gave {result}"


def libc():
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
