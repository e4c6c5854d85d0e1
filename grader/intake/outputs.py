"""The lines with an accuracy in them among a notebook's saved outputs: what its author saw, or says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from grader.text import ACCURACY, safe_line

LINES = 40  # kept of a notebook: the last ones
LINE_CHARACTERS = 200
CELL_CHARACTERS = 200_000  # looked at, of a cell's outputs: the end
NOTEBOOK_CHARACTERS = 2_000_000  # looked at, of all cells together

# What a cell, a heading or a line is about: the classifier, or the tutorial's networks for digits.
_CLASSIFIER = re.compile(r"cifar|classifier", re.IGNORECASE)
_DIGITS = re.compile(
    r"mnist|(?<![a-z])le[\s_-]?net|(?<!\d )(?<![a-z])digits?(?![a-z])|手写|数字", re.IGNORECASE
)
_BREAKS = re.compile(r"[\r\n]+")  # a progress bar returns without a new line


def accuracy_lines(cells: Iterable[tuple[str, object]]) -> tuple[str, ...]:
    """The last lines that speak of an accuracy, safe to print.

    `cells` are (source, outputs as in the JSON), Markdown cells among them. What is about LeNet or MNIST is
    left out, for it reaches 98 % there; a cell that says nothing is about what the last one before it was.
    """
    found: list[str] = []
    room = NOTEBOOK_CHARACTERS
    about_digits = False
    for source, outputs in cells:
        if _CLASSIFIER.search(source):
            about_digits = False
        elif _DIGITS.search(source):
            about_digits = True
        if room <= 0 or about_digits or _DIGITS.search(source):
            continue
        text = "\n".join(_texts(outputs))[-min(CELL_CHARACTERS, room) :]
        room -= len(text)
        if not ACCURACY.search(text):
            continue
        lines = [line for line in _BREAKS.split(text) if ACCURACY.search(line) and not _DIGITS.search(line)]
        found = [*found, *lines[-LINES:]][-LINES:]
    return tuple(filter(None, (safe_line(line, LINE_CHARACTERS) for line in found)))


def _texts(outputs: object) -> Iterator[str]:
    """The plain text of a cell's outputs, of format 3 or 4; pictures, HTML and errors are passed over."""
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict):
            data = output.get("data")
            plain = data.get("text/plain") if isinstance(data, dict) else None
            for value in (output.get("text"), plain):
                if isinstance(value, list):
                    value = "".join(part for part in value if isinstance(part, str))
                if isinstance(value, str):
                    yield value
