"""Questions that check their own answers: `check("lenet_flatten", 400)`."""

from __future__ import annotations

from typing import Any, NamedTuple

from cnn.questions import QUESTIONS

NOT_YET = "Not answered yet"


class Result(NamedTuple):
    """What to say of an answer; `right` is None where there is none yet."""

    right: bool | None
    message: str


def check(question: str, answer: Any) -> None:
    """Print whether the answer is right, with a hint where it is not. None or ... is no answer yet."""
    print(judge(question, answer).message)


def judge(question: str, answer: Any) -> Result:
    """Compare an answer with the right one.

    A number may be rounded to two digits or more, or differ by a thousandth, unless a whole number is asked
    for; texts may differ in case and spaces.

    Raises KeyError where there is no such question.
    """
    if question not in QUESTIONS:
        raise KeyError(f"no question is called {question!r}; look at the cell as it came")
    right, hint, mistakes = QUESTIONS[question]
    if answer is None or answer is ...:
        return Result(None, f"{NOT_YET}: put your answer in the place of the three dots, and run the cell.")
    if isinstance(answer, (tuple, list)) and any(part is None or part is ... for part in answer):
        return Result(None, f"{NOT_YET} in full: there are three dots left.")
    if _same(answer, right):
        return Result(True, "Right.")
    for mistake, why in mistakes.items():
        if _same(answer, mistake):
            return Result(False, f"Not yet. {why}")
    return Result(False, f"Not yet. {_wrong_kind(answer, right) or hint}")


def _wrong_kind(answer: Any, right: Any) -> str:
    """What to say of an answer that is no number, or not as many, as were asked for; else ""."""
    answer, right = _plain(answer), _plain(right)
    if isinstance(answer, str) != isinstance(right, str):
        return (
            "Answer with a text, in quotes." if isinstance(right, str) else "Answer with numbers, not a text."
        )
    if isinstance(right, list) and not isinstance(answer, list):
        return f"Answer with {len(right)} numbers in parentheses."
    if isinstance(right, list) and len(answer) != len(right):
        return f"The answer has {len(right)} parts, yours has {len(answer)}."
    return ""


def _same(answer: Any, right: Any) -> bool:
    answer, right = _plain(answer), _plain(right)
    if isinstance(right, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(right)
            and all(_same(one, other) for one, other in zip(answer, right, strict=True))
        )
    if isinstance(right, str):
        return isinstance(answer, str) and "".join(answer.split()).lower() == "".join(right.split()).lower()
    if isinstance(right, bool) or isinstance(answer, bool):
        return answer is right
    if not isinstance(answer, (int, float)):
        return False
    if isinstance(right, int):
        return answer == right
    return abs(answer - right) <= 1e-3 * abs(right) or _rounded(answer, right)


def _rounded(answer: float, right: float) -> bool:
    """Whether the answer is the right one, rounded to the digits that it shows: two at least."""
    digits = f"{answer:.12g}"
    if "e" in digits or len(digits.replace(".", "").lstrip("-0")) < 2:
        return False
    return round(right, len(digits.partition(".")[2])) == answer


def _plain(value: Any) -> Any:
    """Tensors, arrays, tuples and shapes as lists or numbers."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value
