"""Accuracy on labelled images: the images go to the worker, logits come back, the labels stay here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.limits import Limits
from grader.sandbox import pace
from grader.sandbox.student import Model, Student, StudentFailure
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
FORESEEN = 3  # batches, after which the fastest of them shows when the time will not do by far


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


@dataclass(frozen=True)
class Network:
    """The submitted network in the worker, its weights loaded, and what it answered."""

    model: Model
    batch: int  # images at a time, as its memory allows
    seconds: float  # a batch's
    logits: Tensor  # float64 (N, 10), for the images that were measured; no NaN
    elapsed: float  # seconds of its own that these took

    def classify(self, images: Tensor) -> Tensor:
        """Logits (N, 10) for uint8 images (N, 3, 32, 32). Raises StudentFailure, NoResultError."""
        return torch.cat(list(_classify(self.model, images, self.batch, self.seconds)))


def accuracy_seconds(limits: Limits, device: str, images: int) -> float:
    """How long `images` images may take a network on this machine.

    In proportion, but never less than a thousand. A GPU, which needs little time anyway, is not asked how
    fast it is.
    """
    share = max(images, 1000) / 10_000
    small = pace.small_seconds() if device == "cpu" else pace.SMALL_SECONDS
    return share * pace.allowed_seconds(small, limits.accuracy_seconds)


def measure_accuracy(
    student: Student,
    images: Tensor,
    labels: Tensor,
    *,
    seconds: float = math.inf,
    progress: Callable[[int], None] = lambda done: None,
) -> Accuracy:
    """How many of `images`, uint8 (N, 3, 32, 32), the submitted network assigns to `labels`, int64 (N,).

    All batches count or none: whatever the student's side does wrong in one of them
    (an exception, NaN, a wrong shape, weights that do not fit) is the `reason` why
    there is no result. All together may take `seconds` of the submission's own time.
    `progress` is told after each batch how many images are done.
    """
    return measure(student, images, labels, seconds=seconds, progress=progress)[0]


def measure(
    student: Student,
    images: Tensor,
    labels: Tensor,
    *,
    seconds: float = math.inf,
    again: Callable[[], float] = lambda: 0.0,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Accuracy, Network | None]:
    """As `measure_accuracy`, and the network that was measured, where there is a result.

    `again` finds out once more how many seconds there are, before a network is refused for its slowness.
    """
    size, late = BATCH[student.device], False
    student.reserve(0)
    began = student.seconds_used
    while True:
        try:
            network = _answers(student, images, size, seconds, began, again, progress)
        except StudentFailure as failure:
            is_memory, is_time = failure.kind == "out_of_memory", failure.kind == "timeout"
            if (is_memory and size > SMALLEST_BATCH) or (is_time and not late):
                student.renew()  # nothing of this look is there for the next
                size = max(size // 8, SMALLEST_BATCH) if is_memory else size
                late = late or is_time  # no single reading of a clock decides
                continue
            return Accuracy(images=len(images), reason=failure.message), None
        except NoResultError as problem:
            return Accuracy(images=len(images), reason=str(problem)), None
        correct = int((network.logits.argmax(1) == labels).sum())  # the first of equals
        low, high = wilson_interval(correct, len(images))
        accuracy = Accuracy(
            images=len(images),
            correct=correct,
            accuracy=correct / len(images),
            low=low,
            high=high,
            source=student.weights_source,
        )
        return accuracy, network


class NoResultError(Exception):
    """Why there is no result, in one line."""


def _answers(
    student: Student,
    images: Tensor,
    size: int,
    allowed: float,
    began: float,
    again: Callable[[], float],
    progress: Callable[[int], None],
) -> Network:
    """`began`: what the submission had used before any look at these images, for all looks count."""
    model = student.build("classifier")
    _load_weights(model)
    seconds, start = student.limits.batch_seconds, student.seconds_used
    logits: list[Tensor] = []
    batches: list[float] = []  # the seconds of each
    for part in _classify(model, images, size, seconds):
        logits.append(part)
        took, done = student.seconds_used - began, sum(map(len, logits))
        progress(done)
        batches.append(student.seconds_used - start - sum(batches))
        needed = pace.needed_seconds(min(batches), size, len(images))
        least = max(took, needed / 2 if len(batches) >= FORESEEN else 0.0)
        if least > allowed:  # the machine may have been a faster one when its pace was measured
            allowed = max(allowed, again())
        if least > allowed:
            raise NoResultError(
                f"the network is too slow: {done:,} images took {took:.0f} seconds, all {len(images):,} take"
                f" {needed / 60:.0f} minutes or so, where {allowed / 60:.1f} are allowed on this machine. A"
                " smaller network is faster, and so are smaller images than preprocess now makes"
                " (instructor: accuracy_seconds under [limits] in the rubric, or a GPU)"
            )
    return Network(model, size, seconds, torch.cat(logits), student.seconds_used - start)


def _classify(model: Model, images: Tensor, size: int, seconds: float) -> Iterator[Tensor]:
    for part in torch.split(images, size):
        yield _usable(model.classify(part, seconds=seconds), len(part))


def _load_weights(model: Model) -> None:
    if differences := model.load_weights().differences:
        raise NoResultError(f"the weights do not fit classifier(): {', '.join(differences)}")


def _usable(logits: Tensor, n: int) -> Tensor:
    """The student's logits as float64 (n, 10). Raises NoResultError where they are none.

    Infinities are numbers that can be compared, so only NaN makes them unusable.
    """
    if logits.dtype not in FLOATS:
        dtype = str(logits.dtype).removeprefix("torch.")
        raise NoResultError(f"the classifier gave logits of type {dtype}, where floats are right")
    shape = tuple(logits.shape)
    if shape != (n, CLASSES):
        raise NoResultError(
            f"the classifier gave logits of shape {safe_line(str(shape), 60)} for {n} images, "
            f"where {(n, CLASSES)} is right"
        )
    if logits.isnan().any():
        raise NoResultError("the classifier gave NaN (not a number) among its logits")
    return logits.double()
