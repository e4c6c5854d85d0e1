"""What the sandbox costs when accuracy is measured: 10,000 images, against the bare loop.

    python tests/benchmarks/accuracy.py [lab8.py]

Both do the same work on the same machine, in turn: images as uint8, the student's
preprocess, a forward pass in evaluation mode, argmax, the count. The bare loop has the
network in this process; the grader sends images through a socket into a sandboxed one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import types
from pathlib import Path
from statistics import median

import safetensors.torch
import torch

from grader import datasets
from grader.accuracy import BATCH, measure_accuracy
from grader.sandbox import Sandbox
from grader.types import Code, Submission, Weights

ROUNDS = 5
SOLUTION = Path(__file__).parents[2] / "solution" / "lab8.py"


def main(folder: str) -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SOLUTION
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    images, labels = datasets.load("cifar10", "test", "mini")
    images, labels = images.repeat(10, 1, 1, 1), labels.repeat(10)  # time depends on no pixel

    source = path.read_text(encoding="utf-8")
    module = types.ModuleType("lab8")
    sys.modules["lab8"] = module
    exec(compile(source, str(path), "exec"), module.__dict__)
    model = module.classifier().eval()  # untrained: time depends on no weight either

    def bare() -> int:
        with torch.no_grad():
            predicted = [
                model(module.preprocess(batch)).argmax(1) for batch in torch.split(images, BATCH["cpu"])
            ]
            return int((torch.cat(predicted) == labels).sum())

    weights = Path(folder) / "classifier.safetensors"
    safetensors.torch.save_file(model.state_dict(), weights)
    submission = Submission(
        student_id="benchmark",
        code=Code(filename="lab8.py", cells=(source,)),
        weights=Weights(filename=weights.name, path=weights, format="safetensors"),
    )
    times: dict[str, list[float]] = {"bare": [], "grader": []}
    with Sandbox(threads=threads) as sandbox:
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            expected = bare()
            times["bare"].append(time.perf_counter() - began)
            with sandbox.student(submission) as student:
                student.load()
                began = time.perf_counter()
                result = measure_accuracy(student, images, labels)
                times["grader"].append(time.perf_counter() - began)
            if result.correct is None or abs(result.correct - expected) > 20:
                sys.exit(f"not the same work: {expected} correct, the grader says {result}")
    bares, graders = (seconds[1:] for seconds in times.values())  # the first round warms up
    ratios = [grader / bare for bare, grader in zip(bares, graders, strict=True)]
    print(f"10,000 images, {threads} threads, {ROUNDS} rounds in turn, medians")
    print(f"bare loop    {median(bares):6.2f} s")
    print(f"the grader   {median(graders):6.2f} s")
    print(f"ratio        {median(ratios):6.2f} x   ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
