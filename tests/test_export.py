"""The spreadsheet, the JSON files and the terminal's table: right types, same bytes, harmless text."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from students import evidence

from grader.errors import UserError
from grader.export import score_table, write_scores
from grader.export.cells import acts_as_formula, guarded
from grader.export.files import replace_file
from grader.rubric import RUBRIC, load_rubric
from grader.scoring import score
from grader.types import (
    Accuracy,
    AnswerOutcome,
    CheckOutcome,
    Outcome,
    Problem,
    Status,
    Submission,
    Verdict,
)

DEFAULT = load_rubric()
LITERAL = load_rubric(RUBRIC.with_name("accuracy_only.toml"))
MONDAY = datetime(2024, 3, 4, 23, 59, 7)
HEADER = [
    *["student_id", "name", "section", "attempt", "submitted_at", "status", "total", "out_of"],
    *["machine_total", "late_hours", "deduction", "decisions"],
    *DEFAULT.checks,
    "accuracy_points",
    *["correct", "images", "accuracy", "accuracy_low", "accuracy_high", "public_accuracy"],
    *["question_1", "question_2", "question_3", "question_4"],
    *["reason", "flags", "remarks"],
]
POINTS = [*DEFAULT.checks, "accuracy_points", "question_1", "question_2", "question_3", "question_4"]


def graded(
    student_id: str,
    name: str = "",
    *,
    correct: int | None = 7131,
    failed: dict[str, str] | None = None,
    submitted_at: datetime | None = MONDAY,
    problem: Problem | None = None,
) -> Verdict:
    failed = failed or {}
    accuracy = Accuracy(images=10_000, reason="the logits are NaN")
    if correct is not None:
        share = correct / 10_000
        accuracy = Accuracy(
            images=10_000, correct=correct, accuracy=share, low=share - 0.00891, high=share + 0.00879
        )
    return score(
        DEFAULT,
        evidence(
            Submission(student_id=student_id, name=name, attempt=2, submitted_at=submitted_at, digest="d"),
            problem=problem,
            checks=[
                CheckOutcome(
                    id=id,
                    title=f"about {id}",
                    outcome=Outcome.FAILED if id in failed else Outcome.PASSED,
                    reason=failed.get(id, ""),
                )
                for id in DEFAULT.checks
            ],
            accuracy=accuracy,
            answers=[
                AnswerOutcome(number=n, present=n != 3, amount=60, reason="" if n != 3 else "blank")
                for n in range(1, 5)
            ],
            log="第一轮\n",
        ),
    )


def ended(student_id: str, status: Status, reason: str) -> Verdict:
    problem = Problem(status=status, reason=reason)
    return score(DEFAULT, evidence(Submission(student_id=student_id), problem=problem))


CLASS = [
    graded("pb21000002", "张三", failed={"conv_size_floor": "expected 2, got 3"}),
    graded("pb21000001", "Ann Lee", correct=None),
    graded("00123", "=cmd|' /C calc'!A0", correct=9000),
    ended("pb4", Status.NOT_GRADABLE, "the zip is empty"),
    ended("pb5", Status.QUARANTINED, "two students claim it"),
    ended("pb6", Status.GRADER_ERROR, "RuntimeError: no space left"),
]


def read_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_xlsx(folder: Path) -> list[dict[str, Any]]:
    sheet = openpyxl.load_workbook(folder / "scores.xlsx")["Scores"]
    _, header, *rows = sheet.iter_rows(values_only=True)
    names = [str(name).replace(" ", "_") for name in header]
    return [dict(zip(names, row, strict=True)) for row in rows if any(cell is not None for cell in row)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("成绩")
    write_scores(CLASS, DEFAULT, folder)
    return folder


# What the spreadsheet says


def test_columns_stand_in_the_promised_order(results: Path) -> None:
    assert (results / "scores.csv").read_text("utf-8").splitlines()[0] == ",".join(HEADER)
    told = ["decisions", "reason", "flags", "remarks"]
    assert list(read_xlsx(results)[0]) == [name for name in HEADER if name not in told] + told


def test_rows_are_sorted_by_student(results: Path) -> None:
    order = ["00123", "pb21000001", "pb21000002", "pb4", "pb5", "pb6"]
    assert [row["student_id"] for row in read_csv(results)] == order
    assert [row["student_id"] for row in read_xlsx(results)] == order


def test_points_in_the_csv_have_two_decimals_and_add_up_to_the_total(results: Path) -> None:
    row = read_csv(results)[2]
    assert (row["total"], row["out_of"], row["accuracy_points"]) == ("81.22", "104.00", "50.22")
    assert (row["conv_size_formula"], row["conv_size_floor"]) == ("2.00", "0.00")
    assert sum(Decimal(row[column]) for column in POINTS) == Decimal(row["total"])
    assert [row[c] for c in ("correct", "images", "accuracy", "accuracy_low", "accuracy_high")] == [
        *["7131", "10000", "0.7131", "0.7042", "0.7219"]
    ]
    assert (row["attempt"], row["submitted_at"]) == ("2", "2024-03-04 23:59:07")
    assert row["reason"] == "conv_size_floor: expected 2, got 3 · question_3: blank"


def test_no_zero_without_a_status_and_no_mark_for_our_own_faults(results: Path) -> None:
    for rows, blank in ((read_csv(results), ""), (read_xlsx(results), None)):
        by_id = {row["student_id"]: row for row in rows}
        assert by_id["pb4"]["status"] == "not_gradable"
        assert float(by_id["pb4"]["total"]) == 0
        assert by_id["pb4"]["reason"] == "the zip is empty"
        for student, status in (("pb5", "quarantined"), ("pb6", "grader_error")):
            assert by_id[student]["status"] == status
            assert float(by_id[student]["out_of"]) == 104
            assert all(by_id[student][column] == blank for column in ["total", "correct", *POINTS])
        assert by_id["pb21000001"]["accuracy"] == blank
        assert by_id["pb21000001"]["images"] == blank
        assert "accuracy: the logits are NaN" in by_id["pb21000001"]["reason"]


def test_pandas_reads_numbers_dates_and_chinese_names(results: Path) -> None:
    frame = pd.read_csv(results / "scores.csv", dtype={"student_id": str}, parse_dates=["submitted_at"])
    assert frame["total"].dtype == "float64" and math.isnan(frame["total"][4])
    assert frame["attempt"].dtype == "int64"
    assert frame["submitted_at"][0] == pd.Timestamp(MONDAY)
    assert frame["name"][2] == "张三"
    sheet = pd.read_excel(results / "scores.xlsx", header=1, dtype={"student id": str})
    sheet.columns = sheet.columns.str.replace(" ", "_")
    assert sheet["total"].tolist()[:4] == frame["total"].tolist()[:4]
    assert sheet["submitted_at"].dtype.kind == "M"
    for column in ("accuracy_low", "correct", "conv_size_floor"):
        pd.testing.assert_series_equal(sheet[column], frame[column])


def test_the_sheet_has_real_types_a_frozen_header_and_formats(results: Path) -> None:
    sheet = openpyxl.load_workbook(results / "scores.xlsx")["Scores"]
    assert sheet.freeze_panes == "C3"
    assert sheet.auto_filter.ref == f"A2:{sheet.cell(8, len(HEADER)).coordinate}"
    row = {str(sheet.cell(2, at).value): sheet.cell(5, at) for at in range(1, len(HEADER) + 1)}
    assert (row["total"].value, row["total"].number_format) == (81.22, "0.00")
    assert (row["attempt"].value, row["attempt"].data_type) == (2, "n")
    assert (row["submitted at"].value, row["submitted at"].is_date) == (MONDAY, True)
    assert (row["accuracy"].value, row["accuracy"].number_format) == (0.7131, "0.00%")
    assert (row["name"].value, row["name"].data_type) == ("张三", "s")
    leading_zeros = sheet.cell(3, 1)
    assert (leading_zeros.value, leading_zeros.data_type) == ("00123", "s")


def test_columns_are_wide_enough_for_chinese(tmp_path: Path) -> None:
    name = "欧阳锋阿卜杜拉"
    write_scores([graded("pb1", name)], DEFAULT, tmp_path)
    sheet = openpyxl.load_workbook(tmp_path / "scores.xlsx")["Scores"]
    assert sheet.column_dimensions["B"].width > 2 * len(name)


@pytest.mark.parametrize(
    ("submitted_at", "text"),
    [
        (datetime(2024, 3, 4, 23, 59, 7, tzinfo=timezone(timedelta(hours=8))), "2024-03-04 23:59:07+08:00"),
        (datetime(1, 1, 1), "0001-01-01 00:00:00"),
    ],
)
def test_times_that_excel_does_not_know_stay_as_text(
    tmp_path: Path, submitted_at: datetime, text: str
) -> None:
    write_scores([graded("pb1", submitted_at=submitted_at)], DEFAULT, tmp_path)
    assert read_csv(tmp_path)[0]["submitted_at"] == text
    assert read_xlsx(tmp_path)[0]["submitted_at"] == text


def test_the_literal_rubric_and_an_empty_class_are_written_too(tmp_path: Path) -> None:
    verdict = score(
        LITERAL,
        evidence(
            Submission(student_id="pb1"),
            checks=[CheckOutcome(id=id, title=id, outcome=Outcome.PASSED) for id in LITERAL.checks],
            accuracy=Accuracy(images=3, correct=1, accuracy=1 / 3, low=0.06149194472039598, high=0.79),
            answers=[AnswerOutcome(number=n, present=True, amount=60) for n in (1, 2, 3, 4)],
        ),
    )
    write_scores([verdict], LITERAL, tmp_path)
    row = read_csv(tmp_path)[0]
    assert (row["total"], row["conv_size_floor"], row["accuracy_points"]) == ("37.33", "0.00", "33.33")
    assert (row["accuracy"], row["accuracy_low"]) == ("0.3333", "0.0615")
    assert read_xlsx(tmp_path)[0]["accuracy"] == 0.3333
    write_scores([], LITERAL, tmp_path)
    assert read_csv(tmp_path) == [] and read_xlsx(tmp_path) == []


# Hostile text

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "\u200b=1",
    "\ufeff＝1",
    "＋1",
    "－1",
    "＠x",
    "﹦1",
    "−1",
    "{=1+1}",
    "张三;=1+1",
    'http://x.invalid/"=1',
    "a\nb\x1b[31m",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_harmless_in_every_cell(tmp_path: Path, text: str) -> None:
    write_scores([graded(text, text, failed={"conv_size_floor": text})], DEFAULT, tmp_path)
    row = read_csv(tmp_path)[0]
    for cell in (row["student_id"], row["name"], row["reason"]):
        assert not acts_as_formula(cell)
        assert cell.isprintable()
        assert not any(acts_as_formula(part) for part in cell.split(";")[1:])
    sheet = openpyxl.load_workbook(tmp_path / "scores.xlsx")["Scores"]
    for at in (1, 2):
        cell = sheet.cell(3, at)
        assert cell.data_type == "s" and cell.hyperlink is None
        assert cell.value == row["student_id"].lstrip("'").replace(";'", ";")  # word for word
        assert cell.quotePrefix == acts_as_formula(str(cell.value))


@pytest.mark.parametrize("text", [*HOSTILE[:14], "\u3000=1", "\0x", "\u202e\xa0@x"])
def test_a_formula_is_known_by_its_first_visible_character(text: str) -> None:
    assert acts_as_formula(text)
    assert guarded(text) == f"'{text}"


def test_ordinary_text_and_numbers_are_left_alone() -> None:
    for text in ["pb21000001", "O'Neil", "张三", "a=b", "x - y", "1e5", "a; b", ""]:
        assert guarded(text) == text


@given(st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_guarded_text_never_acts_and_is_guarded_once(text: str) -> None:
    once = guarded(text)
    assert not acts_as_formula(once)
    assert guarded(once) == once
    assert once.replace("'", "") == text.replace("'", "")
    assert not any(acts_as_formula(part) for part in once.split(";"))


# JSON


def test_a_students_json_holds_the_verdict_without_what_is_the_instructors(results: Path) -> None:
    files = sorted(path.name for path in (results / "students").iterdir())
    assert files == ["00123.json", "pb21000001.json", "pb21000002.json", "pb4.json", "pb5.json", "pb6.json"]
    text = (results / "students" / "pb21000002.json").read_text("utf-8")
    assert "张三" in text
    assert Verdict.model_validate_json(text) == CLASS[0].model_copy(update={"digest": "", "flags": ()})
    assert not {"flags", "fingerprint", "digest"} & json.loads(text).keys()
    assert json.loads(text)["total"] == 81.22


def test_students_whose_names_meet_in_a_file_system_get_a_file_each(tmp_path: Path) -> None:
    ids = ["../../etc/passwd", "PBa", "pbA", "con", "学号 一"]
    write_scores([graded(id) for id in ids], DEFAULT, tmp_path / "results")
    files = list((tmp_path / "results" / "students").iterdir())
    assert len({path.name.casefold() for path in files}) == len(ids)
    assert {json.loads(path.read_text("utf-8"))["student_id"] for path in files} == set(ids)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_json_shows_no_control_or_reordering_character(tmp_path: Path) -> None:
    nasty = "\x1b[31m\x9b31m\u202e\u2028\ufeff\ud800x"
    verdict = graded("pb1").model_copy(update={"log": nasty})
    write_scores([verdict], DEFAULT, tmp_path)
    text = (tmp_path / "students" / "pb1.json").read_text("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(text)["log"] == nasty


# Files


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_verdicts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_scores(CLASS, DEFAULT, tmp_path / "one")
    os.utime(tmp_path / "one" / "scores.xlsx", (0, 0))
    read_back = [Verdict.model_validate_json(verdict.model_dump_json()) for verdict in reversed(CLASS)]
    write_scores(read_back, DEFAULT, tmp_path / "two")
    assert everything_in(tmp_path / "one") == everything_in(tmp_path / "two")
    write_scores(CLASS, DEFAULT, tmp_path / "one")
    assert (tmp_path / "one" / "scores.xlsx").stat().st_mtime == 0  # what already says so is left alone


def test_the_workbook_does_not_depend_on_the_clock(tmp_path: Path) -> None:
    write_scores(CLASS, DEFAULT, tmp_path)
    created = openpyxl.load_workbook(tmp_path / "scores.xlsx").properties.created
    assert created.year == 2000


def test_a_file_that_cannot_be_replaced_leaves_all_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written") as caught:
        replace_file(target, b"new")
    assert str(target) in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    assert (target / "inside").is_dir()


def test_a_failure_half_way_keeps_the_earlier_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "scores.csv"
    target.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        replace_file(target, b"new and longer")
    assert everything_in(tmp_path) == {"scores.csv": b"old"}


# The terminal


def rendered(verdicts: list[Verdict], width: int) -> list[str]:
    screen = io.StringIO()
    Console(width=width, file=screen, force_terminal=False).print(score_table(verdicts, DEFAULT))
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_table_fits_and_says_all_in_words(width: int) -> None:
    lines = rendered(CLASS, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    zhang = next(line for line in lines if "pb21000002" in line)
    assert zhang.split() == [
        "pb21000002",
        "张三",
        "graded",
        "28.00",
        "71.3",
        "(70.4–72.2)",
        "50.22",
        "3.00",
        "81.22",
    ]
    assert len({cell_len(line) for line in lines}) == 1  # Chinese names keep the columns straight
    text = "\n".join(lines)
    for words in ("not gradable", "quarantined", "grader error", "not measured"):
        assert words in text
    assert next(line for line in lines if "pb6" in line).split()[-1] == "–"


def test_students_texts_in_the_table_are_no_markup_and_no_escape() -> None:
    text = "\n".join(rendered([graded("[bold]a[/]", "[link=x]y\x1b[31m\u202e")], 120))
    assert "[bold]a[/]" in text and "[link=x]y" in text
    assert "\x1b" not in text and "\u202e" not in text


def test_table_counts_the_checks_where_they_carry_no_points() -> None:
    verdict = graded("pb1", failed={"conv_size_floor": "", "lenet_gradients": ""})
    screen = io.StringIO()
    Console(width=80, file=screen).print(score_table([verdict], LITERAL))
    assert "13/15" in screen.getvalue()
