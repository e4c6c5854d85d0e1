"""How long one submission can keep a sandbox to itself, whatever its code does."""

from __future__ import annotations

from typing import NamedTuple

from grader.budget import Budget
from grader.limits import Limits
from grader.sandbox.sandbox import CLEAN_SECONDS, START_SECONDS
from grader.sandbox.student import BUSY_SECONDS

TRAININGS = 2  # where the machine's load changes during the first
TRIES = 2  # when a sandbox fails, nobody is to blame: try once more in a new one
# In wall time all tries together may take so many times the submission's own time. A request by itself may
# take more, see `patience_seconds`, for few submissions use up all that they may.
BUSY_IN_ALL = 5
BUSY_TRAINING = 2  # but its trainings, of which the second is seldom needed


class Longest(NamedTuple):
    """Seconds."""

    own: float  # of the submission's own time, see `Limits`, in a try
    patience: float  # wall time: later no request is begun or waited for
    wall: float  # wall time until the sandbox is clean again, or a new one is there


def longest(
    limits: Limits, budget: Budget, weights: str, accuracy_seconds: float, between_seconds: float
) -> Longest:
    """The most that a submission can take with `--weights` `weights`.

    It has so long for the accuracy's images, and for those that are asked between them. What the grader
    computes on what came back is in it. The `budget` of a training counts with its most_seconds. A try
    whose sandbox failed is over; the next one has the same time again.
    """
    training = 0.0 if weights == "submitted" else TRAININGS * budget.most_seconds
    beside = limits.wall_seconds + few_seconds(limits) + accuracy_seconds + between_seconds
    if weights != "submitted":
        beside += TRAININGS * few_seconds(limits)
    if weights == "verify":
        beside += few_seconds(limits) + accuracy_seconds
    patience = BUSY_IN_ALL * beside + BUSY_TRAINING * training + BUSY_SECONDS
    # At the end a sandbox may just be starting for the second time, and still has to be cleaned.
    return Longest(beside + training, patience, patience + TRIES * (START_SECONDS + CLEAN_SECONDS))


def few_seconds(limits: Limits) -> float:
    """For a submission that is only trained or only measured: to be loaded and built, and that again."""
    return min(limits.wall_seconds, 6 * (limits.load_seconds + limits.call_seconds))
