"""`scores.csv`, `scores.xlsx` and `students/*.json`: the same verdicts give the same bytes.

The CSV is for programs: UTF-8 without a byte order mark, commas, line feeds,
points with two decimals, shares with four. The XLSX is for people: real
numbers and dates, and Chinese names that Excel shows as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import xlsxwriter
from rich.cells import cell_len

from grader.export.cells import Cell, Column, acts_as_formula, cells, columns, guarded
from grader.export.files import replace_file
from grader.rubric import Rubric
from grader.text import file_stem, visible_json
from grader.types import Verdict

_CREATED = datetime(2000, 1, 1)  # any fixed date, so that the file's bytes do not depend on the clock
_NUMBER_FORMATS = {
    "count": "0",
    "points": "0.00",
    "hours": "0.00",
    "share": "0.00%",
    "time": "yyyy-mm-dd hh:mm:ss",
}
_WIDTHS = {"count": 8, "points": 8, "hours": 8, "share": 9, "time": 19}  # in characters
_WIDEST = {"student_id": 30, "name": 30, "section": 20, "status": 14}
_WIDE = 80  # all other texts, at most


def write_scores(verdicts: Sequence[Verdict], rubric: Rubric, folder: Path) -> None:
    """Write `scores.csv`, `scores.xlsx` and `students/<id>.json` into a results `folder`.

    Everything is rendered before the first file is replaced, and each file is
    replaced at once. Raises `UserError` where a file cannot be written.
    """
    verdicts = sorted(verdicts, key=lambda verdict: verdict.student_id)
    head = columns(rubric)
    rows = [cells(verdict, rubric) for verdict in verdicts]
    files = {f"students/{stem}.json": _json(verdict) for stem, verdict in _by_stem(verdicts).items()}
    files["scores.csv"] = _csv(head, rows)
    files["scores.xlsx"] = _xlsx(head, rows)
    for name, content in files.items():
        replace_file(folder / name, content)


def _by_stem(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """File names that differ even where a file system takes `A` for `a`."""
    found: dict[str, Verdict] = {}
    taken: set[str] = set()
    for verdict in verdicts:
        stem, again = file_stem(verdict.student_id), 2
        while stem.casefold() in taken:
            stem, again = f"{file_stem(verdict.student_id)}~{again}", again + 1
        taken.add(stem.casefold())
        found[stem] = verdict
    return found


def _json(verdict: Verdict) -> bytes:
    # These files go back to the students: flags are for the instructor, who finds them in the sheet;
    # and from equal digests two students would learn that they handed in the same. Why somebody was excluded,
    # say, may name another student.
    secret = {"flags", "settled", "fingerprint", "digest", "decisions"}
    content = verdict.model_dump(mode="json", exclude=secret)
    return f"{visible_json(content, indent=2)}\n".encode()


def _csv(head: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in head])
    for row in rows:
        writer.writerow([_csv_cell(column, cell) for column, cell in zip(head, row, strict=True)])
    return file.getvalue().encode()


def _csv_cell(column: Column, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return guarded(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    if column.kind in ("points", "hours"):
        return f"{cell:.2f}"
    return f"{cell:.4f}" if column.kind == "share" else str(cell)


def _xlsx(head: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        book.set_properties({"created": _CREATED})
        formats = {kind: book.add_format({"num_format": number}) for kind, number in _NUMBER_FORMATS.items()}
        formats["text"] = book.add_format({"num_format": "@"})
        formats["formula"] = book.add_format({"num_format": "@", "quote_prefix": True})
        header = book.add_format({"bold": True, "bottom": 1, "valign": "bottom"})
        upright = book.add_format({"bold": True, "bottom": 1, "valign": "bottom", "rotation": 90})
        sheet = book.add_worksheet("scores")
        sheet.freeze_panes(1, 2)  # the header, and whose row it is
        sheet.autofilter(0, 0, max(len(rows), 1), len(head) - 1)
        sheet.set_row(0, 140)  # points; high enough for the longest check's id, upright
        for at, column in enumerate(head):
            sheet.set_column(at, at, _width(column, [row[at] for row in rows]))
            sheet.write_string(0, at, column.name, header if column.kind in ("text", "time") else upright)
            for number, row in enumerate(rows, 1):
                _xlsx_cell(sheet, number, at, column, row[at], formats)
    return file.getvalue()


def _xlsx_cell(
    sheet: xlsxwriter.worksheet.Worksheet,
    row: int,
    at: int,
    column: Column,
    cell: Cell,
    formats: dict[str, xlsxwriter.format.Format],
) -> None:
    if cell is None or cell == "":
        return
    if isinstance(cell, datetime):
        if cell.tzinfo is None and cell.year >= 1900:
            sheet.write_datetime(row, at, cell.replace(microsecond=0), formats["time"])
            return
        cell = cell.isoformat(sep=" ", timespec="seconds")  # Excel knows no zones, and nothing before 1900
    if isinstance(cell, str):
        # Kept word for word; the quote prefix keeps it a text when somebody edits the cell.
        sheet.write_string(row, at, cell, formats["formula" if acts_as_formula(cell) else "text"])
    else:
        number = round(float(cell), 4 if column.kind == "share" else 2)
        sheet.write_number(row, at, number, formats[column.kind])


def _width(column: Column, values: Sequence[Cell]) -> int:
    """As wide as the widest text, in terminal cells: a Chinese character takes two, as in Excel."""
    if column.kind != "text":
        return _WIDTHS[column.kind]
    widest = max([len(column.name) + 3, *(cell_len(str(value)) + 2 for value in values)])
    return min(widest, _WIDEST.get(column.name, _WIDE))
