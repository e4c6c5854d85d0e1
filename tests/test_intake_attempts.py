"""Several attempts of one student in a download: the latest, or each, and what one takes from another."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader.cli import main
from grader.intake import read_source
from grader.intake.attempts import carry_over
from grader.types import Submission

ANSWERS = (
    "## Question 1\n\nBecause a kernel is the same everywhere, and so it needs fewer numbers than that.\n"
)
FILES = {
    1: {
        "lab8.py": b"one = 1\n",
        "classifier.safetensors": b"\x02" + bytes(7) + b"{}",
        "answers.md": ANSWERS.encode(),
    },
    2: {"lab8.py": b"two = 2\n"},
    3: {"notes.pdf": b"%PDF"},
}


def download(path: Path, files: dict[int, dict[str, bytes]] = FILES) -> Path:
    """Blackboard's, of one student, an attempt a day."""
    with zipfile.ZipFile(path / "gradebook_ML_Lab8_2026-11-25-10-00-00.zip", "w") as archive:
        for day, contents in files.items():
            stem = f"Lab8_ann_attempt_2026-11-{day:02}-12-00-00"
            listed = "".join(f"\tOriginal filename: {n}\n\tFilename: {stem}_{n}\n\n" for n in contents)
            archive.writestr(f"{stem}.txt", f"Name: Ann Lee (ann)\nAssignment: Lab8\n\nFiles:\n{listed}")
            for name, content in contents.items():
                archive.writestr(f"{stem}_{name}", content)
    return Path(str(archive.filename))


def attempts(tmp_path: Path) -> list[Submission]:
    return list(read_source(download(tmp_path), tmp_path / "work", every_attempt=True).submissions)


def test_each_attempt_is_read_with_its_number_and_time(tmp_path: Path) -> None:
    found = attempts(tmp_path)
    assert [one.attempt for one in found] == [1, 2, 3]
    assert [one.submitted_at and one.submitted_at.day for one in found] == [1, 2, 3]
    assert [one.code and one.code.cells for one in found] == [("one = 1\n",), ("two = 2\n",), None]
    assert not any("another hand-in" in remark for one in found for remark in one.remarks)


def test_what_an_attempt_lacks_comes_from_the_nearest_before_it(tmp_path: Path) -> None:
    first, second, third = carry_over(attempts(tmp_path))
    assert second.code and second.code.cells == ("two = 2\n",) and second.weights and second.answer_texts
    assert "the weights of attempt 1 counts" in " ".join(second.remarks)
    assert third.code == second.code and third.weights and third.problem is None
    assert len({one.digest for one in (first, second, third)}) == 3


@pytest.mark.parametrize(
    ("policy", "counts"),
    [("", "3"), ('attempt = "first"\n', "1"), ('attempt = "best"\n', "1"), ("carry_over = true\n", "3")],
)
def test_the_policy_says_which_counts(tmp_path: Path, policy: str, counts: str) -> None:
    """Through the command; no attempt has code here, so nothing is run but for the answers."""
    files = {1: {"answers.md": ANSWERS.encode()}, 3: {"notes.pdf": b"%PDF"}}
    rules, out = tmp_path / "policy.toml", tmp_path / "out"
    rules.write_text(policy, "utf-8")
    words = [
        "grade",
        str(download(tmp_path, files)),
        "--out",
        str(out),
        "--policy",
        str(rules),
        "--images",
        "mini",
    ]
    result = CliRunner().invoke(main, [*words, "--sandbox", "none"])
    assert result.exit_code == 0, result.output
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    of_three = "2" if counts == "3" else counts
    assert row["attempt"] == of_three
    assert row["question_1"] == ("0.00" if not policy else "1.00"), row["reason"]
