"""Several attempts of one student: what the one that counts lacks may be taken from an earlier one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby

from grader.types import Status, Submission


def carry_over(submissions: Sequence[Submission]) -> list[Submission]:
    """The attempts, each with the code, weights or answers of the nearest earlier one where it has none.

    What was taken over is said in a remark. Attempts of one student stand together, the oldest first.
    """
    found: list[Submission] = []
    for _, several in groupby(submissions, key=lambda one: one.student_id):
        before: list[Submission] = []
        for one in several:
            before.append(_completed(one, before))
        found += before
    return found


def latest(submissions: Sequence[Submission]) -> list[Submission]:
    """The last attempt of each student."""
    return list({one.student_id: one for one in submissions}.values())


def _completed(one: Submission, earlier: Sequence[Submission]) -> Submission:
    if one.problem and one.problem.status is not Status.NOT_GRADABLE:
        return one
    taken: dict[str, object] = {}
    remarks = list(one.remarks)
    digest = hashlib.sha256(one.digest.encode())
    for field, what in (("code", "the code"), ("weights", "the weights"), ("answer_texts", "the answers")):
        if getattr(one, field):
            continue
        source = next((other for other in reversed(earlier) if getattr(other, field)), None)
        if source is not None:
            reason = {"code": "no_code", "weights": "no_weights", "answer_texts": "no_answers"}[field]
            taken |= {field: getattr(source, field), reason: ""}
            if field == "answer_texts":
                taken["answer_files"] = source.answer_files
            remarks.append(f"{what} of attempt {source.attempt} counts, for this one has none")
            digest.update(f"{field}{source.digest}".encode())
    if not taken:
        return one
    usable = one.code or "code" in taken or "answer_texts" in taken
    problem = None if usable else one.problem
    return one.model_copy(
        update=taken | {"remarks": tuple(remarks), "digest": digest.hexdigest(), "problem": problem}
    )
