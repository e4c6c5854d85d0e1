"""The classifier's contract, 5 points: what accuracy and training rely on."""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from grader.checks._expect import CheckFailed, check, expect, expect_close, expect_equal, show
from grader.sandbox import Model, Student

BACKSTOP = 300.0
CALL_SECONDS = 10.0  # for a few images
TRAIN_SECONDS = 3.0

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Pictures = tuple[Tensor, Tensor]


@check(seconds=BACKSTOP)
def classifier_preprocess(student: Student, pictures: Pictures, rng: random.Random) -> None:
    """`preprocess` turns uint8 images into finite floats, one by one, and leaves its input alone."""
    images = _some(pictures, 8, rng)[0]
    batch, (after,) = student.call_and_look_back("preprocess", images, seconds=CALL_SECONDS)
    together = _expect_floats(batch, len(images), "preprocess")
    expect(
        isinstance(after, Tensor) and torch.equal(after, images), "preprocess changed the images it was given"
    )
    for n in (0, 5):
        alone = _expect_floats(
            student.call("preprocess", images[n : n + 1], seconds=CALL_SECONDS), 1, "preprocess"
        )
        hint = "no randomness, and no mean or maximum taken over the batch"
        expect_close(
            alone, together[n : n + 1], atol=1e-4, rtol=1e-4, of="an image alone and in a batch", hint=hint
        )


@check(seconds=BACKSTOP)
def classifier_logits(classifier: Model, pictures: Pictures, rng: random.Random) -> None:
    """`classifier()` gives finite logits (N, 10); in evaluation mode, whatever else is in the batch."""
    images = _some(pictures, 16, rng)[0]
    together = _expect_logits(classifier.classify(images, seconds=CALL_SECONDS), 16)
    for n in (1, 5):
        apart = _expect_logits(classifier.classify(images[:n], seconds=CALL_SECONDS), n)
        of = "the logits of an image in two batches"
        hint = "dropout and batch norm have to obey model.eval(); nothing may be computed over the batch"
        expect_close(apart, together[:n], atol=_tolerance(together), of=of, hint=hint)


@check(seconds=BACKSTOP)
def classifier_trains(classifier: Model, student: Student, pictures: Pictures, rng: random.Random) -> None:
    """`train_classifier` lowers the loss on a few hundred real images within 3 seconds."""
    images, labels = _some(pictures, 256, rng)
    before = _losses(classifier, student, images, labels)
    classifier.train(images, labels, seconds=TRAIN_SECONDS, seed=rng.getrandbits(31))
    after = _losses(classifier, student, images, labels)
    fell = after[0] < 0.999 * before[0] or after[1] < 0.97 * before[1]
    told = f"{before[0]:.1f} → {after[0]:.1f}"  # one digit: the reason should be the same in every run
    hint = "with little time take fewer steps, but on the model given: zero_grad, forward, backward, step"
    expect(fell, "the loss did not fall", expected="a lower loss", actual=told, hint=hint)


@check(seconds=BACKSTOP)
def classifier_weights_load(classifier: Model) -> None:
    """The weights handed in fit `classifier()` exactly: each tensor is there, and no other."""
    report = classifier.load_weights()
    for word, names in [
        ("missing", report.missing),
        ("unexpected", report.unexpected),
        ("of another shape", report.mismatched),
    ]:
        hint = "save model.state_dict() of the very network that classifier() builds"
        expect(not names, f"{len(names)} tensors {word}: {show(names)}", actual=show(names), hint=hint)


# Help


def _some(pictures: Pictures, n: int, rng: random.Random) -> Pictures:
    images, labels = pictures
    chosen = torch.tensor(rng.sample(range(len(images)), n))
    return images[chosen], labels[chosen]


def _expect_floats(value: object, n: int, of: str) -> Tensor:
    if not isinstance(value, Tensor) or value.dtype not in FLOATS:
        raise CheckFailed(f"{of} gave {show(value)}", expected="a tensor of floats", actual=show(value))
    expect(value.ndim >= 1 and len(value) == n, f"{of} gave {show(value)} for {n} images", actual=show(value))
    expect(bool(value.isfinite().all()), f"{of} gave numbers that are not finite", actual=show(value))
    return value


def _expect_logits(value: Tensor, n: int) -> Tensor:
    expect_equal(tuple(value.shape), (n, 10), of=f"the shape of the logits of {n} images")
    return _expect_floats(value, n, "classifier")


def _tolerance(logits: Tensor) -> float:
    """What rounding may change: little for full precision, more where a network computes in halves."""
    share = 1e-4 if logits.dtype in (torch.float32, torch.float64) else 2e-2
    return max(share * logits.double().abs().max().item(), 0.02 * logits.double().std(0).max().item())


def _losses(classifier: Model, student: Student, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """The cross-entropy in evaluation mode and in training mode. Either may show that something was learnt:
    after a few steps of a large network batch norm's running statistics lag behind, and the loss in
    evaluation mode may even rise at first. In training mode dropout makes it uncertain by a percent or two.
    """
    ready = student.call("preprocess", images[:128], seconds=CALL_SECONDS)
    evaluated = _expect_logits(classifier.classify(images), len(images))
    trained = classifier.forward(_expect_floats(ready, 128, "preprocess"), training=True)
    trained = _expect_logits(trained, 128)
    return _cross_entropy(evaluated, labels), _cross_entropy(trained, labels[:128])


def _cross_entropy(logits: Tensor, labels: Tensor) -> float:
    return F.cross_entropy(logits.float(), labels).item()
