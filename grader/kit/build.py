"""Makes `assignment/` from `solution/`, and refuses where the two do not grade as they should."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from grader.checks import CheckInfo, check_catalogue
from grader.errors import UserError
from grader.kit.limits import limits_told
from grader.kit.notebook import to_notebook
from grader.kit.parts import pack_parts, python_of
from grader.kit.template import make_template
from grader.rubric import Rubric, load_rubric, plain
from grader.types import Outcome, Status, Verdict

Grade = Callable[[Path], Verdict]  # grades a folder as one student's submission

COPIED = ("lab8_tools.py", "requirements.txt", "selftest.py")  # from solution/ to assignment/ as they are
HANDED_IN = ("lab8.py", "classifier.safetensors", "answers.md")  # what the solution is graded by
PARTS = "selftest.pyz"
_RUBRIC_MARK = "<!-- rubric -->"
_PYTHON_MARK = "<!-- python -->"  # the grader's version
_LIMITS_MARK = "<!-- limits -->"
_POINTS_MARK = re.compile(
    r"<!-- (points|curve): (\w+) -->"
)  # where the Chinese README has the rubric's numbers


def build(solution_dir: Path, assignment_dir: Path, grade: Grade) -> list[str]:
    """Write the assignment and return the names of the files that changed.

    Raises UserError, and then writes nothing, unless `grade` gives the solution full marks on every check
    and question, and the untouched template, as module and as notebook, zero points without a crash.
    """
    files = generate(solution_dir, ".".join(map(str, sys.version_info[:2])))
    with tempfile.TemporaryDirectory(prefix="grader-build-") as name:
        work = Path(name)
        _require_full_marks(grade(_hand_in(work / "solution", solution_dir, HANDED_IN)))
        (work / "assignment").mkdir()
        for file, content in files.items():
            (work / "assignment" / file).write_bytes(content)
        for code, answers in (("lab8.py", "answers.md"), ("lab8.ipynb", "answers.zh.md")):
            template = _hand_in(work / f"template-{code}", work / "assignment", (code, answers))
            _require_nothing(code, grade(template))
        changed = _differences(files, assignment_dir)
        _replace(work / "assignment", assignment_dir)
    return changed


def check(solution_dir: Path, assignment_dir: Path) -> list[str]:
    """Return the names of the assignment's files that are not what the solution gives; grades nothing.

    The version of Python is what the assignment says: whoever checks may have another.
    """
    try:
        python = python_of(assignment_dir / PARTS)
    except (OSError, KeyError, zipfile.BadZipFile):
        python = "unknown"
    return _differences(generate(solution_dir, python), assignment_dir)


def generate(solution_dir: Path, python: str) -> dict[str, bytes]:
    """Return the content of every file of the assignment, the same for the same solution and rubric.

    `python` is the version that will grade it, like "3.11".
    """
    catalogue = check_catalogue()
    rubric = load_rubric(catalogue=[info.id for info in catalogue])
    lab, english = solution_dir / "lab8.py", solution_dir / "student_readme.md"
    chinese = solution_dir / "student_readme.zh.md"
    template = make_template(_filled(lab, _read(lab), {_PYTHON_MARK: python}), "lab8.py")
    marks = {_PYTHON_MARK: python, _LIMITS_MARK: limits_told(rubric, "en")}
    readme = _filled(english, _read(english), marks | {_RUBRIC_MARK: _rubric_table(rubric, catalogue)})
    marks[_LIMITS_MARK] = limits_told(rubric, "zh")
    texts = {
        "README.md": readme,
        "README.zh.md": _with_points(_filled(chinese, _read(chinese), marks), rubric, chinese),
        "answers.md": _answer_sheet(rubric),
        "answers.zh.md": _chinese_answer_sheet(rubric),
        "lab8.ipynb": to_notebook(template),
        "lab8.py": template,
        **{name: _read(solution_dir / name) for name in COPIED},
    }
    return {name: text.encode() for name, text in texts.items()} | {PARTS: pack_parts(python)}


def _filled(file: Path, text: str, marks: dict[str, str]) -> str:
    """`text` with what belongs at each of the marks, each of which must be there once."""
    for mark, content in marks.items():
        if text.count(mark) != 1:
            raise UserError(f"{file}: needs {mark} once: add it")
        text = text.replace(mark, content)
    return text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error}): run this beside solution/") from error


def _answer_sheet(rubric: Rubric) -> str:
    parts = [
        "# Exercise 2: written questions",
        "Answer each below its question, in English or Chinese, in a few sentences of your own: at least\n"
        "15 words, or 30 Chinese characters. Keep the headings.",
    ]
    for number, question in enumerate(rubric.questions, start=1):
        parts += [f"## Question {number}", f"> {question.text}", "Write your answer here."]
    return "\n\n".join(parts) + "\n"


def _chinese_answer_sheet(rubric: Rubric) -> str:
    parts = [
        "# 练习 2：问答题",
        "请在每个问题下面作答，中英文均可，用自己的话写几句：至少 15 个英文单词或 30 个汉字。请保留标题。",
    ]
    for number, question in enumerate(rubric.questions, start=1):
        if not question.text_zh:
            raise UserError(f"rubric.toml: {question.id} has no text_zh: add the question in Chinese")
        parts += [f"## 问题 {number}", f"> {question.text_zh}", "请在此处写下你的答案。"]
    return "\n\n".join(parts) + "\n"


def _with_points(text: str, rubric: Rubric, file: Path) -> str:
    """`text` with the rubric's numbers at its marks, each of which must be there once.

    `<!-- points: ID -->` is a row's or an exercise's points; `<!-- curve: percent -->` and
    `<!-- curve: points -->` are the cells of the accuracy's knots.
    """
    values = {("points", id): plain(points) for id, points in rubric.checks.items()}
    values |= {("points", question.id): plain(question.points) for question in rubric.questions}
    values["points", "accuracy"] = plain(rubric.accuracy.points)
    values["points", "exercise_1"] = plain(rubric.exercise_1)
    values["points", "exercise_2"] = plain(rubric.exercise_2)
    values["curve", "percent"] = " | ".join(f"{plain(percent)}%" for percent, _ in rubric.accuracy.knots)
    values["curve", "points"] = " | ".join(plain(points) for _, points in rubric.accuracy.knots)
    found = [(mark[1], mark[2]) for mark in _POINTS_MARK.finditer(text)]
    for kind, id in sorted(values.keys() ^ set(found)) or [mark for mark in found if found.count(mark) > 1]:
        raise UserError(
            f"{file}: <!-- {kind}: {id} --> is not there exactly once: give each row of the rubric one"
        )
    return _POINTS_MARK.sub(lambda mark: values[mark[1], mark[2]], text)


def _rubric_table(rubric: Rubric, catalogue: Sequence[CheckInfo]) -> str:
    titles = {info.id: info.title for info in catalogue}
    rows = [
        f"**Exercise 1, {plain(rubric.exercise_1)} points.**",
        "",
        "| looked at | points |",
        "|---|---:|",
        *(f"| {_cell(titles[name])} | {plain(points)} |" for name, points in rubric.checks.items()),
        f"| {_cell(rubric.accuracy.title)} | {plain(rubric.accuracy.points)} |",
        "",
        "The accuracy's points lie on straight lines between these:",
        "",
        "| accuracy | " + " | ".join(f"{plain(percent)} %" for percent, _ in rubric.accuracy.knots) + " |",
        "|---|" + "---:|" * len(rubric.accuracy.knots),
        "| points | " + " | ".join(plain(points) for _, points in rubric.accuracy.knots) + " |",
        "",
        f"**Exercise 2, {plain(rubric.exercise_2)} points.** Whether there is an answer, not what it says:",
        "",
        "| looked at | points |",
        "|---|---:|",
        *(
            f"| Question {n} | {plain(question.points)} |"
            for n, question in enumerate(rubric.questions, start=1)
        ),
    ]
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _hand_in(folder: Path, source: Path, names: Sequence[str]) -> Path:
    """A folder with copies of these files, as a student would hand them in."""
    folder.mkdir()
    for name in names:
        if not (source / name).is_file():
            raise UserError(f"{source / name}: is not there, and the build has to grade it: make it first")
        shutil.copy(source / name, folder / name)
    return folder


def _require_full_marks(verdict: Verdict) -> None:
    for row in verdict.rows:
        if row.id != "accuracy" and row.points != row.out_of:
            why = row.reason or row.outcome.value
            raise UserError(
                f"solution: {row.id} earns {plain(row.points)} of {plain(row.out_of)} ({why}): fix it"
            )
    if verdict.status is not Status.GRADED or not verdict.rows:
        raise UserError(f"solution: ends as {verdict.status.value} ({verdict.reason}): fix it")


def _require_nothing(name: str, verdict: Verdict) -> None:
    where = f"the untouched template {name}"
    if verdict.status is not Status.GRADED or verdict.total is None:
        raise UserError(f"{where} ends as {verdict.status.value} ({verdict.reason}): its stubs have to load")
    for row in verdict.rows:
        if row.points or row.outcome is Outcome.PASSED:
            raise UserError(
                f"{where} earns {plain(row.points)} for {row.id}: a solution region is missing there"
            )


def _differences(files: dict[str, bytes], assignment_dir: Path) -> list[str]:
    there = {path.name for path in assignment_dir.iterdir()} if assignment_dir.is_dir() else set()
    there -= {"__pycache__"}
    both = there & files.keys()
    same = {name for name in both if _content(assignment_dir / name) == files[name]}
    return sorted((there | files.keys()) - same)


def _content(file: Path) -> bytes:
    """The file; a text with plain line ends, for git may give it others on Windows."""
    content = file.read_bytes()
    return content if file.name == PARTS else content.replace(b"\r\n", b"\n")


def _replace(new: Path, old: Path) -> None:
    """Put the folder `new` in the place of `old`, which keeps what it was until all is copied."""
    fresh, spent = old.with_name(f".{old.name}-new"), old.with_name(f".{old.name}-old")
    try:
        for leftover in (fresh, spent):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(new, fresh)
        if old.exists():
            old.rename(spent)
        fresh.rename(old)
        shutil.rmtree(spent, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{old}: cannot be written ({error}): check the folder's permissions") from error
