"""How long a submission's threads have waited for a processor, as the kernel counts it.

On a busy machine a thread that could run waits its turn, and wall time goes on. Wall time without
that waiting is the submission's own time: all of a sleep, all of an endless loop, and of honest
work about as much as on a quiet machine.

This file runs inside the sandbox and imports nothing of the kit.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

NANO = 1e-9


class Waiting:
    """Adds up, from look to look, what the threads of one submission use and wait for.

    `nice`: threads with a higher niceness wait because they want to. `sandboxed`: this process namespace
    holds no other process but ours, which starts none.
    """

    def __init__(self, *, nice: int = 19, sandboxed: bool) -> None:
        self.waited = 0.0  # seconds: in each interval, those of the thread that waited longest
        self.used = 0.0  # seconds of CPU time, by all together
        self._nice = nice
        self._sandboxed = sandboxed
        self._threads: dict[str, tuple[int, int]] = {}  # by id: nanoseconds used and waited for
        self._newest = newest_id()

    def look(self, pids: list[str], *, full_share: bool = True) -> dict[str, float]:
        """What there is to say now, in seconds: `waited` and `used` since the beginning.

        Between the clock's times `began` and `ended` it was found out. On a busy machine that itself has to
        wait, and whoever counts from look to look must not take that for the submission's.

        Waiting counts where it is certain that others had the processors. So it does not in an interval in
        which a thread ended, or came and went, for what it used of them is not known; nor without a
        `full_share`, given up by the submission itself.
        """
        began = time.monotonic()
        threads, newest = dict(_threads(pids)), newest_id()
        ended = time.monotonic()
        fresh = threads.keys() - self._threads.keys()
        all_seen = threads.keys() >= self._threads.keys()
        if self._sandboxed:
            all_seen = all_seen and newest - self._newest == len(fresh)
        longest = 0
        for tid, (used, waited) in threads.items():
            used_before, waited_before = self._threads.get(tid, (0, 0))
            self.used += NANO * (used - used_before)
            if waited - waited_before > longest and _is_as_eager(tid, self._nice):
                longest = waited - waited_before
        if all_seen and full_share:
            self.waited += NANO * longest
        self._threads, self._newest = threads, newest
        return {"began": began, "ended": ended, "waited": self.waited, "used": self.used}


def _threads(pids: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every thread of these processes; for how many nanoseconds it ran, and for how many it could have."""
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            for tid in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                with contextlib.suppress(OSError, ValueError):
                    used, waited, _ = Path("/proc", pid, "task", tid, "schedstat").read_bytes().split()
                    yield tid, (int(used), int(waited))


def _is_as_eager(tid: str, nice: int) -> bool:
    """Whether a thread still asks for the processor as it did when it was started."""
    with contextlib.suppress(OSError):
        usual = os.sched_getscheduler(int(tid)) == os.SCHED_OTHER
        return usual and os.getpriority(os.PRIO_PROCESS, int(tid)) <= nice
    return False


def newest_id() -> int:
    """The latest id that a process or thread got in this process namespace; 0 without /proc."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/loadavg").read_text().split()[4])
    return 0
