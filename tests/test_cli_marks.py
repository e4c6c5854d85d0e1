"""The commands that look at marks and decide on them, as instructors and TAs type them."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result
from test_gradebook import decision, everything_in, found, handed_in, keep, marks

from grader.cli import main
from grader.gradebook import Gradebook
from grader.rubric import RUBRIC

ALL = Decimal("104.00")


def run(*words: object, status: int = 0, answer: str | None = None) -> Result:
    result = CliRunner().invoke(main, [*map(str, words)], input=answer)
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def book(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    with Gradebook.open_to_grade(folder) as opened:
        keep(opened, *((handed_in(id), found(handed_in(id))) for id in ("001", "pb2", "张三")))
    return folder


def test_marks_are_shown_without_the_submissions(book: Path) -> None:
    assert "104.00" in run("show", book).output
    told = run("show", book, "001").output
    assert "question_4" in told and "accuracy" in told
    assert [one["total"] for one in json.loads(run("show", book, "--json").stdout)] == [104.0] * 3
    assert "did you mean pb2?" in run("show", book, "pb3", status=2).output
    assert "no gradebook.sqlite is in it" in run("show", book.parent, status=2).output


def test_a_correction_stands_beside_the_graders_points_everywhere(book: Path) -> None:
    told = run(
        "adjust", book, "001", "question_2=0.5", "accuracy=60", "--why", "read by hand", "--by", "李老师"
    )
    assert "decision 1 on 001: question_2 is 0.50 (李老师," in told.output
    assert "changed since" in told.output and "103.50" not in told.output
    assert marks(book) == {"001": Decimal("93.50"), "pb2": ALL, "张三": ALL}
    shown = run("show", book, "001").output
    assert "1.00 → 0.50" in shown and "read by hand" in shown
    with (book / "scores.csv").open(encoding="utf-8", newline="") as file:
        line = next(row for row in csv.DictReader(file) if row["student_id"] == "001")
    assert (line["total"], line["machine_total"], line["question_2"]) == ("93.50", "104.00", "1.00")
    assert "question_2 is 0.50" in line["decisions"] and "read by hand" in line["decisions"]
    verdict = json.loads((book / "students" / "001.json").read_text("utf-8"))
    assert [row["decided"] for row in verdict["rows"] if row["decided"] is not None] == [60.0, 0.5]


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ("question_9=1", "no row is called question_9"),
        ("question_1=2", "outside 0 to 1.00"),
        ("question_1=-1", "outside 0 to 1.00"),
        ("question_1=NaN", "is not a number"),
        ("question_1=0.001", "at most two decimals"),
        ("question_1", "ROW=POINTS"),
    ],
)
def test_points_that_cannot_be_are_refused(book: Path, points: str, told: str) -> None:
    assert told in run("adjust", book, "001", "question_2=0", points, "--why", "x", status=2).output
    assert marks(book)["001"] == ALL, "all or nothing"


def test_every_decision_is_in_the_history_and_can_be_undone(book: Path) -> None:
    for words, total in (
        (["adjust", book, "pb2", "total=50", "--why", "x"], Decimal(50)),
        (["excuse", book, "pb2", "--why", "ill"], None),
        (["undo", book, "2", "--why", "not ill"], Decimal(50)),
        (["exclude", book, "pb2", "--mark", "0", "--why", "copied"], Decimal(0)),
        (["undo", book, "4", "--why", "was not"], Decimal(50)),
        (["waive-late", book, "pb2", "--why", "the server was down"], Decimal(50)),
        (["extend", book, "pb2", "3", "--why", "a wedding"], Decimal(50)),
    ):
        run(*words)
        assert marks(book)["pb2"] == total
    told = run("history", book, "pb2").output.splitlines()
    assert len(told) == 8 and "run 1" in told[0] and "104.00" in told[0] and "decision 7" in told[-1]
    assert "no longer holds" in run("undo", book, "2", "--why", "again", status=2).output
    assert "no decision" in run("undo", book, "99", "--why", "x", status=2).output
    run("remove", book, "pb2", "--why", "left the course")
    assert set(marks(book)) == {"001", "张三"} and "pb2" not in run("show", book).output
    assert {file.stem for file in (book / "students").iterdir()} == {"001", "张三"}
    run("undo", book, "8", "--why", "is back")
    assert (book / "students" / "pb2.json").is_file()
    assert marks(book)["pb2"] == Decimal(50)


def test_an_attempt_is_chosen_by_number_or_digest(book: Path) -> None:
    newer = handed_in("001", "abcdef99", attempt=2)
    with Gradebook.open_to_grade(book) as opened:
        keep(opened, (newer, found(newer, correct=100)))
    assert marks(book)["001"] == Decimal("34.00")
    run("choose-attempt", book, "001", "1", "--why", "the second is another lab's")
    assert marks(book)["001"] == ALL
    run("choose-attempt", book, "001", "abcdef", "--why", "is not")
    assert marks(book)["001"] == Decimal("34.00")
    assert (
        "no attempt: 1 (d1), 2 (abcdef99)"
        in run("choose-attempt", book, "001", "3", "--why", "x", status=2).output
    )


def table(path: Path, *rows: list[object]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    else:
        made = openpyxl.Workbook()
        for row in rows:
            made.active.append(row)
        made.save(path)
    return path


HEADER: list[object] = ["student", "decision", "row", "value", "why"]


@pytest.mark.parametrize("name", ["d.csv", "d.xlsx"])
def test_a_sheet_of_decisions_is_read_whole_or_not_at_all(book: Path, name: str) -> None:
    rows: list[list[object]] = [
        ["001", "adjust", "question_1", "0.5", "half of it"],
        ["pb2", "excuse", "", "", "ill"],
        ["张三", "waive-late", "", "", "迟交有因"],
    ]
    wrong = table(book / name, HEADER, *rows, ["pb2", "adjust", "question_1", "7", "x"])
    assert "outside 0 to 1.00" in run("decide", book, wrong, status=2).output
    unknown = table(book / name, HEADER, *rows, ["pb2", "promote", "", "", "x"])
    assert "5: promote is not a decision" in run("decide", book, unknown, status=2).output
    right = table(book / name, HEADER, *rows)
    assert "nothing was kept" in run("decide", book, right, answer="n\n", status=2).output
    assert set(marks(book).values()) == {ALL}
    run("decide", book, right, answer="y\n")
    assert marks(book) == {"001": Decimal("103.50"), "pb2": None, "张三": ALL}


@pytest.mark.parametrize("name", ["scores.csv", "scores.xlsx"])
def test_the_spreadsheet_can_be_edited_and_read_back(book: Path, name: str) -> None:
    run("adjust", book, "001", "question_1=0", "--why", "before")
    path = book / name
    assert "changes nothing" in run("decide", book, path).output
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            lines: list[list[object]] = list(csv.reader(file))  # type: ignore[arg-type]
        for line in lines:
            if line[0] == "张三":
                line[lines[0].index("accuracy_points")] = "61.5"
        table(path, *lines)
    else:
        made = openpyxl.load_workbook(path)
        sheet = made["Scores"]
        header = [cell.value for cell in sheet[2]]
        for row in sheet.iter_rows(min_row=3):
            if row[0].value == "张三":
                row[header.index("accuracy points")].value = 61.5
        made.save(path)
    assert "say why with --why" in run("decide", book, path, status=2).output
    told = run("decide", book, path, "--why", "looked at again", "--yes").output
    assert "张三: accuracy is 61.5" in told
    assert marks(book) == {"001": Decimal("103.00"), "pb2": ALL, "张三": Decimal("95.50")}


def test_another_rubric_policy_or_roster_holds_at_once(book: Path, tmp_path: Path) -> None:
    rubric = tmp_path / "rubric.toml"
    rubric.write_text(RUBRIC.read_text("utf-8").replace("[90, 70]", "[95, 70]"), "utf-8")
    roster = tmp_path / "roster.csv"
    roster.write_text("student_id,name\n001,Ann\n张三,张三\npb7,Bo\n", "utf-8")
    told = run("rescore", book, "--rubric", rubric, "--roster", roster)
    totals = marks(book)
    assert totals["001"] == totals["张三"] and Decimal(90) < (totals["001"] or 0) < ALL
    assert (totals["pb2"], totals["pb7"]) == (None, Decimal(0))
    assert "rubric" in told.output and "absent" in told.output and "quarantined" in told.output
    assert "no mark" in told.output and "not on the class list" in told.output
    assert "scored anew" in run("history", book, "pb2").output
    run("rescore", book)
    assert marks(book) == totals, "what is not named stays"


def test_two_sections_become_one_and_contradictions_are_listed(book: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Gradebook.open_to_grade(other) as opened:
        keep(opened, *((handed_in(id), found(handed_in(id))) for id in ("001", "pb8")))
        (first,) = opened.decide([decision("pb8", row="question_1", points=Decimal(0))])
        opened.decide([decision("pb8", "excuse"), decision("pb8", "undo", undoes=first.number)])
    run("excuse", book, "001", "--why", "so that the numbers differ")
    assert "1 student, 1 attempt, 3 decisions" in run("merge", book, other).output
    assert marks(book) == {"001": None, "pb2": ALL, "pb8": None, "张三": ALL}
    assert "0 students, 0 attempts, 0 decisions" in run("merge", book, other).output
    run("undo", book, "3", "--why", "merged, it has another number")
    assert marks(book)["pb8"] == ALL, "the points had been undone there"
    with Gradebook.open_to_grade(other) as opened:
        keep(opened, (handed_in("001"), found(handed_in("001"), correct=1)))
        keep(opened, (handed_in("pb2"), found(handed_in("pb2"))))
        opened.decide([decision("pb2", row="question_1", points=Decimal(0))])
    run("adjust", book, "pb2", "question_1=1", "--why", "x")
    before = everything_in(book)
    told = run("merge", book, other, status=2).output
    assert "001: the accuracy of one attempt came out differently" in told
    assert "pb2: question_1 is 1.00" in told and "but there question_1 is 0.00" in told
    assert everything_in(book) == before


def test_sections_by_other_rules_are_told_which_and_what_to_do(book: Path, tmp_path: Path) -> None:
    other, policy = tmp_path / "other", tmp_path / "policy.toml"
    with Gradebook.open_to_grade(other) as opened:
        keep(opened, (handed_in("pb8"), found(handed_in("pb8"))))
    policy.write_text('time_zone = "UTC"\ndeadline = 2026-11-20\n', "utf-8")
    run("rescore", other, "--policy", policy)
    told = run("merge", book, other, status=2).output
    assert "by another policy: first" in told and "rubric" not in told
    assert f"`grader rescore {other} --policy policy.toml`" in told


def edit(path: Path, student: str, **cells: object) -> Path:
    """The workbook with these cells of a student."""
    made = openpyxl.load_workbook(path)
    sheet = made["Scores"]
    header = [cell.value for cell in sheet[2]]
    row = next(row for row in sheet.iter_rows(min_row=3) if row[0].value == student)
    for column, value in cells.items():
        row[header.index(column.replace("_", " "))].value = value
    made.save(path)
    return path


def copied(book: Path) -> Path:
    run("rescore", book)
    return Path(shutil.copy(book / "scores.xlsx", book.parent / "copy.xlsx"))


def test_an_old_copy_of_the_spreadsheet_brings_no_old_mark_back(book: Path, tmp_path: Path) -> None:
    copy = copied(book)
    rubric = tmp_path / "rubric.toml"
    rubric.write_text(RUBRIC.read_text("utf-8").replace("[90, 70]", "[95, 70]"), "utf-8")
    run("rescore", book, "--rubric", rubric)
    run("adjust", book, "001", "question_2=0", "--why", "a colleague's")
    assert "changes nothing" in run("decide", book, copy, "--why", "x", "--yes").output
    edit(copy, "001", question_1=0.5)
    told = run("decide", book, copy, "--why", "x", answer="y\n").output
    assert "001: question_1 is 0.50" in told and "now 1.00" in told and "keep this decision" in told
    with Gradebook.open(book) as opened:
        assert [one.row for one in opened.decisions()["001"]] == ["question_2", "question_1"]
    for cells in ({"accuracy_points": 60}, {"total": 90}):
        told = run("decide", book, edit(copied_again(copy), "001", **cells), "--why", "x", status=2).output
        assert "when this sheet was written" in told and "row 3" in told
    edit(copy, "001", question_2=0.5)
    assert "is 0.00 now" in run("decide", book, copy, "--why", "x", status=2).output


def copied_again(path: Path) -> Path:
    return Path(shutil.copy(path, path.with_name("again.xlsx")))


def test_a_sheet_that_does_not_tell_its_age_is_refused_where_marks_have_changed(book: Path) -> None:
    run("rescore", book)
    copy = shutil.copy(book / "scores.csv", book.parent / "copy.csv")
    run("adjust", book, "001", "question_2=0", "--why", "a colleague's")
    told = run("decide", book, copy, "--why", "x", "--yes", status=2).output
    assert "line 2: 001: decisions is blank here" in told


def test_what_is_changed_elsewhere_in_the_spreadsheet_is_told(book: Path) -> None:
    path = edit(copied(book), "001", machine_total=3, status="absent", question_1=None)
    told = run("decide", book, path, "--why", "x").output
    assert all(f"{name} was changed for 001" in told for name in ("machine_total", "status", "question_1"))
    assert "changes nothing" in told


def test_a_total_typed_into_a_blank_cell_is_a_decision(book: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("student_id\n001\npb2\n", "utf-8")
    run("rescore", book, "--roster", roster)
    told = run("show", book, "张三").output
    assert "reason: not on the " in told and "grader adjust RESULTS STUDENT total=" in told
    run("decide", book, edit(book / "scores.xlsx", "张三", total=50), "--why", "x", "--yes")
    assert marks(book)["张三"] == Decimal(50)
    run("excuse", book, "pb2", "--why", "ill")
    told = run("decide", book, edit(book / "scores.xlsx", "pb2", total=50), "--why", "x", "--yes").output
    assert "changes no mark: the student is excused" in told


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([["001", "adjust", "question_1", "0"], ["001", "adjust", "question_1", "1"]], "decided in line 2"),
        ([["001", "excuse", "total", "50"]], "line 2: excuse is for no row"),
        ([["001", "excuse", "", "50"]], "line 2: excuse takes no value"),
        ([["001", "adjust", "question_1", "0,5"]], "write 0.5"),
        ([["pb3", "excuse", "", ""]], "line 2: pb3: no such student in the gradebook; did you mean pb2?"),
    ],
)
def test_lines_that_contradict_are_refused_by_line(book: Path, rows: list[list[object]], told: str) -> None:
    path = table(book / "d.csv", HEADER[:4], *rows)
    assert told in run("decide", book, path, "--why", "x", "--yes", status=2).output
    assert set(marks(book).values()) == {ALL}


def test_other_files_of_decisions_are_read_or_named(book: Path) -> None:
    path = book / "d.csv"
    path.write_text("student;decision;row;value\n001;adjust;question_1;0.5\n", "utf-8")
    assert "question_1 is 0.50" in run("decide", book, path, "--why", "x", "--yes").output
    path.write_text("Nr,name\n001,Ann\n", "utf-8")
    assert "the column student id" in run("decide", book, path, "--why", "x", status=2).output
    path = edit(copied(book), "pb2", question_1=7)
    assert f"{path}: row 4: pb2: question_1: 7.00 is outside" in run(
        "decide", book, path, "--why", "x", status=2
    ).output.replace("\n", "")
    with zipfile.ZipFile(book / "d.ods", "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr("content.xml", "<x/>")
    assert "OpenDocument" in run("decide", book, book / "d.ods", status=2).output


def test_a_decision_without_effect_says_why(book: Path) -> None:
    for words, told in (
        (["adjust", book, "001", "question_1=1"], "it was so already"),
        (["extend", book, "001", "3"], "there is no deadline"),
        (["adjust", book, "001", "total=50"], ""),
        (["adjust", book, "001", "question_1=0"], "decision 3 says what the total is"),
        (["exclude", book, "001"], ""),
        (["adjust", book, "001", "question_2=0"], "the student is excluded"),
    ):
        output = run(*words, "--why", "x").output
        assert f"changes no mark: {told}" in output if told else "changes no mark" not in output, words
    assert "decision 3 on 001" in run("history", book).output
    assert f"grader history {book}" in run("undo", book, "99", "--why", "x", status=2).output.replace(
        "\n", ""
    )
    run("undo", book, "6", "--why", "x")
    assert "make that decision again" in run("undo", book, "7", "--why", "x", status=2).output
