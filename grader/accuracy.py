"""Accuracy on labelled images: the images go to the worker, logits come back, the labels stay here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.limits import Limits
from grader.sandbox import pace
from grader.sandbox.student import Model, Student, StudentFailure
from grader.text import safe_line
from grader.types import Accuracy, Mistake

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
Z = 1.959963984540054  # two-sided 95 % of the normal distribution

# Images a batch: always the same, for rounding may differ between sizes, and the same work has to get
# the same count. On a CPU the small network of the sample class took 28 ms for 100 images in batches of
# 32, 37 in batches of 100 and 53 in batches of 1,000, and the reference 107, 107 and 159: what is in the
# cache counts. A GPU wants to be kept busy.
BATCH = {"cpu": 100, "cuda": 1000}
SMALLEST_BATCH = 4  # where memory is short
FORESEEN = 3  # batches, after which the fastest of them shows when the time will not do by far
MOST_MISTAKES = 12  # that are told one by one
SLACK = 1.5  # so many times their share of the time may the images in between take


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
    """What the submitted network answered."""

    logits: Tensor  # float64 (N, classes), for the images that were measured; no NaN
    between: Tensor | None = (
        None  # float64 (M, classes), likewise for the images in between; None where it failed, or without any
    )
    failure: str = ""  # how it did, in one line


def accuracy_seconds(limits: Limits, device: str, images: int) -> float:
    """How long `images` images may take a network on this machine.

    In proportion, but never less than a thousand. A GPU, which needs little time anyway, is not asked how
    fast it is.
    """
    share = max(images, 1000) / 10_000
    small = pace.small_seconds() if device == "cpu" else pace.SMALL_SECONDS
    return share * pace.allowed_seconds(small, limits.accuracy_seconds)


def between_seconds(seconds: float, images: int, between: int) -> float:
    """How long `between` images more may take where `images` may take `seconds`."""
    return SLACK * seconds * between / images


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
    between: Tensor | None = None,
    again: Callable[[], float] = lambda: 0.0,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Accuracy, Network | None]:
    """As `measure_accuracy`, and what the network answered, where there is a result.

    `between` are more images, uint8 (M, 3, 32, 32), asked for in batches of their own among the others, so
    that code can neither use up the time before they come nor stop answering when the rest is over. They
    may take `between_seconds`. However the network fails on them, the accuracy is what it is without them.
    `again` finds out once more how many seconds there are, before a network is refused for its slowness.
    """
    size, late = BATCH[student.device], False
    student.reserve(0)
    began = student.seconds_used
    while True:
        try:
            clock = _Clock(student.seconds_used - began, seconds, again)
            network = _answers(student, images, between, size, clock, progress)
        except StudentFailure as failure:
            is_time = failure.kind == "timeout"
            if (_lacks_memory(failure) and size > SMALLEST_BATCH) or (is_time and not late):
                student.renew()  # nothing of this look is there for the next
                size = size if is_time else max(size // 8, SMALLEST_BATCH)
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
            confusion=_confusion(network.logits, labels),
        )
        return accuracy, network


def _confusion(logits: Tensor, labels: Tensor) -> tuple[tuple[int, ...], ...]:
    """How many images of each class, by row, got each answer, by column."""
    classes = logits.shape[1]
    pairs = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
    return tuple(map(tuple, pairs.view(classes, classes).tolist()))


def confident_mistakes(logits: Tensor, labels: Tensor) -> tuple[Mistake, ...]:
    """The wrong answers that were given with the highest probability, the surest first."""
    # Infinities would make NaN of all probabilities.
    probabilities, answers = logits.clamp(-1e30, 1e30).softmax(1).max(1)
    wrong = (answers != labels).nonzero().flatten()
    surest = probabilities[wrong].sort(descending=True, stable=True).indices[:MOST_MISTAKES]
    return tuple(
        Mistake(
            index=int(at),
            label=int(labels[at]),
            answered=int(answers[at]),
            probability=float(probabilities[at]),
        )
        for at in wrong[surest]
    )


class NoResultError(Exception):
    """Why there is no result, in one line."""


@dataclass
class _Clock:
    """The time that all `images` may take."""

    spent: float  # seconds, by earlier looks at the same images as well
    allowed: float
    again: Callable[[], float]  # what may be allowed now
    fastest: float = math.inf
    batches: int = 0

    def add(self, batch: float, size: int, done: int, images: int) -> None:
        """A batch took so long. Raises NoResultError where `done` took too long, or all will by far."""
        self.spent += batch
        self.batches += 1
        self.fastest = min(self.fastest, batch)
        needed = pace.needed_seconds(self.fastest, size, images)
        least = max(self.spent, needed / 2 if self.batches >= FORESEEN else 0.0)
        if least > self.allowed:  # the machine may have been a faster one when its pace was measured
            self.allowed = max(self.allowed, self.again())
        if least > self.allowed:
            raise NoResultError(
                f"the network is too slow: {done:,} images took {self.spent:.0f} seconds, all {images:,} take"
                f" {needed / 60:.0f} minutes or so, where {self.allowed / 60:.1f} are allowed on this"
                " machine. A smaller network is faster, and so are smaller images than preprocess now makes"
                " (instructor: accuracy_seconds under [limits] in the rubric, or a GPU)"
            )


def _answers(
    student: Student,
    images: Tensor,
    between: Tensor | None,
    size: int,
    clock: _Clock,
    progress: Callable[[int], None],
) -> Network:
    """What the network says of both, in batches of `size`.

    The batches of `images` are the same, whatever is asked between them: what a network answers may
    depend on the other images of a batch.
    """
    model: Model | None = _loaded(student)
    parts, others = images.split(size), () if between is None else between.split(size)
    logits: list[Tensor] = []
    looked: list[Tensor] = []
    looking = 0.0
    failure = ""
    for part in parts:
        model = model or _loaded(student)
        began = student.seconds_used
        logits.append(_classify(student, model, part))
        done = sum(map(len, logits))
        clock.add(student.seconds_used - began, size, done, len(images))
        progress(done)
        while not failure and len(looked) < len(others) * len(logits) // len(parts):
            began = student.seconds_used
            try:
                looked.append(_classify(student, model, others[len(looked)]))
                looking += student.seconds_used - began
                if looking > between_seconds(clock.allowed, len(images), sum(map(len, others))):
                    took = f"they took {looking:.0f} seconds, the others {clock.spent:.0f} until then"
                    raise NoResultError(took)
            except (StudentFailure, NoResultError) as problem:
                if _lacks_memory(problem) and size > SMALLEST_BATCH:
                    raise
                failure = str(problem)
                model = None  # whatever became of it, the next images need a sound one
                break
    return Network(torch.cat(logits), torch.cat(looked) if looked and not failure else None, failure)


def _lacks_memory(problem: Exception) -> bool:
    return isinstance(problem, StudentFailure) and problem.kind == "out_of_memory"


def _classify(student: Student, model: Model, images: Tensor) -> Tensor:
    logits = model.classify(images, seconds=student.limits.batch_seconds)
    return _usable(logits, (len(images), student.contract.outputs))


def _loaded(student: Student) -> Model:
    """The submission's network with its weights."""
    model = student.build(student.contract.network)
    if differences := model.load_weights().differences:
        told = ", ".join(differences)
        raise NoResultError(f"the weights do not fit {student.contract.network}(): {told}")
    return model


def _usable(logits: Tensor, right: tuple[int, int]) -> Tensor:
    """The student's logits as float64 of shape `right`, (images, classes). Raises NoResultError if not.

    Infinities are numbers that can be compared, so only NaN makes them unusable.
    """
    if logits.dtype not in FLOATS:
        dtype = str(logits.dtype).removeprefix("torch.")
        raise NoResultError(f"the classifier gave logits of type {dtype}, where floats are right")
    shape = tuple(logits.shape)
    if shape != right:
        raise NoResultError(
            f"the classifier gave logits of shape {safe_line(str(shape), 60)} for {right[0]} images, "
            f"where {right} is right"
        )
    if logits.isnan().any():
        raise NoResultError("the classifier gave NaN (not a number) among its logits")
    return logits.double()
