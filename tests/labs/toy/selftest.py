"""What students may see: checks with other inputs, and the measure on other sentences."""

from pathlib import Path

from grader.expect import expect, expect_equal
from grader.sandbox.student import Student, StudentFailure
from grader.selftest.public import Check, checks_into
from grader.types import Accuracy

SEEN = {"the cat": "en", "der Hund": "de", "le chat": "fr"}
CHINESE = {"tokens gives words": "tokens 给出单词", "no macro-F1": "没有 macro-F1"}
CHECKS: list[Check] = []
check = checks_into(CHECKS)


@check("tokens", "tokens gives words")
def tokens_words(student: Student) -> None:
    expect_equal(student.call("tokens", "Oh, No!"), ["oh", "no"], of="tokens('Oh, No!')")


@check("language", "language gives labels", ("tokens_words",))
def language_labels(student: Student) -> None:
    expect(student.call("language", ["le"]) in (["en"], ["de"], ["fr"]), "language(['le']): a label is due")


def measured(student: Student, right: dict[str, str]) -> Accuracy:
    try:
        told = student.call("language", [*right])
    except StudentFailure as failure:
        return Accuracy(images=len(right), reason=failure.message)
    if not isinstance(told, list) or len(told) != len(right):
        return Accuracy(images=len(right), reason="language gave no list of as many labels")
    pairs, f1 = list(zip(told, right.values(), strict=True)), 0.0
    for label in ("en", "de", "fr"):
        either = sum((one == label) + (other == label) for one, other in pairs)
        f1 += 2 * pairs.count((label, label)) / max(either, 1) / 3
    return Accuracy(images=len(right), accuracy=f1, source="submitted")


def measure(student: Student, folder: Path, progress: object) -> tuple[Accuracy, str]:
    return measured(student, SEEN), "macro-F1 on three sentences"


def notes(student: Student, passed: object) -> list[tuple[str, ...]]:
    return []
