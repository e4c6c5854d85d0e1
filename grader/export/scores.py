"""`scores.csv`, `scores.xlsx` and `students/*.json`: the same verdicts give the same bytes.

The CSV is for programs: UTF-8 without a byte order mark, commas, line feeds,
points with two decimals, shares with four. The XLSX is for people; see `workbook`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from grader.export.cells import Cell, Column, cells, columns, guarded
from grader.export.files import replace_file
from grader.export.workbook import workbook
from grader.gradebook import Published
from grader.rubric import Rubric
from grader.text import file_stem, visible_json
from grader.types import Decision, Verdict


def write_scores(
    verdicts: Sequence[Verdict],
    rubric: Rubric,
    folder: Path,
    decisions: Sequence[Decision] = (),
    published: Mapping[str, Published] | None = None,
) -> str:
    """Write `scores.csv`, `scores.xlsx` and `students/<id>.json` into a results `folder`; their digest.

    Everything is rendered before the first file is replaced, and each file is
    replaced at once. The file of a student who is no longer among them is deleted. Raises `UserError`
    where a file cannot be written.
    """
    verdicts = sorted(verdicts, key=lambda verdict: verdict.student_id)
    files = {f"students/{stem}.json": _json(verdict) for stem, verdict in by_stem(verdicts).items()}
    files["scores.csv"] = as_csv(verdicts, rubric)
    files["scores.xlsx"] = workbook(verdicts, rubric, decisions, published)
    digest = hashlib.sha256()
    for name, content in files.items():
        replace_file(folder / name, content)
        digest.update(content)
    kept = {_folded(name) for name in files}
    for file in (folder / "students").glob("*.json"):
        if _folded(f"students/{file.name}") not in kept:
            file.unlink(missing_ok=True)
    return digest.hexdigest()


def _folded(name: str) -> str:
    """A name as the coarsest file system compares it."""
    return unicodedata.normalize("NFC", name).casefold()


def by_stem(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """File names that differ even where a file system takes `A` for `a`."""
    found: dict[str, Verdict] = {}
    taken: set[str] = set()
    for verdict in verdicts:
        stem, again = file_stem(verdict.student_id), 2
        while stem.casefold() in taken:
            stem, again = f"{file_stem(verdict.student_id)}~{again}", again + 1
        taken.add(stem.casefold())
        found[stem] = verdict
    return found


def _json(verdict: Verdict) -> bytes:
    # These files go back to the students: flags are for the instructor, who finds them in the sheet;
    # and from equal digests two students would learn that they handed in the same. Why somebody was excluded,
    # say, may name another student.
    secret = {"flags", "settled", "fingerprint", "digest", "decisions"}
    content = verdict.model_dump(mode="json", exclude=secret)
    return f"{visible_json(content, indent=2)}\n".encode()


def as_csv(verdicts: Sequence[Verdict], rubric: Rubric) -> bytes:
    """A line a student, for programs."""
    head = columns(rubric)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in head])
    for verdict in verdicts:
        row = cells(verdict, rubric)
        writer.writerow([_csv_cell(column, cell) for column, cell in zip(head, row, strict=True)])
    return file.getvalue().encode()


def as_json(verdicts: Sequence[Verdict]) -> bytes:
    """All that is known of the marks, for programs: what `grader show --json` prints."""
    content = [verdict.model_dump(mode="json", exclude={"fingerprint"}) for verdict in verdicts]
    return f"{visible_json(content)}\n".encode()


def _csv_cell(column: Column, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return guarded(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    if column.kind in ("points", "hours"):
        return f"{cell:.2f}"
    return f"{cell:.4f}" if column.kind == "share" else str(cell)
