"""Does the network know images, or these images? Asked with images that it cannot have stored.

Two things are measured on images changed a little (`changes`), drawn anew in every run:
how many right answers the change costs, and whether test images are answered better than
training images. A table from image to label loses its answers by the change; one that finds
the nearest stored image, and weights trained on the test images, know those better than others.
An honest network loses little and knows what it was trained on at least as well.

A first look is small. Only where it is out of the ordinary a second one, on other draws and
ten times as large, decides alone; so honest work is held up little and flagged hardly ever.
The bounds come from tests/benchmarks/integrity.py, which says how often that happens.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.accuracy import Network
from grader.integrity.changes import changed
from grader.types import Accuracy, Flag

Labelled = tuple[Tensor, Tensor]  # images uint8 (N, 3, 32, 32), labels int64 (N,)

FIRST_SHARE, FIRST_LEAST = 0.035, 150  # of the images; the training images as many again
SECOND_SHARE, SECOND_LEAST = 0.20, 1000
DROP = 0.04  # what the changes may cost an honest network; the most that was seen is 0.017
ABOVE = 0.01  # by which the test images may be the easier ones; 0.008 is the most that was seen
Z_FIRST, Z_SECOND = 1.65, 2.6  # standard errors beyond that: 1 in 20, 1 in 215
TOO_GOOD = 0.97  # small networks trained from nothing on the training images end near 0.96


@dataclass(frozen=True)
class Look:
    """Counts of right answers on one draw of images: all that is decided by."""

    images: int
    before: int  # test images as they are
    lost: int  # right before, wrong when changed
    won: int
    control_images: int  # changed training images
    control: int

    @property
    def changed(self) -> int:
        return self.before - self.lost + self.won

    def drop(self, z: float) -> float:
        """What the change costs, less `z` standard errors (McNemar's, with one more image lost)."""
        seen = (self.lost - self.won) / self.images
        return seen - z * math.sqrt(self.lost + self.won + 1) / self.images

    def above(self, z: float) -> float:
        """How much better the test images are known than the training images, likewise."""
        if not self.control_images:
            return -1.0
        seen = self.changed / self.images - self.control / self.control_images
        share = (self.changed + self.control + 1) / (self.images + self.control_images + 2)
        return seen - z * math.sqrt(share * (1 - share) * (1 / self.images + 1 / self.control_images))


def examine_network(
    network: Network, accuracy: Accuracy, test: Labelled, control: Labelled | None, *, seed: int | None = None
) -> list[Flag]:
    """Flags on what the network knows of `test`, the images that its accuracy was measured on.

    `control` are training images of the same kind, or None where the test images are nobody's
    but the instructor's: then only the table is looked for. `seed` repeats an earlier
    measurement; it is fresh otherwise. Raises StudentFailure and NoResultError where the
    network does not answer.
    """
    seed = secrets.randbits(40) if seed is None else seed
    generator = torch.Generator().manual_seed(seed)
    right = network.logits.argmax(1) == test[1]
    count = len(right)
    flags = []
    if control and accuracy.low is not None and accuracy.low > TOO_GOOD:
        flags.append(
            Flag(
                kind="accuracy",
                message=f"{_percent(int(right.sum()), count)} of {count:,} test images right: small networks"
                " trained from nothing on the training images end near 96 %, so this may be a pretrained"
                " one, or one that knew the test images",
            )
        )
    first = _look(network, test, right, control, max(FIRST_LEAST, round(FIRST_SHARE * count)), generator)
    if not is_out_of_the_ordinary(first):
        return flags
    second = _look(network, test, right, control, max(SECOND_LEAST, round(SECOND_SHARE * count)), generator)
    return [*flags, *judge(second, seed)]


def is_out_of_the_ordinary(first: Look) -> bool:
    """Whether a second look is worth its time."""
    return first.drop(Z_FIRST) > DROP / 2 or first.above(Z_FIRST) > 0


def judge(look: Look, seed: int) -> list[Flag]:
    """The flags that a second look ends in; `seed` is the one that both looks were drawn with."""
    flags = []
    changed_share = _percent(look.changed, look.images)
    if look.drop(Z_SECOND) > DROP:
        flags.append(
            Flag(
                kind="changed_images",
                message=f"{_percent(look.before, look.images)} of {look.images:,} test images right, but"
                f" {changed_share} of the same images shifted by a pixel, mirrored, with a little noise;"
                f" an honest network loses less than {100 * DROP:.0f} points (seed {seed})",
            )
        )
    if look.above(Z_SECOND) > ABOVE:
        flags.append(
            Flag(
                kind="test_above_training",
                message=f"{changed_share} of {look.images:,} test images right, but"
                f" {_percent(look.control, look.control_images)} of {look.control_images:,} training images,"
                f" all changed a little; an honest network knows its training images as well (seed {seed})",
            )
        )
    return flags


def _look(
    network: Network, test: Labelled, right: Tensor, control: Labelled | None, count: int, g: torch.Generator
) -> Look:
    """Ask for `count` changed test images and as many training images, in one mixed row."""
    rows = _draw(len(right), count, g)
    images, labels = changed(test[0][rows], g), test[1][rows]
    control_rows = _draw(len(control[1]), count, g) if control else rows[:0]
    if control:
        images = torch.cat([images, changed(control[0][control_rows], g)])
        labels = torch.cat([labels, control[1][control_rows]])
    order = torch.randperm(len(images), generator=g)
    answers = torch.empty(len(images), dtype=torch.bool)
    answers[order] = network.classify(images[order]).argmax(1) == labels[order]
    before, after = right[rows], answers[: len(rows)]
    return Look(
        images=len(rows),
        before=int(before.sum()),
        lost=int((before & ~after).sum()),
        won=int((~before & after).sum()),
        control_images=len(control_rows),
        control=int(answers[len(rows) :].sum()),
    )


def _draw(size: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(size, generator=generator)[:count]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"
