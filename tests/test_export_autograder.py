"""The grader as Gradescope and GitHub run it: laid out as they lay it out, and run for real."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from test_export import graded

from grader.cli import main
from grader.export.gradescope import NO_SANDBOX, results
from grader.export.gradescope import main as run_one
from grader.gradebook import read_stored
from grader.rubric import Rubric, load_rubric

CLASS = Path(__file__).parent / "submissions" / "gradebook_ML2026_Lab8_2026-11-20-23-59-59.zip"
STUDENT = "Lab8_12210003_attempt_2026-11-20-08-41-54_"  # of a small network; all checks pass
# https://gradescope-autograders.readthedocs.io/en/latest/specs/
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


def made(tmp_path: Path, to: str) -> Path:
    out = tmp_path / "made"
    result = CliRunner().invoke(main, ["export", "--to", to, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


def valid(content: dict[str, Any]) -> None:
    """What Gradescope's specification asks of a results.json."""
    assert content["tests"] and "score" not in content, "the tests' scores add up to it"
    for test in content["tests"]:
        assert set(test) <= {"name", "score", "max_score", "status", "output", "output_format", "visibility"}
        assert test["visibility"] in VISIBILITIES and test["status"] in ("passed", "failed")
        assert isinstance(test["name"], str) and isinstance(test["output"], str)
        assert ("score" in test) == ("max_score" in test)
        assert "score" not in test or 0 <= test["score"] <= test["max_score"]
    assert content["visibility"] in VISIBILITIES and content["stdout_visibility"] in VISIBILITIES
    for entry in content.get("leaderboard", []):
        assert set(entry) == {"name", "value", "order"} and entry["order"] in ("asc", "desc")


@pytest.fixture
def autograder(tmp_path: Path) -> Iterator[Path]:
    """/autograder as it is when setup.sh has run: its Python is this one."""
    root = tmp_path / "autograder"
    for name in ("source", "submission", "results", "venv/bin"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(made(tmp_path, "gradescope-autograder")) as archive:
        for info in archive.infolist():
            path = Path(archive.extract(info, root / "source"))
            path.chmod(info.external_attr >> 16)
    python = root / "venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    yield root


def run(root: Path) -> subprocess.CompletedProcess[str]:
    home = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(root / "run_autograder")],
        capture_output=True,
        text=True,
        timeout=280,
        env=home | {"AUTOGRADER_ROOT": str(root)},
        cwd=root,
    )


def test_the_zip_holds_the_kit_and_nothing_of_this_machine(tmp_path: Path) -> None:
    with zipfile.ZipFile(made(tmp_path, "gradescope-autograder")) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        rubric = read_stored(Rubric, archive.read("rubric.json").decode())
        wanted = archive.read("requirements.txt").decode()
        for script in ("setup.sh", "run_autograder"):
            text = archive.read(script).decode()
            assert (
                modes[script] & stat.S_IXUSR and text.startswith("#!/usr/bin/env bash\n") and "\r" not in text
            )
            assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0
    assert rubric == load_rubric()
    wanted_files = ("labs/lab8/rubric.toml", "labs/lab8/checks/conv.py", "data/labels.json")
    assert {f"kit/grader/{name}" for name in wanted_files} <= {*names}
    assert not any("__pycache__" in name or name.startswith(("/", "..")) for name in names)
    assert "torch==" in wanted and "extra" not in wanted and "+" not in wanted


@pytest.mark.slow
def test_a_submission_is_graded_as_gradescope_does_it(autograder: Path) -> None:
    with zipfile.ZipFile(CLASS) as archive:
        for name in ("lab8.py", "answers.md", "classifier.pt"):
            (autograder / "submission" / name).write_bytes(archive.read(STUDENT + name))
    done = run(autograder)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((autograder / "results" / "results.json").read_text("utf-8"))
    valid(content)
    scores = [Decimal(str(test["score"])) for test in content["tests"] if "score" in test]
    assert 34 < sum(scores) < 70 and sum(test.get("max_score", 0) for test in content["tests"]) == 104
    assert content["leaderboard"][0]["value"] > 30
    assert all(test["status"] == "passed" for test in content["tests"] if "score" in test)
    assert (content["extra_data"]["sandbox"] == "none") == (NO_SANDBOX in done.stdout)


def test_what_gets_no_mark_gets_no_results(autograder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stale = autograder / "results" / "results.json"
    stale.write_text('{"tests": [], "score": 100}')
    for person in ("Ann Lee_1_assignsubmission_file_", "Bob Wu_2_assignsubmission_file_"):
        (autograder / "submission" / person).mkdir()
        (autograder / "submission" / person / "lab8.py").write_text("")
    assert run_one(autograder) == 3
    assert "no mark: " in capsys.readouterr().out
    assert not stale.exists(), "the mark of an earlier submission"


def test_hidden_checks_are_told_when_marks_are_published_and_no_sandbox_to_the_instructor() -> None:
    content = results(graded("pb1", failed={"conv_size_floor": "expected 2, got 3"}), "none")
    valid(content)
    shown = {test["name"]: test["visibility"] for test in content["tests"]}
    assert (
        shown["about conv_size_floor"] == "after_published" and shown["about classifier_logits"] == "visible"
    )
    assert shown["sandbox: none"] == "hidden"
    points = sum(Decimal(str(test["score"])) for test in content["tests"] if "score" in test)
    assert points == Decimal("81.22")
    assert "sandbox: none" not in {test["name"] for test in results(graded("pb1"), "bubblewrap")["tests"]}


def test_the_workflow_runs_the_self_test_on_a_push(tmp_path: Path) -> None:
    workflow = yaml.safe_load(made(tmp_path, "github-action").read_text("utf-8"))
    assert "push" in workflow[True] and workflow["permissions"] == {"contents": "read"}  # YAML 1.1 reads `on`
    steps = workflow["jobs"]["self-test"]["steps"]
    assert [step["run"] for step in steps if "run" in step][-1] == "python selftest.py"
    assignment = Path(__file__).parents[1] / "assignment"
    assert (assignment / "selftest.py").exists() and (assignment / "requirements.txt").exists()
