"""Questions that check their own answers: `check("lenet_flatten", 400)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cnn.questions import QUESTIONS


class Result(NamedTuple):
    """What to say of an answer; `right` is None where there is none yet."""

    right: bool | None
    message: str


def check(question: str, answer: Any) -> None:
    """Print whether the answer is right, with a hint where it is not. None or ... is no answer yet."""
    print(judge(question, answer).message)


def judge(question: str, answer: Any) -> Result:
    """Compare an answer with the right one; numbers may differ by a thousandth, text in case and spaces.

    Raises KeyError where there is no such question.
    """
    if question not in QUESTIONS:
        raise KeyError(f"no question is called {question!r}; look at the cell as it came")
    right, hint, *rest = QUESTIONS[question]
    mistakes: Mapping[Any, str] = rest[0] if rest else {}
    if answer is None or answer is ...:
        return Result(
            None, "Not answered yet: put your answer in the place of the three dots, and run the cell."
        )
    if isinstance(answer, (tuple, list)) and any(part is None or part is ... for part in answer):
        return Result(None, "Not answered in full yet: there are three dots left.")
    if _same(answer, right):
        return Result(True, "Right.")
    for mistake, why in mistakes.items():
        if _same(answer, mistake):
            return Result(False, f"Not yet. {why}")
    return Result(False, f"Not yet. {hint}")


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
    if isinstance(right, int):
        return isinstance(answer, (int, float)) and answer == right
    return isinstance(answer, (int, float)) and abs(answer - right) <= 1e-3 * max(abs(right), 1e-3)


def _plain(value: Any) -> Any:
    """Tensors, arrays, tuples and shapes as lists or numbers."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value
