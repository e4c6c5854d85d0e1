from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.intake.decode import decode_text
from grader.intake.entries import UnreadableError
from grader.intake.limits import ANSWER_BYTES, NOTEBOOK_CELLS, NOTEBOOK_MARKS
from grader.intake.notebook import parse_notebook

CODE = {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "outputs": [{"text": "x" * 100}], "metadata": {}}
TEXT = {"cell_type": "markdown", "source": "# 问题 1\n答", "attachments": {"a.png": {"image/png": "AAAA"}}}


def test_format_4() -> None:
    notebook = parse_notebook(json.dumps({"nbformat": 4, "cells": [TEXT, CODE, TEXT]}))
    assert notebook.code == ("a = 1\nb = 2",)
    assert notebook.markdown == ("# 问题 1\n答",) * 2


def test_format_3() -> None:
    sheets = [
        {
            "cells": [
                {"cell_type": "heading", "level": 2, "source": "Q1"},
                {"cell_type": "code", "input": "a"},
            ]
        },
        {"cells": [{"cell_type": "code", "input": ["b\n", "c"]}]},
    ]
    notebook = parse_notebook(json.dumps({"nbformat": 3, "worksheets": sheets}))
    assert notebook.code == ("a", "b\nc")
    assert notebook.markdown == ("## Q1",)


@pytest.mark.parametrize("version", [None, 2, 5, 99, "4", [], 4.5])
def test_any_version_is_read_by_its_cells(version: Any) -> None:
    assert parse_notebook(json.dumps({"nbformat": version, "cells": [CODE]})).code


@pytest.mark.parametrize(
    "cell",
    [
        {"cell_type": "code"},
        {"cell_type": "code", "source": None},
        {"cell_type": "code", "source": {"a": 1}},
        {"cell_type": "code", "source": [1, None, ["x"]]},
    ],
    ids=repr,
)
def test_a_cell_without_source_keeps_its_place(cell: Any) -> None:
    assert parse_notebook(json.dumps({"cells": [cell, CODE]})).code == ("", "a = 1\nb = 2")


@pytest.mark.parametrize(
    "cell", [None, 3, "x", [], {}, {"cell_type": "raw", "source": "x"}, {"source": "x"}], ids=repr
)
def test_what_is_no_cell_is_passed_over(cell: Any) -> None:
    assert parse_notebook(json.dumps({"cells": [cell, CODE]})).code == ("a = 1\nb = 2",)


def test_numbers_of_any_length_are_passed_over() -> None:
    text = json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}]})
    longer = text[:-1] + ', "metadata": {"n": [' + "7" * 10_000 + ", -" + "8" * 10_000 + "]}}"
    assert parse_notebook(longer) == parse_notebook(text)


def test_names_that_markdown_binds_are_bounded() -> None:
    text = json.dumps({"cells": [{"cell_type": "markdown", "source": "a=\n" * 1_000}] * 3})
    assert len(parse_notebook(text).elsewhere) == 200


def test_markdown_is_kept_up_to_what_is_read_of_it() -> None:
    cells = [{"cell_type": "markdown", "source": "x" * 400_000}] * 9
    kept = parse_notebook(json.dumps({"cells": cells})).markdown
    assert ANSWER_BYTES < sum(map(len, kept)) <= ANSWER_BYTES + 1


def test_half_a_surrogate_pair_can_still_be_written() -> None:
    (cell,) = parse_notebook('{"cells": [{"cell_type": "code", "source": "x = \\"\\ud800\\""}]}').code
    assert cell.encode("utf-8").decode() == cell


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"cells": 3}',
        '{"cells": null}',
        '{"worksheets": {}}',
        "[" * 200_000,
        '{"cells":' * 200_000,
        '{"cells": [' + "[]," * (NOTEBOOK_MARKS // 2 + 1) + "[]]}",
        '{"cells": [' + '{"cell_type": "code"},' * (NOTEBOOK_CELLS + 1) + "{}]}",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_notebook_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_notebook(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "worksheets", "cell_type", "source", "input", "level", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(JSON, st.sampled_from(["code", "markdown", "heading", "raw"]))
def test_any_json_gives_texts_or_a_reason(value: Any, kind: str) -> None:
    for content in (
        value,
        {"cells": [{"cell_type": kind, "source": value}]},
        {"worksheets": [{"cells": value}]},
    ):
        try:
            notebook = parse_notebook(json.dumps(content))
        except UnreadableError as error:
            assert str(error)
        else:
            for cell in notebook.code + notebook.markdown:
                assert isinstance(cell, str) and cell.encode("utf-8")[:0] == b""


REAL = json.dumps({"nbformat": 4, "cells": [TEXT, CODE], "metadata": {"k": [1.5, None, True, "\\"]}})
PIECES = [
    '"',
    "{",
    "[",
    "]",
    "}",
    ",",
    '"cells":',
    '"cells":[',
    "null",
    "\\ud800",
    "\x00",
    "1e999",
    "-",
    "NaN",
    "9" * 30,
]


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(REAL)), st.integers(0, 30), st.sampled_from(PIECES) | st.text(max_size=4)
        )
    )
)
def test_a_damaged_notebook_gives_texts_or_a_reason(changes: list[tuple[int, int, str]]) -> None:
    text = REAL
    for at, cut, piece in changes:
        text = text[:at] + piece + text[at + cut :]
    try:
        notebook = parse_notebook(text)
    except UnreadableError as error:
        assert str(error)
    else:
        "".join(notebook.code + notebook.markdown).encode("utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_texts_in_every_encoding_that_students_use(encoding: str) -> None:
    text = "print('hello')\nx = 1\n" if encoding.startswith("utf-16-") else "# 卷积神经网络\nprint('你好')\n"
    raw = text.replace("\n", "\r\n").encode(encoding)
    assert decode_text(raw) == text


def test_utf_16_big_endian_with_its_mark() -> None:
    assert decode_text(b"\xfe\xff" + "答案".encode("utf-16-be")) == "答案"


@given(st.binary(max_size=200))
def test_any_bytes_become_text(raw: bytes) -> None:
    decode_text(raw).encode("utf-8")
