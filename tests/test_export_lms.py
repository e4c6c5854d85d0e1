"""Marks into each LMS's own file: what is written, what is left as it is, and what a person has to decide."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gradebook import RULES, found, handed_in, keep

from grader.cli import main
from grader.errors import UserError
from grader.evidence import attempt_of
from grader.export.cells import acts_as_formula
from grader.export.feedback import feedback_line, feedback_text
from grader.export.lms import SYSTEMS, Choices, make_plan, read_template
from grader.export.lms.sheet import Sheet, read_sheet
from grader.export.lms.template import number
from grader.gradebook import Gradebook
from grader.marks import current
from grader.policy import Policy
from grader.roster import Roster, RosterEntry
from grader.types import Problem, Status, Verdict

# As each LMS writes them: Blackboard's Chinese UTF-16 with tabs, its UTF-8 with a mark and all in quotation
# marks, Canvas with its row of points, Moodle in two languages, Brightspace with its # before and after.
BLACKBOARD = (
    codecs.BOM_UTF8
    + (
        '"Last Name","First Name","Username","Student ID","Last Access","Availability",'
        '"Lab 8 [EXTRA] [Total Pts: 104 Score] |3229309","Sum [Total Pts: up to 300 Score] |3229310"\n'
        '"Zhang","San, Jr","zhangsan","001","2024-03-05 23:59:07","Yes","","12.00"\n'
        '"李","""Tom"" 四","lisi","0002","","Yes","Needs Grading",""\n'
        '"Wu","Fan","wufan","0003","","Yes","50.00",""\n'
    ).encode()
)
BLACKBOARD_TABS = codecs.BOM_UTF16_LE + (
    '"姓氏"\t"名字"\t"用户名"\t"Lab 8 [总分: 104 分数] |77"\t"Feedback to Learner"\t"Feedback Format"\r\n'
    '"张"\t"三"\t"zhangsan"\t""\t""\t""\r\n'
    '"李"\t"四"\t"lisi"\t""\t""\t""\r\n'
    '"吴"\t"帆"\t"wufan"\t""\t""\t"HTML"\r\n'
).encode("utf-16-le")
CANVAS = (
    b"Student,ID,SIS User ID,SIS Login ID,Section,Lab 8 (4411),Quiz (7),Final Score\r\n"
    b"    Points Possible,,,,,104,10,(read only)\r\n"
    b'"Zhang, San",5512,s001,zhangsan,CS1-A,,9,\r\n'
    b"Li Si,5513,s002,lisi,CS1-A,-,,\r\n"
    b'"Wu, Fan",5514,s003,wufan,"CS1;B",50,8,\r\n'
    b'"Student, Test",9999,,1c9f,CS1-A,,,\r\n'
)
MOODLE = (
    codecs.BOM_UTF8
    + (
        'Identifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed",'
        '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
        'Participant 40213,"张 三",zhangsan@x.edu,"Submitted for grading - 2 hours late",,104.00,Yes,'
        '"Tuesday, 5 March 2024, 11:59 PM",-,\n'
        'Participant 40214,"Li Si",lisi@x.edu,"Submitted for grading",,104.00,Yes,-,-,"by ""hand"""\n'
        'Participant 40215,Wu_Fan,wufan@x.edu,"Submitted for grading",50.00,104.00,Yes,-,-,\n'
    ).encode()
)
BRIGHTSPACE = (
    b"OrgDefinedId,Username,Lab 8 Points Grade <Numeric MaxPoints:104 Weight:10>,End-of-Line Indicator\r\n"
    b"#00123,#zhangsan,,#\r\n#00124,#lisi,,#\r\n#00125,#wufan,50,#\r\n"
)
GRADESCOPE = (
    "Name,SID,Email,Total Score,Max Points,Status,Submission ID\n"
    "张三,zhangsan,z@x.edu,,104.0,Graded,1\nLi Si,lisi,l@x.edu,,104.0,Missing,\n"
    "Wu Fan,wufan,w@x.edu,50.0,104.0,Graded,3\n"
).encode()
TEMPLATES = {
    "blackboard": BLACKBOARD,
    "blackboard-tabs": BLACKBOARD_TABS,
    "canvas": CANVAS,
    "moodle": MOODLE,
    "brightspace": BRIGHTSPACE,
    "gradescope": GRADESCOPE,
}
EMAILS = {id: f"{id}@x.edu" for id in ("zhangsan", "lisi", "wufan")}


def run(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Zhang San has 104 points, Li Si 94.99, Wu Fan none: his archive was hostile."""
    folder = tmp_path / "results"
    hostile = Problem(status=Status.QUARANTINED, reason="the zip is a bomb")
    works = [handed_in("zhangsan"), handed_in("lisi"), handed_in("wufan", problem=hostile)]
    roster = Roster(entries=tuple(RosterEntry(student_id=id, email=mail) for id, mail in EMAILS.items()))
    with Gradebook.open_to_grade(folder) as opened:
        seen = opened.begin_run(
            "no such download.zip", {"images": "mini"}, RULES[0], Policy(), roster, [*map(attempt_of, works)]
        )
        opened.record(seen[0], found(works[0]))
        opened.record(seen[1], found(works[1], correct=850, failed=("conv_size_floor",)))
    with Gradebook.open(folder) as opened:
        assert [one.total for one in current(opened)] == [Decimal("95.00"), None, Decimal("104.00")]
    return folder


def template(tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.csv"
    path.write_bytes(TEMPLATES[name])
    return path


def export(book: Path, name: str, *more: object, status: int = 0) -> tuple[bytes, str]:
    """What is written into a template, and what is said."""
    to, out = name.partition("-")[0], book.parent / "out.csv"
    out.unlink(missing_ok=True)
    words = ["--to", to, "--template", template(book.parent, name), "--out", out]
    words += ["--item", "Lab 8 (4411)"] if name == "canvas" else []
    told = run("export", book, *words, *more, status=status).output
    assert out.exists() == (status == 0)
    return out.read_bytes() if status == 0 else b"", told


CHANGES = {
    "blackboard": [('"Yes","","12.00"', '"Yes","104.00","12.00"'), ('"Needs Grading"', '"95.00"')],
    "blackboard-tabs": [
        ('"zhangsan"\t""', '"zhangsan"\t"104.00"'),
        ('"lisi"\t""', '"lisi"\t"95.00"'),
    ],
    "canvas": [("CS1-A,,9", "CS1-A,104.00,9"), ("CS1-A,-,", "CS1-A,95.00,")],
    "moodle": [('late",,104', 'late",104.00,104'), ('grading",,104', 'grading",95.00,104')],
    "brightspace": [("#zhangsan,,", "#zhangsan,104.00,"), ("#lisi,,", "#lisi,95.00,")],
    "gradescope": [("z@x.edu,,", "z@x.edu,104.00,"), ("l@x.edu,,", "l@x.edu,95.00,")],
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_the_marks_are_other_bytes(book: Path, name: str) -> None:
    encoding = "utf-16-le" if name == "blackboard-tabs" else "utf-8"
    expected = TEMPLATES[name]
    for before, after in CHANGES[name]:
        assert expected.count(before.encode(encoding)) == 1
        expected = expected.replace(before.encode(encoding), after.encode(encoding))
    content, told = export(book, name)
    assert content == expected
    assert "wufan" in told and "no mark (quarantined)" in told, "and what stands there stays"
    with Gradebook.open(book) as opened:
        given = opened.published()
    assert {(one.student_id, str(one.total)) for _, _, one in given} == {
        ("zhangsan", "104.00"),
        ("lisi", "95.00"),
    }
    assert all(what.startswith(f"{name.partition('-')[0]}: ") for _, what, _ in given)


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_unchanged_export_is_the_template_again(book: Path, name: str) -> None:
    once, _ = export(book, name)
    path = book.parent / "again.csv"
    path.write_bytes(once)
    words = ["--item", "Lab 8 (4411)"] if name == "canvas" else []
    told = run(
        *("export", book, "--to", name.partition("-")[0], "--template", path),
        *("--out", book.parent / "twice.csv", *words),
    ).output
    assert (book.parent / "twice.csv").read_bytes() == once
    assert "0 grades written, 2 stood there already" in told


@st.composite
def sheets(draw: st.DrawFn) -> tuple[bytes, list[list[str]], str]:
    """A file as some program may write it, with its values and its delimiter."""
    delimiter = draw(st.sampled_from(",;\t"))
    width = draw(st.integers(2, 5))
    text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
    awkward = st.sampled_from(
        ["", " ", '"', '""', "\r\n", "=1+1", "a;b", "a,b", "\t", "张三", "\u2028", "\ufeff"]
    )
    rows = draw(st.lists(st.lists(text | awkward, min_size=width, max_size=width), min_size=1, max_size=5))
    rows[0] = [f"h{at}" for at in range(width)]
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = []
    for row in rows:
        cells = []
        for value in row:
            needs = value.startswith('"') or any(sign in value for sign in (delimiter, "\n", "\r"))
            quoted = needs or draw(st.booleans())
            cells.append('"' + value.replace('"', '""') + '"' if quoted else value)
        lines.append(delimiter.join(cells))
    mark, encoding = draw(
        st.sampled_from(
            [
                (b"", "utf-8"),
                (codecs.BOM_UTF8, "utf-8"),
                (codecs.BOM_UTF16_LE, "utf-16-le"),
                (codecs.BOM_UTF16_BE, "utf-16-be"),
            ]
        )
    )
    content = end.join(lines) + draw(st.sampled_from(["", end]))
    return mark + content.encode(encoding), rows, delimiter


@given(made=sheets(), data=st.data())
@settings(deadline=None)
def test_bytes_outside_the_changed_cells_stay(
    made: tuple[bytes, list[list[str]], str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    raw, rows, delimiter = made
    path = tmp_path_factory.getbasetemp() / "sheet.csv"
    path.write_bytes(raw)
    sheet = read_sheet(path, ",;\t")
    assert sheet.delimiter == delimiter
    assert [[cell.value for cell in row] for row in sheet.rows] == rows
    assert sheet.changed({}) == raw
    places = st.tuples(st.integers(0, len(rows) - 1), st.integers(0, len(rows[0]) - 1))
    value = st.sampled_from(["87.50", "87,50", 'said "no"; a, b', "两行\n字", "x"])
    wanted = data.draw(st.dictionaries(places, value, max_size=4))
    changed = sheet.changed(wanted)
    path.write_bytes(changed)
    again = read_sheet(path, ",;\t")
    for row, cells in enumerate(again.rows):
        for column, cell in enumerate(cells):
            old = sheet.rows[row][column]
            if (row, column) in wanted:
                expected = wanted[row, column]
                assert cell.value == (" ".join(expected.split()) if delimiter == "\t" else expected)
                assert cell.quoted >= old.quoted
            else:
                assert again.text[cell.start : cell.end] == sheet.text[old.start : old.end]
    assert _between(sheet) == _between(again), "delimiters, line ends, the mark and the encoding"


def _between(sheet: Sheet) -> tuple[bytes, str, list[str]]:
    """What stands between the cells."""
    cells = [cell for row in sheet.rows for cell in row]
    starts, ends = [cell.start for cell in cells], [cell.end for cell in cells]
    between = zip([0, *ends], [*starts, len(sheet.text)], strict=True)
    return sheet.mark, sheet.encoding, [sheet.text[end:start] for end, start in between]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"PK\x03\x04", "is an Excel workbook"),
        (b"\xd0\xcf\x11\xe0", "is an Excel workbook"),
        ("Username,张".encode("gb18030"), "neither UTF-8 nor UTF-16"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8x\x00", "neither UTF-8 nor UTF-16"),
        ("a,b".encode("utf-16-le"), "NUL"),
        (b'Username,"x', "never closed"),
        (b'Username,"x"y\n', "follows a closed quotation mark"),
        (b"\n\n", "holds nothing"),
        (b"a,b\n1,2\n", "has no column Username"),
        (b"Username,Lab [Total Pts: 104 Score] |1\nx,1,2\n", "line 2: has 3 cells and the header 2"),
        (b"Username,Lab [Total Pts: 104 Score]\nx,\n", "no column takes marks"),
        (b"Username,Username,Lab [Total Pts: 104 Score] |1\nx,y,\n", "2 columns are called Username"),
    ],
)
def test_what_cannot_be_given_back_is_refused(tmp_path: Path, raw: bytes, told: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=told):
        read_template(SYSTEMS["blackboard"], path, None)


# What a person has to decide


def plan(tmp_path: Path, name: str, raw: bytes, *verdicts: Verdict, item: str | None = None, **more: object):  # type: ignore[no-untyped-def]
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    read = read_template(SYSTEMS[name], path, item)
    choices = more.pop("choices", Choices())
    return make_plan(SYSTEMS[name], read, verdicts, choices, **more)  # type: ignore[arg-type]


def mark(student: str, total: str | None = "87.50", **more: object) -> Verdict:
    points = None if total is None else Decimal(total)
    given: dict[str, object] = {"status": Status.GRADED, "out_of": Decimal(104)}
    return Verdict(student_id=student, total=points, **{**given, **more})  # type: ignore[arg-type]


def test_everything_undecided_is_listed_before_anything_is_written(book: Path) -> None:
    with Gradebook.open(book) as opened:
        keep(opened, *[(handed_in("ghost"), found(handed_in("ghost")))])
    run("adjust", book, "wufan", "total=60", "--why", "read by hand")
    _, told = export(book, "blackboard", status=2)
    assert "existing: wufan" in told and "50.00 there, and 60.00 here" in told
    assert "not-in-template: ghost" in told and "nothing was written" in told
    with Gradebook.open(book) as opened:
        assert opened.published() == []
    _, told = export(book, "blackboard", "--leave-out", "not-in-template", "--existing", "keep")
    assert "wufan 张三: keeps 50.00 instead of 60.00" in told and "left out: ghost" in told
    content, _ = export(book, "blackboard", "--leave-out", "not-in-template", "--existing", "overwrite")
    assert b'"60.00"' in content


def test_a_line_without_a_result_is_told(tmp_path: Path) -> None:
    made = plan(tmp_path, "canvas", CANVAS, mark("5512"), mark("s002"), item="Lab 8")
    assert [(one.kind, one.who) for one in made.problems] == [("not-in-results", "5514 Wu, Fan")]
    leave = Choices(leave_out=["not-in-results"])
    made = plan(tmp_path, "canvas", CANVAS, mark("5512"), mark("s002"), item="Lab 8", choices=leave)
    assert not made.problems and len(made.given) == 2, "by ID and by SIS User ID"


def test_who_could_be_two_is_nobody(tmp_path: Path) -> None:
    raw = CANVAS.replace(b"s002", b"5512")  # one's SIS id is another's Canvas id
    made = plan(tmp_path, "canvas", raw, mark("5512"), mark("wufan"), item="Lab 8")
    assert {one.kind for one in made.problems} == {"ambiguous", "existing"}
    made = plan(tmp_path, "canvas", CANVAS, mark("5512"), mark("zhangsan"), mark("5513"), item="Lab 8")
    (problem,) = [one for one in made.problems if one.who == "5512 Zhang, San"]
    assert problem.kind == "ambiguous" and "`grader remove` takes out" in problem.told


def test_a_column_has_to_be_named_where_there_are_several(tmp_path: Path) -> None:
    for item, told in (
        (None, "2 columns take marks"),
        ("lab 9", "no column of this name"),
        ("(", "2 columns"),
    ):
        with pytest.raises(UserError, match=told):
            plan(tmp_path, "canvas", CANVAS, mark("5512"), item=item)
    with pytest.raises(UserError, match="takes no marks there"):
        plan(tmp_path, "blackboard", BLACKBOARD, mark("zhangsan"), item="Sum")


@pytest.mark.parametrize(("how", "after"), [("as-is", "104.00"), ("scale", "100.00"), ("cap", "100.00")])
def test_another_maximum_is_for_a_person_to_decide(tmp_path: Path, how: str, after: str) -> None:
    raw = CANVAS.replace(b",104,", b",100,")
    verdicts = [mark("zhangsan", "104.00"), mark("lisi", "1.00"), mark("wufan", None)]
    made = plan(tmp_path, "canvas", raw, *verdicts, item="Lab 8")
    assert [one.kind for one in made.problems] == ["maximum"]
    made = plan(tmp_path, "canvas", raw, *verdicts, item="Lab 8", choices=Choices(maximum=how))  # type: ignore[arg-type]
    assert [one.after for one in made.given] == [after, "0.96" if how == "scale" else "1.00"]


@pytest.mark.parametrize("name", ["moodle", "brightspace"])
def test_an_lms_that_would_refuse_or_cut_a_mark_gets_none_above_its_maximum(
    tmp_path: Path, name: str
) -> None:
    raw = TEMPLATES[name].replace(b"104", b"100")
    verdicts = [mark("zhangsan", "104.00"), mark("lisi", "99.00"), mark("wufan", None)]
    made = plan(tmp_path, name, raw, *verdicts, choices=Choices(maximum="as-is"), emails=EMAILS)
    assert [one.kind for one in made.problems] == ["over-maximum"]


def test_a_locked_grade_is_left_alone(tmp_path: Path) -> None:
    raw = MOODLE.replace(b'grading",,104.00,Yes', b'grading",,104.00,No')
    verdicts = [mark("zhangsan"), mark("lisi"), mark("wufan", None)]
    made = plan(tmp_path, "moodle", raw, *verdicts, emails=EMAILS)
    assert [(one.kind, one.who) for one in made.problems] == [("locked", "lisi")]


def test_moodle_in_another_language_and_with_decimal_commas(tmp_path: Path) -> None:
    raw = (
        "标识符,全名,状态,成绩,最高成绩,允许更改成绩,最后修改（教师）,反馈评语\n"
        '参与者40213,张三,已提交,"50,00","104,00",是,-,\n参与者40214,李四,已提交,,"104,00",否,-,\n'
    ).encode()
    made = plan(tmp_path, "moodle", raw, mark("40213"), mark("40214"), choices=Choices("overwrite"))
    assert [one.kind for one in made.problems] == ["locked"]
    made = plan(
        tmp_path, "moodle", raw, mark("40213"), choices=Choices("overwrite", None, ["not-in-results"])
    )
    assert '"87,50","104,00",是' in made.content().decode()


@pytest.mark.parametrize("standing", ["excused", "excluded"])
def test_no_mark_is_no_zero_and_no_blank(tmp_path: Path, standing: str) -> None:
    verdicts = [mark("wufan", None, standing=standing), mark("zhangsan"), mark("lisi", "0.00")]
    choices = Choices("overwrite")
    for name, raw in TEMPLATES.items():
        to = name.partition("-")[0]
        item = "Lab 8 (4411)" if name == "canvas" else None
        made = plan(tmp_path, to, raw, *verdicts, choices=choices, emails=EMAILS, item=item)
        if name == "canvas" and standing == "excused":
            assert [one.after for one in made.given] == ["87.50", "0.00", "EX"]
        else:
            assert [one.after for one in made.given] == ["87.50", "0.00"]
            assert any("no mark" in note and "wufan" in note for note in made.notes)
        assert "" not in made.cells.values(), "nothing is ever erased"


def test_an_id_that_would_run_is_never_written_to_nor_escaped(tmp_path: Path) -> None:
    raw = BLACKBOARD.replace(b'"zhangsan"', b'"=zhangsan"')
    made = plan(tmp_path, "blackboard", raw, mark("=zhangsan"), mark("lisi"), mark("wufan", None))
    assert [one.kind for one in made.problems] == ["unsafe-id"]


def test_another_systems_file_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "bb.csv"
    path.write_bytes(BLACKBOARD)
    with pytest.raises(UserError, match="is not Moodle's: --template is what"):
        read_template(SYSTEMS["moodle"], path, None)


def test_who_was_removed_is_told_from_who_has_no_result(book: Path) -> None:
    run("remove", book, "lisi", "--why", "left", "--by", "Ma Lin")
    _, told = export(book, "blackboard", status=2)
    assert "not-in-results: lisi" in told and "was removed by decision 1: `grader undo`" in told
    assert "1 thing is for you to decide" in told
    assert "was removed by decision 1" in run("show", book, "lisi", status=2).output
    names = book.parent / "names.csv"
    names.write_text("student,nickname\nlisi,Fish\nzhangsan,Cat\n", "utf-8")
    told = run("leaderboard", book, "--nicknames", names).output
    assert "without place, for they were removed from the class: lisi" in told


# The last export


def test_only_what_changed_since_the_last_export_to_the_same(book: Path) -> None:
    export(book, "blackboard")
    content, told = export(book, "blackboard", "--changed")
    assert content == BLACKBOARD and "0 grades written, 0 stood there" in told
    run("adjust", book, "lisi", "question_1=0.5", "--why", "half")
    content, told = export(book, "blackboard", "--changed")
    assert b'"94.50"' in content and b"104.00" not in content and "1 grade written" in told
    content, _ = export(book, "canvas", "--changed")
    assert b"104.00" in content and b"94.50" in content, "Canvas has been told nothing yet"
    out = book.parent / "x.csv"
    run("export", book, "--to", "csv", "--changed", "--out", out)
    assert len(out.read_text("utf-8").splitlines()) == 4
    told = run("export", book, "--to", "csv", "--changed", "--out", out, status=2).output
    assert "nothing is new" in told and len(out.read_text("utf-8").splitlines()) == 4
    assert "given out as blackboard: Lab 8" in run("history", book, "lisi").output


def test_our_own_earlier_grade_is_replaced_without_asking(book: Path) -> None:
    once, _ = export(book, "blackboard")
    run("adjust", book, "lisi", "question_1=0.5", "--why", "half")
    path, out = book.parent / "fresh.csv", book.parent / "next.csv"
    path.write_bytes(once.replace(b'"104.00"', b'"103.00"'))  # which somebody typed there
    words = ("export", book, "--to", "blackboard", "--template", path, "--out", out)
    told = run(*words, status=2).output
    assert "zhangsan 张三: has 103.00 there" in told and "lisi" not in told
    run(*words, "--existing", "keep")
    assert out.read_bytes() == path.read_bytes().replace(b'"95.00"', b'"94.50"')


# Feedback


def test_comments_fill_the_column_and_its_format(book: Path) -> None:
    content, _ = export(book, "blackboard-tabs", "--comments")
    rows = list(csv.reader(io.StringIO(content.decode("utf-16")), delimiter="\t"))
    by_user = {row[2]: row for row in rows}
    assert by_user["lisi"][4].startswith("Mark: 95.00 of 104.00 · conv_size_floor 0.00 of 2.00")
    assert by_user["lisi"][5] == "SMART_TEXT"
    assert by_user["wufan"][3:] == ["", "", "HTML"]
    _, told = export(book, "blackboard", "--comments", status=2)
    assert "has no column Feedback to Learner" in told
    _, told = export(book, "canvas", "--comments", status=2)
    assert "use --feedback" in told
    _, told = export(book, "moodle", "--comments", status=2)
    assert "existing: lisi 张三: has another comment there" in told
    content, _ = export(book, "moodle", "--comments", "--existing", "keep")
    assert b'"by ""hand"""' in content and b"Mark: 104.00 of 104.00" in content


def test_a_decision_that_made_the_mark_is_told_and_no_secret_reason(book: Path) -> None:
    run("adjust", book, "lisi", "total=50", "--why", "read by hand", "--by", "Ma Lin")
    run("exclude", book, "zhangsan", "--mark", "0", "--why", "copied from lisi", "--by", "Ma Lin")
    with Gradebook.open(book) as opened:
        decided = opened.decisions()
        for verdict in current(opened):
            for told in (feedback_text, feedback_line):
                text = told(verdict, decided.get(verdict.student_id, ()))
                assert "copied" not in text
                if verdict.student_id == "lisi":
                    assert "the whole mark is 50.00: read by hand" in text and "Ma Lin" in text
                if verdict.student_id == "zhangsan":
                    assert "excluded, the mark is 0.00: ask for the reason" in text
    content, _ = export(book, "blackboard-tabs", "--comments")
    assert "Decided by Ma Lin" in content.decode("utf-16")


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_feedback_files_have_the_names_that_each_lms_takes(book: Path, tmp_path: Path) -> None:
    zipped, download = tmp_path / "f.zip", tmp_path / "download.zip"
    (book / "feedback").mkdir()
    for name in ("zhangsan", "lisi"):
        (book / "feedback" / f"{name}.html").write_text("<p>好</p>", "utf-8")
    with Gradebook.open(book) as opened:
        marks = {one.student_id: one for one in current(opened)}
        older = marks["lisi"].model_copy(update={"total": Decimal("1.00")})
        opened.publish("feedback", [marks["zhangsan"], older])  # so Li Si's page shows another mark
    export(book, "moodle", "--feedback", zipped)
    found = members(zipped)
    assert sorted(found) == [
        "Li Si_40214_assignsubmission_file_feedback.txt",
        "张 三_40213_assignsubmission_file_feedback.html",
    ]
    assert found["张 三_40213_assignsubmission_file_feedback.html"] == "<p>好</p>".encode()
    assert b"95.00 of 104.00" in found["Li Si_40214_assignsubmission_file_feedback.txt"]
    _, told = export(book, "canvas", "--feedback", zipped, status=2)
    assert "--download" in told
    with zipfile.ZipFile(download, "w") as archive:
        for name in (
            "zhangsan_5512_880123_lab8.py",
            "zhangsan_5512_880124_2_3.md",
            "li_LATE_5513_880125_a.py",
        ):
            archive.writestr(name, "x")
    export(book, "canvas", "--feedback", zipped, "--download", download)
    assert sorted(members(zipped)) == ["lisi_5513_880125_feedback.txt", "zhangsan_5512_880123_feedback.html"]
    _, told = export(book, "blackboard", "--feedback", zipped, status=2)
    assert "--comments" in told


def test_brightspaces_folders_are_kept_and_doubtful_names_left_out(book: Path, tmp_path: Path) -> None:
    raw = (
        "OrgDefinedId,Username,Last Name,First Name,Lab 8 Points Grade,End-of-Line Indicator\n"
        "#1,#zhangsan,Zhang,San,,#\n#2,#lisi,Si,Li,,#\n#3,#wufan,Si,Li,,#\n"
    )
    path, zipped, folder = tmp_path / "b.csv", tmp_path / "f.zip", tmp_path / "download"
    path.write_text(raw)
    for name in ("1-2 - San Zhang - Oct 9, 2025 922 PM", "1-2 - San Zhang - Oct 10, 2025 922 PM"):
        (folder / name).mkdir(parents=True)
        (folder / name / "lab8.py").write_text("")
    (folder / "1-3 - Li Si - Oct 9, 2025 922 PM").mkdir()
    words = ("--to", "brightspace", "--template", path, "--out", tmp_path / "o.csv", "--download", folder)
    told = run("export", book, *words, "--feedback", zipped).output
    assert list(members(zipped)) == ["1-2 - San Zhang - Oct 9, 2025 922 PM/feedback.txt"]
    assert "lisi: no feedback file" in told and "does not import Last Name, First Name" in told


def test_brightspaces_names_come_from_the_results_where_the_file_has_none(book: Path, tmp_path: Path) -> None:
    path, zipped, folder = tmp_path / "b.csv", tmp_path / "f.zip", tmp_path / "download"
    path.write_bytes(BRIGHTSPACE)
    (folder / "1-2 - 张三 - Oct 9, 2025 922 PM").mkdir(parents=True)
    (folder / "1-2 - 张三 - Oct 9, 2025 922 PM" / "lab8.py").write_text("")
    words = ("export", book, "--to", "brightspace", "--template", path, "--out", tmp_path / "o.csv")
    words += ("--feedback", zipped)
    told = run(*words, status=2).output
    assert str(Path.cwd() / "no such download.zip") in told
    told = run(*words, "--download", folder, status=2).output
    assert "has none of the 2 students by their names" in told and not zipped.exists()  # all are called so
    with Gradebook.open_to_grade(book) as opened:
        last = opened.runs()[-1]
        work = handed_in("lisi", "d2").model_copy(update={"name": "Li Si"})
        (seen,) = opened.begin_run("x", {}, last.rubric, last.policy, last.roster, [attempt_of(work)])
        opened.record(seen, found(work))
    told = run(*words, "--download", folder).output
    assert list(members(zipped)) == ["1-2 - 张三 - Oct 9, 2025 922 PM/feedback.txt"]
    assert "1 plain text, such as zhangsan's" in told and f"`grader feedback {book}` first" in told


TRIGGERS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "＝1", "＋1", "－1", "＠x", "  =1"]


@given(text=st.sampled_from(TRIGGERS) | st.text(max_size=40), reason=st.text(max_size=40))
@settings(deadline=None)
def test_feedback_of_any_text_is_one_harmless_line(text: str, reason: str) -> None:
    verdict = mark("s1", name=text, reason=reason, remarks=(text,))
    line = feedback_line(verdict)
    assert not acts_as_formula(line) and not any(acts_as_formula(part) for part in line.split(";"))
    assert "\n" not in line and "\t" not in line
    feedback_text(verdict).encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("87.50", "87.5"),
        ("87,50", "87.5"),
        ("1,000.00", "1000"),
        ("1,000", "1000"),
        ("1 000,5", "1000.5"),
        ("-3", "-3"),
        ("#50", "50"),
        ("A+", None),
        ("", None),
        ("Needs Grading", None),
        ("NaN", None),
        ("5_0", None),
    ],
)
def test_numbers_are_read_as_lms_write_them(text: str, value: str | None) -> None:
    assert number(text) == (None if value is None else Decimal(value))


def test_a_file_needs_no_template_and_an_lms_does(book: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    assert "needs --template" in run("export", book, "--to", "canvas", "--out", out, status=2).output
    words = ("--template", template(tmp_path, "canvas"))
    assert "takes no option" in run("export", book, "--to", "csv", "--out", out, *words, status=2).output
    path = template(tmp_path, "canvas")
    told = run("export", book, "--to", "canvas", "--template", path, "--out", path, status=2).output
    assert "is the template" in told
