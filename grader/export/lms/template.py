"""What is common to all LMS: the record of a template, and how its columns and numbers are read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, Protocol

from grader.errors import UserError
from grader.text import safe_line

from .sheet import Sheet, read_sheet

Over = Literal["taken", "refused", "capped"]

_NUMBER = re.compile(r"[-+]?\d[\d.,]{0,30}", re.ASCII)
_DECIMAL_COMMA = re.compile(r"\d,(?:\d{1,2}|\d{4,})(?!\d)")


@dataclass(frozen=True)
class Item:
    """A column that marks may go into."""

    column: int
    header: str  # byte for byte
    title: str
    maximum: Decimal | None = None  # None where the file does not say it


@dataclass(frozen=True)
class Person:
    """A line of the template that is a student's."""

    row: int
    ids: tuple[str, ...]
    name: str
    locked: str = ""  # why the LMS will not take a mark
    maximum: Decimal | None = None  # where it is each line's own


@dataclass(frozen=True)
class Template:
    """The LMS's file, understood."""

    sheet: Sheet
    item: Item
    people: tuple[Person, ...]
    feedback: int | None = None  # the column for comments on the work
    feedback_format: int | None = None
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()  # for the person at the keyboard

    def grade(self, person: Person) -> str:
        """The mark that the file has for somebody, as it is written."""
        return self.sheet.value(person.row, self.item.column)


class Lms(Protocol):
    """One LMS: how its file of marks is read, and what may be written there."""

    name: str  # "Canvas"
    title: str  # what the file is called there, and where it is downloaded
    delimiters: str
    excused: str | None  # what stands for an excused student, if anything can
    over: Over  # what it does with more than the maximum
    nothing: Collection[str]  # in small letters: what stands where there is no mark yet
    feedback_column: str  # what it calls it, or empty where its file has none

    def read(self, sheet: Sheet, item: str | None) -> Template:
        """Understand a template. Raises `UserError`."""


@dataclass(frozen=True)
class Header:
    """The first line of a template, by what its cells say."""

    sheet: Sheet
    row: int = 0
    keys: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        cells = self.sheet.rows[self.row]
        object.__setattr__(self, "keys", tuple(folded(cell.value) for cell in cells))

    def find(self, *names: str) -> int | None:
        """The one column with one of these names. Raises `UserError` where several have one."""
        wanted = {folded(name) for name in names}
        found = [at for at, key in enumerate(self.keys) if key in wanted]
        if len(found) > 1:
            told = safe_line(self.sheet.value(self.row, found[0]), 60)
            raise UserError(f"{self.sheet.path}: {len(found)} columns are called {told}: download it again")
        return found[0] if found else None

    def need(self, lms: Lms, *names: str) -> int:
        at = self.find(*names)
        if at is None:
            raise UserError(
                f"{self.sheet.path}: has no column {names[0]}, so it is not {lms.name}'s: --template is"
                f" {lms.title}"
            )
        return at


def folded(text: str) -> str:
    """Text for comparison: without case, width and white space around it."""
    return " ".join(unicodedata.normalize("NFKC", text.lstrip("\ufeff")).casefold().split())


def choose(sheet: Sheet, items: Sequence[Item], wanted: str | None, shut: Iterable[str] = ()) -> Item:
    """The column that is wanted, by its header or title; without a wish the only one there is.

    `shut` has the headers of columns that take no marks. Raises `UserError` that lists what there is.
    """
    listed = ", ".join(f'"{safe_line(item.title, 60)}"' for item in items) or "none"
    if wanted is None:
        if len(items) == 1:
            return items[0]
        told = "no column takes marks" if not items else f"{len(items)} columns take marks: {listed}"
        raise UserError(f"{sheet.path}: {told}: name one with --item")
    key = folded(wanted)
    found = [item for item in items if folded(item.header) == key]
    found = found or [item for item in items if folded(item.title) == key]
    found = found or [item for item in items if key in folded(item.header)]
    if len(found) == 1:
        return found[0]
    if not found and any(key in folded(header) for header in shut):
        raise UserError(f"{sheet.path}: --item {wanted}: takes no marks there; these do: {listed}")
    told = "no column" if not found else f"{len(found)} columns"
    raise UserError(f"{sheet.path}: --item {wanted}: {told} of this name: one of {listed}")


def whole_rows(sheet: Sheet, first: int, width: int) -> range:
    """The rows from the `first` on. Raises `UserError` at one with another number of cells."""
    for row in range(first, len(sheet.rows)):
        if len(sheet.rows[row]) != width:
            raise UserError(
                f"{sheet.path}: line {sheet.places[row]}: has {len(sheet.rows[row])} cells and the header"
                f" {width}: download it again, and do not edit it"
            )
    return range(first, len(sheet.rows))


def number(text: str) -> Decimal | None:
    """A number as an LMS writes it, with a decimal point or comma; None where it is none."""
    text = text.strip().lstrip("#").replace("\u00a0", "").replace(" ", "")
    if _DECIMAL_COMMA.search(text) and "." not in text:
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def has_decimal_comma(texts: Iterable[str]) -> bool:
    """Whether numbers are written as 87,50: one is, and none has a point."""
    texts = [text for text in texts if number(text) is not None]
    return any(_DECIMAL_COMMA.search(text) for text in texts) and not any("." in text for text in texts)


def ids_of(sheet: Sheet, row: int, columns: Iterable[int | None]) -> tuple[str, ...]:
    """What a line's student may be called by, each once."""
    return tuple(dict.fromkeys(filter(None, (sheet.value(row, column) for column in columns))))


def read_template(lms: Lms, path: Path, item: str | None) -> Template:
    """Read the LMS's download. Raises `UserError`."""
    return lms.read(read_sheet(path, lms.delimiters), item)
