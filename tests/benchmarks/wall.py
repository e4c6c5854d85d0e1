"""What the whole sandbox costs a submission, over a bare fork of a process that has torch already.

    python tests/benchmarks/wall.py [submissions]

Both do the same trivial work: run the module, call a function, build LeNet-5, classify four images.
The bare fork does it in a child of a preloaded process without any protection, and is reaped. The sandbox
does it in a sandbox: fork inside it, limits, reading the module in by need, requests and replies
as frames, then killing, reaping and wiping. The two take turns, so that a busy machine slows both; one
thread, one sandbox. CPU time counts all processes on both sides, and does not depend on who else is
at work; on a busy machine it and the fastest tenth say more than the median.
"""

from __future__ import annotations

import gc
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from students import first_process

from grader.sandbox import Sandbox
from grader.types import Code, Submission

ROUNDS = 100
WARM_UP = 5
CODE = """
from torch import nn


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    return (input_size + 2 * padding - kernel_size) // stride + 1


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )
"""


def bare() -> None:
    """In a process of its own: preload as the zygote does, then fork once for each line that comes in."""
    from grader.sandbox import backend, zygote

    sys.path.insert(0, "")
    zygote._preload(str(backend.SHIM))
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            module: dict[str, object] = {}
            exec(compile(CODE, "lab8.py", "exec"), module)
            assert module["conv_output_size"](32, 5) == 28  # type: ignore[operator]
            with torch.no_grad():
                assert module["lenet5"]().eval()(torch.zeros(4, 1, 32, 32)).shape == (4, 10)  # type: ignore[operator]
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(time.perf_counter() - began, sum(os.times()[:4]), flush=True)


def sandbox_seconds(sandbox: Sandbox) -> float:
    """CPU time of all that ever ran in the sandbox, from its pid 1 and what that has reaped."""
    info = Path(f"/proc/self/fdinfo/{first_process(sandbox)}").read_text()
    pid = re.search(r"^Pid:\s+(\d+)", info, re.MULTILINE)
    assert pid
    fields = Path(f"/proc/{pid[1]}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    submission = Submission(student_id="trivial", code=Code(filename="lab8.py", cells=(CODE,)))
    images = torch.zeros(4, 1, 32, 32)
    command = [sys.executable, __file__, "--bare"]
    sandboxed, forks, spent, before = [], [], [0.0, 0.0], [0.0, 0.0]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
        Sandbox() as sandbox,
    ):
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        for round_ in range(rounds + WARM_UP):
            began = time.perf_counter()
            with sandbox.student(submission) as student:
                assert student.call("conv_output_size", 32, 5) == 28
                assert student.build("lenet5").forward(images).shape == (4, 10)
            wall = time.perf_counter() - began
            print(file=other.stdin, flush=True)
            fork, theirs = map(float, other.stdout.readline().split())
            now = [time.process_time() + sandbox_seconds(sandbox), theirs]
            if round_ == WARM_UP - 1:
                before = now
            elif round_ >= WARM_UP:
                sandboxed.append(1000 * wall)
                forks.append(1000 * fork)
                spent = [
                    1000 * (at - start) / (round_ - WARM_UP + 1)
                    for at, start in zip(now, before, strict=True)
                ]
        other.stdin.close()
    head = f"{'ms a submission':<24}{'median':>8}{'quartiles':>16}{'fastest tenth':>16}{'processor':>12}"
    print(f"{head}   (n = {rounds})")
    over = [wall - fork for wall, fork in zip(sandboxed, forks, strict=True)]
    rows = (("in the sandbox", sandboxed), ("a bare fork", forks), ("what the sandbox costs", over))
    for (name, times), processor in zip(rows, [*spent, spent[0] - spent[1]], strict=True):
        low, middle, high = statistics.quantiles(times, n=4)
        tenth = statistics.quantiles(times, n=10)[0]
        print(f"{name:<24}{middle:>8.1f}{f'{low:.1f} – {high:.1f}':>16}{tenth:>16.1f}{processor:>12.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare()
    else:
        main()
