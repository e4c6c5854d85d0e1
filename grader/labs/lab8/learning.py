"""Whether a student's `train_classifier` learns, told by what its network knows before and after.

Nothing here is hidden: the grader's check and the students' self-test ask with images of their own.
"""

from __future__ import annotations

import random
import secrets
import time
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from grader.expect import CheckFailed, floats
from grader.labs.lab8 import LAB
from grader.sandbox.student import Model, Student, StudentFailure

CALL_SECONDS = 10.0  # for a few images
# Seconds to train for, and whether the model is a small network of ours instead of the student's.
# For most networks the first does. Where the learning rate is high the first step shows that something is
# learnt, and the next ones make it worse before it gets better: on a CPU there are too few of them for a
# large network, but hundreds for a small one. The others are for trainings that take only the student's own.
TRIES = ((3.0, False), (0.1, False), (6.0, True), (12.0, True), (12.0, False), (40.0, False))
REPEATS = 8  # of the images for the small network, so that there is a full batch where others are dropped
MOST_BUSY = 5.0  # by so many times at most they become longer where the machine was busy with other things
SPARE_SECONDS = 150.0  # of the submission's time, without which no further training is begun

CLASSES = len(LAB.classes)
DIMENSIONS = 7  # of what `preprocess` may give, beside the batch's
# By how much `knowledge` has to grow. By chance, with weights disturbed at random, it grew by 3.6 in one of a
# hundred draws, and by 4.2 at most; a first step of ResNet-18 with a rate of 0.1 brought 7 to 8.
GROWS = 5.0
PIECE = 40  # images at a time: in training mode a large network's take much memory


def expect_learns(student: Student, images: Tensor, labels: Tensor, rng: random.Random) -> str:
    """Raise CheckFailed unless `train_classifier` learns uint8 images (N, 3, 32, 32) and labels int64 (N,).

    Returns the name of the type of what it returned, which should be "dict", and costs nothing if not.
    The images are ordered so that every ten hold each class once. What is learnt is another class for each
    than its own, so that nothing that was known before helps.
    """
    labels = _derangement(rng)[labels]  # to what was learnt before, every label is wrong
    own: _Training | None = None
    busy = 1.0
    for seconds, is_small in TRIES:
        budget = round(seconds * busy, 1)
        if own and student.seconds_left < budget + SPARE_SECONDS:
            break
        if is_small:
            with suppress(CheckFailed, StudentFailure):  # it may rest on what the student's network has
                small = student.build_small(images[:CLASSES])
                taught = _train(small, student, images, labels, budget, rng, REPEATS)
                if taught.learnt:
                    return taught.kind
                busy = max(busy, taught.busy)
        elif not (own and own.did_nothing):
            own = _train(student.build("classifier"), student, images, labels, budget, rng)
            if own.learnt:
                return own.kind
            busy = max(busy, own.busy)
    assert own
    if own.did_nothing:
        hint = "train the model given, not a copy or another one, and call optimizer.step()"
        raise CheckFailed("train_classifier left the model given as it was", hint=hint)
    raise CheckFailed(
        f"train_classifier, given {len(images)} images and {own.seconds:g} seconds, did not learn them",
        expected="logits that fit the labels given, by image, clearly better than before",
        actual=own.told,
        hint="train the model given: zero_grad, forward, backward, step; if you do, begin with small steps",
    )


class _Training(NamedTuple):
    """One call of `train_classifier`, and what became of the model."""

    seconds: float  # that it was given
    learnt: bool
    did_nothing: bool  # and would do no more in more time
    busy: float  # its wall time over its own time
    told: str
    kind: str  # the name of the type of what was returned


def _train(
    model: Model,
    student: Student,
    images: Tensor,
    labels: Tensor,
    seconds: float,
    rng: random.Random,
    repeats: int = 1,
) -> _Training:
    """Train the model on so many copies of the images. Raises CheckFailed, StudentFailure."""
    first = model.classify(images[:CLASSES])
    before = _standing(model, student, images, labels)
    used, began = student.seconds_used, time.monotonic()
    try:
        many = images.repeat(repeats, 1, 1, 1), labels.repeat(repeats)
        kind = model.train(*many, seconds=seconds, seed=rng.getrandbits(31))
    except StudentFailure as failure:
        if failure.kind != "timeout":
            raise
        reason = f"train_classifier was given {seconds:g} seconds, and was stopped long after"
        raise CheckFailed(reason, hint="look at the clock in every step") from None
    own, wall = student.seconds_used - used, time.monotonic() - began
    after = _standing(model, student, images, labels)
    pairs = zip(before, after, strict=False)  # training mode may have begun to fail
    return _Training(
        seconds,
        learnt=any(new.knowledge > max(old.knowledge, 0.0) + GROWS for old, new in pairs),
        did_nothing=wall < seconds / 2 and torch.equal(first, model.classify(images[:CLASSES])),
        busy=min(wall / max(own, 1e-3), MOST_BUSY),
        told=f"the loss on these images: {before[0].loss:.1f} → {after[0].loss:.1f}",  # the same in every run
        kind=kind,
    )


def _derangement(rng: random.Random) -> Tensor:
    """Another class for each of the ten."""
    while True:
        classes = rng.sample(range(CLASSES), CLASSES)
        if all(new != old for old, new in enumerate(classes)):
            return torch.tensor(classes)


def _touched(images: Tensor) -> Tensor:
    """Each pixel brighter or darker by a grey level, or as it is: to a network the same, to a table new.

    The noise is fresh in every call: what the cases are drawn by, the student's process could work out.
    """
    noise = torch.randint(-1, 2, images.shape, generator=torch.Generator().manual_seed(secrets.randbits(60)))
    return (images + noise).clamp(0, 255).to(torch.uint8)


def prepared(value: object, n: int) -> Tensor:
    """What `preprocess` gave for `n` images. Raises CheckFailed."""
    return floats(value, (n,), of="preprocess", more=DIMENSIONS)


def logits_of(value: Tensor, n: int) -> Tensor:
    """What a network gave for `n` images. Raises CheckFailed."""
    return floats(value, (n, CLASSES), of=f"the logits of {n} images")


class _Standing(NamedTuple):
    """How well logits fit their labels."""

    loss: float  # the cross-entropy
    knowledge: float  # how far above guessing they are, in standard errors


def _standing(model: Model, student: Student, images: Tensor, labels: Tensor) -> list[_Standing]:
    """In evaluation mode and, where that gives logits, in training mode; in an order that nobody can know.

    Either may show that something was learnt: after a few steps of a large network batch norm's running
    statistics lag behind, but dropout's noise is only in training mode.
    """
    half = len(images) // 2 // CLASSES * CLASSES
    places = list(range(len(images)))
    shuffled = secrets.SystemRandom().sample
    order = [*shuffled(places[:half], half), *shuffled(places[half:], len(places) - half)]
    images, labels = _touched(images[order]), labels[order]
    evaluated = [logits_of(model.classify(part), len(part)) for part in images.split(PIECE)]
    standings = [_fit(torch.cat(evaluated), labels)]
    with suppress(CheckFailed):  # logits and something more, as auxiliary heads give
        ready = [
            prepared(student.call("preprocess", part, seconds=CALL_SECONDS), len(part))
            for part in images[:half].split(PIECE)
        ]
        try:
            trained = [logits_of(model.forward(part, training=True), len(part)) for part in ready]
        except StudentFailure as failure:
            if failure.kind not in ("raised", "bad_value", "out_of_memory"):
                raise
        else:
            standings.append(_fit(torch.cat(trained), labels[:half]))
    return standings


def _fit(logits: Tensor, labels: Tensor) -> _Standing:
    """Knowledge is how an image ranks among all by the logit of its label, beside the logits of other labels.

    Weights set to zero or scaled, and knowing how common a class is, may lower a loss; they are no knowledge.
    """
    chances = F.log_softmax(logits.double(), dim=1)  # (N, 10)
    of_label = labels[:, None]
    places = chances.round(decimals=6).argsort(dim=0, stable=True).argsort(dim=0).double()
    says = places.gather(1, of_label).squeeze(1) - places.mean(1)
    error = says.std() / len(says) ** 0.5 + 1e-6
    return _Standing(-chances.gather(1, of_label).mean().item(), (says.mean() / error).item())
