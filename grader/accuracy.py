"""Accuracy on labelled images: the images go to the worker, logits come back, the labels stay here."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from grader.sandbox import Model, Student, StudentFailure
from grader.text import safe_line
from grader.types import Accuracy

CLASSES = 10
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
Z = 1.959963984540054  # two-sided 95 % of the normal distribution

# Images a batch: always the same, for rounding may differ between sizes, and the same work has to get
# the same count. On a CPU the small network of the sample class took 28 ms for 100 images in batches of
# 32, 37 in batches of 100 and 53 in batches of 1,000, and the reference 107, 107 and 159: what is in the
# cache counts. A GPU wants to be kept busy.
BATCH = {"cpu": 100, "cuda": 1000}
SMALLEST_BATCH = 4  # where memory is short


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson (1927): (low, high), both in [0, 1].

    Raises ValueError unless 0 ≤ correct ≤ images and there is at least one image.
    """
    if not 0 <= correct <= images or images < 1:
        raise ValueError(f"{correct} correct of {images} images cannot be")
    share, z2 = correct / images, Z * Z / images
    centre = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(share * (1 - share) * z2 + z2 * z2 / 4) / (1 + z2)
    # rounding must leave neither end outside, nor the share itself
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def measure_accuracy(student: Student, images: Tensor, labels: Tensor) -> Accuracy:
    """How many of `images`, uint8 (N, 3, 32, 32), the submitted network assigns to `labels`, int64 (N,).

    All batches count or none: whatever the student's side does wrong in one of them
    (an exception, NaN, a wrong shape, weights that do not fit) is the `reason` why
    there is no result.
    """
    size = BATCH[student.device]
    while True:
        try:
            correct = _count_correct(student, images, labels, size)
        except StudentFailure as failure:
            if failure.kind == "out_of_memory" and size > SMALLEST_BATCH:
                size = max(size // 8, SMALLEST_BATCH)
                continue
            return Accuracy(images=len(images), reason=failure.message)
        except _NoResult as problem:
            return Accuracy(images=len(images), reason=str(problem))
        low, high = wilson_interval(correct, len(images))
        return Accuracy(
            images=len(images),
            correct=correct,
            accuracy=correct / len(images),
            low=low,
            high=high,
            source="submitted",
        )


class _NoResult(Exception):  # noqa: N818 (an end, not a fault)
    """The reason, in one line."""


def _count_correct(student: Student, images: Tensor, labels: Tensor, size: int) -> int:
    model = student.build("classifier")
    _load_weights(model)
    correct = 0
    for batch, truth in zip(torch.split(images, size), torch.split(labels, size), strict=True):
        predicted = _predictions(model.classify(batch, seconds=student.limits.batch_seconds), len(batch))
        correct += int((predicted == truth).sum())
    return correct


def _load_weights(model: Model) -> None:
    report = model.load_weights()
    problems = [
        f"{len(names)} tensors {word} (first: {safe_line(names[0], 60)})"
        for word, names in (
            ("missing", report.missing),
            ("unexpected", report.unexpected),
            ("of another shape", report.mismatched),
        )
        if names
    ]
    if problems:
        raise _NoResult(f"the weights do not fit classifier(): {', '.join(problems)}")


def _predictions(logits: Tensor, n: int) -> Tensor:
    """The classes (N,) that the student's logits choose; the first of equals.

    Infinities are numbers that can be compared, so only NaN makes them unusable.
    """
    if logits.dtype not in FLOATS:
        dtype = str(logits.dtype).removeprefix("torch.")
        raise _NoResult(f"the classifier gave logits of type {dtype}, where floats are right")
    shape = tuple(logits.shape)
    if shape != (n, CLASSES):
        raise _NoResult(
            f"the classifier gave logits of shape {safe_line(str(shape), 60)} for {n} images, "
            f"where {(n, CLASSES)} is right"
        )
    if logits.isnan().any():
        raise _NoResult("the classifier gave NaN (not a number) among its logits")
    return logits.argmax(1)
