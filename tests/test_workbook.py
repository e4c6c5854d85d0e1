"""The workbook that a TA keeps: its sheets, its formulas, what a spreadsheet makes of it, and back again."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from test_export import CLASS, DEFAULT, ended, graded
from test_gradebook import decision, found, handed_in, keep

from grader.cli import main
from grader.decisions import read_decisions
from grader.export.scores import as_csv
from grader.export.workbook import workbook
from grader.gradebook import Gradebook, Published
from grader.types import AnswerOutcome, CheckOutcome, Flag, Outcome, Status, Verdict

# What makes a spreadsheet take a cell for a formula: the published lists, and what stands before it unseen.
TRIGGERS = [
    *["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1+1", "\0=1+1", " =1+1", "\u200b=1+1"],
    *[
        "＝1+1",
        "＋1+1",
        "－1+1",
        "＠SUM(1)",
        "﹦1+1",
        "\u2212(1)",
        "{=1+1}",
        "'=1+1",
        '"=1+1"',
        ";=1+1",
        ",=1+1",
    ],
    *["=cmd|' /C calc'!A0", '=HYPERLINK("http://x.invalid","x")', '=IMPORTXML("http://x.invalid","//a")'],
    *['DDE("cmd";"/C calc";"x")', "@SUM(1+1)*cmd|' /C calc'!A0", "=1+1;=2+2", "张三;=1+1"],
]
soffice = shutil.which("soffice")
needs_soffice = pytest.mark.skipif(soffice is None, reason="LibreOffice is not installed")


def hostile(text: str, student: str = "") -> Verdict:
    """A verdict with `text` wherever a student or a TA can put one."""
    verdict = graded(student or text, text, failed={"conv_size_floor": text})
    wrong = {"actual": text, "expected": text}
    failed = Outcome.FAILED
    checks = tuple(one.model_copy(update=wrong) if one.outcome is failed else one for one in verdict.checks)
    answers = (AnswerOutcome(number=1, present=False, amount=3, reason=text, text=text),)
    told: dict[str, Any] = {
        "section": text,
        "checks": checks,
        "answers": answers,
        "remarks": (text,),
        "flags": (Flag(kind="claim", message=text),),
        "reason": text,
        "decisions": (text,),
        "status": Status.CRASHED,
    }
    return verdict.model_copy(update=told)


def made_from(texts: list[str]) -> bytes:
    verdicts = [hostile(text, f"{text}{at}") for at, text in enumerate(texts)]
    decisions = [
        decision(one.student_id, number=at).model_copy(update={"why": one.name, "by": one.name})
        for at, one in enumerate(verdicts)
    ]
    old = [one.model_copy(update={"total": Decimal(1)}) for one in verdicts]
    published = {one.student_id: Published("2026-11-26T10:00", one.name, one) for one in old}
    return workbook(verdicts, DEFAULT, decisions, published)


def opened(content: bytes, **more: bool) -> Any:
    return openpyxl.load_workbook(io.BytesIO(content), **more)


def converted(path: Path, kind: str) -> Path:
    """What LibreOffice makes of a file."""
    assert soffice
    profile = f"-env:UserInstallation={(path.parent / 'profile').as_uri()}"
    words = [soffice, profile, "--headless", "--convert-to", kind, "--outdir", str(path.parent), str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    made = path.with_suffix(f".{kind}")
    assert done.returncode == 0 and made.exists(), done.stderr
    return made


def formulas_in(flat: Path) -> list[str]:
    """The formulas of a flat OpenDocument sheet: what LibreOffice takes for live."""
    cells = (
        ElementTree.parse(flat).getroot().iter("{urn:oasis:names:tc:opendocument:xmlns:table:1.0}table-cell")
    )
    name = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}formula"
    return [cell.attrib[name] for cell in cells if name in cell.attrib]


OURS = re.compile(r"of:=(COUNT|COUNTIFS?|IF)\([\[\]$.'A-Za-z0-9:;=<>\"&/()]*\)")


def test_sheets_and_print_set_up() -> None:
    book = opened(workbook(CLASS, DEFAULT))
    names = ["Scores", "Checks", "Questions", "Accuracy", "Status", "Decisions", "Changes"]
    assert [sheet.title for sheet in book if sheet.sheet_state == "visible"] == names
    assert book["Written"].sheet_state == "veryHidden"
    sheet = book["Scores"]
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.print_title_rows == "$1:$2" and sheet.print_title_cols == "$A:$B"
    header = [cell.value for cell in sheet[2]]
    most = {name: sheet.cell(1, at).value for at, name in enumerate(header, 1)}
    asked = ("total", "conv size formula", "accuracy points", "question 4")
    assert [most[name] for name in asked] == [104, 2, 70, 1]
    assert all(cell.alignment.wrap_text for cell in sheet[2])
    assert all(one.auto_filter.ref for one in book if one.title not in ("Accuracy", "Written"))
    assert [len(one._charts) for one in book] == [0, 0, 0, 2, 0, 0, 0, 0]
    assert len(sheet.conditional_formatting) > len(DEFAULT.checks)


def test_the_class_is_counted_by_formulas_that_follow_the_scores() -> None:
    wrong = CheckOutcome(id="conv_size_floor", title="x", outcome=Outcome.FAILED, actual="3", reason="got 3")
    verdicts = [graded(f"pb{at}", failed={"conv_size_floor": "got 3"} if at < 3 else None) for at in range(4)]
    verdicts = [
        one.model_copy(update={"checks": (wrong,)}) if at < 3 else one for at, one in enumerate(verdicts)
    ]
    content = workbook(verdicts, DEFAULT)
    rows = {row[0]: row for row in opened(content, data_only=True)["Checks"].iter_rows(values_only=True)}
    assert rows["conv_size_floor"][2:7] == (2, 4, 1, 0.25, 0.5)
    assert rows["conv_size_floor"][7:] == ("3 (3 ×)", "got 3 (3 ×)")
    formula = opened(content)["Checks"]["E3"].value
    assert re.fullmatch(r'=COUNTIF\(Scores!\$[A-Z]+\$3:\$[A-Z]+\$6,">=2.00"\)', formula)
    accuracy = opened(content, data_only=True)["Accuracy"]
    assert sum(row[2] for row in accuracy.iter_rows(2, 21, values_only=True)) == 4
    sheet = opened(content, data_only=True)["Status"]
    status = {row[0]: row[1] for row in sheet.iter_rows(2, 9, values_only=True)}
    assert status["graded"] == 4 and status["absent"] == 0


def test_answers_stand_there_in_full_and_decisions_with_those_that_were_undone() -> None:
    text = "第一行\n" + "Because of the kernels. " * 100
    answered = (AnswerOutcome(number=1, present=True, amount=400, text=text),)
    verdict = graded("pb1", "张三").model_copy(update={"answers": answered})
    first = decision("pb1", row="question_1", points=Decimal(0), number=1)
    undo = decision("pb1", "undo", undoes=1, number=2)
    book = opened(workbook([verdict], DEFAULT, [first, undo]))
    assert book["Questions"]["F2"].value == text
    assert [row[7] for row in book["Decisions"].iter_rows(2, values_only=True)] == ["no", "no"]
    assert book["Changes"]["A1"].value == "Nothing has been exported yet."


def test_what_changed_since_the_last_export_is_told(tmp_path: Path) -> None:
    old = graded("pb1", "张三")
    new = graded("pb1", "张三", failed={"conv_size_floor": "got 3"})
    published = {"pb1": Published("2026-11-26T10:00:00", "canvas: Lab 8 (1)", old)}
    sheet = opened(workbook([new, graded("pb2")], DEFAULT, (), published))["Changes"]
    rows = [row[:5] for row in sheet.iter_rows(3, values_only=True)]
    assert rows == [
        ("pb1", "张三", "conv_size_floor", "2.00", "0.00"),
        ("pb1", "张三", "total", "83.22", "81.22"),
        ("pb2", None, "total", None, "83.22"),
    ]
    assert "canvas: Lab 8 (1)" in sheet["A1"].value


def test_it_goes_through_pandas_and_comes_back_as_decisions(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with Gradebook.open_to_grade(folder) as book:
        keep(book, *((handed_in(id), found(handed_in(id))) for id in ("001", "pb2", "张三")))
    out = tmp_path / "kept.xlsx"
    result = CliRunner().invoke(main, ["export", str(folder), "--to", "xlsx", "--out", str(out)])
    assert result.exit_code == 0, result.output
    frame = pd.read_excel(out, header=1, dtype={"student id": str})
    assert frame["student id"].tolist() == ["001", "pb2", "张三"]
    frame["question 1"] = frame["question 1"].astype(float)
    frame.loc[frame["student id"] == "001", "question 1"] = 0.5
    frame.to_excel(tmp_path / "edited.xlsx", index=False)
    words = ["decide", str(folder), str(tmp_path / "edited.xlsx"), "--why", "half of it", "--yes"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0 and "001: question_1 is 0.50" in result.output, result.output
    with Gradebook.open(folder) as book:
        assert [one.points for one in book.decisions()["001"]] == [Decimal("0.50")]


@given(texts=st.lists(st.sampled_from(TRIGGERS) | st.text(max_size=30), min_size=1, max_size=3))
@settings(deadline=None)
def test_no_text_of_anybodys_is_a_formula(texts: list[str]) -> None:
    for sheet in opened(made_from(texts)):
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                if cell.data_type == "f":
                    assert OURS.fullmatch("of:" + cell.value.replace(",", ";").replace("!", "."))


def test_pandas_reads_every_sheet() -> None:
    sheets = pd.read_excel(io.BytesIO(made_from(TRIGGERS)), sheet_name=None)
    assert len(sheets) == 8 and all(len(sheet) for sheet in sheets.values())


@pytest.mark.slow
@needs_soffice
def test_libreoffice_runs_only_our_formulas_and_comes_to_the_same_counts(tmp_path: Path) -> None:
    path = tmp_path / "scores.xlsx"
    path.write_bytes(made_from(TRIGGERS))
    formulas = formulas_in(converted(path, "fods"))
    assert formulas and all(OURS.fullmatch(formula) for formula in formulas), formulas
    sheet = tmp_path / "scores.csv"
    sheet.write_bytes(as_csv([hostile(text, f"{text}{at}") for at, text in enumerate(TRIGGERS)], DEFAULT))
    assert formulas_in(converted(sheet, "fods")) == []


@pytest.mark.slow
@needs_soffice
def test_libreoffice_prints_it_with_names_and_header_on_every_page(tmp_path: Path) -> None:
    verdicts = [graded(f"pb{at:03}", "张三", failed={"conv_size_floor": "got 3"}) for at in range(60)]
    verdicts.append(ended("pb998", Status.QUARANTINED, "two students claim it"))
    path = tmp_path / "scores.xlsx"
    path.write_bytes(workbook(verdicts, DEFAULT))
    pages = [page.extract_text() for page in PdfReader(converted(path, "pdf")).pages]
    scores = [text for text in pages if "student id" in text]
    assert len(scores) >= 4 and all("maximum" in text and "pb" in text for text in scores)
    assert any("Students by accuracy" in text for text in pages)
    assert not any("Err:" in text or "#REF" in text or "#NAME" in text for text in pages)
    assert sum("question" in text for text in pages) >= 1 and "1 / " in pages[0]


def test_a_workbook_with_another_first_row_is_read_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "s.xlsx"
    path.write_bytes(workbook([graded("pb1")], DEFAULT))
    assert read_decisions(path, [graded("pb1")], by="x", why="y") == ([], [])


def test_a_settled_flag_is_no_more_to_be_looked_at_and_a_decided_cell_is_marked() -> None:
    flag = Flag(kind="claim", message="the notebook says 91 %")
    row = next(one for one in graded("pb1").rows if one.id == "question_1")
    rows = (row.model_copy(update={"decided": Decimal("0.00"), "why": "read"}),)
    one = graded("pb1").model_copy(update={"flags": (flag,), "settled": {flag.digest: "fine"}, "rows": rows})
    settled = decision("pb1", "settle_flag", number=1, row="claim", digest=flag.digest)
    made = openpyxl.load_workbook(io.BytesIO(workbook([one], DEFAULT, [settled])))
    assert [line[-1].value for line in made["Decisions"].iter_rows(min_row=2)] == ["yes"]
    assert not any(cell.value == "pb1" for line in made["Status"].iter_rows() for cell in line)
    scores = made["Scores"]
    at = [cell.value for cell in scores[2]].index("question 1") + 1
    assert scores.cell(3, at).value == 1 and scores.cell(3, at).font.strike
    assert not scores.cell(3, at + 1).font.strike
