"""The questions of the exercises: name -> (right answer, hint), or with hints for particular wrong answers.

    "name": (answer, "hint for any other answer", {wrong_answer: "what went wrong there"}),

A name begins with its chapter's number. The model answers, with the reasoning, are in the chapters.
"""

from typing import Any

QUESTIONS: dict[str, tuple[Any, ...]] = {}
