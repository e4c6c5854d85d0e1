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
from grader.kit.launcher import launcher
from grader.kit.limits import limits_told
from grader.kit.notebook import to_notebook
from grader.kit.parts import pack_parts, python_of
from grader.kit.template import make_template
from grader.lab import Lab, load_lab
from grader.rubric import Rubric, load_rubric, place_of, plain
from grader.types import Outcome, Status, Verdict

Grade = Callable[[Path], Verdict]  # grades a folder as one student's submission

ANSWERS = "answers.md"
REQUIREMENTS = "requirements.txt"
PARTS = "selftest.pyz"
_COUNT_MARK = "<!-- questions -->"  # how many there are, in a word
_ENGLISH = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_CHINESE = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十")
_RUBRIC_MARK = "<!-- rubric -->"
_PYTHON_MARK = "<!-- python -->"  # the grader's version
_LIMITS_MARK = "<!-- limits -->"
_POINTS_MARK = re.compile(
    r"<!-- (points|curve): (\w+) -->"
)  # where the Chinese README has the rubric's numbers


def build(
    solution_dir: Path,
    assignment_dir: Path,
    grade: Grade,
    *,
    lab: Lab | None = None,
    rubric_file: Path | None = None,
) -> list[str]:
    """Write the assignment and return the names of the files that changed.

    Raises UserError, and then writes nothing, unless `grade` gives the solution full marks on every check
    and question, and the untouched template, as module and as notebook, zero points without a crash.
    """
    lab = lab or load_lab()
    module = lab.contract.module
    python = ".".join(map(str, sys.version_info[:2]))
    files = generate(solution_dir, python, lab=lab, rubric_file=rubric_file)
    sheets = [name for name in files if name.startswith("answers")]  # none where the rubric asks no questions
    if sheets:
        _same_questions(solution_dir / ANSWERS, rubric_file or lab.rubric)
    handed_in = [f"{module}.py", *sheets[:1]]
    if lab.contract.weights:
        handed_in.append(f"{lab.contract.weights}.safetensors")
    with tempfile.TemporaryDirectory(prefix="grader-build-") as name:
        work = Path(name)
        _require_full_marks(grade(_hand_in(work / "solution", solution_dir, handed_in)))
        (work / "assignment").mkdir()
        for file, content in files.items():
            (work / "assignment" / file).write_bytes(content)
        for code, answers in ((f"{module}.py", sheets[:1]), (f"{module}.ipynb", sheets[1:])):
            template = _hand_in(work / f"template-{code}", work / "assignment", (code, *answers))
            _require_nothing(code, grade(template))
        changed = _differences(files, assignment_dir)
        _replace(work / "assignment", assignment_dir)
    return changed


def check(
    solution_dir: Path, assignment_dir: Path, *, lab: Lab | None = None, rubric_file: Path | None = None
) -> list[str]:
    """Return the names of the assignment's files that are not what the solution gives; grades nothing.

    The version of Python is what the assignment says: whoever checks may have another.
    """
    try:
        python = python_of(assignment_dir / PARTS)
    except (OSError, KeyError, zipfile.BadZipFile):
        python = "unknown"
    return _differences(generate(solution_dir, python, lab=lab, rubric_file=rubric_file), assignment_dir)


def generate(
    solution_dir: Path, python: str, *, lab: Lab | None = None, rubric_file: Path | None = None
) -> dict[str, bytes]:
    """Return the content of every file of the assignment, the same for the same solution, lab and rubric.

    `python` is the version that will grade it, like "3.11". Raises `UserError` where one of the files says
    something else than the lab or the rubric, with the place.
    """
    lab = lab or load_lab()
    rubric_file = rubric_file or lab.rubric
    rubric = load_rubric(rubric_file, lab.check_places())
    _same_selftest(lab)
    module = lab.contract.module
    code, english = solution_dir / f"{module}.py", solution_dir / "student_readme.md"
    chinese = solution_dir / "student_readme.zh.md"
    template = make_template(_filled(code, _read(code), {_PYTHON_MARK: python}), code.name)
    marks = {_PYTHON_MARK: python, _LIMITS_MARK: limits_told(lab, rubric, "en")}
    table = _rubric_table(lab, rubric, check_catalogue(lab))
    readme = _filled(english, _counted(english, rubric, _ENGLISH), marks | {_RUBRIC_MARK: table})
    marks[_LIMITS_MARK] = limits_told(lab, rubric, "zh")
    in_chinese = _filled(chinese, _counted(chinese, rubric, _CHINESE), marks)
    texts = {
        "README.md": readme,
        "README.zh.md": _with_points(in_chinese, rubric, chinese, rubric_file),
        f"{module}.ipynb": to_notebook(template),
        f"{module}.py": template,
        "selftest.py": launcher(lab),
        **{name: _read(solution_dir / name) for name in (lab.tools, REQUIREMENTS) if name},
    }
    if rubric.questions:
        texts |= {ANSWERS: _answer_sheet(rubric), "answers.zh.md": _chinese_answer_sheet(rubric, rubric_file)}
    files = {name: text.encode() for name, text in texts.items()}
    return files | {PARTS: pack_parts(python, lab, rubric_file)}


def _filled(file: Path, text: str, marks: dict[str, str]) -> str:
    """`text` with what belongs at each of the marks, each of which must be there once."""
    for mark, content in marks.items():
        if text.count(mark) != 1:
            where = _line_of(file, mark)  # the first, where there are more
            raise UserError(f"{where}: needs {mark} once, and has it {text.count(mark)} times")
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


def _chinese_answer_sheet(rubric: Rubric, file: Path) -> str:
    parts = [
        "# 练习 2：问答题",
        "请在每个问题下面作答，中英文均可，用自己的话写几句：至少 15 个英文单词或 30 个汉字。请保留标题。",
    ]
    for number, question in enumerate(rubric.questions, start=1):
        if not question.text_zh:
            where = place_of(file, rf'.*\bid\s*=\s*"{question.id}"')
            raise UserError(f"{where}: {question.id} has no text_zh: add the question in Chinese")
        parts += [f"## 问题 {number}", f"> {question.text_zh}", "请在此处写下你的答案。"]
    return "\n\n".join(parts) + "\n"


def _same_selftest(lab: Lab) -> None:
    """Raise `UserError` where the self-test has other checks than the hidden ones."""
    places = lab.check_places()
    public = {check.id: check.run.__code__ for check in lab.part("selftest").CHECKS}
    for id, code in public.items():
        if id not in places:
            where = f"{code.co_filename}:{code.co_firstlineno}"
            raise UserError(f"{where}: no hidden check is called {id}: fix its spelling, or remove it")
    for id, place in places.items():
        if id not in public:
            raise UserError(f"{place}: the self-test has no check for {id}: add one to its CHECKS")


def _same_questions(file: Path, rubric_file: Path) -> None:
    """Raise `UserError` where the model answers quote other questions than the rubric asks."""
    asked = [question.text for question in load_rubric(rubric_file).questions]
    quoted = [line.removeprefix("> ") for line in _read(file).splitlines() if line.startswith("> ")]
    for quote in quoted:
        if quote not in asked:
            raise UserError(
                f"{_line_of(file, f'> {quote}')}: {rubric_file} asks no such question: make them one"
            )


def _counted(file: Path, rubric: Rubric, words: Sequence[str]) -> str:
    """The file's text, with the number of questions in a word wherever it is asked for."""
    count = len(rubric.questions)
    return _read(file).replace(_COUNT_MARK, words[count] if count < len(words) else str(count))


def _with_points(text: str, rubric: Rubric, file: Path, rubric_file: Path) -> str:
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
    for kind, id in found:
        mark = f"<!-- {kind}: {id} -->"
        if (kind, id) not in values:
            raise UserError(f"{_line_of(file, mark)}: {mark}: {rubric_file} has no such row: remove it")
        if found.count((kind, id)) > 1:
            raise UserError(f"{_line_of(file, mark)}: {mark} is there more than once: keep one")
    for kind, id in values:
        if (kind, id) not in found:
            where = place_of(rubric_file, rf'(.*\bid\s*=\s*"{id}"|{id}\s*=|\[{id}\])')
            raise UserError(
                f"{file}: has no <!-- {kind}: {id} --> for {where}: give each row of the rubric one"
            )
    return _POINTS_MARK.sub(lambda mark: values[mark[1], mark[2]], text)


def _line_of(file: Path, text: str) -> str:
    return place_of(file, f".*{re.escape(text)}")


def _rubric_table(lab: Lab, rubric: Rubric, catalogue: Sequence[CheckInfo]) -> str:
    titles = {info.id: info.title for info in catalogue}
    rows = [
        f"**Exercise 1, {plain(rubric.exercise_1)} points.**",
        "",
        "| looked at | points |",
        "|---|---:|",
        *(f"| {_cell(titles[name])} | {plain(points)} |" for name, points in rubric.checks.items()),
        f"| {_cell(rubric.accuracy.title)} | {plain(rubric.accuracy.points)} |",
        "",
        f"The {lab.measured}'s points lie on straight lines between these:",
        "",
        f"| {lab.measured} | "
        + " | ".join(f"{plain(percent)} %" for percent, _ in rubric.accuracy.knots)
        + " |",
        "|---|" + "---:|" * len(rubric.accuracy.knots),
        "| points | " + " | ".join(plain(points) for _, points in rubric.accuracy.knots) + " |",
    ]
    if rubric.questions:
        points = plain(rubric.exercise_2)
        told = f"**Exercise 2, {points} points.** Whether there is an answer, not what it says:"
        asked = enumerate(rubric.questions, start=1)
        rows += ["", told, "", "| looked at | points |", "|---|---:|"]
        rows += [f"| Question {n} | {plain(question.points)} |" for n, question in asked]
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
