"""Hostile files around an honest lab8.py: archives, notebooks, weights, names and texts, graded for real.

Each maker lays one student's hand-in into an empty folder. What must come of it stands in its mark:
the status, words of the reason, and the rows that earn nothing, while all others earn what they do alone.
"""

from __future__ import annotations

import fnmatch
import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openpyxl
import pytest
import torch
from click.testing import CliRunner
from hostile_uploads import UPLOADS

from grader.checks._session import _collected
from grader.cli import main
from grader.evidence import seed_of
from grader.lab import load_lab
from grader.sandbox import StudentFailure
from grader.types import Outcome

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is Linux's"),
    pytest.mark.timeout(120),
]
HONEST = (Path(__file__).parent / "honest.py").read_text("utf-8")
LOADED = ("classifier_weights_load", "accuracy")


@dataclass(frozen=True)
class Made:
    idea: str
    make: Callable[[Path, Any], None]
    status: str
    lost: tuple[str, ...]
    reason: str


MADE: dict[str, Made] = {}


def hostile(
    status: str = "graded", lost: tuple[str, ...] = (), reason: str = ""
) -> Callable[[Callable[[Path, Any], None]], None]:
    def mark(make: Callable[[Path, Any], None]) -> None:
        assert make.__doc__
        MADE[make.__name__] = Made(make.__doc__, make, status, lost, reason)

    return mark


def zipped(folder: Path, fill: Callable[[zipfile.ZipFile], None], name: str = "work.zip") -> None:
    """A zip with the honest work, and what `fill` adds to it; nothing beside it."""
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            if file.suffix != ".zip":
                archive.write(file, file.name)
                file.unlink()
        fill(archive)


def link(archive: zipfile.ZipFile, name: str, target: str) -> None:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    archive.writestr(entry, target)


# --- archives


@hostile("quarantined", reason="..")
def zip_that_climbs_out(folder: Path, lane: Any) -> None:
    """Members that climb out of the folder that they are unpacked into."""
    zipped(
        folder, lambda z: z.writestr("../" * 12 + str(lane.canaries.folder)[1:] + "/secret.txt", "mine now")
    )


@hostile("quarantined")
def zip_with_absolute_names(folder: Path, lane: Any) -> None:
    """Members with absolute names."""
    zipped(
        folder, lambda z: z.writestr(str(lane.canaries.folder / "results" / "gradebook.sqlite"), "me: 104")
    )


@hostile("quarantined", reason="link")
def zip_with_links(folder: Path, lane: Any) -> None:
    """Links to a secret, to the neighbour's work and to the root, and a member below a link."""

    def fill(z: zipfile.ZipFile) -> None:
        link(z, "notes.md", str(lane.canaries.folder / "secret.txt"))
        link(z, "out", str(lane.canaries.folder / "results"))
        link(z, "root", "/")

    zipped(folder, fill)


@hostile("quarantined", reason="work.zip")
def zip_bomb(folder: Path, lane: Any) -> None:
    """A quarter of a gibibyte of zeros in a few hundred kilobytes."""

    def fill(z: zipfile.ZipFile) -> None:
        with z.open("zeros.bin", "w", force_zip64=True) as member:
            for _ in range(256):
                member.write(bytes(2**20))

    zipped(folder, fill)


@hostile(reason="was not opened")
def zip_in_a_zip_in_a_zip(folder: Path, lane: Any) -> None:
    """Archives within archives, each of which holds many."""
    inner = b""
    for _ in range(5):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
            for n in range(10):
                z.writestr(f"{n}.zip", inner or bytes(10**6))
        inner = buffer.getvalue()
    zipped(folder, lambda z: z.writestr("more.zip", inner))


@hostile("quarantined", reason="files")
def zip_of_many_files(folder: Path, lane: Any) -> None:
    """Fifty thousand members, each of them empty."""

    def fill(z: zipfile.ZipFile) -> None:
        for n in range(50_000):
            z.writestr(zipfile.ZipInfo(f"{n}"), b"")

    zipped(folder, fill)


@hostile()
def modules_beside_the_module(folder: Path, lane: Any) -> None:
    """Files that an interpreter or a test runner would take up by their names, beside lab8.py."""
    names = [
        "torch.py",
        "json.py",
        "numpy.py",
        "pytest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "evil.pth",
    ]
    names += ["conftest.py", "pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini", "boxed/worker.py"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"import os; print('ESCAPED: {name} was run'); os._exit(0)\n")


@hostile()
def a_package_of_the_same_name(folder: Path, lane: Any) -> None:
    """A package lab8 with the same name as the module, and bytecode for it."""
    for name in ("lab8/__init__.py", "__pycache__/lab8.cpython-311.pyc"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("print('ESCAPED: the package was imported')\n")


@hostile()
def devices_and_pipes(folder: Path, lane: Any) -> None:
    """In a folder: named pipes and a socket, where a reader would wait for ever, and a loop of links."""
    os.mkfifo(folder / "answers2.md")
    os.mkfifo(folder / "data.npz")
    (folder / "loop").symlink_to("loop")
    (folder / "again").symlink_to(folder)


READER = """
ANSWERS = iter(__file__.removesuffix(".py").split("_")[1:])


def answer(*args, **kwargs):
    numbers = [int(number, 36) for number in next(ANSWERS).split("-")]
    if numbers == [0]:
        raise ValueError
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


conv_output_size = conv_parameter_count = answer
"""


@hostile("graded", lost=("conv_*",))
def answers_in_the_files_name(folder: Path, lane: Any) -> None:
    """The answers to all cases of arithmetic stand in the file's name, from which the cases are not drawn."""
    code = folder / "lab8.py"
    code.write_text(HONEST + READER)
    seed, told = seed_of(lane.read(folder)), []
    honest: dict[str, Any] = {}
    exec(HONEST, honest)

    def call(function: str, *case: Any, seconds: float) -> Any:
        try:
            value = honest[function](*case)
        except ValueError:
            told.append("0")
            raise StudentFailure("raised", "ValueError", ("ValueError",)) from None
        told.append("-".join(np.base_repr(n, 36) for n in np.atleast_1d(value)))
        return value

    for item in _collected(load_lab()).items:
        if item.name.startswith("conv_"):
            item.function(SimpleNamespace(call=call), random.Random(f"{seed} {item.name}"))
    code.rename(folder / f"lab8_{'_'.join(told)}.py")


# --- notebooks


def notebook(folder: Path, cells: list[dict[str, Any]]) -> None:
    (folder / "lab8.py").unlink()
    honest: dict[str, Any] = {
        "cell_type": "code",
        "source": HONEST,
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*cells, honest]})
    (folder / "lab8.ipynb").write_text(text)


@hostile()
def notebook_with_magics(folder: Path, lane: Any) -> None:
    """Magics and shell escapes that read, write and run."""
    secret = lane.canaries.folder / "secret.txt"
    lines = [
        f"!cat {secret}",
        f"%run {secret}",
        f"x = !cat {secret}",
        "%%bash\ntouch /tmp/x",
        "%load_ext evil",
    ]
    lines += [f"get_ipython().system('cat {secret}')", "%%writefile lab8.py\nprint('ESCAPED')", "!!rm -rf ~"]
    notebook(folder, [{"cell_type": "code", "source": line, "outputs": []} for line in lines])


@hostile()
def notebook_with_outputs_that_act(folder: Path, lane: Any) -> None:
    """Outputs, attachments and Markdown with scripts, frames and data of their own."""
    page = "<script>fetch('http://127.0.0.1/')</script><img src=x onerror=alert(1)>"
    output = {
        "output_type": "display_data",
        "data": {"text/html": page, "image/svg+xml": page},
        "metadata": {},
    }
    notebook(
        folder,
        [
            {"cell_type": "code", "source": "", "outputs": [output] * 50, "metadata": {}},
            {"cell_type": "markdown", "source": page, "attachments": {"../../x.png": {"image/png": "AAAA"}}},
        ],
    )


@hostile("graded", lost=("conv_*", "lenet_*", "classifier_*", "accuracy"))
def notebook_of_a_hundred_megabytes(folder: Path, lane: Any) -> None:
    """One cell of a hundred megabytes."""
    notebook(folder, [{"cell_type": "code", "source": "#" * 100_000_000, "outputs": []}])


@hostile("graded", lost=("conv_*", "lenet_*", "classifier_*", "accuracy"))
def notebook_nested_without_end(folder: Path, lane: Any) -> None:
    """JSON nested two hundred thousand deep."""
    (folder / "lab8.py").unlink()
    (folder / "lab8.ipynb").write_text('{"cells": ' + "[" * 200_000 + "]" * 200_000 + "}")


# --- weights


def weights(folder: Path, content: bytes, name: str = "classifier.safetensors") -> None:
    (folder / "classifier.safetensors").unlink()
    (folder / name).write_bytes(content)


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@hostile("graded", lost=LOADED)
def pickle_that_runs_a_command(folder: Path, lane: Any) -> None:
    """Weights in torch's format whose pickle runs a command."""
    buffer = io.BytesIO()
    torch.save({"weight": Runs(f"echo ESCAPED; touch {lane.canaries.folder}/results/mine")}, buffer)
    weights(folder, buffer.getvalue(), "classifier.pt")


@hostile("graded", lost=LOADED)
def bare_pickle(folder: Path, lane: Any) -> None:
    """The same as a bare pickle, as torch wrote it long ago."""
    command = f"echo ESCAPED; touch {lane.canaries.folder}/results/mine"
    weights(folder, pickle.dumps(Runs(command)), "classifier.pth")


@hostile("graded", lost=LOADED)
def weights_that_are_a_bomb(folder: Path, lane: Any) -> None:
    """Weights in torch's format, whose zip unpacks to a gibibyte."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(10)}, buffer)
    with (
        zipfile.ZipFile(buffer) as old,
        zipfile.ZipFile(folder / "classifier.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, bytes(2**28) if "/data/" in entry.filename else old.read(entry))
    (folder / "classifier.safetensors").unlink()


@hostile("graded", lost=LOADED)
def weights_of_four_hundred_megabytes(folder: Path, lane: Any) -> None:
    """A sparse file of 400 MiB, which costs its author nothing."""
    weights(folder, struct.pack("<Q", 8) + b"{}      ")
    with (folder / "classifier.safetensors").open("r+b") as file:
        file.truncate(400 * 2**20)


@hostile("graded", lost=LOADED)
def header_of_a_hundred_megabytes(folder: Path, lane: Any) -> None:
    """Safetensors whose header says that it is a hundred megabytes long."""
    weights(folder, struct.pack("<Q", 100_000_000) + b'{"a":' + b"[" * 10**6)


@hostile("graded", lost=LOADED)
def tensors_that_overlap(folder: Path, lane: Any) -> None:
    """Safetensors whose tensors lie over each other and beyond the file's end."""
    entries = {
        "0": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]},
        "1": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    header = json.dumps(entries).encode()
    weights(folder, struct.pack("<Q", len(header)) + header + bytes(16))


@hostile("graded", lost=LOADED)
def weights_that_are_a_link(folder: Path, lane: Any) -> None:
    """Weights that are a link to another student's weights."""
    (folder / "classifier.safetensors").unlink()
    (folder / "classifier.safetensors").symlink_to(lane.weights)


@hostile("graded", lost=LOADED)
def weights_that_are_a_pipe(folder: Path, lane: Any) -> None:
    """Weights that are a named pipe, on which a reader waits for ever."""
    (folder / "classifier.safetensors").unlink()
    os.mkfifo(folder / "classifier.safetensors")


@hostile("graded", lost=("conv_*", "lenet_*", "classifier_*", "accuracy"))
def code_that_is_a_link(folder: Path, lane: Any) -> None:
    """A lab8.py that is a link to a neighbour's."""
    (folder / "lab8.py").unlink()
    (folder / "lab8.py").symlink_to(lane.canaries.folder / "class" / "neighbour" / "lab8.py")


# --- texts


@hostile("graded", lost=("question_1",))
def answers_that_act(folder: Path, lane: Any) -> None:
    """Answers with formulas, markup, escape sequences, includes and bidirectional controls."""
    text = (folder / "answers.md").read_text("utf-8")
    head, rest = text.split("## Question 2", 1)
    acts = "=cmd|'/c calc'!A1 \x1b[2J ![x](file:///etc/passwd) {{config}} ${7*7} \u202e <script>"
    (folder / "answers.md").write_text(
        head.rpartition("\n\n")[0][:200] + f"\n\n## Question 2{rest}\n{acts}\n", "utf-8"
    )


@hostile(lost=("conv_*", "lenet_*", "classifier_*", "accuracy"), reason="too many nested parentheses")
def source_that_breaks_readers(folder: Path, lane: Any) -> None:
    """A million brackets, which take a parser down that reads them where it should not."""
    (folder / "lab8.py").write_text("def conv_output_size(*a): return 1\nX = " + "(" * 1_000_000 + "\n")


# --- what costs its reader, or the others


def _with(make: Callable[[Path], None]) -> Callable[[Path, Any], None]:
    return lambda folder, lane: make(folder)


for _name, _upload in UPLOADS.items():
    MADE[_name] = Made(_upload.idea, _with(_upload.make), _upload.status, _upload.lost, _upload.reason)

# Tried by `make test` too; all others by `make test-all`.
FIRST = (
    "zip_that_climbs_out",
    "zip_bomb",
    "source_that_breaks_readers",
    "a_zip_of_a_thousand_zips",
    "a_number_in_another_alphabet",
)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(made, id=name, marks=() if name in FIRST else pytest.mark.slow)
        for name, made in MADE.items()
    ],
)
def test_a_hostile_file_is_contained(made: Made, lane: Any) -> None:
    source = lane.hand_in(HONEST)
    made.make(source, lane)
    submissions = {one.student_id: one for one in lane.read_with_a_neighbour(source)}
    verdict = lane.grade_read(submissions.pop("hostile"))
    assert lane.grade_read(submissions.pop("honest")) == lane.alone
    said = f"{verdict.reason} {verdict.remarks} {[row.reason for row in verdict.rows]}"
    assert verdict.status.value == made.status, said
    assert made.reason in said
    for row, alone in zip(verdict.rows, lane.alone.rows, strict=True) if verdict.rows else ():
        lost = any(fnmatch.fnmatchcase(row.id, pattern) for pattern in made.lost)
        assert row.points == (0 if lost else alone.points), f"{row.id}: {row.reason}\n{verdict.log}"
        assert row.outcome is not Outcome.ERROR
    lane.expect_contained(verdict)


def test_names_reach_no_terminal_and_no_spreadsheet_as_anything_but_text(lane: Any, tmp_path: Path) -> None:
    """A class whose students' names are formulas, escape sequences, markup and turned writing."""
    names = [
        "=cmd|'calc'!A1",
        "+1+1",
        "@SUM(1)",
        "\x1b[31mred\x1b[2J",
        "<script>alert(1)<",
        "ab\u202ecd",
        "-2-3",
    ]
    for name in names:  # without code, for it is not about that
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "answers.md").write_text(f"## Question 1\n\n{name} " * 20)
    words = ["grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    words += ["--images", str(lane.canaries.labels), "--rubric", str(lane.canaries.rubric)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    told = result.output + (tmp_path / "out" / "scores.csv").read_text("utf-8")
    assert not {"\x1b", "\u202e", "\x9b", "\x00"} & set(told)
    for line in (tmp_path / "out" / "scores.csv").read_text("utf-8-sig").splitlines():
        assert not line.lstrip('"').startswith(("=", "+", "@", "-")), line
    book = openpyxl.load_workbook(tmp_path / "out" / "scores.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    own = [cell for cell in cells if cell.data_type == "f" and any(n[:4] in str(cell.value) for n in names)]
    assert not own
    assert lane.canaries.token not in told


def test_there_are_enough_of_them() -> None:
    assert len(MADE) >= 20 and len({made.idea for made in MADE.values()}) == len(MADE)
