"""What students may see of the lab, see `grader.selftest.public`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from torch import Tensor

from grader.accuracy import measure_accuracy
from grader.labs.lab8.selftest.checks import CHECKS, labelled
from grader.labs.lab8.selftest.chinese import CHINESE
from grader.sandbox import pace
from grader.sandbox.student import Student, StudentFailure
from grader.types import Accuracy

__all__ = ["CHECKS", "CHINESE", "labelled", "measure", "notes"]

DATA = "data"


def measure(student: Student, folder: Path, progress: Callable[[int, int], None]) -> tuple[Accuracy, str]:
    """The accuracy on the test set where it lies in `data/`, else on the few images that come along."""
    images, labels, which = _test_images(folder)
    accuracy = measure_accuracy(student, images, labels, progress=lambda done: progress(done, len(images)))
    return accuracy, which


def notes(student: Student, passed: Container[str]) -> Iterator[tuple[str, ...]]:
    """How long the test images will take, where that is much of what they may take."""
    if "classifier_logits" not in passed:
        return
    images = labelled()[0][: pace.BATCH]
    try:
        model = student.build("classifier")
        model.classify(images[:4])  # what is slow the first time
        before = student.seconds_used
        model.classify(images, seconds=student.limits.batch_seconds)
    except StudentFailure:
        return  # the checks have told more
    needed = pace.needed_seconds(student.seconds_used - before, len(images)) / 60
    allowed = pace.allowed_seconds(pace.small_seconds(), student.limits.accuracy_seconds) / 60
    if needed > allowed / 2:
        told = f"10,000 images take some {needed:.0f} minutes on one core here, "
        told += f"and may take {allowed:.0f}"
        word = "FAIL" if needed > allowed else "note"
        yield word, "the speed of classifier", told, "a smaller network, or smaller images"


def _test_images(folder: Path) -> tuple[Tensor, Tensor, str]:
    data = folder / DATA
    arrays = [data / f"cifar10-test-{part}.npy" for part in ("images", "labels")]
    if all(array.is_file() for array in arrays) or (data / "cifar-10-batches-py" / "test_batch").is_file():
        sys.path.append(str(folder))
        import lab8_tools

        return *lab8_tools.load_cifar10(data, train=False), "accuracy on the test images in data/"
    images, labels = labelled()
    return images, labels, f"accuracy on only {len(images)} test images: for all, put them into data/"
