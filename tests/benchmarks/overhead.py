"""What the grader itself costs a submission, against a cold pytest process that does the same checks.

    python tests/benchmarks/overhead.py [submissions]

The submission's own work is next to nothing (the reference's arithmetic and LeNet-5, a
one-layer classifier that learns class means), so that what remains is ours: fork,
load, 15 checks, clean up. Ours is measured with two jobs side by side, each with a
sandbox of its own; the peer runs in its own process with the submission's code
beside the checks, as graders do that trust it. CPU seconds count all processes.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
JOBS = 2

TRIVIAL = """
import torch
from torch import nn


def _pair(value):
    return value if isinstance(value, (tuple, list)) else (value, value)


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    arguments = (input_size, kernel_size, stride, padding)
    sizes = []
    for i, k, s, p in zip(*map(_pair, arguments)):
        if i < 1 or k < 1 or s < 1 or p < 0 or k > i + 2 * p:
            raise ValueError("no such size")
        sizes.append((i + 2 * p - k) // s + 1)
    return tuple(sizes) if any(isinstance(a, (tuple, list)) for a in arguments) else sizes[0]


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    height, width = _pair(kernel_size)
    return out_channels * (in_channels * height * width + bool(bias))


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def preprocess(images):
    return images.float() / 255


def classifier():
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 10))


def train_classifier(model, images, labels, *, device, seconds, seed):
    features = model[:2](preprocess(images))
    mean = features.mean(0)
    with torch.no_grad():
        for label in range(10):  # the nearest class mean: learnt at once
            model[2].weight[label] = 5 * (features[labels == label].mean(0) - mean)
        model[2].bias.copy_(-model[2].weight @ mean)
    return {}
"""

PEER = '''
import sys

from grader.checks import run_checks
from grader.lab import load_lab
from grader.sandbox import worker
from grader.sandbox.student import Student
from grader.types import Outcome, Submission


class Bare(Student):
    """The handle without a process behind it: each request is answered right here."""

    def __init__(self):
        self.failure = self.exhausted = None
        self._closed, self._requests, self._seed = False, 0, 0
        self.seconds_used = self._wall_seconds_used = 0.0
        self.sandbox_failure = None
        self.limits = type("Limits", (), {"call_seconds": 20.0, "load_seconds": 20.0})
        self._submission = Submission(student_id="bare")
        self._state = worker.State()
        self._worker = object()
        names = ["conv_output_size", "conv_parameter_count", "lenet5", "preprocess", "classifier",
                 "train_classifier"]
        code = open(sys.argv_file).read()
        request = {"op": "load", "seed": 0, "filename": "lab8.py", "cells": [code], "names": names,
                   "device": "cpu"}
        worker._answer(self._state, request, b"")

    def _timed(self, _, header, payload, seconds, *, reply):
        self._state.reply_bytes = 2**28
        return worker._answer(self._state, header, payload)


def test_submission():
    outcomes = run_checks(load_lab(), Bare(), 0)
    assert sum(outcome.outcome is Outcome.PASSED for outcome in outcomes) >= 14
'''


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def one_job(count: int) -> None:
    """In a process of its own: `count` submissions through one sandbox; prints wall seconds."""
    import torch

    from grader.checks import run_checks
    from grader.lab import load_lab
    from grader.sandbox import Sandbox
    from grader.types import Code, Outcome, Submission

    torch.set_num_threads(1)  # as a job does
    submission = Submission(student_id="trivial", code=Code(filename="lab8.py", cells=(TRIVIAL,)))
    with Sandbox(backend="bubblewrap") as sandbox:
        for timed in (False, True):
            began = time.perf_counter()
            for _ in range(count if timed else 1):
                with sandbox.student(submission) as student:
                    outcomes = run_checks(load_lab(), student, 0)
            if timed:
                print(f"{time.perf_counter() - began}")
    missed = {outcome.id for outcome in outcomes if outcome.outcome is not Outcome.PASSED}
    assert missed <= {"classifier_weights_load"}, missed  # it hands in no weights


def ours(count: int) -> tuple[float, float]:
    """Wall and CPU seconds a submission with `JOBS` jobs; starting up is measured apart and taken off."""
    cpu = []
    for each in (0, count):
        before = _cpu_seconds()
        command = [sys.executable, str(HERE), "--job", str(each)]
        jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(JOBS)]
        walls = [float(job.communicate()[0]) for job in jobs]
        assert not any(job.returncode for job in jobs)
        cpu.append(_cpu_seconds() - before)
    return max(walls) / (JOBS * count), (cpu[1] - cpu[0]) / (JOBS * count)


def peer(count: int) -> tuple[float, float]:
    """Wall and CPU seconds a submission, one cold pytest process each, `JOBS` at a time."""
    with tempfile.TemporaryDirectory() as folder:
        code, test = Path(folder, "lab8.py"), Path(folder, "test_submission.py")
        code.write_text(TRIVIAL)
        test.write_text(PEER.replace("sys.argv_file", repr(str(code))))
        before, began = _cpu_seconds(), time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            folder,
            str(test),
        ]
        for _ in range(count // JOBS):
            jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder) for _ in range(JOBS)]
            for job in jobs:
                output = job.communicate()[0].decode()
                assert job.returncode == 0, output
        measured = count // JOBS * JOBS
        return (time.perf_counter() - began) / measured, (_cpu_seconds() - before) / measured


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    our_wall, our_cpu = ours(count)
    peer_wall, peer_cpu = peer(max(JOBS, count // 8))
    print(f"{'a submission, checks only':<30}{'wall':>10}{'CPU':>10}   ({JOBS} at a time)")
    print(f"{'grader':<30}{our_wall * 1000:>7.0f} ms{our_cpu * 1000:>7.0f} ms")
    print(f"{'cold pytest':<30}{peer_wall * 1000:>7.0f} ms{peer_cpu * 1000:>7.0f} ms")
    print(f"{'ratio':<30}{peer_wall / our_wall:>9.1f}x{peer_cpu / our_cpu:>9.1f}x")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        one_job(int(sys.argv[2]))
    else:
        main()
