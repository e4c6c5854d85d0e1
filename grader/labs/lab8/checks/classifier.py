"""The classifier's contract, 5 points: what accuracy and training rely on."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from grader import datasets
from grader.checks import check
from grader.expect import expect, expect_close, show
from grader.labs.lab8 import DATA
from grader.labs.lab8.learning import CLASSES, expect_learns, logits_of, prepared
from grader.sandbox import Model, Student

CALL_SECONDS = 10.0  # for a few images
EACH = 25  # training images of each class
Pictures = tuple[Tensor, Tensor]


@pytest.fixture
def classifier(build: Callable[[str], Model]) -> Model:
    """A fresh one for each check."""
    return build("classifier")


@pytest.fixture
def pictures() -> Pictures:
    """Real CIFAR-10 training images, uint8 (2000, 3, 32, 32), and their labels, int64 (2000,)."""
    return datasets.load(DATA, "train", "mini")


@check()
def classifier_preprocess(student: Student, pictures: Pictures, rng: random.Random) -> None:
    """`preprocess` turns uint8 images into finite floats, one by one, and leaves its input alone."""
    images = _some(pictures, 8, rng)[0]
    batch, after = student.call_and_look_back("preprocess", images, seconds=CALL_SECONDS)
    together = prepared(batch, len(images))
    expect(len(after) == 1 and _untouched(after[0], images), "preprocess changed the images it was given")
    for n in (0, 5):
        alone = prepared(student.call("preprocess", images[n : n + 1], seconds=CALL_SECONDS), 1)
        hint = "no randomness, and no mean or maximum taken over the batch"
        expect_close(
            alone, together[n : n + 1], atol=1e-4, rtol=1e-4, of="an image alone and in a batch", hint=hint
        )


@check()
def classifier_logits(classifier: Model, pictures: Pictures, rng: random.Random) -> None:
    """`classifier()` gives finite logits (N, 10); in evaluation mode, whatever else is in the batch."""
    images = _some(pictures, 16, rng)[0]
    together = logits_of(classifier.classify(images, seconds=CALL_SECONDS), 16)
    for n in (1, 5):
        apart = logits_of(classifier.classify(images[:n], seconds=CALL_SECONDS), n)
        of = "the logits of an image in two batches"
        hint = "dropout and batch norm have to obey model.eval(); nothing may be computed over the batch"
        expect_close(apart, together[:n], atol=_tolerance(together), of=of, hint=hint)


@check()
def classifier_trains(student: Student, pictures: Pictures, rng: random.Random) -> None:
    """`train_classifier` learns 250 real images in 3 seconds; else in up to 40, or with a small network."""
    expect_learns(student, *_balanced(pictures, rng), rng)


@check()
def classifier_weights_load(classifier: Model) -> None:
    """The weights handed in fit `classifier()` exactly: each tensor is there, and no other."""
    report = classifier.load_weights()
    hint = "save model.state_dict() of the very network that classifier() builds"
    actual = show(report.unexpected or report.mismatched or report.missing)
    expect(report.loaded, "; ".join(report.differences), actual=actual, hint=hint)


# Help


def _some(pictures: Pictures, n: int, rng: random.Random) -> Pictures:
    images, labels = pictures
    chosen = torch.tensor(rng.sample(range(len(images)), n))
    return images[chosen], labels[chosen]


def _balanced(pictures: Pictures, rng: random.Random) -> Pictures:
    """EACH images of every class, class by class in turn, so that the first half is balanced as well."""
    images, labels = pictures
    chosen = [rng.sample((labels == label).nonzero().flatten().tolist(), EACH) for label in range(CLASSES)]
    order = torch.tensor(chosen).T.flatten()
    return images[order], labels[order]


def _untouched(after: object, images: Tensor) -> bool:
    same_kind = isinstance(after, Tensor) and after.dtype == images.dtype and after.shape == images.shape
    return same_kind and torch.equal(after, images)  # type: ignore[arg-type]


def _tolerance(logits: Tensor) -> float:
    """What rounding may change: little for full precision, more where a network computes in halves."""
    share = 1e-4 if logits.dtype in (torch.float32, torch.float64) else 2e-2
    return max(share * logits.double().abs().max().item(), 0.02 * logits.double().std(0).max().item())
