"""Students' texts on their whole way: through the command to the terminal, CSV, XLSX, JSON and file names."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from grader.export.cells import acts_as_formula

if sys.platform != "win32":
    import pty

PAYLOAD = (
    "=cmd|' /C calc'!A0 [bold red]x[/bold red] [link=https://example.com]y[/link] \x1b]0;pwn\x07\x1b[2J"
    "\x9b31m\u202egnp.exe\u2066\u200b\ufeff\u2028\r\n\t@SUM(A1) \ufffe <script>alert(1)</script> 张三"
)
FOLDERS = (
    "=1+1",
    "+1",
    "-rf",
    "@SUM(A1)",
    "[bold]b",
    "\x1b]0;pwn\x07a\x9b2Jz",
    "new\nline\ttab",
    "\u202egnp\u200b.exe",
    "a;=1+1",
    "\u180einvisible\u3164",
    "con",
    "名" * 80,
    "x" * 200,
)
CODE = """
import sys
def conv_output_size(*_):
    print(TEXT, flush=True)
    print('x' * (1 << 20), TEXT, file=sys.stderr, flush=True)
    raise type('Error' + TEXT, (ValueError,), {})(TEXT)
def conv_parameter_count(*_):
    return TEXT
def lenet5():
    class Broken(Exception):
        def __str__(self): raise ValueError(TEXT)
    raise Broken
def preprocess(images):
    return {TEXT: TEXT}
def classifier():
    from torch import nn
    net = nn.Module()
    net.add_module(TEXT.replace('.', ''), nn.Linear(1, 1))
    return net
"""


def grade(words: list[object], terminal: bool = False) -> tuple[int, str]:
    """Exit status and all output of the command; `terminal`: as shown on one, controls included."""
    command = [sys.executable, "-m", "grader", *map(str, words)]
    if not terminal:
        done = subprocess.run(command, capture_output=True, timeout=240, check=False)
        return done.returncode, (done.stdout + done.stderr).decode()
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return running.returncode, output.decode()


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A class whose names, code, archives and answers are all hostile, graded; what was printed."""
    folder = tmp_path_factory.mktemp("class")
    for name in FOLDERS:
        (folder / name).mkdir()
        (folder / name / "answers.md").write_text(f"# Question 1\n{PAYLOAD}\n", encoding="utf-8")
    text = PAYLOAD + "\ud800"
    (folder / "=1+1" / "lab8.py").write_text(f"TEXT = {text!a}\n{CODE}", encoding="utf-8")
    (folder / "=1+1" / "=2 \x1b[31m[red]w.pt").write_bytes(b"rubbish")
    (folder / "+1" / "lab8.py").write_text(f"def conv_output_size(:\n{PAYLOAD}", encoding="utf-8")
    (folder / "-rf" / "lab8 \x1b]0;pwn\x07[bold]\n@x.py").write_text("x = 1\n" * 400_000)
    (folder / "@SUM(A1)" / "lab8.ipynb").write_text('{"cells": [' + json.dumps(PAYLOAD), encoding="utf-8")
    (folder / "con" / "lab8.py").write_text("x = 1")
    (folder / "con" / "answers.md").rename(folder / "con" / "=\x1b[5m\u202e.docx")
    out = tmp_path_factory.mktemp("out")
    status, printed = grade(["grade", folder, "--out", out, "--images", "mini", "--jobs", "1"])
    assert status == 0, printed
    yield out, printed


def harmless(text: str) -> bool:
    """Whether nothing in it acts: no control but the newline, nothing that reorders or hides."""
    return all(
        character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        for character in text
    )


def test_what_is_printed_acts_on_no_terminal(graded: tuple[Path, str]) -> None:
    _, printed = graded
    assert harmless(printed)
    assert "[bold]b" in printed  # markup is text, not markup
    assert "pwn" not in printed


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.slow
def test_on_a_terminal_only_the_graders_own_sequences_appear(
    graded: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    for name in FOLDERS[:8]:
        (folder / name).mkdir(parents=True)
    (folder / "+1" / "lab8.py").write_text("\x1b]0;pwn\x07", encoding="utf-8")
    for words in (
        ["grade", folder, "--out", tmp_path / "out", "--images", "mini", "--jobs", "1"],
        ["grade", folder, "--out", tmp_path / "b", "--only", "gn\x1b]0;pwn\x07p.exe\u202e"],
        ["--traceback", "grade", folder / "\x1b]0;pwn\x07", "--out", tmp_path / "c"],
        ["grade", folder / "\x1b]0;pwn\x07[bold]x[/bold]", "--out", tmp_path / "c"],
    ):
        _, shown = grade(words, terminal=True)
        bare = re.sub(
            r"\x1b\[[0-9;]*m|\x1b\[\?25[hl]|\x1b\[[0-9]*[AK]|\r", "", shown
        )  # rich's colours and bar
        assert harmless(bare), ascii(bare)
        assert len(bare) > 20 and "pwn" not in bare.replace(str(tmp_path), "")


def test_no_cell_is_a_formula(graded: tuple[Path, str]) -> None:
    out, _ = graded
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    book = openpyxl.load_workbook(out / "scores.xlsx")
    assert len(rows) == len(FOLDERS) + 1 == book["Scores"].max_row - 1
    for row in rows:
        for cell in row:
            assert harmless(cell) and "\n" not in cell
            number = re.fullmatch(r"-?\d+(\.\d+)?", cell)
            assert number or not any(acts_as_formula(part) for part in cell.split(";"))
    for sheet in book:
        counts = sheet.title in ("Checks", "Accuracy", "Status")  # in the scores, by formulas of our own
        for cells in sheet.iter_rows():
            for cell in cells:
                assert cell.hyperlink is None
                if cell.data_type == "f":
                    assert counts and re.fullmatch(r"=(COUNT|COUNTIFS?|IF)\(.*\)", cell.value)
                elif cell.data_type == "s":
                    assert harmless(cell.value.replace("\t", " "))
                    assert sheet.title in ("Questions", "Status") or "\n" not in cell.value
                    assert not acts_as_formula(cell.value) or cell.quotePrefix


def test_json_files_have_plain_names_and_texts(graded: tuple[Path, str]) -> None:
    out, _ = graded
    files = list((out / "students").iterdir())
    assert len(files) == len(FOLDERS)
    verdicts = []
    for path in files:
        assert re.fullmatch(r"[\w%~.-]+\.json", path.name) and not path.name.startswith(("-", ".", "con."))
        text = path.read_bytes().decode("utf-8")
        assert harmless(text)
        verdicts.append(json.loads(text))
    texts = [text for verdict in verdicts for text in strings(verdict)]
    assert all(harmless(text.replace("\t", " ")) for text in texts)
    lines = [
        text
        for verdict in verdicts
        for key in verdict
        if key not in ("log", "answers")
        for text in strings(verdict[key])
    ]
    assert not any("\n" in line or len(line) > 1000 for line in lines)
    (broken,) = (verdict for verdict in verdicts if verdict["student_id"] == "=1+1")
    assert "张三" in broken["log"] and "pwn" not in broken["log"] and len(broken["log"]) <= 64 * 1024


def test_rows_say_what_was_wrong_with_what_was_handed_in(graded: tuple[Path, str]) -> None:
    out, _ = graded
    verdicts = {
        v["student_id"]: v for v in map(json.loads, (p.read_text("utf-8") for p in out.glob("students/*")))
    }
    rows = {row["id"]: row["reason"] for row in verdicts["@SUM(A1)"]["rows"]}
    assert "lab8.ipynb is not a notebook that can be read" in rows["conv_size_formula"]
    rows = {row["id"]: row["reason"] for row in verdicts["con"]["rows"]}
    assert "=.docx cannot be read: answers belong in answers.md" in rows["question_2"]
    rows = {row["id"]: row["reason"] for row in verdicts["=1+1"]["rows"]}
    assert "=2 [red]w.pt is neither a safetensors nor a torch file" in rows["classifier_weights_load"]
    rows = {row["id"]: row["reason"] for row in verdicts["-rf"]["rows"]}
    assert "is larger than 2 MiB" in rows["conv_size_formula"]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
