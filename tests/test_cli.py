"""The command as its users type it: exit statuses, one-line errors, and what survives an interruption."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from students import command, grader

from grader.cli import main
from grader.gradebook import FILE_NAME
from grader.rubric import RUBRIC

TRIVIAL = """
from torch import nn


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )
"""
ENDLESS = """
def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    while True:
        pass
"""
SLOW = TRIVIAL.replace("    return nn", "    import time; time.sleep(1)\n    return nn")


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two students, one of them with a Chinese name and an endless loop."""
    folder = tmp_path_factory.mktemp("class")
    for student, code in (("alice", TRIVIAL), ("张三", ENDLESS)):
        (folder / student).mkdir()
        (folder / student / "lab8.py").write_text(code, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def graded(class_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The class, graded once: the results folder, and what was printed."""
    out = tmp_path_factory.mktemp("graded") / "结果"
    done = grader("grade", class_folder, "--out", out, "--images", "mini")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "2 students: one folder or zip a student (their names are taken as the ids)\n"
    )
    yield out, done.stdout


def test_all_graded_whatever_the_results_is_success(graded: tuple[Path, str]) -> None:
    out, printed = graded
    assert "alice" in printed and "张三" in printed and str(out / "scores.xlsx") in printed
    verdict = json.loads((out / "students" / "alice.json").read_text(encoding="utf-8"))
    rows = {row["id"]: row for row in verdict["rows"]}
    assert verdict["status"] == "graded"
    assert sum(row["points"] for id, row in rows.items() if id.startswith("lenet_")) == 15
    assert rows["conv_size_formula"]["outcome"] == "failed"
    assert "not defined" in rows["conv_size_formula"]["reason"]


def test_an_endless_loop_costs_its_own_checks_and_says_so(graded: tuple[Path, str]) -> None:
    verdict = json.loads((graded[0] / "students" / "张三.json").read_text(encoding="utf-8"))
    rows = {row["id"]: row for row in verdict["rows"]}
    assert verdict["status"] == "graded"
    assert "took longer than" in rows["conv_size_formula"]["reason"]
    assert rows["conv_size_floor"]["outcome"] == "not_run"


def test_the_same_work_is_not_graded_twice_and_gives_the_same_files(
    graded: tuple[Path, str], class_folder: Path
) -> None:
    out, _ = graded
    before = {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".csv", ".xlsx", ".json")}
    again = grader("grade", class_folder, "--out", out, "--images", "mini")
    assert again.returncode == 0 and "2 unchanged" in again.stderr
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.slow
def test_grading_anew_gives_the_same_files_byte_for_byte(
    graded: tuple[Path, str], class_folder: Path, tmp_path: Path
) -> None:
    out, _ = graded
    again = grader(
        "grade", class_folder, "--out", tmp_path / "b", "--images", "mini", "--jobs", "1", "--json"
    )
    assert again.returncode == 0, again.stderr
    assert [one["student_id"] for one in json.loads(again.stdout)] == ["alice", "张三"]
    for name in ("scores.csv", "scores.xlsx", "students/alice.json", "students/张三.json"):
        assert (tmp_path / "b" / name).read_bytes() == (out / name).read_bytes(), name


@pytest.mark.slow
def test_only_grades_one_again(graded: tuple[Path, str], class_folder: Path) -> None:
    out, _ = graded
    again = grader("grade", class_folder, "--out", out, "--images", "mini", "--only", "alice")
    assert again.returncode == 0 and "1/1 alice" in again.stderr
    assert "alice" in again.stdout and "张三" not in again.stdout, "the table is for those who were named"
    assert "\n张三," in (out / "scores.csv").read_text("utf-8"), "the files are for the class"


def _bad_calls(folder: Path, class_folder: Path, graded: Path) -> dict[str, tuple[list[object], str]]:
    broken, locked, other = folder / "broken.zip", folder / "locked.zip", folder / "other.toml"
    broken.write_bytes(b"PK\x03\x04 and nothing of use")
    with zipfile.ZipFile(locked, "w") as archive:
        archive.writestr("alice/lab8.py", TRIVIAL)
    raw = bytearray(locked.read_bytes())
    raw[6] |= 1  # the flag "encrypted", in the local header and in the directory
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(raw)
    wrong = folder / "wrong.toml"
    wrong.write_text(
        RUBRIC.read_text(encoding="utf-8").replace("out_of = 104", "out_of = 105"), encoding="utf-8"
    )
    other.write_text(RUBRIC.read_text(encoding="utf-8").replace("[36, 14]", "[36, 15]"), encoding="utf-8")
    unknown = folder / "unknown.toml"
    unknown.write_text(
        RUBRIC.read_text(encoding="utf-8").replace("conv_size_floor", "conv_size_flor"), "utf-8"
    )
    (folder / "file").write_text("not a folder")
    out = ["--out", folder / "out"]
    return {
        "no such source": ([folder / "none.zip", *out], "none.zip: there is no such file or folder"),
        "unreadable zip": ([broken, *out], "broken.zip: cannot be read as a zip"),
        "encrypted zip": ([locked, *out], "locked.zip: is encrypted"),
        "no such rubric": ([class_folder, *out, "--rubric", folder / "no.toml"], "no.toml: cannot be read"),
        "points do not add up": ([class_folder, *out, "--rubric", wrong], "out_of: says 105"),
        "no such check": ([class_folder, *out, "--rubric", unknown], "checks.conv_size_flor"),
        "unwritable output": ([class_folder, "--out", folder / "file" / "out"], "choose another --out"),
        "no such student": ([class_folder, *out, "--only", "alicia"], "did you mean alice?"),
        "no such images": ([class_folder, *out, "--images", folder / "x.npz"], "x.npz"),
    }


CASES = (
    "no such source",
    "unreadable zip",
    "encrypted zip",
    "no such rubric",
    "points do not add up",
    "no such check",
    "unwritable output",
    "no such student",
    "no such images",
)


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_call_is_one_line_and_changes_nothing(
    case: str, tmp_path: Path, class_folder: Path, graded: tuple[Path, str]
) -> None:
    words, message = _bad_calls(tmp_path, class_folder, graded[0])[case]
    before = {path: path.read_bytes() for path in graded[0].rglob("*") if path.is_file()}
    done = CliRunner().invoke(main, ["grade", *map(str, words)])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert message in done.stderr and done.stdout == ""
    assert before == {path: path.read_bytes() for path in before}
    assert not (tmp_path / "out" / "scores.csv").exists()


def test_what_was_read_is_said_before_grading_and_results_in_the_source_are_no_student(
    tmp_path: Path,
) -> None:
    """Two students without code, so that nothing has to be started; graded twice, into the same folder."""
    source = tmp_path / "class"
    for student in ("ann", "bob"):
        (source / student).mkdir(parents=True)
        (source / student / "answers.md").write_text("## Question 1\nYes.\n", encoding="utf-8")
    (source / "roster.csv").write_text("ann\nbob\n", encoding="utf-8")
    words = ["grade", source, "--out", source / "results", "--images", "mini", "--json"]
    for _ in range(2):
        done = grader(*words)
        assert done.returncode == 0, done.stderr
        said = done.stderr.splitlines()
        assert said[0].startswith("2 students: one folder or zip a student")
        assert said[1] == "in no student's place, and not graded: roster.csv"
        assert [one["student_id"] for one in json.loads(done.stdout)] == ["ann", "bob"]


def test_a_file_that_the_grader_cannot_read_is_exit_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "class"
    for student in ("ann", "bob"):
        (source / student).mkdir(parents=True)
        (source / student / "answers.md").write_text("## Question 1\nYes.\n", encoding="utf-8")
    real = os.open

    def refuse(path: str, *more: int) -> int:  # as root every file can be read
        if str(path).endswith("ann/answers.md"):
            raise PermissionError(13, "Permission denied")
        return real(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    done = CliRunner().invoke(
        main, ["grade", str(source), "--out", str(tmp_path / "out"), "--images", "mini", "--json"]
    )
    assert done.exit_code == 3, done.stderr
    ann, bob = json.loads(done.stdout)
    assert (ann["status"], ann["total"]) == ("grader_error", None) and "Permission denied" in ann["reason"]
    assert bob["status"] == "graded"


def test_a_traceback_only_when_asked_for(tmp_path: Path) -> None:
    done = grader("--traceback", "grade", tmp_path / "none", "--out", tmp_path / "out")
    assert done.returncode != 0 and "Traceback" in done.stderr and "UserError" in done.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_graded_and_the_next_run_goes_on(tmp_path: Path) -> None:
    for student, code in (("alice", TRIVIAL), ("张三", SLOW)):
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "lab8.py").write_text(code, encoding="utf-8")
    out = tmp_path / "out"
    words = ["grade", tmp_path / "class", "--out", out, "--images", "mini", "--jobs", "1"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would hand on none
    with subprocess.Popen(
        command(*words), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stderr is not None
        said = run.stderr.readline()
        first = run.stderr.readline()
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
    assert said.startswith("2 students: one folder or zip a student")
    assert first.startswith("1/2 alice: graded")
    assert run.returncode == 130 and "Traceback" not in rest
    assert "alice" in (out / "scores.csv").read_text(encoding="utf-8")
    again = grader(*words)
    assert again.returncode == 0 and "1 unchanged" in again.stderr and "1/1 张三" in again.stderr


@pytest.mark.slow
def test_a_killed_grading_process_is_a_grader_error_and_costs_nobody_a_mark(
    class_folder: Path, tmp_path: Path
) -> None:
    words = ["grade", class_folder, "--out", tmp_path, "--images", "mini", "--jobs", "1", "--only", "张三"]
    with subprocess.Popen(command(*words), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        killed: set[int] = set()
        deadline = time.monotonic() + 200
        while run.poll() is None and len(killed) < 2 and time.monotonic() < deadline:
            for pid in _graders(run.pid) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.05)
        _, stderr = run.communicate(timeout=200)
    assert len(killed) == 2
    assert run.returncode == 3, stderr
    assert "grader_error, no mark" in stderr
    verdict = json.loads((tmp_path / "students" / "张三.json").read_text(encoding="utf-8"))
    assert verdict["total"] is None and "exit status -9" in verdict["reason"]
    assert (tmp_path / FILE_NAME).exists()


def _graders(parent: int) -> set[int]:
    """The grading processes of a running command: those below it that have started a sandbox."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below, new = set(), {parent}
    while new:
        below |= new
        new = {pid for pid, above in parents.items() if above in below} - below
    sandboxes = {pid for pid in below if _name(pid) == "bwrap"}
    return {parents[pid] for pid in sandboxes if parents[pid] not in sandboxes}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_a_download_with_groups_and_late_work_goes_into_the_gradebook(tmp_path: Path) -> None:
    """From names in an LMS's download to rows: the layout said and forced, the map, a mark of lateness."""
    with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
        archive.writestr("team4_12341_5_lab8.py", TRIVIAL)
        archive.writestr("doejane_LATE_12342_6_lab8.py", TRIVIAL.replace("120", "121"))
    (tmp_path / "map.csv").write_text("name,student_id\nteam4,12341\nteam4,00043\nnobody,7\n")
    (tmp_path / "policy.toml").write_text(
        'time_zone = "Asia/Shanghai"\ndeadline = 2026-11-20\nmarked_late_days = 1\n'
        '[late]\neach = "day"\npoints = 2\n'
    )
    words = ["--map", tmp_path / "map.csv", "--policy", tmp_path / "policy.toml", "--layout", "canvas"]
    done = grader(
        "grade", tmp_path / "submissions.zip", "--out", tmp_path / "out", "--images", "mini", *words
    )
    assert done.returncode == 0, done.stderr
    assert "3 students: Canvas's download (--layout)" in done.stderr
    assert "--map: nothing here is called nobody" in done.stderr
    table = csv.DictReader((tmp_path / "out" / "scores.csv").read_text("utf-8-sig").splitlines())
    rows = {row["student_id"]: row for row in table}
    assert set(rows) == {"00043", "12341", "12342"}
    assert rows["00043"]["total"] == rows["12341"]["total"] != "0.00"
    assert "copy" not in rows["00043"]["flags"] and not rows["00043"]["deduction"]
    assert rows["12342"]["deduction"] == "2.00" and "late: marked LATE" in rows["12342"]["flags"]
    refused = grader("grade", tmp_path / "submissions.zip", "--out", tmp_path / "o", "--layout", "moodle")
    assert refused.returncode == 2 and "nothing here is named so" in refused.stderr
    (tmp_path / "map.csv").write_text("team4\n")
    refused = grader("grade", tmp_path / "submissions.zip", "--out", tmp_path / "o", *words)
    assert refused.returncode == 2 and "map.csv: line 1: needs a name and a student's id" in refused.stderr
