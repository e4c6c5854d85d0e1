import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.text import file_stem, safe_line, safe_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x1bcreset", "reset"),
        ("\x1b(Bx", "x"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\u2066b\u2069\u200f\ufeff", "ab"),
        ("张三 李四", "张三 李四"),
        ("a\x00b\x08c\x7f", "abc"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\tb", "a\tb"),
        ("\ud800x", "\ufffdx"),
        ("👩‍🔬", "👩‍🔬"),
    ],
    ids=repr,
)
def test_what_acts_is_removed_and_what_reads_is_kept(text: str, expected: str) -> None:
    assert safe_text(text, 100) == expected


def test_a_line_is_one_line() -> None:
    assert safe_line("  a\r\n b\t\tc \u2029d  ", 100) == "a b c d"


@pytest.mark.parametrize("function", [safe_text, safe_line])
def test_long_text_is_cut_with_a_sign(function: Callable[[str, int], str]) -> None:
    assert function("0123456789", 10) == "0123456789"
    assert function("0123456789x", 10) == "012345678…"
    assert function("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert function("张" * 100, 3) == "张张…"
    assert function("abc", 0) == ""


@pytest.mark.parametrize(
    "unit", ["\x90", "\x1b]", "\x9d\x9b", "\x9b0", "\x1b ", "\x1b[0;", "\x98\x80"], ids=repr
)
def test_torn_escape_sequences_take_linear_time(unit: str) -> None:
    began = time.process_time()
    safe_line(unit * 1_000_000, 16_384)
    assert time.process_time() - began < 1


@given(st.text(st.characters(), max_size=300), st.integers(1, 100))
def test_nothing_left_acts(text: str, limit: int) -> None:
    for cleaned in (safe_text(text, limit), safe_line(text, limit)):
        assert len(cleaned) <= limit
        cleaned.encode("utf-8")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
    assert "\n" not in safe_line(text, limit)
    assert safe_line(safe_line(text, limit), limit) == safe_line(text, limit)


@pytest.mark.parametrize(
    ("student_id", "stem"),
    [
        ("pb21000001", "pb21000001"),
        ("li_wei", "li_wei"),
        ("张三", "张三"),
        ("a.b", "a.b"),
        ("../x", "%2E.%2Fx"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("a.", "a%2E"),
        ("-rf", "%2Drf"),
        ("", "%"),
        ("CON", "%43ON"),
        ("com1.x", "%63om1.x"),
        ("con-x", "con-x"),
        ("a b", "a%20b"),
        ("a%b", "a%25b"),
        ("a\x00b", "a%00b"),
        ("a:b\\c", "a%3Ab%5Cc"),
    ],
)
def test_file_stems(student_id: str, stem: str) -> None:
    assert file_stem(student_id) == stem


@given(st.lists(st.text(st.characters(), max_size=80), min_size=2, max_size=5))
def test_different_students_get_different_safe_names(ids: list[str]) -> None:
    ids = [unicodedata.normalize("NFC", id_) for id_ in ids]
    stems = [file_stem(id_) for id_ in ids]
    assert len(set(stems)) == len(set(ids))
    for stem in stems:
        assert 0 < len(stem.encode()) <= 120
        assert not re.search(r'[\x00-\x1f<>:"/\\|?* ]', stem)
        assert stem.strip(".") == stem


def test_a_very_long_id_is_cut_and_stays_its_own() -> None:
    first, second = file_stem("名" * 500 + "甲"), file_stem("名" * 500 + "乙")
    assert first != second
    assert len(first.encode()) <= 120
