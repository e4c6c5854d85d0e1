"""Blackboard's Grade Center download: rows by Username, columns by the id at the end of their header."""

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

_ITEM = re.compile(
    r"(?P<title>.*) \[[^\[\]:]+[:：] ?(?P<calculated>up to |最多 ?)?(?P<points>[\d.,]+)(?: [^\]]+)?\]"
    r"(?: \|(?P<id>\d+))?",
    re.DOTALL,
)


class Blackboard:
    name = "Blackboard"
    title = "what Grade Center › Work Offline › Download gives (Ultra: Gradebook › Download)"
    delimiters = "\t,"
    excused: str | None = None
    over: Over = "taken"
    nothing: Collection[str] = frozenset(
        {"needs grading", "needs marking", "needs reconciliation", "in progress", "-", "--"}
        | {"需要评分", "待评分", "需要打分", "进行中"}
    )
    feedback_column = "Feedback to Learner"

    def read(self, sheet: Sheet, item: str | None) -> Template:
        header = Header(sheet)
        user = header.need(self, "Username", "User Name", "用户名")
        items, shut = [], []
        for column, cell in enumerate(sheet.rows[0]):
            match = _ITEM.fullmatch(cell.value.strip())
            if match and match["id"] and not match["calculated"]:
                items.append(Item(column, cell.value, match["title"], number(match["points"])))
            elif match:
                shut.append(cell.value)
        chosen = choose(sheet, items, item, shut)
        feedback = header.find(self.feedback_column, "给学习者的反馈", "学习者反馈")
        if feedback is not None and len(items) > 1:
            raise UserError(
                f"{sheet.path}: has several columns of marks and one of feedback: download the column"
                f" {chosen.title} alone"
            )
        names = [header.find("Last Name", "姓氏", "姓"), header.find("First Name", "名字", "名")]
        student = header.find("Student ID", "学生 ID", "学号")
        people = [
            Person(
                row=row,
                ids=ids_of(sheet, row, [user, student]),
                name=", ".join(ids_of(sheet, row, names)),
            )
            for row in whole_rows(sheet, 1, len(sheet.rows[0]))
            if not sheet.value(row, user).endswith("_previewuser")
        ]
        marks = [sheet.value(person.row, each.column) for person in people for each in items]
        return Template(
            sheet,
            chosen,
            tuple(people),
            feedback=feedback,
            feedback_format=header.find("Feedback Format", "反馈格式"),
            decimal_comma=has_decimal_comma(marks),
        )
