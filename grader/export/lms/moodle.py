"""Moodle's grading worksheet of an assignment: rows by the number of "Participant 40213"."""

from __future__ import annotations

import re
from collections.abc import Collection

from grader.errors import UserError

from .sheet import Sheet
from .template import Header, Item, Over, Person, Template, has_decimal_comma, ids_of, number, whole_rows

_NUMBER = re.compile(r"[^\W\d_]\D{0,40}(?P<id>\d+)")  # "Participant 40213", "参与者40213"
_NO = {"no", "否", "不", "nein", "non", "nee"}


class Moodle:
    name = "Moodle"
    title = "what the assignment's Download grading worksheet gives"
    delimiters = ",;\t"
    excused: str | None = None
    over: Over = "refused"
    nothing: Collection[str] = frozenset({"-"})
    feedback_column = "Feedback comments"

    def read(self, sheet: Sheet, item: str | None) -> Template:
        header = Header(sheet)
        # Its headers are in the site's language: an unknown first column has to look like an identifier's.
        identifier = header.find("Identifier", "标识符", "识别码", "識別碼") or 0
        grade = header.find("Grade", "成绩", "成績", "分数", "Bewertung")
        if item is not None:
            grade = header.find(item)
        first = sheet.value(1, identifier) if len(sheet.rows) > 1 else ""
        if grade is None and not _NUMBER.fullmatch(first):
            raise UserError(f"{sheet.path}: is not {self.name}'s: --template is {self.title}")
        if grade is None:
            told = f"no column {item}" if item else "no column Grade"
            raise UserError(f"{sheet.path}: has {told}: name the column of the grades with --item")
        most = header.find("Maximum grade", "最高成绩", "最高分", "最高成績", "最大分数")
        change = header.find("Grade can be changed", "允许更改成绩", "成绩可以更改", "成绩可更改")
        name = header.find("Full name", "全名", "姓名")
        more = [
            header.find("Email address", "电子邮件地址", "Email 地址"),
            header.find("ID number", "学号", "编号"),
        ]
        more.append(header.find("Username", "用户名"))
        people, words = [], set()
        for row in whole_rows(sheet, 1, len(sheet.rows[0])):
            match = _NUMBER.fullmatch(sheet.value(row, identifier))
            if not match:
                told = sheet.value(row, identifier)[:40] or "nothing"
                raise UserError(
                    f"{sheet.path}: line {sheet.places[row]}: {told} is no participant: download it again"
                )
            words.add(sheet.value(row, identifier)[: match.start("id")])
            locked = sheet.value(row, change).casefold() in _NO
            people.append(
                Person(
                    row=row,
                    ids=tuple(dict.fromkeys((match["id"], *ids_of(sheet, row, more)))),
                    name=sheet.value(row, name),
                    locked="the grade cannot be changed" if locked else "",
                    maximum=number(sheet.value(row, most)),
                )
            )
        if len(words) > 1:
            raise UserError(f"{sheet.path}: is not {self.name}'s: --template is {self.title}")
        maxima = {person.maximum for person in people}
        if len(maxima) > 1:
            raise UserError(f"{sheet.path}: has several maximum grades: download it again")
        numbers = [sheet.value(person.row, column) for person in people for column in (grade, most)]
        notes = () if change is not None else ("which grades are locked is not in the file",)
        cell = sheet.rows[0][grade]
        return Template(
            sheet,
            Item(grade, cell.value, cell.value.strip(), next(iter(maxima), None)),
            tuple(people),
            feedback=header.find(self.feedback_column, "反馈评语", "反馈评论", "反馈意见"),
            decimal_comma=has_decimal_comma(numbers),
            notes=notes,
        )
