"""Training what was handed in: the student's `train_classifier`, within a budget, inside the sandbox.

The budget is stated for a machine of a known pace, and stretched or shortened for this one by a
measurement just before each training. Both count the submission's own time, so what else the machine does
makes a training longer in wall time, not worse. What the model holds when the time is over is taken out
as a state dict and then measured like weights that were handed in, in a fresh process.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import save_file
from torch import Tensor

from grader.accuracy import Z
from grader.budget import Budget
from grader.longest import TRAININGS, few_seconds
from grader.sandbox import Sandbox, SandboxError, StudentFailure
from grader.text import safe_line
from grader.types import Accuracy, Code, Flag, Submission, Training, Weights

PACE_SECONDS = 3.0
PACE_BATCH = {"cpu": 128, "cuda": 1024}  # images
MOST_BUSY = 10.0  # seconds of wall time for each of a training's own
LEAST_HAD, MOST_HAD = 0.8, 1.25  # of its budget: then a training counts
NOBODY = Submission(student_id="", code=Code(filename="nobody.py", cells=("",)))
FILENAME = "the trained weights"  # no code names a file so
KNOWS_MUCH, LEAST_IMAGES = 0.45, 1000  # an accuracy that nobody reaches by seeing so few images


class Pace(NamedTuple):
    """How fast a sandbox trains."""

    images_per_second: float  # of the sandbox's own time
    busy: float  # seconds of wall time for each of its own, at least 1


def measure_pace(sandbox: Sandbox) -> Pace:
    """How fast a fixed small network trains in `sandbox`, on its device and threads."""
    with sandbox.student(NOBODY, names=()) as nobody:
        nobody.pace(PACE_SECONDS / 6, PACE_BATCH[sandbox.device])  # the first steps are slow
        used, began = nobody.seconds_used, time.monotonic()
        images_per_second = nobody.pace(PACE_SECONDS, PACE_BATCH[sandbox.device])
        wall = time.monotonic() - began
        busy = max(wall / (nobody.seconds_used - used), 1.0)
        return Pace(images_per_second * busy, busy)


def seconds_here(budget: Budget, pace: float) -> float:
    """The budget's seconds for a machine of `pace` images a second, so that as many images pass as stated."""
    scaled = budget.seconds * budget.images_per_second / pace
    return round(min(max(scaled, budget.least_seconds), budget.most_seconds), 1)


def train(
    sandbox: Sandbox, submission: Submission, budget: Budget, images: Tensor, labels: Tensor, folder: Path
) -> tuple[Submission, Training]:
    """Train on uint8 images (N,3,32,32) and int64 labels (N,); the submission with the weights that came out.

    They are laid into `folder`. Where there are none, the submission comes back without weights, and
    it and the record say why. The weights that were handed in are never sent in here.

    `train_classifier` has to be told its seconds of wall time beforehand. Where the machine's load has
    changed so much meanwhile that they were another budget, it is trained anew. Raises SandboxError where
    that happens every time.
    """
    pace = measure_pace(sandbox)
    own_seconds = seconds_here(budget, pace.images_per_second)
    busy = pace.busy
    for _ in range(TRAININGS):
        seconds = round(own_seconds * min(busy, MOST_BUSY), 1)
        record = Training(budget_seconds=seconds, pace=round(pace.images_per_second, 1), seed=budget.seed)
        trained, record, share = _train_once(sandbox, submission, record, images, labels, folder)
        if share is None or LEAST_HAD <= seconds * share / own_seconds <= MOST_HAD:
            return trained, record
        busy = 1 / max(share, 1 / MOST_BUSY)
    raise SandboxError(
        "the machine's load changed too much during a training; grade when there is less to do"
    )


def _train_once(
    sandbox: Sandbox, submission: Submission, record: Training, images: Tensor, labels: Tensor, folder: Path
) -> tuple[Submission, Training, float | None]:
    """As `train`; and which share of the wall time was the training's own, None where it ended early."""
    seconds = record.budget_seconds
    bare = submission.model_copy(update={"weights": None})
    path = folder / "trained.safetensors"
    few, share = few_seconds(sandbox.limits), None
    with sandbox.student(bare, seed=record.seed, wall_seconds=few, more_seconds=seconds) as student:
        try:
            model = student.build(student.contract.network)
            used, began = student.seconds_used, time.monotonic()
            try:
                trained = model.train_until(images, labels, seconds=seconds, seed=record.seed)
            finally:
                wall = time.monotonic() - began
                if wall >= LEAST_HAD * seconds:
                    share = min((student.seconds_used - used) / wall, 1.0)
            save_file(trained.weights, path)
        except StudentFailure as failure:
            reason = failure.message
        except (ValueError, RuntimeError) as error:  # safetensors' own complaints, about names for instance
            reason = safe_line(f"the trained weights cannot be stored: {error}", 400)
        else:
            told = {"seconds": trained.seconds, "reason": trained.stopped, "history": trained.history}
            weights = Weights(filename=FILENAME, path=path, format="safetensors", source="trained")
            record = record.model_copy(update={**told, "log": student.log})
            return submission.model_copy(update={"weights": weights, "no_weights": ""}), record, share
        record = record.model_copy(update={"reason": reason, "log": student.log})
        nothing = {"no_weights": f"the training left no weights: {reason}"}
        return bare.model_copy(update=nothing), record, share


def summary(training: Training) -> str:
    """The training in a line, for people."""
    told = f"trained with seed {training.seed} and {training.budget_seconds:g} seconds"
    told += f", for a machine that trains on {training.pace:,.0f} images a second"
    if training.seconds is not None:
        told += f"; it took {training.seconds:.1f}"
    return told + (f"; it did not end by itself: {training.reason}" if training.reason else "")


def instant(training: Training, accuracy: Accuracy | None) -> Flag | None:
    """A flag where a training that was over at once left a network that knows much."""
    if training.seconds is None or accuracy is None or accuracy.low is None:
        return None
    if accuracy.low <= KNOWS_MUCH or training.seconds * training.pace >= LEAST_IMAGES:
        return None
    message = (
        f"the training took {training.seconds:.3f} seconds, in which a small network is trained on"
        f" {training.seconds * training.pace:,.0f} images on this machine, and left {accuracy.accuracy:.1%}:"
        " it may have unpacked what the code carries"
    )
    return Flag(kind="training_time", message=message)


def compare(submitted: Accuracy, training: Training, budget: Budget) -> Flag | None:
    """A flag where the weights that were handed in know more than the training's, beyond the noise.

    Trainings of one code differ by the rubric's noise, and counts of images by the binomial's.
    """
    trained = training.accuracy
    if submitted.accuracy is None or trained is None:
        return None
    p = submitted.accuracy
    if trained.accuracy is None:
        message = f"the weights handed in reach {p:.1%}, and training anew gave none: {trained.reason}"
        return Flag(kind="retraining", message=message)
    q = trained.accuracy
    spread = Z * (p * (1 - p) / submitted.images + q * (1 - q) / trained.images) ** 0.5
    gap, noise = 100 * (p - q), budget.noise_points + 100 * spread
    if gap <= noise:
        return None
    message = (
        f"the weights handed in reach {p:.1%}, training anew {q:.1%}: {gap:.1f} points less, where "
        f"{noise:.1f} can be chance; {summary(training)}; other weights, or a training that needs longer"
    )
    return Flag(kind="retraining", message=message)
