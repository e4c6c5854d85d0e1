"""Gradescope's Download Grades: rows by SID or Email, the mark in Total Score."""

from __future__ import annotations

from collections.abc import Collection

from grader.errors import UserError

from .sheet import Sheet
from .template import Header, Item, Over, Person, Template, has_decimal_comma, ids_of, number, whole_rows


class Gradescope:
    name = "Gradescope"
    title = "what Review Grades › Download Grades › Download CSV gives"
    delimiters = ","
    excused: str | None = None
    over: Over = "taken"
    nothing: Collection[str] = frozenset({"-"})
    feedback_column = ""

    def read(self, sheet: Sheet, item: str | None) -> Template:
        header = Header(sheet)
        keys = [header.need(self, "SID"), header.find("Email")]
        total = header.find(item) if item else header.need(self, "Total Score")
        if total is None:
            raise UserError(f"{sheet.path}: --item {item}: no column of this name: it is Total Score mostly")
        most = header.find("Max Points")
        names = [header.find("Name"), header.find("First Name"), header.find("Last Name")]
        people = []
        for row in whole_rows(sheet, 1, len(sheet.rows[0])):
            ids = ids_of(sheet, row, keys)
            if not ids:
                raise UserError(f"{sheet.path}: line {sheet.places[row]}: has no SID and no Email")
            people.append(
                Person(
                    row=row,
                    ids=ids,
                    name=" ".join(filter(None, (sheet.value(row, column) for column in names))),
                    maximum=number(sheet.value(row, most)),
                )
            )
        maxima = {person.maximum for person in people if person.maximum is not None}
        if len(maxima) > 1:
            raise UserError(f"{sheet.path}: has several Max Points: download one assignment's grades")
        cell = sheet.rows[0][total]
        return Template(
            sheet,
            Item(total, cell.value, cell.value.strip(), next(iter(maxima), None)),
            tuple(people),
            decimal_comma=has_decimal_comma(sheet.value(person.row, total) for person in people),
            notes=("Gradescope takes no such file back: it is for what you hand on to the LMS",),
        )
