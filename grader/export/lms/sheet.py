"""A delimited file as an LMS wrote it: where each cell stands, so that some can change and all else stays.

The file is never written anew from its values: a changed cell's characters are replaced in the text, and what
was decoded without loss is encoded back. So the byte order mark, the encoding, the delimiter, the quotation
marks, the line ends and the order of columns are the LMS's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UserError
from grader.text import safe_line

_FILE_BYTES = 32 * 1024 * 1024
_CELLS = 2_000_000
_AGAIN = "download it from the LMS again, and do not open it in between"
# The longer mark first: UTF-32's would begin as UTF-16's does, but no LMS writes it.
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class Cell:
    """A cell's value, and where it stands in the text, its quotation marks included."""

    value: str
    start: int
    end: int
    quoted: bool


@dataclass(frozen=True)
class Sheet:
    """The file's cells, line by line; lines without any character are left out."""

    path: Path
    mark: bytes
    encoding: str
    delimiter: str
    text: str
    rows: tuple[tuple[Cell, ...], ...]
    places: tuple[int, ...]  # the number of the line on which each row begins

    def value(self, row: int, column: int | None) -> str:
        """What a cell says, without white space around it; empty where there is none."""
        cells = self.rows[row]
        return cells[column].value.strip() if column is not None and column < len(cells) else ""

    def changed(self, values: Mapping[tuple[int, int], str]) -> bytes:
        """The file's bytes with other values in some cells, by row and column; all others as they are."""
        pieces, at = [], 0
        for (row, column), value in sorted(values.items()):
            cell = self.rows[row][column]
            pieces += [self.text[at : cell.start], self._written(value, cell.quoted)]
            at = cell.end
        return self.mark + "".join([*pieces, self.text[at:]]).encode(self.encoding)

    def _written(self, value: str, quoted: bool) -> str:
        if self.delimiter == "\t":  # some readers of such files know no quotation marks
            value = " ".join(value.split())
        if quoted or any(sign in value for sign in (self.delimiter, '"', "\n", "\r")):
            return '"' + value.replace('"', '""') + '"'
        return value


def read_sheet(path: Path, delimiters: str) -> Sheet:
    """Read a template. Of the `delimiters`, the one that parts its first line into most cells is its own.

    Raises `UserError` where it is no such file, or cannot be given back byte for byte.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): name the LMS's download") from error
    if len(raw) > _FILE_BYTES:
        raise UserError(f"{path}: is larger than {_FILE_BYTES >> 20} MiB: download this course's marks alone")
    if raw.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise UserError(f"{path}: is an Excel workbook: have the LMS export comma- or tab-separated text")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", "utf-8"))
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is neither UTF-8 nor UTF-16 with a byte order mark: {_AGAIN}") from error
    if "\0" in text:
        raise UserError(f"{path}: holds NULs, so it is no text: {_AGAIN}")
    delimiter = max(delimiters, key=lambda sign: _width(path, text, sign))
    rows, places = _parsed(path, text, delimiter)
    if not rows:
        raise UserError(f"{path}: holds nothing: {_AGAIN}")
    return Sheet(path, mark, encoding, delimiter, text, tuple(rows), tuple(places))


def _width(path: Path, text: str, delimiter: str) -> int:
    """Of how many cells the first line is, with this delimiter; up to the first fault in it."""
    start = len(text) - len(text.lstrip("\r\n"))
    plain, at, count = _plain(delimiter), start, 1
    with suppress(UserError):
        while text.startswith(delimiter, at := _cell(path, text, at, delimiter, plain, 1).end):
            at, count = at + 1, count + 1
    return count


def _parsed(path: Path, text: str, delimiter: str) -> tuple[list[tuple[Cell, ...]], list[int]]:
    plain = _plain(delimiter)
    rows: list[tuple[Cell, ...]] = []
    places: list[int] = []
    cells: list[Cell] = []
    at, line, begins, count = 0, 1, 1, 0
    while True:
        cell = _cell(path, text, at, delimiter, plain, line)
        if cell.quoted:
            line += _line_ends(cell.value)
        at = cell.end
        cells.append(cell)
        count += 1
        if count > _CELLS:
            raise UserError(f"{path}: line {line}: is beyond any class: download this course's marks alone")
        if text.startswith(delimiter, at):
            at += 1
            continue
        if len(cells) > 1 or cells[0].end > cells[0].start:
            rows.append(tuple(cells))
            places.append(begins)
        cells = []
        if at >= len(text):
            return rows, places
        at += 2 if text.startswith("\r\n", at) else 1
        line += 1
        begins = line


def _plain(delimiter: str) -> re.Pattern[str]:
    """A cell without quotation marks around it."""
    return re.compile(f"[^{re.escape(delimiter)}\r\n]*")


def _cell(path: Path, text: str, start: int, delimiter: str, plain: re.Pattern[str], line: int) -> Cell:
    """The cell that begins at `start`. A quotation mark inside a cell that is not quoted is a character."""
    if not text.startswith('"', start):
        match = plain.match(text, start)
        end = match.end() if match else start
        return Cell(text[start:end], start, end, quoted=False)
    at = text.find('"', start + 1)
    while at >= 0 and text.startswith('"', at + 1):
        at = text.find('"', at + 2)
    if at < 0:
        raise UserError(f"{path}: line {line}: a quotation mark is never closed: {_AGAIN}")
    end = at + 1
    if end < len(text) and text[end] not in (delimiter, "\n", "\r"):
        shown = safe_line(text[max(start, end - 20) : end + 20], 60)
        raise UserError(f"{path}: line {line}: text follows a closed quotation mark ({shown}): {_AGAIN}")
    return Cell(text[start + 1 : at].replace('""', '"'), start, end, quoted=True)


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
