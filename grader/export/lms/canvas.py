"""Canvas's Gradebook export: rows by ID, columns by the id in parentheses, the points possible in a row."""

from __future__ import annotations

import re
from collections.abc import Collection

from grader.errors import UserError

from .sheet import Sheet
from .template import (
    Header,
    Item,
    Over,
    Person,
    Template,
    choose,
    has_decimal_comma,
    ids_of,
    number,
    whole_rows,
)

_ITEM = re.compile(r"(?P<title>.*)\s\((?P<id>\d+)\)", re.DOTALL)
_HEAD_ROWS = 3  # the header, "Manual Posting", the points possible


class Canvas:
    name = "Canvas"
    title = "what Gradebook › Export › Export Entire Gradebook gives"
    delimiters = ",;"
    excused: str | None = "EX"
    over: Over = "taken"
    nothing: Collection[str] = frozenset({"-", "n/a"})
    feedback_column = ""

    def read(self, sheet: Sheet, item: str | None) -> Template:
        header = Header(sheet)
        id_column = header.need(self, "ID")
        student = header.need(self, "Student", "LastName", "学生")
        width = len(sheet.rows[0])
        rows = whole_rows(sheet, 1, width)
        # These rows come first and are nobody's: they have no id.
        heads = [row for row in rows[:_HEAD_ROWS] if not sheet.value(row, id_column)]
        items, shut = [], []
        for column, cell in enumerate(sheet.rows[0]):
            match = _ITEM.fullmatch(cell.value.strip())
            if not match:
                continue
            said = [sheet.value(row, column) for row in heads]
            if any("read only" in text.casefold() for text in said):
                shut.append(cell.value)
            else:
                points = next((found for text in said if (found := number(text)) is not None), None)
                items.append(Item(column, cell.value, match["title"].strip(), points))
        chosen = choose(sheet, items, item, shut)
        keys = [
            id_column,
            header.find("SIS User ID"),
            header.find("SIS Login ID"),
            header.find("Integration ID"),
        ]
        people = []
        for row in rows:
            if row in heads:
                continue
            ids = ids_of(sheet, row, keys)
            if not sheet.value(row, id_column):
                # Canvas would look for the name instead, and might find another of the same.
                raise UserError(f"{sheet.path}: line {sheet.places[row]}: has no ID: export it again")
            people.append(Person(row, ids, sheet.value(row, student)))
        people = [person for person in people if person.name != "Student, Test"]
        marks = [sheet.value(person.row, each.column) for person in people for each in items]
        marks += [sheet.value(row, each.column) for row in heads for each in items]
        return Template(sheet, chosen, tuple(people), decimal_comma=has_decimal_comma(marks))
