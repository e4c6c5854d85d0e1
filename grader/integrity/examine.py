"""One submission, looked at while its network is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from grader import datasets
from grader.accuracy import Network, NoResultError
from grader.errors import KitError
from grader.integrity import copies
from grader.integrity.claims import compare_claims
from grader.integrity.network import Labelled, examine_network
from grader.sandbox import Student, StudentFailure
from grader.text import safe_line
from grader.types import Accuracy, Fingerprint, Flag, Record, Submission

CHARACTERS = 500  # of a message
NEAR_CHANCE = 0.15  # who knows this little has nothing to hide; chance is 0.10
MOST_TIME = 0.5  # of a submission's time; whose accuracy took more cannot be asked much else


class Findings(Record):
    """What was found out beside the points."""

    flags: tuple[Flag, ...] = ()
    fingerprint: Fingerprint = Fingerprint()
    remarks: tuple[str, ...] = ()


def control_images(images: str) -> Labelled | None:
    """Training images to compare the test images `images` ("mini", "full", a file) with.

    None for an instructor's own file: nothing says that it is as difficult as CIFAR-10.
    """
    if images not in ("mini", "full"):
        return None
    if images == "full":
        with suppress(KitError):  # only the test images were fetched
            return datasets.load("cifar10", "train", "full")
    return datasets.load("cifar10", "train", "mini")


def examine(
    submission: Submission,
    accuracy: Accuracy,
    network: Network | None,
    test: Labelled,
    control: Labelled | None,
    *,
    wall_seconds: float,
    seed: int | None = None,
    student: Student | None = None,
) -> Findings:
    """Look at one submission whose accuracy was measured on `test`, if it could be.

    A failure in here costs a remark, whosever it is: it never changes what was measured before.
    `seed` repeats an earlier look; it is fresh otherwise. With `student` the weights in its file are
    compared, too; the network is gone afterwards.
    """
    flags: list[Flag] = []
    remarks: list[str] = []
    ours = submission.weights is not None and submission.weights.source == "trained"
    weights = submission.weights.path if submission.weights and not ours else None
    found = Fingerprint()
    with _noted(remarks):
        found = Fingerprint(weights_sha256=copies.digest_of(weights))
        if control is not None and not ours:  # else the notebook speaks of other images, or other weights
            flags += compare_claims(submission.claims, accuracy)
        if network is not None and accuracy.low is not None and accuracy.low > NEAR_CHANCE:
            if not ours:  # one seed for all: the same layers may well end as the same weights
                found = found.model_copy(update=_compared(network, test))
            flags += _ask(network, accuracy, test, control, wall_seconds, seed)
    if student is not None and found.errors:
        with _noted(remarks), suppress(StudentFailure):
            found = found.model_copy(update={"sketch": copies.sketch_of(student.sketch())})
    return Findings(
        flags=tuple(f.model_copy(update={"message": safe_line(f.message, CHARACTERS)}) for f in flags),
        fingerprint=found,
        remarks=tuple(safe_line(remark, CHARACTERS) for remark in remarks),
    )


@contextmanager
def _noted(remarks: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        remarks.append(f"whether this work is what it looks like was not found out: {error!r}")


def _compared(network: Network, test: Labelled) -> dict[str, str]:
    """What the network answers, as it is compared with the class's."""
    found = {"ranks": copies.ranks_of(network.logits), "errors": copies.errors_of(network.logits, test[1])}
    with suppress(StudentFailure, NoResultError):  # the images are strange, the network need not be
        found["answers"] = copies.answers_of(network.classify(copies.unlike_images()))
    return found


def _ask(
    network: Network,
    accuracy: Accuracy,
    test: Labelled,
    control: Labelled | None,
    wall_seconds: float,
    seed: int | None,
) -> list[Flag]:
    """As `examine_network`; a network that answers all images but the changed ones is flagged for it."""
    try:
        return examine_network(network, accuracy, test, control, seed=seed)
    except (StudentFailure, NoResultError) as failure:
        if network.elapsed > MOST_TIME * wall_seconds:
            raise
        message = (
            f"the network answered all {accuracy.images:,} images, but failed on the same images changed a"
            f" little: {failure}"
        )
        return [Flag(kind="changed_images", message=message)]
