"""The classifier's contract, 5 points: what accuracy and training rely on."""

from __future__ import annotations

import random
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from grader.checks._check import check
from grader.expect import expect, expect_close, floats, show
from grader.sandbox import Model, Student

BACKSTOP = 300.0
CALL_SECONDS = 10.0  # for a few images
TRAIN_SECONDS = 3.0

DIMENSIONS = 7  # of what `preprocess` may give, beside the batch's

CLASSES = 10
EACH = 25  # training images of each class
# By how much the loss has to fall, and skill to grow, in evaluation or in training mode. A tenth of a second
# lowered the loss of the sample class's small networks by 0.005 to 0.02; one step of ResNet-18 lowered it
# by 0.1 to 0.5 in training mode, which has dropout's noise but shows at once that batch norm's nets learn.
FALLS = (0.002, 0.07)
GROWS = (0.002, 0.03)

Pictures = tuple[Tensor, Tensor]


@check(seconds=BACKSTOP)
def classifier_preprocess(student: Student, pictures: Pictures, rng: random.Random) -> None:
    """`preprocess` turns uint8 images into finite floats, one by one, and leaves its input alone."""
    images = _some(pictures, 8, rng)[0]
    batch, after = student.call_and_look_back("preprocess", images, seconds=CALL_SECONDS)
    together = _prepared(batch, len(images))
    expect(len(after) == 1 and _untouched(after[0], images), "preprocess changed the images it was given")
    for n in (0, 5):
        alone = _prepared(student.call("preprocess", images[n : n + 1], seconds=CALL_SECONDS), 1)
        hint = "no randomness, and no mean or maximum taken over the batch"
        expect_close(
            alone, together[n : n + 1], atol=1e-4, rtol=1e-4, of="an image alone and in a batch", hint=hint
        )


@check(seconds=BACKSTOP)
def classifier_logits(classifier: Model, pictures: Pictures, rng: random.Random) -> None:
    """`classifier()` gives finite logits (N, 10); in evaluation mode, whatever else is in the batch."""
    images = _some(pictures, 16, rng)[0]
    together = _logits(classifier.classify(images, seconds=CALL_SECONDS), 16)
    for n in (1, 5):
        apart = _logits(classifier.classify(images[:n], seconds=CALL_SECONDS), n)
        of = "the logits of an image in two batches"
        hint = "dropout and batch norm have to obey model.eval(); nothing may be computed over the batch"
        expect_close(apart, together[:n], atol=_tolerance(together), of=of, hint=hint)


@check(seconds=BACKSTOP)
def classifier_trains(classifier: Model, student: Student, pictures: Pictures, rng: random.Random) -> None:
    """`train_classifier` lowers the loss on a few hundred real images within 3 seconds."""
    images, labels = _balanced(pictures, rng)
    asked = _changed(images, rng)
    before = _standing(classifier, student, asked, labels, rng)
    classifier.train(images, labels, seconds=TRAIN_SECONDS, seed=rng.getrandbits(31))
    after = _standing(classifier, student, asked, labels, rng)
    learnt = any(
        new.loss < old.loss - falls and new.skill > max(old.skill, 0.0) + grows
        for old, new, falls, grows in zip(before, after, FALLS, GROWS, strict=True)
    )
    told = f"{before[0].loss:.1f} → {after[0].loss:.1f}"  # one digit: the same in every run
    hint = "with little time take fewer steps, but on the model given: zero_grad, forward, backward, step"
    wanted = "a lower loss, and logits that depend on the image"
    expect(learnt, "the loss did not fall", expected=wanted, actual=told, hint=hint)


@check(seconds=BACKSTOP)
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


def _changed(images: Tensor, rng: random.Random) -> Tensor:
    """Each image mirrored and shifted by one pixel: the same to whoever has learnt of it, new to a table."""
    places = torch.arange(images.shape[-1])
    rows, columns = ((places + rng.choice([-1, 1])).clamp(0, int(places[-1])) for _ in "yx")
    return images.flip(3)[:, :, rows][:, :, :, columns]


def _prepared(value: object, n: int) -> Tensor:
    return floats(value, (n,), of="preprocess", more=DIMENSIONS)


def _untouched(after: object, images: Tensor) -> bool:
    same_kind = isinstance(after, Tensor) and after.dtype == images.dtype and after.shape == images.shape
    return same_kind and torch.equal(after, images)  # type: ignore[arg-type]


def _logits(value: Tensor, n: int) -> Tensor:
    return floats(value, (n, CLASSES), of=f"the logits of {n} images")


def _tolerance(logits: Tensor) -> float:
    """What rounding may change: little for full precision, more where a network computes in halves."""
    share = 1e-4 if logits.dtype in (torch.float32, torch.float64) else 2e-2
    return max(share * logits.double().abs().max().item(), 0.02 * logits.double().std(0).max().item())


class _Standing(NamedTuple):
    """How well logits fit their labels: the cross-entropy, and by how much lower it is than that of the same
    logits dealt out to the images at random. Weights set to zero or scaled down may lower a loss, but only
    what knows something of the images has skill."""

    loss: float
    skill: float


def _standing(
    classifier: Model, student: Student, images: Tensor, labels: Tensor, rng: random.Random
) -> tuple[_Standing, _Standing]:
    """In evaluation mode and in training mode, asked for in an order that nobody can know.

    Either may show that something was learnt: after a few steps of a large network batch norm's running
    statistics lag behind, and the loss in evaluation mode may even rise at first.
    """
    half = len(images) // 2 // CLASSES * CLASSES
    places = list(range(len(images)))
    order = [*rng.sample(places[:half], half), *rng.sample(places[half:], len(places) - half)]
    images, labels = images[order], labels[order]
    ready = _prepared(student.call("preprocess", images[:half], seconds=CALL_SECONDS), half)
    evaluated = _logits(classifier.classify(images), len(images))
    trained = _logits(classifier.forward(ready, training=True), half)
    return _fit(evaluated, labels), _fit(trained, labels[:half])


def _fit(logits: Tensor, labels: Tensor) -> _Standing:
    chances = F.log_softmax(logits.double(), dim=1)  # (N, 10)
    loss = F.nll_loss(chances, labels).item()
    # each class is there as often as any other, so the mean over all is that over all ways to deal them out
    return _Standing(loss, -chances.mean().item() - loss)
