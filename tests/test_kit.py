"""`solution/` becomes `assignment/`, with nothing in it that gives the work away."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from grader import checks, kit
from grader.errors import UserError
from grader.grade import Pipeline
from grader.intake import read_submissions
from grader.kit.build import generate
from grader.kit.notebook import to_notebook
from grader.kit.template import make_template
from grader.lab import load_lab
from grader.questions import assess_answers
from grader.rubric import load_rubric
from grader.setup import Setup
from grader.types import Outcome, Row, Status, Verdict

LAB = load_lab()
ROOT = Path(__file__).parents[1]
SOLUTION, ASSIGNMENT = ROOT / "solution", ROOT / "assignment"
SOURCE = (SOLUTION / "lab8.py").read_text(encoding="utf-8")

# Markers

TASK = """\
def area(width, height):
    # BEGIN SOLUTION Task 1: write area
    # HINT think of a rectangle
    if width < 0:
        # negative
        raise ValueError
    return width * height
    # END SOLUTION


x = 1
"""


def test_a_task_becomes_a_stub_that_names_it() -> None:
    assert make_template(TASK, "f.py") == (
        "def area(width, height):\n"
        "    # TODO (Task 1): think of a rectangle\n"
        '    raise NotImplementedError("Task 1: write area")\n'
        "\n\n"
        "x = 1\n"
    )


def test_helpers_disappear_but_for_their_hints() -> None:
    source = "a = 1\n# BEGIN SOLUTION\n# HINT yours may stand here\nSECRET = 2\n# END SOLUTION\nb = 3\n"
    assert make_template(source, "f.py") == "a = 1\n# yours may stand here\nb = 3\n"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("# BEGIN SOLUTION\nx\n", 1),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION\n# END SOLUTION\n", 2),
        ("x\n# END SOLUTION\n", 2),
        ("if x:\n    # BEGIN SOLUTION\n# END SOLUTION\n", 3),
        ("# begin solution\nx\n# end solution\n", 1),
        ("#BEGIN SOLUTION\nx\n# END SOLUTION\n", 1),
        ("# BEGIN SOLUTION Task 1\nx\n# END SOLUTION\n", 1),
        ("x = 1  # BEGIN SOLUTION\nx\n# END SOLUTION\n", 1),
        ("# BEGIN SOLUTION\nx\n### END  SOLUTION ###\n", 3),
        ("# HINT no region here\n", 1),
        ("# BEGIN SOLUTION\nx\n# HINT too late\n# END SOLUTION\n", 3),
        ("# BEGIN SOLUTION\n# HINT 1\n# HINT 2\n# HINT 3\n# END SOLUTION\n", 4),
    ],
    ids=[
        "unclosed",
        "nested",
        "unopened",
        "misaligned",
        "small-letters",
        "no-space",
        "no-verb",
        "behind-code",
        "decorated",
        "hint-outside",
        "hint-late",
        "three-hints",
    ],
)
def test_markers_that_do_not_pair_are_refused_with_their_line(source: str, line: int) -> None:
    with pytest.raises(UserError, match=rf"^f\.py, line {line}: [^\n]+$"):
        make_template(source, "f.py")


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a = 1", "", "# why", "    b()"]), max_size=4),
            st.lists(st.sampled_from(["secret()", "", "    secret = 2", "# secret"]), max_size=4),
            st.sampled_from(["", "    "]),
            st.booleans(),
        ),
        max_size=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_all_outside_the_markers_stays_and_nothing_inside(
    parts: list[tuple[list[str], list[str], str, bool]],
) -> None:
    lines, kept = [], []
    for outside, inside, indent, is_task in parts:
        task = " Task 7: write it" if is_task else ""
        lines += [*outside, f"{indent}# BEGIN SOLUTION{task}", *inside, f"{indent}# END SOLUTION"]
        kept += [*outside, *([f'{indent}raise NotImplementedError("Task 7: write it")'] if is_task else [])]
    template = make_template("\n".join(lines) + "\n", "f.py")
    assert template == "\n".join(kept) + "\n"
    assert "secret" not in template


# The assignment


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    return generate(SOLUTION, "3.11")


@pytest.fixture(scope="module")
def assignment(built: dict[str, bytes]) -> dict[str, str]:
    """Its texts, those of the self-test's parts among them."""
    with zipfile.ZipFile(io.BytesIO(built["selftest.pyz"])) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if not name.endswith(".webp")}
    texts = {name: content for name, content in built.items() if name != "selftest.pyz"}
    return {name: content.decode() for name, content in {**texts, **parts}.items()}


def test_the_committed_assignment_is_what_the_solution_gives() -> None:
    assert kit.check(SOLUTION, ASSIGNMENT) == []


def test_making_it_twice_gives_the_same(built: dict[str, bytes]) -> None:
    assert generate(SOLUTION, "3.11") == built


def test_the_graders_python_is_told(built: dict[str, bytes]) -> None:
    other = generate(SOLUTION, "9.87")
    assert {name for name in built if built[name] != other[name]} == {
        *("README.md", "README.zh.md", "lab8.ipynb", "lab8.py", "selftest.pyz")
    }
    assert all("9.87" in other[name].decode() for name in ("README.md", "README.zh.md", "lab8.py"))


def test_all_six_stubs_name_their_task(assignment: dict[str, str]) -> None:
    module: dict[str, object] = {"__name__": "lab8"}
    exec(compile(assignment["lab8.py"], "lab8.py", "exec"), module)
    arguments = {
        "conv_output_size": 2,
        "conv_parameter_count": 3,
        "lenet5": 0,
        "preprocess": 1,
        "classifier": 0,
    }
    for name, count in [*arguments.items(), ("train_classifier", 3)]:
        keywords = {"device": "cpu", "seconds": 1, "seed": 0} if name == "train_classifier" else {}
        function = module[name]
        assert callable(function)
        with pytest.raises(NotImplementedError, match=rf"^Task \d[abc]?: write {name}$"):
            function(*[None] * count, **keywords)


def test_the_template_imports_nothing_that_it_does_not_use(assignment: dict[str, str]) -> None:
    words = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F401", "-"]
    for name in ("lab8.py", "lab8_tools.py"):
        done = subprocess.run(words, input=assignment[name], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_templates_plumbing_trains_with_preprocess_alone_filled(assignment: dict[str, str]) -> None:
    """And uses the function of that name as it is now: in a notebook it is written after these cells ran."""
    module: dict[str, Callable[..., object]] = {"__name__": "lab8"}  # type: ignore[dict-item]
    exec(compile(assignment["lab8.py"], "lab8.py", "exec"), module)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10))
    images, labels = torch.randint(0, 256, (40, 3, 2, 2), dtype=torch.uint8), torch.arange(40) % 10

    def prepare(batch: torch.Tensor) -> torch.Tensor:
        return batch.float() / 128 - 1

    module["preprocess"] = prepare
    history = module["train_loop"](
        net,
        torch.optim.SGD(net.parameters(), lr=0.5),
        lambda: torch.nn.functional.cross_entropy(net(prepare(images)), labels),
        lambda: module["evaluate"](net, images, labels),
        epochs=3,
        steps_per_epoch=10,
        seconds=60,
    )
    assert isinstance(history, dict)
    assert (
        history["train_loss"] == sorted(history["train_loss"], reverse=True) and len(history["seconds"]) == 3
    )


def test_module_and_notebook_hold_the_same_definitions(assignment: dict[str, str]) -> None:
    def definitions(code: str) -> list[str]:
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Assign)
        return [ast.dump(node) for node in ast.parse(code).body if isinstance(node, kinds)]

    notebook = nbformat.reads(assignment["lab8.ipynb"], as_version=nbformat.NO_CONVERT)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    everything = "\n".join(code)
    own = definitions(assignment["lab8.py"])
    assert len(own) >= 11
    assert definitions(everything)[: len(own)] == own
    assert "__name__" not in everything and "__main__" in assignment["lab8.py"]


def test_a_cell_is_unwrapped_only_if_it_is_one_main_block() -> None:
    main = '# %%\nif __name__ == "__main__":\n    x = 1\n\n    y = 2\n'
    source = main + "\n# %%\nif x:\n    y\n\n# %% [markdown]\n# text\n"
    cells = json.loads(to_notebook(source))["cells"]
    assert ["".join(cell["source"]) for cell in cells] == ["x = 1\n\ny = 2", "if x:\n    y", "text"]
    assert [cell["cell_type"] for cell in cells] == ["code", "code", "markdown"]


def test_the_answer_sheet_asks_the_rubrics_questions_and_counts_as_unanswered(
    assignment: dict[str, str],
) -> None:
    questions = [(question.text, question.text_zh) for question in load_rubric().questions]
    for language, name in enumerate(("answers.md", "answers.zh.md")):
        sheet = assignment[name]
        assert re.findall(r"(?m)^> (.*)$", sheet) == [wordings[language] for wordings in questions]
        outcomes = assess_answers([sheet], questions)
        assert [outcome.reason for outcome in outcomes] == ["the placeholder is still there"] * 4
        deleted = re.sub("(?m)^(Write your|请在此处).*$", "", sheet)
        outcomes = assess_answers([deleted], questions)
        assert [outcome.reason for outcome in outcomes] == ["only the question itself"] * 4


def test_the_readme_shows_every_point(assignment: dict[str, str]) -> None:
    rubric = load_rubric()
    points = [
        Decimal(number) for number in re.findall(r"(?m)^\| .* \| ([\d.]+) \|$", assignment["README.md"])
    ]
    rows = [
        *rubric.checks.values(),
        rubric.accuracy.points,
        *(question.points for question in rubric.questions),
    ]
    assert points[: len(rubric.checks) + 1] + points[-4:] == rows
    assert sum(rows) == rubric.out_of


# English and Chinese

_BLOCK = re.compile(r"#+ |\||- |\d+\. |> ")


def _blocks(text: str) -> list[tuple[str, list[str], list[str]]]:
    """Of each heading, paragraph, list item and table row: its kind, its code and its numbers."""
    blocks: list[str] = []
    begins = True
    for line in text.splitlines():
        if not line:
            begins = True
        elif begins or _BLOCK.match(line):
            blocks.append(line)
            begins = False
        else:
            blocks[-1] += " " + line
    found = []
    for block in blocks:
        kind = match[0] if (match := _BLOCK.match(block)) else ""
        kind += "|" * block.count("|")
        code = re.findall(r"`[^`]*`", block)
        rest = re.sub(r"`[^`]*`", "", block)
        found.append((kind, sorted(code), sorted(re.findall(r"[\d.,×]*\d", rest))))
    return found


@pytest.mark.parametrize("name", ["README", "answers"])
def test_both_languages_say_the_same_commands_and_figures_in_the_same_places(
    name: str, assignment: dict[str, str]
) -> None:
    english, chinese = _blocks(assignment[f"{name}.md"]), _blocks(assignment[f"{name}.zh.md"])
    for one, other in zip(english, chinese, strict=False):
        assert one == other
    assert len(english) == len(chinese) > 8


def test_each_readme_leads_to_the_other(assignment: dict[str, str]) -> None:
    for name, other in (("README.md", "README.zh.md"), ("README.zh.md", "README.md")):
        assert f"]({other})" in assignment[name].split("##")[0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "<!-- points: accuracy -->",
            "70",
            r"has no <!-- points: accuracy --> for .*rubric\.toml:35: give each row of the rubric one",
        ),
        (
            "<!-- points: accuracy -->",
            "<!-- points: accuray -->",
            r"<!-- points: accuray -->: .*rubric\.toml has no such row: remove it",
        ),
        ("70%。", "70%。<!-- curve: percent -->", "<!-- curve: percent --> is there more than once"),
    ],
    ids=["lost", "misspelt", "twice"],
)
def test_a_chinese_readme_that_does_not_give_each_row_its_points_is_refused(
    course: Path, old: str, new: str, told: str
) -> None:
    file = course / "solution" / "student_readme.zh.md"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=rf"student_readme\.zh\.md(:\d+)?: {told}"):
        generate(course / "solution", "3.11")


# Nothing leaks


def _lines(text: str) -> set[str]:
    """What lines say, without indentation and comments; too short ones give nothing away and are left out."""
    stripped = (re.sub(r"\s+#\s.*", "", line).strip() for line in text.splitlines())
    return {line for line in stripped if len(line) >= 12 and not line.startswith("#")}


IDIOMS = {  # what any two files may have in common
    "super().__init__()",
    "began = time.thread_time()",
    "return result",
    "return False",
    "CLASSES = 10",
    "CALL_SECONDS = 10.0",
    "needs: tuple[str, ...]",
    "except StudentFailure as failure:",
    "except BaseException:",
    "for name, shape in names.items():",
    "if gradient is None:",
    "if is_lenet:",
    "@contextmanager",
    "if failure.kind != 'raised' or 'NotImplementedError' in failure.types:",
    "self._outcomes: dict[str, CheckOutcome] = {}",
    "def __init__(self) -> None:",
    "if error is None:",
    "return set()",
    "@pytest.fixture",
    "Whole = int | tuple[int, int]",
}


def _everything(files: dict[str, str]) -> str:
    notebook = json.loads(files["lab8.ipynb"])
    cells = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert "grader/labs/lab8/selftest/checks.py" in files
    return "\n".join([*files.values(), *cells])


def test_no_line_of_a_solution_gets_into_the_assignment(assignment: dict[str, str]) -> None:
    template = assignment["lab8.py"]
    secret = _lines(SOURCE) - _lines(template)
    assert len(secret) > 90  # the regions' lines are what is meant
    assert 'return Classifier("standard")' in secret
    assert not secret & _lines(_everything(assignment)) - IDIOMS
    names = {node.name for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ClassDef)}
    names |= {"whitening_filters", "endless_batches", "orthogonal", "make_optimizer", "LABEL_SMOOTHING"}
    assert not [name for name in names if re.search(rf"\b{name}\b", _everything(assignment))]


def test_no_model_answer_gets_into_the_assignment(assignment: dict[str, str]) -> None:
    questions = {f"> {question.text}" for question in load_rubric().questions}
    answers = _lines((SOLUTION / "answers.md").read_text(encoding="utf-8")) - questions
    assert len(answers) > 20
    assert not answers & _lines(_everything(assignment))


def test_no_code_of_a_hidden_check_gets_into_the_assignment(assignment: dict[str, str]) -> None:
    folders = [Path(checks.__file__).parent, LAB.folder / "checks"]
    hidden: set[str] = set()
    for file in (file for folder in folders for file in folder.glob("*.py")):
        for node in ast.walk(tree := ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
                node.body = node.body[1:]  # a check's docstring is the line that students are shown
        # what students are told anyway
        told = ("import ", "from ", "hint = ")
        hidden |= {line for line in _lines(ast.unparse(tree)) if not line.startswith(told)}
    assert len(hidden) > 200
    shown = "\n".join(
        ast.unparse(ast.parse(text)) for name, text in assignment.items() if name.endswith(".py")
    )
    assert not sorted((hidden & (_lines(_everything(assignment)) | _lines(shown))) - IDIOMS)


def test_the_assignment_holds_these_files_and_no_other(built: dict[str, bytes]) -> None:
    assert sorted(built) == [
        "README.md",
        "README.zh.md",
        "answers.md",
        "answers.zh.md",
        "lab8.ipynb",
        "lab8.py",
        "lab8_tools.py",
        "requirements.txt",
        "selftest.py",
        "selftest.pyz",
    ]


# The refusals


def _verdict(total: str, *, status: Status = Status.GRADED, outcome: Outcome = Outcome.PASSED) -> Verdict:
    rows = [
        Row(
            id="conv_size_formula",
            title="",
            points=Decimal(total),
            out_of=Decimal(2),
            outcome=outcome,
            reason="why",
        ),
        Row(id="accuracy", title="", points=Decimal(0), out_of=Decimal(70), outcome=Outcome.FAILED),
    ]
    return Verdict(
        student_id="x",
        status=status,
        reason="so",
        total=Decimal(total),
        out_of=Decimal(104),
        rows=tuple(rows),
    )


FULL, NOTHING = _verdict("2"), _verdict("0", outcome=Outcome.FAILED)


@pytest.fixture
def course(tmp_path: Path, untrained: dict[str, torch.Tensor]) -> Path:
    """A copy of solution/ with weights that fit, and an older assignment beside it."""
    shutil.copytree(
        SOLUTION, tmp_path / "solution", ignore=shutil.ignore_patterns("classifier.*", "__pycache__")
    )
    save_file(untrained, tmp_path / "solution" / "classifier.safetensors")
    (tmp_path / "assignment").mkdir()
    (tmp_path / "assignment" / "old.txt").write_text("old")
    return tmp_path


@pytest.fixture(scope="module")
def untrained() -> dict[str, torch.Tensor]:
    module = ModuleType("lab8")
    exec(compile(SOURCE, "lab8.py", "exec"), module.__dict__)
    return {name: value.contiguous() for name, value in module.classifier().state_dict().items()}


def _build(course: Path, solution: Verdict, module: Verdict, notebook: Verdict) -> list[str]:
    verdicts = iter([solution, module, notebook])
    return kit.build(course / "solution", course / "assignment", lambda folder: next(verdicts))


def test_a_build_replaces_what_was_there_and_then_finds_nothing_to_change(course: Path) -> None:
    changed = _build(course, FULL, NOTHING, NOTHING)
    assert changed == sorted([*generate(course / "solution", "3.11"), "old.txt"])
    assert kit.check(course / "solution", course / "assignment") == []
    assert sorted(path.name for path in course.iterdir()) == ["assignment", "solution"]
    assert _build(course, FULL, NOTHING, NOTHING) == []


def test_check_names_what_was_changed_added_or_lost(course: Path) -> None:
    _build(course, FULL, NOTHING, NOTHING)
    folder = course / "assignment"
    windows = (folder / "README.md").read_bytes().replace(b"\n", b"\r\n")
    (folder / "README.md").write_bytes(windows)  # git may do so, and nothing is changed by it
    (folder / "lab8.py").write_text("mine")
    (folder / "data").mkdir()
    (folder / "answers.md").unlink()
    assert kit.check(course / "solution", folder) == ["answers.md", "data", "lab8.py"]


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ((_verdict("1"), NOTHING, NOTHING), r"^solution: conv_size_formula earns 1 of 2 \(why\)"),
        ((_verdict("2", status=Status.TIMEOUT), NOTHING, NOTHING), r"^solution: ends as timeout \(so\)"),
        ((FULL, FULL, NOTHING), r"^the untouched template lab8\.py earns 2 for conv_size_formula"),
        (
            (FULL, NOTHING, _verdict("0")),
            r"^the untouched template lab8\.ipynb earns 0 for conv_size_formula",
        ),
        (
            (FULL, _verdict("0", status=Status.CRASHED), NOTHING),
            r"^the untouched template lab8\.py ends as crashed",
        ),
    ],
    ids=["too-few-points", "timeout", "template-earns", "template-passes", "template-crashes"],
)
def test_a_build_that_grades_wrongly_is_refused_and_nothing_is_written(
    course: Path, verdicts: tuple[Verdict, Verdict, Verdict], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        _build(course, *verdicts)
    assert [path.name for path in (course / "assignment").iterdir()] == ["old.txt"]


@pytest.mark.parametrize(
    "name",
    [
        "lab8.py",
        "classifier.safetensors",
        "answers.md",
        "student_readme.md",
        "student_readme.zh.md",
    ],
)
def test_a_missing_file_is_named(course: Path, name: str) -> None:
    (course / "solution" / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)):
        _build(course, FULL, NOTHING, NOTHING)


def test_a_readme_without_room_for_the_rubric_is_refused(course: Path) -> None:
    (course / "solution" / "student_readme.md").write_text("no room")
    with pytest.raises(UserError, match=r"student_readme\.md: needs <!-- python --> once"):
        generate(course / "solution", "3.11")


# With the real grader


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with Pipeline(Setup(rubric=load_rubric(), images="mini", threads=1)) as pipeline:
        yield pipeline


@pytest.mark.slow
def test_the_real_grader_lets_the_solution_and_its_template_through(course: Path, pipeline: Pipeline) -> None:
    verdicts = []

    def grade(folder: Path) -> Verdict:
        with tempfile.TemporaryDirectory() as work:
            (submission,) = read_submissions(folder, Path(work))
            verdicts.append(pipeline.grade(submission))
        return verdicts[-1]

    kit.build(course / "solution", course / "assignment", grade)
    solution, *templates = verdicts
    assert {row.outcome for row in solution.rows if row.id != "accuracy"} == {Outcome.PASSED}
    assert [template.total for template in templates] == [0, 0]
    for template in templates:
        assert template.status is Status.GRADED
        reasons = {check.id: check.reason for check in template.checks}
        assert "Task 1a: write conv_output_size" in reasons["conv_size_formula"]
        assert "Task 2: write lenet5" in reasons["lenet_output_shape"]
        assert "Task 3a: write preprocess" in reasons["classifier_preprocess"]


def test_answers_in_the_chinese_sheet_earn_what_those_in_the_english_one_earn(
    tmp_path: Path, pipeline: Pipeline, assignment: dict[str, str]
) -> None:
    """Filled in beside the untouched English one, as it lies in the folder that students get."""
    for name in ("lab8.py", "answers.md", "answers.zh.md"):
        (tmp_path / name).write_text(assignment[name], encoding="utf-8")
    assert _question_points(tmp_path, pipeline) == [0, 0, 0, 0]
    sheet = assignment["answers.zh.md"]
    for answer in (
        "自编码器不需要标签就能学到低维表示，在这个表示上再做聚类就可以了，因为它学的是数据本身的结构。",
        "",
        "数据太少的时候容易过拟合，训练又需要大量算力，而且很难向别人解释它为什么这样判断。",
        "卷积把图像的局部结构写进了网络，换一个输出层和损失函数，就既能分类又能回归，还能逼近连续函数。",
    ):
        sheet = sheet.replace("请在此处写下你的答案。", answer, 1)
    (tmp_path / "answers.zh.md").write_text(sheet, encoding="utf-8")
    assert _question_points(tmp_path, pipeline) == [1, 0, 1, 1]
    (tmp_path / "answers.md").unlink()
    assert _question_points(tmp_path, pipeline) == [1, 0, 1, 1]


def _question_points(folder: Path, pipeline: Pipeline) -> list[Decimal]:
    with tempfile.TemporaryDirectory() as work:
        (submission,) = read_submissions(folder, Path(work))
        return [row.points for row in pipeline.grade(submission).rows if row.id.startswith("question")]
