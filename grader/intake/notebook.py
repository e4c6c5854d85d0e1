"""The cells of a Jupyter notebook of any format version, taken from hostile JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from grader.intake.entries import UnreadableError
from grader.intake.limits import ANSWER_BYTES, NOTEBOOK_CELLS, NOTEBOOK_MARKS
from grader.intake.outputs import accuracy_lines

NAMES = 200  # told of cells that are no code
_BINDS = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+|class[ \t]+)(\w+)[ \t]*[(:]|^(\w+)[ \t]*=(?!=)", re.MULTILINE
)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Notebook:
    """Code cells and Markdown cells, each in order; of outputs a few lines, of attachments nothing."""

    code: tuple[str, ...]
    markdown: tuple[str, ...]
    claims: tuple[str, ...] = ()  # the last lines of its outputs with an accuracy in them
    elsewhere: tuple[
        tuple[str, str], ...
    ] = ()  # names that a cell seems to define which is no code, and where


def parse_notebook(text: str) -> Notebook:
    """Read a notebook's JSON; raises `UnreadableError` where it is none.

    Format 4 keeps cells at the top with `source`, format 3 in worksheets, code
    cells there with `input`. A source is a string or a list of lines; a cell
    without one, or of an unknown kind, is passed over.
    """
    # A value costs up to two hundred bytes in memory for eight in the file, so their number is bounded first.
    if sum(text.count(mark) for mark in "{[,") > NOTEBOOK_MARKS:
        raise UnreadableError("holds too many values for a notebook: clear its outputs")
    try:
        content = json.loads(text, parse_int=float)  # an integer's digits take the square of their number
    except RecursionError:
        raise UnreadableError("is nested too deeply to be a notebook") from None
    except (ValueError, MemoryError):
        why = "its JSON is damaged"
        if mark := re.search(r"^<{7} ", text, re.MULTILINE):
            line = text.count("\n", 0, mark.start()) + 1
            why = f"a merge conflict begins in line {line}: keep one side, delete the marks"
        raise UnreadableError(f"is not a notebook that can be read ({why})") from None
    if not isinstance(content, dict) or not isinstance(content.get("cells", content.get("worksheets")), list):
        raise UnreadableError("is not a notebook (it has no cells)")
    code, markdown = [], []
    shown: list[tuple[str, object]] = []  # each cell with its outputs
    elsewhere: list[tuple[str, str]] = []
    for number, cell in enumerate(_cells(content)):
        if number >= NOTEBOOK_CELLS:
            raise UnreadableError(f"has more than {NOTEBOOK_CELLS:,} cells")
        kind = cell.get("cell_type")
        if kind == "code":
            code.append(_source(cell.get("source", cell.get("input"))))
            shown.append((code[-1], cell.get("outputs")))
        elif kind == "markdown":
            markdown.append(_source(cell.get("source")))
            shown.append((markdown[-1], None))
        elif kind == "heading":  # format 3 had a kind of its own for headings
            level = cell.get("level")
            hashes = "#" * int(level) if isinstance(level, float) and 1 <= level <= 6 else "#"
            markdown.append(f"{hashes} {_source(cell.get('source'))}")
            shown.append((markdown[-1], None))
        if kind in ("markdown", "raw"):
            where = f"a {'Markdown' if kind == 'markdown' else 'raw'} cell"
            where += f" below cell {len(code)}" if code else " at the top"
            names = _defined(_source(cell.get("source")))
            elsewhere += [(name, where) for name in islice(names, NAMES - len(elsewhere))]
    # Empty code cells stay, so that "cell 3" is the third in the student's notebook too.
    return Notebook(
        code=tuple(code),
        markdown=tuple(_within(ANSWER_BYTES, markdown)),
        claims=accuracy_lines(shown),
        elsewhere=tuple(elsewhere),
    )


def _defined(text: str) -> Iterator[str]:
    """The names that a text would bind if it were code, examples between ``` apart."""
    return ((match[1] or match[2])[:100] for match in _BINDS.finditer(_FENCED.sub("", text)))


def _within(most: int, cells: list[str]) -> Iterator[str]:
    """The cells that say something, up to the one with which they become longer than `most`, and is cut."""
    room = most
    for cell in cells:
        if cell.strip() and room >= 0:
            yield cell[: room + 1]
            room -= len(cell)


def _cells(content: dict[str, object]) -> Iterator[dict[str, object]]:
    cells = content.get("cells")
    groups: list[object] = [cells]
    if not isinstance(cells, list):
        worksheets = content.get("worksheets")
        groups = [
            sheet.get("cells") if isinstance(sheet, dict) else None
            for sheet in (worksheets if isinstance(worksheets, list) else [])
        ]
    for group in groups:
        for cell in group if isinstance(group, list) else []:
            if isinstance(cell, dict):
                yield cell


def _source(value: object) -> str:
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    if not isinstance(value, str):
        return ""
    # JSON can spell half a surrogate pair, which no file could hold.
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
