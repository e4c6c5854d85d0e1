"""The class list: what LMSs and people write is read, and what could change an id is refused."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import UserError
from grader.roster import Roster, RosterEntry, missing, read_roster, unknown
from grader.text import safe_line

PLAIN = "student_id,name,email,section,extension\n"
BLACKBOARD = (
    '"Last Name","First Name","Username","Student ID","Last Access","Availability",'
    '"Lab 2 [Total Pts: 100 Score] |3229309"\n'
    '"Li","Wei","li_wei","0012210001","2026-11-20 10:00:00","Yes","2.00"\n'
    '"张","三","0012210002","0012210002","","Yes",""\n'
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lab 2 (4411)\n"
    ",,,,,Manual Posting\n"
    "    Points Possible,,,,,100\n"
    '"Zhang, San",5512,s001,zhangsan,CS1-A,87.5\n'
    '"Li, Wei",5513,s002,liwei,CS1-B and CS1-C,\n'
)
MOODLE = (
    "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments\n"
    "Participant 40213,张 三,z@x.edu,Submitted for grading - 2 hours late,87.50,100.00,Yes,"
    '"Tuesday, 5 March 2024, 11:59 PM",-,"Well\ndone, ""really"""\n'
    "Participant 7,Ann Lee,a@x.edu,No submission,,100.00,Yes,-,-,\n"
)


def read(tmp_path: Path, content: str | bytes) -> Roster:
    path = tmp_path / "名单.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_roster(path)


def refusal(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / '名单.csv'}: ") and "\n" not in told
    return told.removeprefix(f"{tmp_path / '名单.csv'}: ")


def workbook(*sheets: Sequence[Sequence[Any]]) -> bytes:
    """An XLSX of these rows; a pair is a number and the format that it is shown in."""
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        for at, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                cell = sheet.cell(at, column)
                cell.value, cell.number_format = value if isinstance(value, tuple) else (value, "General")
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def ids(roster: Roster) -> list[str]:
    return [entry.student_id for entry in roster.entries]


# What LMSs export


def test_blackboard_names_people_by_username(tmp_path: Path) -> None:
    roster = read(tmp_path, "\ufeff" + BLACKBOARD)
    assert roster.entries == (
        RosterEntry(student_id="li_wei", name="Wei Li"),
        RosterEntry(student_id="0012210002", name="张三"),
    )
    assert roster.id_column == "Username"


def test_blackboards_xls_that_is_text_in_utf_16(tmp_path: Path) -> None:
    text = BLACKBOARD.replace('","', '"\t"')
    for raw in (text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be")):
        assert read(tmp_path, raw) == read(tmp_path, BLACKBOARD)


def test_blackboard_in_chinese_without_usernames(tmp_path: Path) -> None:
    assert read(tmp_path, "姓氏,名字,学生 ID,上次访问时间\n欧阳,娜娜,0012,\nO'Neil,Ann,0013,\n").entries == (
        RosterEntry(student_id="0012", name="欧阳娜娜"),
        RosterEntry(student_id="0013", name="Ann O'Neil"),
    )


def test_canvas_names_people_by_its_id_and_its_first_rows_are_nobodys(tmp_path: Path) -> None:
    expected = (
        RosterEntry(student_id="5512", name="Zhang, San", section="CS1-A"),
        RosterEntry(student_id="5513", name="Li, Wei", section="CS1-B and CS1-C"),
    )
    assert read(tmp_path, CANVAS).entries == expected
    rows = csv.reader(CANVAS.splitlines())
    file = io.StringIO()
    csv.writer(file, delimiter=";").writerows(rows)
    assert read(tmp_path, file.getvalue()).entries == expected


def test_canvas_test_student_is_nobody(tmp_path: Path) -> None:
    text = CANVAS + '"Student, Test",9999,,1c9f,CS1-A,,,\n'
    assert read(tmp_path, text).entries == read(tmp_path, CANVAS).entries


def test_a_student_without_an_id_is_not_taken_for_canvas_points(tmp_path: Path) -> None:
    assert refusal(tmp_path, "Student,ID,Section\nAnn,,A\nBo,2,A\n").startswith("line 2: the id is missing")
    text = CANVAS.replace("5512", "")
    assert refusal(tmp_path, text).startswith("line 4: the id is missing")
    text = CANVAS.replace("5513", "")
    assert refusal(tmp_path, text).startswith("line 5: the id is missing")


def test_moodle_names_people_by_the_number_behind_the_word(tmp_path: Path) -> None:
    expected = (
        RosterEntry(student_id="40213", name="张 三", email="z@x.edu"),
        RosterEntry(student_id="7", name="Ann Lee", email="a@x.edu"),
    )
    assert read(tmp_path, MOODLE).entries == expected
    chinese = MOODLE.replace("Identifier", "标识符").replace("Participant ", "参与者")
    assert ids(read(tmp_path, chinese)) == ["40213", "7"]


@pytest.mark.parametrize(
    "written",
    [
        ["pb21000001", "pb21000002"],
        ["Participant 7", "40213"],
        ["Participant 7", "Team 8"],
        ["Participant 7", "Participant  7"],
    ],
)
def test_what_is_no_participants_number_stays_as_it_is(tmp_path: Path, written: list[str]) -> None:
    assert ids(read(tmp_path, "\n".join(["Identifier", *written]))) == written


# What people write


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_plain_list_in_each_separator_and_encoding(
    tmp_path: Path, separator: str, encoding: str, line_end: str
) -> None:
    rows = [
        ["学号", "姓名", "电子邮箱", "班级", "延期（天）"],
        ["0012210001", "张三", "z@x.edu", "一班", "3"],
        ["pb2210002", "Ann; Lee, Jr.\t", "", "", "2026年11月27日"],
    ]
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=line_end).writerows(rows)
    assert read(tmp_path, file.getvalue().encode(encoding)).entries == (
        RosterEntry(student_id="0012210001", name="张三", email="z@x.edu", section="一班", extension=3),
        RosterEntry(student_id="pb2210002", name="Ann; Lee, Jr.", extension=date(2026, 11, 27)),
    )


@pytest.mark.parametrize(
    "header",
    [
        "student_id,name,e-mail,section,extension",
        "Student ID,Full Name,E-Mail Address,Group,Extension (days)",
        "ID,Student,Mail,Class,Extended until",
        "USERNAME , Name,email,sections,EXTENSION",
        "学号*,姓名,邮箱,教学班,延期至",
        "用户名,学生姓名,电子邮件地址,小组,宽限",
    ],
)
def test_headers_in_english_and_chinese(tmp_path: Path, header: str) -> None:
    is_group = "Group" in header or "小组" in header
    assert read(tmp_path, f"{header}\n0012,Ann,a@x.edu,A,2026-11-27 18:00\n").entries == (
        RosterEntry(
            student_id="0012",
            name="Ann",
            email="a@x.edu",
            section="A",
            group="A" if is_group else "",
            extension=datetime(2026, 11, 27, 18),
        ),
    )


def test_a_group_may_stand_beside_a_section(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "id,section,group\n1,A,Team 4\n").entries
    assert (entry.section, entry.group) == ("A", "Team 4")


def test_ids_alone_are_a_list(tmp_path: Path) -> None:
    assert ids(read(tmp_path, "student_id\n0012\n\n  \n0013")) == ["0012", "0013"]


def test_titles_may_stand_above_the_header(tmp_path: Path) -> None:
    text = "机器学习 2026 秋,,\n,,\n序号,学号,姓名\n1,0012,张三\n2,0013,李四\n"
    assert ids(read(tmp_path, text)) == ["0012", "0013"]
    assert refusal(tmp_path, text + "3,0012,张三\n").startswith("line 4 and line 6 hold the same id, 0012")


def test_cells_that_exporters_write_as_a_text_formula_are_the_text(tmp_path: Path) -> None:
    assert ids(read(tmp_path, 'id,name\n"=""0012""",Ann\n="0013",Bo\n')) == ["0012", "0013"]


def test_ids_that_look_alike_are_different_students(tmp_path: Path) -> None:
    alike = ["li_wei", "Li_Wei", "0012", "12", "００12", "lі_wei"]  # full-width digits, a Cyrillic letter
    assert ids(read(tmp_path, "\n".join(["id", *alike]))) == alike


def test_letters_with_accents_are_written_as_hand_ins_have_them(tmp_path: Path) -> None:
    assert ids(read(tmp_path, "id\nrene\u0301\n")) == ["ren\u00e9"]
    text = "id\nrene\u0301\nren\u00e9\n"
    assert refusal(tmp_path, text).startswith("line 2 and line 3 hold the same id")


def test_names_are_made_safe_and_never_run(tmp_path: Path) -> None:
    hostile = '=HYPERLINK(""http://x"")\x1b[31m\u202e'
    entry = read(tmp_path, f'id,name,email,section\n1,"{hostile}",{"e" * 999},{"s" * 999}\n').entries[0]
    assert entry.name == '=HYPERLINK("http://x")'
    assert (len(entry.email), len(entry.section)) == (254, 100)


# Workbooks


def test_ids_in_a_workbook_are_as_its_cells_show_them(tmp_path: Path) -> None:
    shown = {
        "0012210001": "0012210001",
        "12210002": 12210002,
        "0012210003": (12210003, "0000000000"),
        "pb00000004": (4, '"pb"00000000'),
        "pb05": (5, "\\p\\b00"),
        "12210006": (12210006.0, "0.00"),
        "12210007": (12210007, "#,##0"),
        "12-00008": (1200008, "00-00000"),
        "009": (9, "[$-804]000;-000"),
        "123456789012345": (123456789012345, "0"),
        "10": (10, "@"),
    }
    content = workbook([["学号", "姓名"], *([cell, "x"] for cell in shown.values())])
    assert ids(read(tmp_path, content)) == list(shown)


def test_a_workbook_has_all_columns(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["ID", "Name", "Email", "Section", "Extension"],
        [1, " 张三 ", "z@x.edu", 2, 3],
        [2, "Ann", None, "", (datetime(2026, 11, 27), "yyyy-mm-dd")],
        [3, "Bo", None, None, (datetime(2026, 11, 27, 18, 0, 0, 4), "yyyy-mm-dd hh:mm")],
        [None, None, "  "],
        [5, "Di", None, None, (46353.749999999, "yyyy-mm-dd hh:mm")],
        [4, "Cy", None, None, "2026-11-27 18:00"],
    ]
    assert read(tmp_path, workbook(rows)).entries == (
        RosterEntry(student_id="1", name="张三", email="z@x.edu", section="2", extension=3),
        RosterEntry(student_id="2", name="Ann", extension=date(2026, 11, 27)),
        RosterEntry(student_id="3", name="Bo", extension=datetime(2026, 11, 27, 18)),
        RosterEntry(student_id="5", name="Di", extension=datetime(2026, 11, 27, 18)),
        RosterEntry(student_id="4", name="Cy", extension=datetime(2026, 11, 27, 18)),
    )


def test_the_one_sheet_that_shows_and_holds_ids_is_read(tmp_path: Path) -> None:
    table: list[list[Any]] = [["id"], ["0012"]]
    assert ids(read(tmp_path, workbook([["notes"], ["none"]], table))) == ["0012"]
    assert refusal(tmp_path, workbook(table, table)).startswith("2 sheets hold ids: ")
    book = openpyxl.load_workbook(io.BytesIO(workbook(table, [["id"], ["old"]])))
    book.worksheets[1].sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    assert ids(read(tmp_path, file.getvalue())) == ["0012"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'<dimension ref="A1:B3"', b'<dimension ref="A1:A2"'),
        # A list of allowed values, which openpyxl warns that it leaves out.
        (
            b"</worksheet>",
            b'<extLst><ext uri="{CCE6A557-97BC-4B89-ADB6-D9C93CAAB3DF}"/></extLst></worksheet>',
        ),
    ],
    ids=["a size that is not the sheet's", "an extension of Excel's"],
)
def test_what_other_programs_put_into_a_sheet_loses_nobody(tmp_path: Path, old: bytes, new: bytes) -> None:
    packed = workbook([["id", "name"], ["0012", "Ann"], ["0013", "Bo"]])
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            changed = source.read(name).replace(old, new)
            assert (changed != source.read(name)) == name.endswith("sheet1.xml")
            target.writestr(name, changed)
    assert [entry.name for entry in read(tmp_path, content.getvalue()).entries] == ["Ann", "Bo"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([["=1+1"]], "row 2: the id is a formula"),
        ([["1", '="An"&"n"']], "row 2: the name is a formula"),
        ([["1", "Ann", "=3"]], "row 2: the extension: is a formula"),
        ([["1"], [1e15]], "row 3: the id is no whole number that shows"),
        ([[1.5]], "row 2: the id is no whole number that shows"),
        ([[-1]], "row 2: the id is no whole number that shows"),
        ([[(7, "0,")]], "row 2: the id is no whole number that shows"),
        ([[(7, "0%")]], "row 2: the id is no whole number that shows"),
        ([[(7, '"seven"')]], "row 2: the id is no whole number that shows"),
        ([[(7, "[DBNum1]0")]], "row 2: the id is no whole number that shows"),
        ([[(datetime(2026, 11, 27), "yyyy-mm-dd")]], "row 2: the id is a date"),
        ([[True]], "row 2: the id is neither text nor a number"),
        ([["#N/A"]], "row 2: the id is the error #N/A"),
        ([["1", "Ann", 46353]], "row 2: the extension: 46353 is outside 0 to 366 days"),
        ([["1", "Ann", (timedelta(hours=3), "[h]:mm")]], "row 2: the extension: "),
        ([["1"], [1]], "row 2 and row 3 hold the same id, 1"),
        ([["1", "Ann", "", "!"]], "row 2: has more cells than the header"),
    ],
)
def test_what_a_workbook_may_have_changed_is_refused_with_its_row(
    tmp_path: Path, rows: list[list[Any]], problem: str
) -> None:
    assert refusal(tmp_path, workbook([["id", "name", "extension"], *rows])).startswith(problem)


def test_broken_workbooks_are_refused(tmp_path: Path) -> None:
    good = workbook([["id"], ["0012"]])
    assert "is not a readable workbook" in refusal(tmp_path, good[: len(good) // 2])
    assert "an old or an encrypted Excel file" in refusal(tmp_path, b"\xd0\xcf\x11\xe0" + bytes(600))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert "save it as .xlsx" in refusal(tmp_path, file.getvalue())
    with zipfile.ZipFile(io.BytesIO(good)) as old:
        for victim in old.namelist():
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as new:
                for name in old.namelist():
                    new.writestr(name, old.read(name) if name != victim else b"<a><b>")
            path = tmp_path / "broken.xlsx"
            path.write_bytes(file.getvalue())
            try:
                assert ids(read_roster(path)) == ["0012"]  # what is broken may be what nobody reads
            except UserError as error:
                assert "\n" not in str(error)


def test_a_workbook_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(3):
            archive.writestr(f"xl/{number}.xml", bytes(64 * 1024 * 1024))
    assert refusal(tmp_path, file.getvalue()).startswith("unpacks to more than 128 MiB")


# What is refused in a text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no column holds ids: name it student_id, Username or 学号 in the first line"),
        ("name,points\nAnn,3\n", "no column holds ids: .* which says name, points"),
        (PLAIN, "lists no student"),
        (f"{PLAIN}0012,Ann,,,\n0013,Bo,,,\n0012,Ann,,,\n", "line 2 and line 4 hold the same id, 0012"),
        (f"{PLAIN},Ann,,,\n", "line 2: the id is missing"),
        (f"{PLAIN}=A1,Ann,,,\n", "line 2: the id is a formula"),
        (f"{PLAIN}1.22E+07,Ann,,,\n", r"line 2: the id was turned into the number 1\.22E\+07"),
        (f"{PLAIN}12210001.0,Ann,,,\n", r"line 2: the id was turned into the number 12210001\.0"),
        (f"{PLAIN}0012\u200b,Ann,,,\n", r"line 2: the id holds U\+200B"),
        (f"{PLAIN}00\xa012,Ann,,,\n", r"line 2: the id holds U\+00A0"),
        (f"{PLAIN}00\x1b[31m12,Ann,,,\n", r"line 2: the id holds U\+001B"),
        (f'{PLAIN}"00\n12",Ann,,,\n', r"line 2: the id holds U\+000A"),
        (f"{PLAIN}{'9' * 101},Ann,,,\n", "line 2: the id is longer than 100 characters"),
        (f"{PLAIN}0012,Zhang, San,z@x.edu,A,3\n", "line 2: has more cells than the header"),
        (f'{PLAIN}0012,"Ann\n0013,Bo",,,\n', "line 2: the name runs over lines"),
        (f'{PLAIN}0012,Ann,,,\n0013,"Bo,,,\n0014,Cy,,,\n', "line 3: a quotation mark"),
        (f'{PLAIN}0012,"Ann" Lee,,,\n', "line 2: a quotation mark"),
        (f"{PLAIN}0012,Ann,,,soon\n", "line 2: the extension: 'soon' is neither"),
        (f"{PLAIN}0012,Ann,,,27/11/2026\n", "line 2: the extension: '27/11/2026' is neither"),
        ("学号,姓名\n0012,张三\n\n班级 2,\n学号,姓名\n0013,李四\n", "line 5: is a header again"),
        ("学号,Student ID\n0012,0012\n", "line 1: 学号 and Student ID could each be the ids"),
        ("student_id\n00\x0012\n", "is neither text nor a workbook"),
        ("id\n" + "," * 600, "line 2: is beyond any class list"),
        ("id," + "x" * 200_000, "line 1: "),
    ],
)
def test_what_could_lose_or_change_a_student_is_refused_with_its_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert re.match(problem, refusal(tmp_path, text))


def test_ids_in_no_known_encoding_are_refused_and_names_are_not(tmp_path: Path) -> None:
    assert "the id holds U+FFFD" in refusal(tmp_path, b"id,name\n\xff\xff12,Ann\n")
    assert read(tmp_path, b"id,name\n12,\xff\xff\n").entries[0].name == "\ufffd\ufffd"


def test_missing_huge_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UserError, match=r"cannot be read .*: name another file"):
            read_roster(path)
    huge = tmp_path / "huge.csv"
    huge.touch()
    os.truncate(huge, 17 * 1024 * 1024)
    with pytest.raises(UserError, match="larger than 16 MiB"):
        read_roster(huge)
    assert "beyond any class list" in refusal(tmp_path, "id\n" + "\n".join(map(str, range(50_001))))


# Properties

_IDS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="\ufffd"), max_size=20).map(
    lambda text: unicodedata.normalize("NFC", f"u{text}x")
)
_CLASS = st.lists(_IDS, min_size=1, max_size=8, unique=True)


@given(
    _CLASS,
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8-sig", "utf-16"]),
)
def test_ids_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, written: list[str], separator: str, encoding: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([["name", "id"], *(["Ann", id] for id in written)])
    assert ids(read(folder, file.getvalue().encode(encoding))) == written


@given(_CLASS)
@settings(max_examples=30)  # a workbook takes its time
def test_ids_come_back_from_a_workbook(tmp_path_factory: pytest.TempPathFactory, written: list[str]) -> None:
    content = workbook([["id"], *([id] for id in written)])
    assert ids(read(tmp_path_factory.getbasetemp(), content)) == written


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: b"id,name\n" + text.encode("utf-8", "replace"))
)
def test_whatever_is_in_a_file_it_is_read_or_refused_in_a_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        roster = read_roster(path)
    except UserError as error:
        assert safe_line(str(error), 1000) == str(error)
        return
    assert len(set(ids(roster))) == len(roster.entries) > 0
    assert Roster.model_validate_json(roster.model_dump_json()) == roster


def test_a_roster_survives_being_written_as_json(tmp_path: Path) -> None:
    text = PLAIN + "1,A,,,3\n2,B,,,2026-11-27\n3,C,,,2026-11-27 18:00\n4,D,,,2026-11-27 18:00+08:00\n5,E,,,\n"
    roster = read(tmp_path, text)
    again = Roster.model_validate_json(roster.model_dump_json())
    assert again == roster
    assert [type(entry.extension) for entry in again.entries] == [int, date, datetime, datetime, type(None)]


# Who is absent, and who is unknown

CLASS = Roster(entries=tuple(RosterEntry(student_id=id) for id in ("0012", "12210001", "12210002", "li_wei")))


def test_the_absent_are_told_by_their_very_ids() -> None:
    assert missing(CLASS, []) == list(CLASS.entries)
    present = ["12210002", "12", "Li_Wei", "12210001"]
    assert [entry.student_id for entry in missing(CLASS, present)] == ["0012", "li_wei"]


def test_the_unknown_come_with_the_ids_that_are_nearest() -> None:
    found = unknown(CLASS, ["0012", "Li_Wei", "1221000l", "１２２１０００２", "zzz", "Li_Wei"])
    assert list(found) == ["Li_Wei", "1221000l", "１２２１０００２", "zzz"]
    assert [near[:1] for near in found.values()] == [("li_wei",), ("12210001",), ("12210002",), ()]


@given(
    st.lists(st.sampled_from([*"abc", "ab", "AB", "0012"])), st.sets(st.sampled_from([*"abd", "ab", "0012"]))
)
def test_everybody_is_present_absent_or_unknown(handed_in: list[str], enrolled: set[str]) -> None:
    roster = Roster(entries=tuple(RosterEntry(student_id=id) for id in sorted(enrolled)))
    absent = {entry.student_id for entry in missing(roster, handed_in)}
    strange = unknown(roster, handed_in)
    assert absent == enrolled - set(handed_in)
    assert set(strange) == set(handed_in) - enrolled
    assert all(set(near) <= enrolled for near in strange.values())


def test_a_whole_class_of_unknown_ids_costs_no_time() -> None:
    roster = Roster(entries=tuple(RosterEntry(student_id=f"1221{n:04}") for n in range(1000)))
    found = unknown(roster, (f"1331{n:04}" for n in range(1000)))
    assert len(found) == 1000 and sum(map(bool, found.values())) <= 20
