"""What the sandbox costs when accuracy is measured: 10,000 images, against the bare loop.

    python tests/benchmarks/accuracy.py [lab8.py classifier.safetensors]

Both do the same work on the same machine, in turn: images as uint8, the student's
preprocess, a forward pass in evaluation mode, argmax, the count. The bare loop has the
network in this process; the grader sends images through a socket into a sandboxed one.
"""

from __future__ import annotations

import os
import sys
import time
import types
from pathlib import Path

import safetensors.torch
import torch

from grader import datasets
from grader.accuracy import LARGEST_BATCH, measure_accuracy
from grader.sandbox import Slot
from grader.types import Code, Submission, Weights

ROUNDS = 4
SOLUTION = Path(__file__).parents[2] / "solution"


def main() -> None:
    module_path, weights_path = map(
        Path, sys.argv[1:3] or (SOLUTION / "lab8.py", SOLUTION / "classifier.safetensors")
    )
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    images, labels = datasets.load("cifar10", "test", "mini")
    images, labels = images.repeat(10, 1, 1, 1), labels.repeat(10)  # time does not depend on the pixels

    source = module_path.read_text(encoding="utf-8")
    module = types.ModuleType("lab8")
    sys.modules["lab8"] = module
    exec(compile(source, str(module_path), "exec"), module.__dict__)
    model = module.classifier().eval()
    model.load_state_dict(safetensors.torch.load_file(weights_path))

    def bare() -> int:
        with torch.no_grad():
            batches = zip(images.split(LARGEST_BATCH), labels.split(LARGEST_BATCH), strict=True)
            return sum(int((model(module.preprocess(x)).argmax(1) == y).sum()) for x, y in batches)

    submission = Submission(
        student_id="benchmark",
        code=Code(filename="lab8.py", cells=(source,)),
        weights=Weights(filename=weights_path.name, path=weights_path, format="safetensors"),
    )
    times: dict[str, list[float]] = {"bare": [], "grader": []}
    with Slot(threads=threads) as slot:
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            expected = bare()
            times["bare"].append(time.perf_counter() - began)
            with slot.student(submission) as student:
                student.load()
                began = time.perf_counter()
                result = measure_accuracy(student, images, labels)
                times["grader"].append(time.perf_counter() - began)
            if result.correct is None or abs(result.correct - expected) > 20:
                sys.exit(f"not the same work: {expected} correct, the grader says {result}")
    best = {name: min(seconds[1:]) for name, seconds in times.items()}  # the first round warms up
    print(f"10,000 images, {threads} threads, best of {ROUNDS}, {result.correct:,} correct")
    print(f"bare loop    {best['bare']:6.2f} s")
    print(f"the grader   {best['grader']:6.2f} s")
    print(f"ratio        {best['grader'] / best['bare']:6.2f} x")


if __name__ == "__main__":
    main()
