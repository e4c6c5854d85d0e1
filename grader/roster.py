"""The class list: a CSV or XLSX as Blackboard, Canvas and Moodle export it, or as people write it.

The ids in it decide who is absent and who is unknown, so they are taken exactly as written; where a
spreadsheet may have changed one, the file is refused with the line to look at. Nothing is evaluated.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl

from grader.errors import UserError
from grader.intake.decode import decode_text
from grader.policy import Extension, read_extension
from grader.text import safe_line
from grader.types import Record

# Far above any class, far below what a machine notices.
_FILE_BYTES = 16 * 1024 * 1024
_UNPACKED_BYTES = 128 * 1024 * 1024  # of a workbook
_ROWS = 50_000
_COLUMNS = 500
_HEADER_ROWS = 20  # titles may stand above the header

_ID_CHARACTERS = 100  # as intake has it
_NAME_CHARACTERS = 100
_EMAIL_CHARACTERS = 254
NEAREST = 3
_MISTAKEN = str.maketrans("oil", "011")
_UNKNOWN_SEARCHED = 20  # more unknown ids than this are another class's; near ones would mean nothing

# Headers as `_key` folds them. Where several columns could be meant, the one named first here is.
_ID = (
    ("identifier", "标识符", "識別碼"),  # Moodle's worksheet: as its downloads name people
    ("username", "用户名", "账号", "帐号", "userid"),  # Blackboard: as its downloads name people
    ("studentid", "学号", "学生id", "学生学号", "studentnumber", "studentno", "sid", "matriculationnumber"),
    ("id",),  # Canvas: as its downloads name people
    ("idnumber", "id号", "编号"),  # Moodle's other lists
    ("sisuserid",),
    ("sisloginid",),
)
_NAME = (("name", "fullname", "studentname", "姓名", "全名", "学生姓名"), ("student", "学生"))
_FIRST_NAME = (("firstname", "givenname", "名", "名字"),)
_LAST_NAME = (("lastname", "surname", "familyname", "姓", "姓氏"),)
_EMAIL = (
    ("email", "emailaddress", "mail", "邮箱", "邮箱地址", "电子邮箱", "电子邮件", "电子邮件地址", "邮件"),
)
_SECTION = (("section", "sections"), ("教学班",), ("class", "班级", "班"), ("group", "groups", "小组", "组"))
_GROUP = (("group", "groups", "groupname", "team", "小组", "组", "分组"),)
_EXTENSION = (
    ("extension", "extensiondays", "extensionuntil", "extendeduntil", "daysextension"),
    ("延期", "延期天数", "延期至", "延期到", "延长", "宽限"),
)
_CANVAS = {"student", "id", "section"}  # and a column of the SIS
_CANVAS_TEST = "Student, Test"  # whom Canvas makes for teachers to look with

_PARTICIPANT = re.compile(r"(?P<word>[^\W\d_][^\d]{0,40}\s|参与者|参与人|參與者)\s?(?P<id>\d{1,20})")
_QUOTED = re.compile(r'="((?:[^"]|"")*)"')  # how some exporters keep a spreadsheet from reading a number
_TURNED = re.compile(r"\d(?:[.,]\d+)?E\+\d+|\d+\.0", re.IGNORECASE | re.ASCII)  # 1.22E+07, 12210001.0
_IDEOGRAPHS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff·]+")
_FORMAT = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<language>\[\$-[0-9a-f]+\])|_.|(?P<sign>.)',
    re.IGNORECASE | re.DOTALL,
)
_SCALED = re.compile(r",(?![^;.]*[0#])")  # a comma behind the last digit: thousands are shown


class RosterEntry(Record):
    """A student of the class."""

    student_id: str  # exactly as written
    name: str = ""
    email: str = ""
    section: str = ""
    group: str = ""  # that hands in together
    extension: Extension | None = None  # days, or until when


class Roster(Record):
    """The class, in the list's order; no id is there twice."""

    entries: tuple[RosterEntry, ...]
    id_column: str = ""  # the header under which the ids stood, for people


@dataclass(frozen=True)
class _Cell:
    """What a cell shows; or why what it shows cannot be relied on."""

    text: str = ""
    moment: date | None = None
    flaw: str = ""
    number: str = ""  # in full, where it is one, however few digits are shown


@dataclass(frozen=True)
class _Row:
    place: str  # "line 7"
    cells: tuple[_Cell, ...]


@dataclass(frozen=True)
class _Columns:
    """Where the header says that things stand."""

    id: int
    is_identifier: bool
    is_canvas: bool
    name: int | None
    first_name: int | None
    last_name: int | None
    email: int | None
    section: int | None
    group: int | None
    extension: int | None

    @property
    def known(self) -> int:
        places = (
            self.id,
            self.name,
            self.first_name,
            self.last_name,
            self.email,
            self.section,
            self.extension,
        )
        return sum(at is not None for at in places)


def read_roster(path: Path) -> Roster:
    """Read a class list; the file's content says what it is, not its name.

    CSV with commas, semicolons or tabs in UTF-8, UTF-16 or GB18030, or XLSX. The header names the columns,
    in English or Chinese: an id, and as far as they are there a name, an e-mail, a section, an extension.
    Raises `UserError` that names the line.
    """
    return _roster(path, _tables(path))


def is_id_header(text: str) -> bool:
    """Whether this is what a column of students' ids is called."""
    return any(_key(text) in names for names in _ID)


def read_cells(path: Path, hidden: str = "") -> list[tuple[str, list[str]]]:
    """The first sheet of a CSV or XLSX that holds anything: each line's place, and its texts and numbers.

    With `hidden` the sheet of that name, which does not show; empty where there is none. Raises `UserError`,
    with the line, where a cell is neither text nor number.
    """
    tables = _tables(path, hidden)
    if hidden and not tables:
        return []
    table = next((table for table in tables if any(cell.text for row in table for cell in row.cells)), None)
    if not table:
        raise UserError(f"{path}: holds nothing: name another file")
    for row in table:
        for cell in row.cells:
            if cell.flaw and not cell.number:
                raise UserError(f"{path}: {row.place}: a cell {cell.flaw}")
    return [(row.place, [cell.number or cell.text for cell in row.cells]) for row in table]


def _tables(path: Path, hidden: str = "") -> list[list[_Row]]:
    """All sheets of the file that show, or the hidden one of this name."""
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): name another file") from error
    if len(raw) > _FILE_BYTES:
        raise UserError(f"{path}: is larger than {_FILE_BYTES >> 20} MiB: export the class alone")
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise UserError(f"{path}: is an old or an encrypted Excel file: save it as .xlsx without a password")
    if raw.startswith(b"PK"):
        return _workbook(path, raw, hidden)
    return [] if hidden else _separated(path, raw)


def missing(roster: Roster, ids: Iterable[str]) -> list[RosterEntry]:
    """The students of the class who are not among these ids, in the list's order."""
    present = set(ids)
    return [entry for entry in roster.entries if entry.student_id not in present]


def unknown(roster: Roster, ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The ids that are nobody's of the class, each with the most similar ones of the class, best first.

    Who is meant is for people to say: an id that only looks like another is unknown. Where very many
    are, only the first of them come with similar ones.
    """
    known = {entry.student_id for entry in roster.entries}
    folded: dict[str, list[str]] = {}
    for entry in roster.entries:
        folded.setdefault(_folded(entry.student_id), []).append(entry.student_id)
    found: dict[str, tuple[str, ...]] = {}
    for id in dict.fromkeys(ids):
        if id in known:
            continue
        near = []
        if len(found) < _UNKNOWN_SEARCHED:
            near = difflib.get_close_matches(_folded(id), folded, n=NEAREST)
        found[id] = tuple([similar for fold in near for similar in folded[fold]][:NEAREST])
    return found


def doubts(roster: Roster, last: Roster | None, handed_in: Sequence[str]) -> list[str]:
    """What is to be told where this seems to be the wrong list for those who `handed_in`.

    That is a list without people of the `last` one, or one on which most of them do not stand.
    """
    listed = {entry.student_id for entry in roster.entries}
    strangers = [id for id in handed_in if id not in listed]
    if not listed or not strangers:
        return []
    before = {entry.student_id for entry in last.entries} if last else set()
    if dropped := [id for id in strangers if id in before]:
        whom = "1 student" if len(dropped) == 1 else f"{len(dropped)} students"
        return [
            f"no longer on the class list, and so quarantined: {whom} of the last list, such as {dropped[0]}."
            " A list replaces the last one: name the list of the whole class, with all its sections"
        ]
    if 2 * len(strangers) <= len(handed_in):
        return []
    found = len(handed_in) - len(strangers)
    return [
        f"the class list has {found or 'none'} of the {len(handed_in)} ids under which work was handed in:"
        f" they are like {strangers[0]}, and the list has {roster.entries[0].student_id}. Give a list with"
        " the ids that the download has (instructors.md, Export the class list)"
    ]


def _folded(id: str) -> str:
    """An id without what people mistake: the case, the width of digits, O for 0, I and l for 1."""
    return unicodedata.normalize("NFKC", id[:_ID_CHARACTERS]).casefold().translate(_MISTAKEN)


# --- from rows to the class ------------------------------------------------------------------------


def _roster(path: Path, tables: Sequence[Sequence[_Row]]) -> Roster:
    """The class in the one table that has a column of ids."""
    found = [(table, *header) for table in tables if (header := _header(path, table))]
    if len(found) > 1:
        raise UserError(f"{path}: {len(found)} sheets hold ids: leave one sheet in the file")
    if not found:
        first = next((row for table in tables for row in table), None)
        shown = safe_line(", ".join(cell.text for cell in first.cells if cell.text), 200) if first else ""
        raise UserError(
            f"{path}: no column holds ids: name it student_id, Username or 学号 in the first line"
            + (f", which says {shown}" if shown else "")
        )
    table, at, columns = found[0]
    width = max(number for number, cell in enumerate(table[at].cells, 1) if cell.text)
    entries: list[RosterEntry] = []
    places: dict[str, str] = {}
    for row in table[at + 1 :]:
        if any(cell.text or cell.flaw for cell in row.cells[width:]):
            raise UserError(
                f"{path}: {row.place}: has more cells than the header: put quotation marks around what"
                " holds a separator, or name the column"
            )
        if columns.is_canvas and not (entries or _at(row, columns.id).text or _at(row, columns.section).text):
            continue  # the points possible, and whether grades are posted by hand: nobody's
        if _key(_at(row, columns.id).text) == _key(table[at].cells[columns.id].text):
            raise UserError(f"{path}: {row.place}: is a header again: leave one list in the file")
        if columns.is_canvas and _at(row, columns.name).text == _CANVAS_TEST:
            continue
        entry = _entry(path, row, columns)
        if entry.student_id in places:
            raise UserError(
                f"{path}: {places[entry.student_id]} and {row.place} hold the same id,"
                f" {entry.student_id}: delete one of them"
            )
        places[entry.student_id] = row.place
        entries.append(entry)
    if not entries:
        raise UserError(f"{path}: lists no student below its header: export the class list again")
    if columns.is_identifier:
        entries = _participants(path, entries)
    return Roster(entries=tuple(entries), id_column=safe_line(table[at].cells[columns.id].text, 100))


def _header(path: Path, table: Sequence[_Row]) -> tuple[int, _Columns] | None:
    for at, row in enumerate(table[:_HEADER_ROWS]):
        if columns := _columns(path, row):
            return at, columns
    return None


def _columns(path: Path, row: _Row) -> _Columns | None:
    keys = [_key(cell.text) for cell in row.cells]
    id = _find(keys, _ID)
    if id is None:
        return None
    same = next(names for names in _ID if keys[id] in names)
    rivals = [cell.text for cell, key in zip(row.cells, keys, strict=True) if key in same]
    if len(rivals) > 1:
        told = safe_line(" and ".join(rivals), 200)
        raise UserError(f"{path}: {row.place}: {told} could each be the ids: rename all but one")
    return _Columns(
        id=id,
        is_identifier=keys[id] in _ID[0],
        is_canvas=set(keys) >= _CANVAS and any(key.startswith("sis") for key in keys),
        name=_find(keys, _NAME),
        first_name=_find(keys, _FIRST_NAME),
        last_name=_find(keys, _LAST_NAME),
        email=_find(keys, _EMAIL),
        section=_find(keys, _SECTION),
        group=_find(keys, _GROUP),
        extension=_find(keys, _EXTENSION),
    )


def _key(header: str) -> str:
    """A header without case, spacing, punctuation, and what stands in parentheses: "E-Mail" is "email"."""
    text = unicodedata.normalize("NFKC", header[:200]).casefold()
    return re.sub(r"[\W_]+", "", re.sub(r"\([^()]*\)", "", text))


def _find(keys: Sequence[str], named: Iterable[Collection[str]]) -> int | None:
    """The first column with the first of these names that there is."""
    for names in named:
        for at, key in enumerate(keys):
            if key in names:
                return at
    return None


def _at(row: _Row, column: int | None) -> _Cell:
    return row.cells[column] if column is not None and column < len(row.cells) else _Cell()


def _entry(path: Path, row: _Row, columns: _Columns) -> RosterEntry:
    def text(what: str, column: int | None, limit: int) -> str:
        cell = _at(row, column)
        if cell.flaw:
            raise UserError(f"{path}: {row.place}: the {what} {cell.flaw}")
        if "\n" in cell.text:
            raise UserError(f"{path}: {row.place}: the {what} runs over lines: close its quotation mark")
        return safe_line(cell.text, limit)

    first = text("first name", columns.first_name, _NAME_CHARACTERS)
    last = text("last name", columns.last_name, _NAME_CHARACTERS)
    return RosterEntry(
        student_id=_student_id(path, row, _at(row, columns.id)),
        name=text("name", columns.name, _NAME_CHARACTERS) or _joined(first, last)[:_NAME_CHARACTERS],
        email=text("e-mail", columns.email, _EMAIL_CHARACTERS),
        section=text("section", columns.section, _NAME_CHARACTERS),
        group=text("group", columns.group, _NAME_CHARACTERS),
        extension=_extension(path, row, _at(row, columns.extension)),
    )


def _joined(first: str, last: str) -> str:
    """A name in the order that its writing has."""
    if _IDEOGRAPHS.fullmatch(first) and _IDEOGRAPHS.fullmatch(last):
        return last + first
    return f"{first} {last}".strip()


def _student_id(path: Path, row: _Row, cell: _Cell) -> str:
    id, flaw = unicodedata.normalize("NFC", cell.text), cell.flaw
    hidden = next((sign for sign in id if not sign.isprintable() or sign == "\ufffd"), None)
    if flaw:
        pass
    elif not id:
        flaw = "is missing: fill it in, or delete the line"
    elif cell.moment is not None:
        flaw = "is a date: format the column as text and type the id again"
    elif id.startswith("="):
        flaw = "is a formula: put in its value"
    elif _TURNED.fullmatch(id):
        flaw = f"was turned into the number {id[:20]} by a program: export the list anew, unopened"
    elif hidden:
        flaw = f"holds U+{ord(hidden):04X}, which does not show as a letter: type the id again"
    elif len(id) > _ID_CHARACTERS:
        flaw = f"is longer than {_ID_CHARACTERS} characters: correct it"
    if flaw:
        raise UserError(f"{path}: {row.place}: the id {flaw}")
    return id


def _extension(path: Path, row: _Row, cell: _Cell) -> int | date | datetime | None:
    try:
        if cell.flaw:
            raise ValueError(cell.flaw)
        if cell.moment is None and not cell.text:
            return None
        return read_extension(cell.moment or safe_line(cell.text, 100))
    except ValueError as error:
        raise UserError(f"{path}: {row.place}: the extension: {error}") from None


def _participants(path: Path, entries: Sequence[RosterEntry]) -> list[RosterEntry]:
    """The numbers of "Participant 40213", by which Moodle's downloads name people; else as written."""
    matches = [_PARTICIPANT.fullmatch(entry.student_id) for entry in entries]
    words = {match["word"].strip() if match else "" for match in matches}
    if len(words) > 1 or "" in words:
        return list(entries)
    numbers = [match["id"] for match in matches if match]
    if len(set(numbers)) < len(numbers):
        return list(entries)
    return [
        entry.model_copy(update={"student_id": number})
        for entry, number in zip(entries, numbers, strict=True)
    ]


# --- text files ------------------------------------------------------------------------------------


def _separated(path: Path, raw: bytes) -> list[list[_Row]]:
    """The text as a table, split by what makes most sense of its header."""
    text = decode_text(raw)
    if "\0" in text:
        raise UserError(f"{path}: is neither text nor a workbook: save it as CSV in UTF-8, or as .xlsx")
    best: list[_Row] | None = None
    most = (-1, 0)
    fault = ""
    for separator in ",;\t":
        try:
            table = list(_lines(path, text, separator))
        except csv.Error as error:
            fault = fault or str(error)
            continue
        header = _header(path, table)
        # Another table than a class list is split where its first line has the most columns.
        known = (header[1].known, 0) if header else (0, len(table[0].cells) if table else 0)
        if known > most:
            best, most = table, known
    if best is None or (fault and not most[0]):
        raise UserError(f"{path}: {fault}")
    return [best]


def _lines(path: Path, text: str, separator: str) -> Iterator[_Row]:
    """The rows that hold something. Raises `csv.Error` at a stray quotation mark: it would swallow rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    start = 1
    try:
        for number, cells in enumerate(reader):
            if number >= _ROWS or len(cells) > _COLUMNS:
                raise UserError(f"{path}: line {start}: is beyond any class list: export it again")
            if any(map(str.strip, cells)):
                yield _Row(f"line {start}", tuple(_Cell(_unquoted(cell.strip())) for cell in cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {start}: a quotation mark is not closed or stands alone ({error})") from None


def _unquoted(text: str) -> str:
    match = _QUOTED.fullmatch(text)
    return match[1].replace('""', '"').strip() if match else text


# --- workbooks -------------------------------------------------------------------------------------


def _workbook(path: Path, raw: bytes, hidden: str = "") -> list[list[_Row]]:
    """The sheets that show, or the hidden one of this name, as tables. Formulas stay formulas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what a class list does not need: styles, validation, images
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                unpacked = sum(info.file_size for info in archive.infolist())
                names = archive.namelist()
            if "content.xml" in names and "mimetype" in names:
                raise UserError(f"{path}: is an OpenDocument file: save it as .xlsx or CSV")
            if unpacked > _UNPACKED_BYTES:
                raise UserError(
                    f"{path}: unpacks to more than {_UNPACKED_BYTES >> 20} MiB: export the list alone"
                )
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, keep_links=False)
            return [
                list(_rows(path, sheet))
                for sheet in book.worksheets
                if (sheet.title == hidden if hidden else sheet.sheet_state == "visible")
            ]
        except UserError:
            raise
        except Exception as error:  # on a damaged file openpyxl raises whatever comes
            why = safe_line(str(error) or type(error).__name__, 200)
            raise UserError(f"{path}: is not a readable workbook ({why}): save it as .xlsx or CSV") from None


def _rows(path: Path, sheet: Any) -> Iterator[_Row]:
    sheet.reset_dimensions()  # some exporters state a size that is not the sheet's
    for number, cells in enumerate(sheet.iter_rows(max_col=_COLUMNS), 1):
        if number > _ROWS:
            raise UserError(f"{path}: reaches beyond row {_ROWS:,}: copy the list into a new file")
        filled = [
            at for at, cell in enumerate(cells, 1) if cell.value is not None and str(cell.value).strip()
        ]
        if filled:
            yield _Row(f"row {number}", tuple(_cell(cell) for cell in cells[: filled[-1]]))


def _cell(cell: Any) -> _Cell:
    value = cell.value
    if value is None:
        return _Cell()
    if cell.data_type == "f":
        return _Cell(flaw="is a formula: put in its value")
    if cell.data_type == "e":
        return _Cell(text=str(value), flaw=f"is the error {safe_line(str(value), 20)}: correct it")
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
        midnight = value.hour == value.minute == value.second == 0
        return _Cell(text=value.isoformat(" "), moment=value.date() if midnight else value)
    if isinstance(value, str):
        return _Cell(text=value.replace("\r\n", "\n").strip())
    if isinstance(value, int | float) and not isinstance(value, bool):
        shown, number = _shown(value, cell.number_format), f"{value:.12g}"
        if shown is not None:
            return _Cell(text=shown, number=number)
        flaw = "is no whole number that shows all its digits: format it as text and type it again"
        return _Cell(flaw=flaw, number=number)
    return _Cell(flaw="is neither text nor a number: correct it")


def _shown(number: int | float, number_format: str) -> str | None:
    """A whole number as the cell shows it, leading zeros and a fixed text included; None where unclear.

    Beyond fifteen digits a spreadsheet has rounded it. Separators of thousands and empty decimals are
    left out.
    """
    if number != int(number) or not 0 <= number < 10**15:
        return None
    digits = str(int(number))
    if number_format in ("General", "@", ""):
        return digits
    if _SCALED.search(number_format):
        return None
    pieces: list[str] = []  # "0" and "#" are places for digits; a text stands behind a NUL
    for match in _FORMAT.finditer(number_format):
        sign = match["sign"]
        literal = match["quoted"] or match["escaped"] or (sign if sign and sign in "- +:()" else "")
        if sign in (";", "."):
            break
        if sign and sign in "0#":
            pieces.append(sign)
        elif literal:
            pieces.append("\0" + literal)
        elif sign and sign != ",":
            return None
    return _filled(pieces, digits)


def _filled(pieces: Sequence[str], digits: str) -> str | None:
    places = [at for at, piece in enumerate(pieces) if piece in ("0", "#")]
    if not places:
        return None
    shown = list(pieces)
    for at in reversed(places):
        shown[at], digits = digits[-1:] or ("0" if pieces[at] == "0" else ""), digits[:-1]
    shown[places[0]] = digits + shown[places[0]]
    return "".join(piece.removeprefix("\0") for piece in shown)
