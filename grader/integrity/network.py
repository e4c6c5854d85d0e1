"""Does the network know images, or these images? Asked with images that it cannot have stored.

Between the test images go others (`draw`): the same ones changed a little, some changed strongly,
training images as they are and changed, and images of nothing (see `copies`). Which and how is drawn anew in
every run. Then it shows how many right answers a change costs, and whether test images are answered better
than training images. A table from image to label loses its answers by a small change, one that finds the
nearest stored image by a strong one, and weights trained on the test images know those better than others.
An honest network loses little and knows what it was trained on at least as well.

The thresholds come from tests/benchmarks/integrity.py, which says how often honest work is flagged.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.accuracy import Network
from grader.integrity import copies, fingerprints
from grader.integrity.changes import changed, changed_strongly
from grader.types import Accuracy, Flag

Labelled = tuple[Tensor, Tensor]  # images uint8 (N, 3, 32, 32), labels int64 (N,)

# How many images of each kind are asked for: a share of the test images, but at least so many if there are.
SMALL = 0.10, 300  # test images changed a little
STRONG = 0.05, 200  # test images changed strongly
CONTROL = 0.20, 600  # training images as they are
CONTROL_CHANGED = 0.10, 200  # others changed a little

DROP = 0.04  # what small changes may cost an honest network
STRONG_DROP = 0.20  # what strong ones may
ABOVE = 0.01  # by which the test images may be the easier ones
Z = 3.3  # standard errors beyond that: 1 in 2,000
TOO_GOOD = 0.97  # small networks trained from nothing on the training images end near 0.96


@dataclass(frozen=True)
class Draw:
    """The images that are asked between the test images, and what they are."""

    seed: int
    images: Tensor  # uint8 (M, 3, 32, 32), shuffled
    labels: Tensor  # int64 (M,)
    # Which of the test images were changed, and where they are in `images`:
    small: tuple[Tensor, Tensor]  # a little
    strong: tuple[Tensor, Tensor]  # strongly
    control: Tensor  # where training images as they are are in `images`
    control_changed: Tensor
    unlike: Tensor  # images of nothing, by which networks are compared


@dataclass(frozen=True)
class Loss:
    """The same test images as they are and changed: counts of right answers."""

    images: int
    before: int
    lost: int  # right before, wrong when changed
    won: int

    @property
    def after(self) -> int:
        return self.before - self.lost + self.won

    def least(self, z: float = Z) -> float:
        """The share that the change costs, less `z` standard errors (McNemar's, with one more image lost)."""
        if not self.images:
            return -1.0
        seen = (self.lost - self.won) / self.images
        return seen - z * math.sqrt(self.lost + self.won + 1) / self.images


@dataclass(frozen=True)
class Gap:
    """Test images and training images: counts of right answers."""

    test: int
    test_right: int
    training: int
    training_right: int

    def least(self, z: float = Z) -> float:
        """By what share the test images are known better, less `z` standard errors."""
        if not (self.test and self.training):
            return -1.0
        seen = self.test_right / self.test - self.training_right / self.training
        share = (self.test_right + self.training_right + 1) / (self.test + self.training + 2)
        return seen - z * math.sqrt(share * (1 - share) * (1 / self.test + 1 / self.training))


@dataclass(frozen=True)
class Counts:
    """All that is judged by."""

    small: Loss
    strong: Loss
    as_they_are: Gap
    changed: Gap


def drawn_count(test: int, control: int) -> int:
    """How many images `draw` gives for so many test images and so many training images."""
    changes = sum(min(_number(test, *kind), test) for kind in (SMALL, STRONG))
    controls = sum(min(_number(test, *kind), control) for kind in (CONTROL, CONTROL_CHANGED))
    return changes + controls + copies.PROBES


def draw(test: Labelled, control: Labelled | None, seed: int | None = None) -> Draw:
    """What to ask between the images `test`. `seed` repeats an earlier draw; it is fresh otherwise.

    `control` are training images of the same kind, or None where the test images are nobody's but
    the instructor's: then only changed ones are asked for.
    """
    seed = secrets.randbits(40) if seed is None else seed
    g = torch.Generator().manual_seed(seed)
    count = len(test[1])
    rows = _rows(count, [_number(count, *SMALL), _number(count, *STRONG)], g)
    others = control or (test[0][:0], test[1][:0])
    wanted = [_number(count, *CONTROL), _number(count, *CONTROL_CHANGED)]
    control_rows = _rows(len(others[1]), wanted, g)
    images = [
        changed(test[0][rows[0]], g),
        changed_strongly(test[0][rows[1]], g),
        others[0][control_rows[0]],
        changed(others[0][control_rows[1]], g),
        fingerprints.unlike_images(),
    ]
    labels = [*(test[1][part] for part in rows), *(others[1][part] for part in control_rows)]
    labels.append(torch.full((len(images[-1]),), -1))
    order = torch.randperm(sum(map(len, images)), generator=g)
    places = order.argsort().split([len(part) for part in images])
    return Draw(
        seed,
        torch.cat(images)[order].contiguous(),
        torch.cat(labels)[order],
        (rows[0], places[0]),
        (rows[1], places[1]),
        places[2],
        places[3],
        places[4],
    )


def judge_network(network: Network, accuracy: Accuracy, labels: Tensor, drawn: Draw) -> list[Flag]:
    """Flags on what the network knows of the test images, whose labels these are, beside what was drawn."""
    if network.between is None:
        message = (
            f"the network answered all {accuracy.images:,} images, but failed on other images that it was"
            f" asked for between them, the same ones changed and training images: {network.failure}"
        )
        return [Flag(kind="changed_images", message=message)]
    return judge(
        counts(network.logits.argmax(1) == labels, network.between.argmax(1) == drawn.labels, drawn),
        drawn.seed,
    )


def counts(right: Tensor, answers: Tensor, drawn: Draw) -> Counts:
    """What of bools `right` (N,), for the test images, and `answers` (M,), for those drawn, is judged by."""
    small = _loss(right, answers, *drawn.small)
    of_control, of_changed = answers[drawn.control], answers[drawn.control_changed]
    return Counts(
        small,
        _loss(right, answers, *drawn.strong),
        Gap(len(right), int(right.sum()), len(of_control), int(of_control.sum())),
        Gap(small.images, small.after, len(of_changed), int(of_changed.sum())),
    )


def judge(found: Counts, seed: int) -> list[Flag]:
    """The flags; `seed` is the one that was drawn with."""
    flags = []
    for loss, threshold, how in (
        (found.small, DROP, "shifted by a pixel, mirrored, with a little noise"),
        (found.strong, STRONG_DROP, "turned, shifted and lit from one side"),
    ):
        if loss.least() > threshold:
            message = (
                f"{_percent(loss.before, loss.images)} of {loss.images:,} test images right, but"
                f" {_percent(loss.after, loss.images)} of the same images {how}; an honest network"
                f" loses less than {100 * threshold:.0f} points (seed {seed})"
            )
            flags.append(Flag(kind="changed_images", message=message))
    for gap, how in ((found.as_they_are, "as they are"), (found.changed, "changed a little")):
        if gap.least() > ABOVE:
            message = (
                f"{_percent(gap.test_right, gap.test)} of {gap.test:,} test images right, but"
                f" {_percent(gap.training_right, gap.training)} of {gap.training:,} training images, all"
                f" {how}; an honest network knows its training images as well (seed {seed})"
            )
            flags.append(Flag(kind="test_above_training", message=message))
    return flags


def is_too_good(accuracy: Accuracy) -> list[Flag]:
    """A flag where more is right than small networks reach."""
    if accuracy.correct is None or accuracy.low is None or accuracy.low <= TOO_GOOD:
        return []
    message = (
        f"{_percent(accuracy.correct, accuracy.images)} of {accuracy.images:,} test images right: small"
        " networks trained from nothing on the training images end near 96 %, so this may be a pretrained"
        " one, or one that knew the test images"
    )
    return [Flag(kind="accuracy", message=message)]


def _loss(right: Tensor, answers: Tensor, rows: Tensor, places: Tensor) -> Loss:
    before, after = right[rows], answers[places]
    return Loss(len(rows), int(before.sum()), int((before & ~after).sum()), int((~before & after).sum()))


def _number(count: int, share: float, least: int) -> int:
    return max(round(share * count), least)


def _rows(size: int, wanted: list[int], generator: torch.Generator) -> list[Tensor]:
    """Rows of `size`, drawn without repetition within each part and, where there are enough, between them."""
    order = torch.randperm(size, generator=generator)
    if sum(wanted) > size:
        return [torch.randperm(size, generator=generator)[:number] for number in wanted]
    return list(order[: sum(wanted)].split(wanted))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"
