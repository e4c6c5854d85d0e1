"""Brightspace's grade export: OrgDefinedId and Username behind a #, columns by "… Points Grade"."""

from __future__ import annotations

import re
from collections.abc import Collection

from grader.errors import UserError

from .sheet import Sheet
from .template import Header, Item, Over, Person, Template, choose, has_decimal_comma, number, whole_rows

_ITEM = re.compile(r"(?P<title>.*) Points Grade(?P<more> <[^<>]*>)?", re.DOTALL)
_MOST = re.compile(r"MaxPoints:\s*(?P<points>[\d.,]+)")
_NOT_FOR_UPLOAD = ("Last Name", "First Name", "Email")


class Brightspace:
    name = "Brightspace"
    title = "what Grades › Enter Grades › Export gives, with Both as key field and Points grade"
    delimiters = ",\t;"
    excused: str | None = None
    over: Over = "capped"
    nothing: Collection[str] = frozenset({"-", "#"})
    feedback_column = ""

    def read(self, sheet: Sheet, item: str | None) -> Template:
        header = Header(sheet)
        keys = [header.find("OrgDefinedId"), header.find("Username")]
        if keys == [None, None]:
            header.need(self, "OrgDefinedId")
        header.need(self, "End-of-Line Indicator")
        items, shut = [], []
        for column, cell in enumerate(sheet.rows[0]):
            match = _ITEM.fullmatch(cell.value.strip())
            if not match:
                continue
            more = match["more"] or ""
            most = _MOST.search(more)
            if more.startswith((" <Calculated", " <Formula", " <Weighted")):
                shut.append(cell.value)
            else:
                points = number(most["points"]) if most else None
                items.append(Item(column, cell.value, match["title"].strip(), points))
        chosen = choose(sheet, items, item, shut)
        names = [header.find("Last Name"), header.find("First Name")]
        people = []
        for row in whole_rows(sheet, 1, len(sheet.rows[0])):
            ids = dict.fromkeys(filter(None, (sheet.value(row, key).removeprefix("#") for key in keys)))
            if not ids:
                raise UserError(f"{sheet.path}: line {sheet.places[row]}: is nobody's: export it again")
            told = ", ".join(filter(None, (sheet.value(row, column) for column in names)))
            people.append(Person(row, tuple(ids), told))
        extra = [name for name in _NOT_FOR_UPLOAD if header.find(name) is not None]
        notes = (f"Brightspace does not import {', '.join(extra)}: untick them when you export",)
        marks = [sheet.value(person.row, each.column) for person in people for each in items]
        return Template(
            sheet,
            chosen,
            tuple(people),
            decimal_comma=has_decimal_comma(marks),
            notes=notes if extra else (),
        )
