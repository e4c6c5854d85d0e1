"""`scores.xlsx`, the workbook that a TA keeps: one for `grader grade` and for `grader export --to xlsx`.

The first sheet is the one that `grader decide` reads back; it holds no formula. The formulas on the others
count in it, so they follow whoever edits it. All texts are written as texts, never as formulas or links.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import xlsxwriter
from rich.cells import cell_len
from xlsxwriter.utility import xl_col_to_name

from grader.export.cells import DECIDED, WRITTEN, Cell, Column, acts_as_formula, cells, columns
from grader.gradebook import Published
from grader.marks import changes, holding
from grader.rubric import Rubric
from grader.scoring import accuracy_points
from grader.text import safe_line, safe_text
from grader.types import Decision, Outcome, Status, Verdict

MAXIMUM, HEADER, FIRST = 0, 1, 2  # the rows of the sheet of scores; pandas reads it with header=1

_CREATED = datetime(2000, 1, 1)  # any fixed date, so that the file's bytes do not depend on the clock
_NUMBER_FORMATS = {
    "count": "0",
    "points": "0.00",
    "hours": "0.00",
    "share": "0.00%",
    "time": "yyyy-mm-dd hh:mm:ss",
}
_WIDTHS = {"count": 9, "points": 10.5, "hours": 9, "share": 10, "time": 19}  # in characters
_WIDEST = {"student_id": 30, "name": 30, "section": 20, "status": 14}
_WIDE = 60  # all other texts, at most
_TOLD = ("decisions", "reason", "flags", "remarks")  # columns that are not printed
_LINE, _HIGHEST = 15, 405  # points, of a row; Excel's own limit is 409
_CELL_CHARACTERS = 30_000  # Excel's own limit is 32,767
_BINS = 20  # of the histogram
_RED, _AMBER, _GREEN, _GREY = "#F8CBAD", "#FFE699", "#C6E0B4", "#EDEDED"
_MEANINGS = {
    Status.GRADED: "every row was decided",
    Status.ABSENT: "on the class list, and nothing was handed in",
    Status.NOT_GRADABLE: "nothing usable was handed in: ask the student",
    Status.TIMEOUT: "the code used up its time",
    Status.OUT_OF_MEMORY: "the code used up its memory",
    Status.CRASHED: "the code could not be loaded, or took its process down",
    Status.QUARANTINED: "whose it is cannot be told, or the archive is hostile: no mark, look at it",
    Status.GRADER_ERROR: "the grader's own fault: no mark, run the same command again",
}


def workbook(
    verdicts: Sequence[Verdict],
    rubric: Rubric,
    decisions: Sequence[Decision] = (),
    published: Mapping[str, Published] | None = None,
) -> bytes:
    """The workbook's bytes; the same marks give the same.

    `decisions` are all that were made, undone ones included; `published` has the mark that each student was
    given last.
    """
    verdicts = sorted(verdicts, key=lambda verdict: verdict.student_id)
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        book.set_properties({"created": _CREATED, "title": safe_line(rubric.title, 200)})
        formats = _Formats(book)
        scores = _Scores(book, formats, verdicts, rubric)
        _checks(book, formats, scores, verdicts, rubric)
        _questions(book, formats, verdicts, rubric)
        _accuracy(book, formats, scores, verdicts, rubric)
        _status(book, formats, scores, verdicts)
        _decisions(book, formats, decisions, {verdict.student_id: verdict.name for verdict in verdicts})
        _changes(book, formats, verdicts, published or {})
        _written(book, formats, verdicts, rubric)
    return file.getvalue()


class _Formats:
    """The formats of cells, by what is in them."""

    def __init__(self, book: Any) -> None:
        top: dict[str, object] = {"valign": "top"}
        self.by_kind = {kind: book.add_format({"num_format": n} | top) for kind, n in _NUMBER_FORMATS.items()}
        top |= {"align": "left", "indent": 1}  # or a text would touch the number before it
        self.text = book.add_format({"num_format": "@"} | top)
        # The quote prefix keeps a text a text when somebody edits the cell.
        self.quoted = book.add_format({"num_format": "@", "quote_prefix": True} | top)
        wrap = top | {"num_format": "@", "text_wrap": True}
        self.wrapped = book.add_format(wrap)
        self.wrapped_quoted = book.add_format(wrap | {"quote_prefix": True})
        header = {"bold": True, "bottom": 1, "valign": "bottom", "text_wrap": True, "bg_color": _GREY}
        self.header = book.add_format(header | {"align": "left", "indent": 1})
        self.header_right = book.add_format(header | {"align": "right", "indent": 1})
        self.decided = book.add_format(
            {"num_format": _NUMBER_FORMATS["points"], "valign": "top", "font_strikeout": True}
        )
        self.maximum = book.add_format({"num_format": "0.##", "italic": True, "align": "right"})
        self.label = book.add_format({"italic": True})
        self.title = book.add_format({"bold": True})
        self.red = book.add_format({"bg_color": _RED})
        self.amber = book.add_format({"bg_color": _AMBER})


def _write(
    sheet: Any, row: int, at: int, kind: str, cell: Cell, formats: _Formats, wrap: bool = False
) -> None:
    """A cell of a `kind` of column. What cannot be a number or a date in a spreadsheet stays a text."""
    if cell is None or cell == "":
        return
    if isinstance(cell, datetime):
        if cell.tzinfo is None and cell.year >= 1900:
            sheet.write_datetime(row, at, cell.replace(microsecond=0), formats.by_kind["time"])
            return
        cell = cell.isoformat(sep=" ", timespec="seconds")  # Excel knows no zones, and nothing before 1900
    if isinstance(cell, str):
        plain, quoted = (formats.wrapped, formats.wrapped_quoted) if wrap else (formats.text, formats.quoted)
        sheet.write_string(row, at, cell, quoted if acts_as_formula(cell) else plain)
    else:
        number = round(float(cell), 4 if kind == "share" else 2)
        sheet.write_number(row, at, number, formats.by_kind[kind])


def _page(sheet: Any, name: str, last_header: int, *, one_wide: bool = True) -> None:
    """How the sheet is printed: A4 across, the header on every page."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
    sheet.repeat_rows(0, last_header)
    sheet.set_header(f"&L{name}")
    sheet.set_footer("&R&P / &N")
    if one_wide:
        sheet.fit_to_pages(1, 0)


class _Scores:
    """The sheet of scores: a line a student, above the header each column's maximum."""

    def __init__(self, book: Any, formats: _Formats, verdicts: Sequence[Verdict], rubric: Rubric) -> None:
        head = columns(rubric)
        order = sorted(range(len(head)), key=lambda at: head[at].name in _TOLD)  # the long texts last
        self.columns = [head[at] for at in order]
        self.places = {column.name: at for at, column in enumerate(self.columns)}
        rows = [[line[at] for at in order] for line in (cells(verdict, rubric) for verdict in verdicts)]
        self.last = FIRST + max(len(rows), 1) - 1
        most = _maxima(rubric)
        sheet = book.add_worksheet("Scores")
        sheet.freeze_panes(FIRST, 2)
        sheet.autofilter(HEADER, 0, self.last, len(self.columns) - 1)
        sheet.set_row(HEADER, 54)  # points: three lines of words, and the filter's button
        sheet.write_string(MAXIMUM, 0, "maximum", formats.label)
        for at, column in enumerate(self.columns):
            sheet.set_column(at, at, _width(column, [row[at] for row in rows]))
            format = formats.header if column.kind == "text" else formats.header_right
            sheet.write_string(HEADER, at, column.name.replace("_", " "), format)
            if column.name in most:
                sheet.write_number(MAXIMUM, at, float(most[column.name]), formats.maximum)
                self._check_entries(sheet, at, float(most[column.name]))
            for number, (row, verdict) in enumerate(zip(rows, verdicts, strict=True), FIRST):
                _write(sheet, number, at, column.kind, row[at], formats)
                cell = row[at]
                if isinstance(cell, Decimal) and column.name in _decided_columns(verdict):
                    sheet.write_number(number, at, float(cell), formats.decided)
        self._colour(sheet, formats, rubric)
        _page(sheet, "Scores", HEADER, one_wide=False)
        sheet.repeat_columns(0, 1)
        sheet.set_print_scale(62)
        sheet.print_area(0, 0, self.last, self.places[_TOLD[0]] - 1)

    def range(self, name: str) -> str:
        """A column's cells, as formulas on other sheets name them."""
        letter = xl_col_to_name(self.places[name], col_abs=True)
        return f"Scores!{letter}${FIRST + 1}:{letter}${self.last + 1}"

    def _check_entries(self, sheet: Any, at: int, most: float) -> None:
        sheet.data_validation(
            FIRST,
            at,
            self.last,
            at,
            {
                "validate": "decimal",
                "criteria": "between",
                "minimum": 0,
                "maximum": most,
                "error_title": "points",
                "error_message": f"from 0 to {most:g}",
            },
        )

    def _colour(self, sheet: Any, formats: _Formats, rubric: Rubric) -> None:
        for name in (*rubric.checks, *(question.id for question in rubric.questions)):
            at = self.places[name]
            letter = xl_col_to_name(at)
            cell, highest = f"{letter}{FIRST + 1}", f"{letter}${MAXIMUM + 1}"
            for rule, colour in (
                (f"AND(ISNUMBER({cell}),{cell}=0,{highest}>0)", formats.red),
                (f"AND(ISNUMBER({cell}),{cell}<{highest})", formats.amber),
            ):
                sheet.conditional_format(
                    FIRST, at, self.last, at, {"type": "formula", "criteria": f"={rule}", "format": colour}
                )
        for name, most in (("total", rubric.out_of), ("accuracy_points", rubric.accuracy.points)):
            at = self.places[name]
            values = {"min_value": 0, "mid_value": float(most) / 2, "max_value": float(most)}
            colours = {"min_color": _RED, "mid_color": _AMBER, "max_color": _GREEN}
            types = dict.fromkeys(("min_type", "mid_type", "max_type"), "num")
            scale = {"type": "3_color_scale", **types, **values, **colours}
            sheet.conditional_format(FIRST, at, self.last, at, scale)
        at = self.places["status"]
        cell = f"{xl_col_to_name(at)}{FIRST + 1}"
        for words, colour in (((Status.GRADER_ERROR, Status.QUARANTINED), formats.red), ((), formats.amber)):
            rule = ",".join(f'{cell}="{word.value}"' for word in words)
            rule = f"OR({rule})" if words else f'AND({cell}<>"",{cell}<>"graded")'
            sheet.conditional_format(
                FIRST, at, self.last, at, {"type": "formula", "criteria": f"={rule}", "format": colour}
            )
        at = self.places["flags"]
        flagged = {"type": "no_blanks", "format": formats.amber}
        sheet.conditional_format(FIRST, at, self.last, at, flagged)


def _maxima(rubric: Rubric) -> dict[str, Decimal]:
    """The most that a column of points can have."""
    whole = dict.fromkeys(("total", "out_of", "machine_total"), rubric.out_of)
    questions = {question.id: question.points for question in rubric.questions}
    return {**whole, **rubric.checks, "accuracy_points": rubric.accuracy.points, **questions}


def _width(column: Column, values: Sequence[Cell]) -> float:
    """As wide as the widest text, in terminal cells: a Chinese character takes two, as in Excel."""
    if column.kind != "text":
        return _WIDTHS[column.kind]
    widest = max([len(column.name) + 3, *(cell_len(str(value)) + 2 for value in values)])
    return min(widest, _WIDEST.get(column.name, _WIDE))


def _table(
    sheet: Any,
    formats: _Formats,
    head: Sequence[tuple[str, str, float]],
    rows: Iterable[Sequence[Cell]],
    first: int = 0,
) -> int:
    """Columns of (name, kind, width) with their rows below, texts wrapped; the last row."""
    for at, (name, kind, width) in enumerate(head):
        sheet.set_column(at, at, width)
        sheet.write_string(first, at, name, formats.header if kind == "text" else formats.header_right)
    last = first
    for last, row in enumerate(rows, first + 1):
        # LibreOffice does not make room for wrapped texts of its own accord.
        lines = max([_lines(cell, width) for (_, _, width), cell in zip(head, row, strict=True)])
        if lines > 1:
            sheet.set_row(last, min(_LINE * lines, _HIGHEST))
        for at, ((_, kind, _), cell) in enumerate(zip(head, row, strict=True)):
            _write(sheet, last, at, kind, cell, formats, wrap=True)
    return last


def _lines(cell: Cell, width: float) -> int:
    """About so many lines a text takes in a column of this width."""
    if not isinstance(cell, str):
        return 1
    lines = cell.split("\n")
    return sum(1 + int((len(line) if line.isascii() else cell_len(line)) / width) for line in lines)


def _checks(
    book: Any, formats: _Formats, scores: _Scores, verdicts: Sequence[Verdict], rubric: Rubric
) -> None:
    """How the class did in each row of the rubric, and what came out where it is wrong."""
    sheet = book.add_worksheet("Checks")
    titles = {row.id: row.title for verdict in reversed(verdicts) for row in verdict.rows if row.title}
    titles["accuracy"] = rubric.accuracy.title
    titles |= {question.id: question.text for question in rubric.questions}
    head = [
        ("row", "text", 24.0),
        ("what it asks for", "text", 42.0),
        ("maximum", "points", 10.0),
        ("students", "count", 10.0),
        ("full points", "count", 10.0),
        ("pass rate", "share", 10.0),
        ("mean points", "points", 10.0),
        ("commonest wrong values", "text", 48.0),
        ("commonest reason", "text", 48.0),
    ]
    most = _maxima(rubric)
    ids = [*rubric.checks, "accuracy", *(question.id for question in rubric.questions)]
    rows: list[list[Cell]] = []
    for id in ids:
        told: list[Cell] = [safe_line(id, 60), safe_line(titles.get(id, ""), 300), most[_column_of(id)]]
        rows.append([*told, None, None, None, None, *_commonest(verdicts, id)])
    last = _table(sheet, formats, head, rows)
    for number, id in enumerate(ids, 1):
        points = [_points_of(verdict, id) for verdict in verdicts if verdict.machine_total is not None]
        known = [one for one in points if one is not None]
        full = most[_column_of(id)]
        passed = sum(one >= full for one in known)
        where = scores.range(_column_of(id))
        formulas = (
            (3, f"=COUNT({where})", len(known), "count"),
            (4, f'=COUNTIF({where},">={full}")', passed, "count"),
            (5, f'=IF(D{number + 1}=0,"",E{number + 1}/D{number + 1})', _share(passed, known), "share"),
            (6, f'=IF(D{number + 1}=0,"",AVERAGE({where}))', _mean(known), "points"),
        )
        for at, formula, value, kind in formulas:
            sheet.write_formula(number, at, formula, formats.by_kind[kind], value)
    bar = {"type": "data_bar", "bar_color": "#8FAADC", "min_type": "num", "max_type": "num"}
    sheet.conditional_format(1, 5, last, 5, bar | {"min_value": 0, "max_value": 1})
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, last, len(head) - 1)
    _page(sheet, "Checks", 0)


def _decided_columns(verdict: Verdict) -> set[str]:
    """The columns in which the grader's points stand though a person gave others."""
    return {_column_of(row.id) for row in verdict.rows if row.decided not in (None, row.points)}


def _column_of(id: str) -> str:
    return "accuracy_points" if id == "accuracy" else id


def _points_of(verdict: Verdict, id: str) -> Decimal | None:
    return next((row.points for row in verdict.rows if row.id == id), None)


def _share(passed: int, known: Sequence[Decimal]) -> float | str:
    return passed / len(known) if known else ""


def _mean(known: Sequence[Decimal]) -> float | str:
    return float(sum(known, Decimal(0))) / len(known) if known else ""


def _commonest(verdicts: Sequence[Verdict], id: str) -> tuple[str, str]:
    """What came out where a check failed, and why a row has no points; how often each."""
    failed = [check for one in verdicts for check in one.checks if check.id == id]
    values = Counter(
        safe_line(check.actual, 120) for check in failed if check.outcome is Outcome.FAILED and check.actual
    )
    rows = [row for one in verdicts for row in one.rows if row.id == id and row.outcome is Outcome.FAILED]
    reasons = Counter(safe_line(row.reason, 200) for row in rows if row.reason)
    return _counted(values, 3), _counted(reasons, 1)


def _counted(found: Counter[str], most: int) -> str:
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most]
    return " · ".join(f"{text} ({count} ×)" for text, count in best)


def _questions(book: Any, formats: _Formats, verdicts: Sequence[Verdict], rubric: Rubric) -> None:
    """All answers to read, question by question."""
    sheet = book.add_worksheet("Questions")
    head = [
        ("question", "text", 12.0),
        ("student", "text", 16.0),
        ("name", "text", 18.0),
        ("points", "points", 9.0),
        ("length", "count", 9.0),
        ("answer", "text", 100.0),
        ("remark", "text", 30.0),
    ]
    rows: list[list[Cell]] = []
    for number, question in enumerate(rubric.questions, 1):
        for verdict in verdicts:
            for answer in verdict.answers:
                if answer.number == number:
                    rows.append(
                        [
                            question.id,
                            safe_line(verdict.student_id, 200),
                            safe_line(verdict.name, 200),
                            next((row.counts for row in verdict.rows if row.id == question.id), None),
                            answer.amount,
                            safe_text(answer.text, _CELL_CHARACTERS),
                            safe_line(answer.reason, 500),
                        ]
                    )
    last = _table(sheet, formats, head, rows)
    sheet.freeze_panes(1, 3)
    sheet.autofilter(0, 0, max(last, 1), len(head) - 1)
    _page(sheet, "Questions", 0)


def _accuracy(
    book: Any, formats: _Formats, scores: _Scores, verdicts: Sequence[Verdict], rubric: Rubric
) -> None:
    """How the accuracies are spread, and what they earn."""
    sheet = book.add_worksheet("Accuracy")
    shares = [
        round(one.accuracy.accuracy, 4)
        for one in verdicts
        if one.accuracy and one.accuracy.accuracy is not None
    ]
    head = [("from", "share", 10.0), ("below", "share", 10.0), ("students", "count", 10.0)]
    edges = [at / _BINS for at in range(_BINS + 1)]
    _table(sheet, formats, head, [[low, high, None] for low, high in pairwise(edges)])
    where = scores.range("accuracy")
    for number, (low, high) in enumerate(pairwise(edges), 1):
        is_last = number == _BINS
        sign = "<=" if is_last else "<"
        formula = f'=COUNTIFS({where},">="&A{number + 1},{where},"{sign}"&B{number + 1})'
        inside = sum(low <= share < high or (is_last and share == high) for share in shares)
        sheet.write_formula(number, 2, formula, formats.by_kind["count"], inside)
    for at, name in ((4, "accuracy"), (5, "points")):
        sheet.set_column(at, at, 10)
        sheet.write_string(0, at, name, formats.header_right)
    knots = [(Decimal(0), accuracy_points(rubric, 0, 1)), *rubric.accuracy.knots]
    knots.append((Decimal(100), accuracy_points(rubric, 1, 1)))
    knots = list(dict.fromkeys(knots))
    for number, (percent, points) in enumerate(knots, 1):
        _write(sheet, number, 4, "share", percent / 100, formats)
        _write(sheet, number, 5, "points", points, formats)
    histogram = book.add_chart({"type": "column"})
    histogram.add_series(
        {
            "name": "students",
            "categories": ["Accuracy", 1, 0, _BINS, 0],
            "values": ["Accuracy", 1, 2, _BINS, 2],
            "gap": 5,
            "fill": {"color": "#8FAADC"},
        }
    )
    _chart(histogram, "Students by accuracy", ("accuracy, from", "0%"), ("students", "0"))
    sheet.insert_chart(0, 7, histogram, {"object_position": 3})
    curve = book.add_chart({"type": "scatter", "subtype": "straight"})
    curve.add_series(
        {
            "name": "the rubric",
            "categories": ["Accuracy", 1, 4, len(knots), 4],
            "values": ["Accuracy", 1, 5, len(knots), 5],
            "line": {"color": "#595959", "width": 1.5},
            "marker": {"type": "none"},
        }
    )
    curve.add_series(
        {
            "name": "students",
            "categories": f"={scores.range('accuracy')}",
            "values": f"={scores.range('accuracy_points')}",
            "line": {"none": True},
            "marker": {"type": "circle", "size": 5, "fill": {"color": "#2F5597"}},
        }
    )
    _chart(curve, "Points by accuracy", ("accuracy", "0%"), ("points", "0"))
    share = {"name": "accuracy", "num_format": "0%", "min": 0, "max": 1}
    curve.set_x_axis(share | {"major_gridlines": {"visible": True}})
    sheet.insert_chart(20, 7, curve, {"object_position": 3})
    sheet.print_area(0, 0, 40, 18)
    _page(sheet, "Accuracy", 0)


def _chart(chart: Any, title: str, x: tuple[str, str], y: tuple[str, str]) -> None:
    chart.set_title({"name": title, "name_font": {"size": 12}})
    chart.set_x_axis({"name": x[0], "num_format": x[1]})
    chart.set_y_axis({"name": y[0], "num_format": y[1], "major_gridlines": {"visible": True}})
    chart.set_size({"width": 640, "height": 380})
    chart.set_legend({"none": True})


def _status(book: Any, formats: _Formats, scores: _Scores, verdicts: Sequence[Verdict]) -> None:
    """How grading ended, and everybody with whom something is to be done."""
    sheet = book.add_worksheet("Status")
    found = Counter(verdict.status for verdict in verdicts)
    head = [("status", "text", 16.0), ("students", "count", 20.0), ("what it means", "text", 16.0)]
    _table(sheet, formats, head, [])
    for number, status in enumerate(Status, 1):
        sheet.write_string(number, 0, status.value, formats.text)
        formula = f"=COUNTIF({scores.range('status')},A{number + 1})"
        sheet.write_formula(number, 1, formula, formats.by_kind["count"], found[status])
        sheet.write_string(number, 2, _MEANINGS[status], formats.text)
    first = len(Status) + 2
    head = [
        ("student", "text", 16.0),
        ("name", "text", 20.0),
        ("status", "text", 16.0),
        ("standing", "text", 11.0),
        ("total", "points", 10.0),
        ("flags", "count", 8.0),
        ("why", "text", 90.0),
    ]
    told = [
        verdict
        for verdict in verdicts
        if verdict.status is not Status.GRADED or verdict.standing != "counts" or verdict.open_flags
    ]
    rows: list[list[Cell]] = []
    for one in told:
        flags = [f"{flag.kind}: {flag.message}" for flag in one.open_flags]
        rows.append(
            [
                safe_line(one.student_id, 200),
                safe_line(one.name, 200),
                one.status.value,
                one.standing,
                one.total,
                len(one.open_flags) or None,
                safe_text("\n".join(safe_line(text, 1500) for text in [one.reason, *flags] if text), 5000),
            ]
        )
    last = _table(sheet, formats, head, rows, first)
    sheet.autofilter(first, 0, max(last, first + 1), len(head) - 1)
    _page(sheet, "Status", 0)


def _decisions(book: Any, formats: _Formats, decisions: Sequence[Decision], names: Mapping[str, str]) -> None:
    """What people decided, the newest last, undone ones included."""
    sheet = book.add_worksheet("Decisions")
    by_student: dict[str, list[Decision]] = {}
    for one in decisions:
        by_student.setdefault(one.student_id, []).append(one)
    held = {one.number for several in by_student.values() for one in holding(several).numbers.values()}
    head = [
        ("number", "count", 9.0),
        ("made at (UTC)", "time", 19.0),
        ("by", "text", 18.0),
        ("student", "text", 16.0),
        ("name", "text", 20.0),
        ("decision", "text", 40.0),
        ("why", "text", 60.0),
        ("holds", "text", 9.0),
    ]
    rows: list[list[Cell]] = [
        [
            one.number,
            one.made_at.replace(tzinfo=None),
            safe_line(one.by, 200),
            safe_line(one.student_id, 200),
            safe_line(names.get(one.student_id, ""), 200),
            safe_line(one.what, 300),
            safe_line(one.why, 1000),
            "yes" if one.number in held else "no",
        ]
        for one in sorted(decisions, key=lambda one: one.number)
    ]
    last = _table(sheet, formats, head, rows)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(last, 1), len(head) - 1)
    _page(sheet, "Decisions", 0)


def _changes(
    book: Any, formats: _Formats, verdicts: Sequence[Verdict], published: Mapping[str, Published]
) -> None:
    """What is not as each student was told last."""
    sheet = book.add_worksheet("Changes")
    told = "Nothing has been exported yet."
    if published:
        newest = max(published.values(), key=lambda one: one.at)
        at = newest.at[:16].replace("T", " ")
        told = f"Since the last export of each mark; the newest: {newest.what}, {at} UTC"
    before = [one.verdict for one in published.values()]
    rows: list[list[Cell]] = [list(change) for change in changes(before, verdicts)]
    if published:
        rows += [
            [one.student_id, "total", "", str(one.total), "not exported yet"]
            for one in verdicts
            if one.student_id not in published and one.total is not None
        ]
    names = {verdict.student_id: verdict.name for verdict in verdicts}
    head = [
        ("student", "text", 16.0),
        ("name", "text", 20.0),
        ("row", "text", 24.0),
        ("before", "text", 12.0),
        ("now", "text", 12.0),
        ("why", "text", 60.0),
    ]
    safe = [[safe_line(str(cell), 500) for cell in row] for row in rows]
    last = _table(
        sheet, formats, head, [[row[0], safe_line(names.get(row[0], ""), 200), *row[1:]] for row in safe], 1
    )
    sheet.write_string(0, 0, safe_line(told, 300), formats.label)
    sheet.freeze_panes(2, 0)
    sheet.autofilter(1, 0, max(last, 2), len(head) - 1)
    _page(sheet, "Changes since the last export", 1)


def _written(book: Any, formats: _Formats, verdicts: Sequence[Verdict], rubric: Rubric) -> None:
    """The sheet of scores once more, hidden and without the long texts, to tell later what was edited."""
    sheet = book.add_worksheet(WRITTEN)
    sheet.very_hidden()
    head = columns(rubric)
    kept = [at for at, column in enumerate(head) if column.name not in _TOLD]
    for at, name in enumerate([*(head[at].name for at in kept), DECIDED]):
        sheet.write_string(0, at, name)
    for number, verdict in enumerate(verdicts, 1):
        line = cells(verdict, rubric)
        for at, of in enumerate(kept):
            _write(sheet, number, at, head[of].kind, line[of], formats)
        decided = " ".join(f"{row.id}={row.decided}" for row in verdict.rows if row.decided is not None)
        _write(sheet, number, len(kept), "text", decided, formats)
