"""One submission, looked at while its network is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from torch import Tensor

from grader import datasets
from grader.accuracy import Network
from grader.digests import file_digest
from grader.errors import UserError
from grader.integrity import fingerprints
from grader.integrity.claims import compare_claims
from grader.integrity.network import Draw, Labelled, is_too_good, judge_network
from grader.sandbox import Student, StudentFailure
from grader.text import safe_line
from grader.types import Accuracy, Fingerprint, Flag, Record, Submission

CHARACTERS = 500  # of a message
NEAR_CHANCE = 1.5  # times what guessing gives: who knows this little has nothing to hide


class Findings(Record):
    """What was found out beside the points."""

    flags: tuple[Flag, ...] = ()
    fingerprint: Fingerprint = Fingerprint()
    remarks: tuple[str, ...] = ()


def control_images(name: datasets.Name, images: str) -> Labelled | None:
    """Training images of a data set to compare the test images `images` ("mini", "full", a file) with.

    None for an instructor's own file: nothing says that it is as difficult as the data set.
    """
    if images not in ("mini", "full"):
        return None
    if images == "full":
        with suppress(UserError):  # only the test images were fetched
            return datasets.load(name, "train", "full")
    return datasets.load(name, "train", "mini")


def examine(
    submission: Submission,
    accuracy: Accuracy,
    network: Network | None,
    labels: Tensor,
    drawn: Draw,
    *,
    chance: float,
    student: Student | None = None,
) -> Findings:
    """Look at one submission whose accuracy was measured on images with `labels`, if it could be.

    `drawn` is what was asked between them, `chance` the share that guessing gets right. A failure in here
    costs a remark, whosever it is: it never changes what was measured before. With `student` the weights in
    its file are compared, too; the network is gone afterwards.
    """
    flags: list[Flag] = []
    remarks: list[str] = []
    nothing = NEAR_CHANCE * chance
    ours = submission.weights is not None and submission.weights.source == "trained"
    weights = submission.weights.path if submission.weights and not ours else None
    found = Fingerprint()
    with _noted(remarks):
        found = Fingerprint(weights_sha256=file_digest(weights) if weights else "")
        if len(drawn.control):  # else the images are the instructor's own, and nothing is known of them
            flags += is_too_good(accuracy)
            if not ours:  # else the notebook speaks of other weights
                flags += compare_claims(submission.claims, accuracy)
        if network is not None and accuracy.low is not None:
            if not ours and accuracy.low > nothing:  # one seed for all: the same layers may end alike
                ranks, errors = (
                    fingerprints.ranks_of(network.logits),
                    fingerprints.errors_of(network.logits, labels),
                )
                found = found.model_copy(update={"ranks": ranks, "errors": errors})
                if network.between is not None:
                    answers = fingerprints.answers_of(network.between[drawn.unlike])
                    found = found.model_copy(update={"answers": answers})
            if accuracy.low > nothing or network.failure:
                flags += judge_network(network, accuracy, labels, drawn)
    if student is not None and found.errors:
        with _noted(remarks), suppress(StudentFailure):
            found = found.model_copy(update={"sketch": fingerprints.sketch_of(student.sketch())})
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
