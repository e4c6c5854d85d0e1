"""The students' self-test, as students use it: copied beside their work."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from grader.intake import read_submissions

ROOT = Path(__file__).parents[1]
SOLVED = (ROOT / "solution" / "lab8.py").read_text(encoding="utf-8")
TEMPLATE = ROOT / "assignment"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A student's folder as it was received."""
    shutil.copytree(TEMPLATE, tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return tmp_path / "lab"


@pytest.fixture
def solved(folder: Path) -> Path:
    """The same with all done."""
    (folder / "lab8.py").write_text(SOLVED, encoding="utf-8")
    shutil.copy(ROOT / "solution" / "answers.md", folder)
    save_file(_weights(), folder / "classifier.safetensors")
    return folder


@pytest.fixture(autouse=True)
def _no_module_left_behind() -> Iterator[None]:
    yield
    sys.modules.pop("lab8", None)


def _weights() -> dict[str, torch.Tensor]:
    module = ModuleType("lab8")
    exec(compile(SOLVED, "lab8.py", "exec"), module.__dict__)
    return {name: value.contiguous() for name, value in module.classifier().state_dict().items()}


def _selftest(folder: Path) -> ModuleType:
    """The folder's selftest.py as a module: quicker than a process of its own."""
    spec = importlib.util.spec_from_file_location("selftest", folder / "selftest.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(folder: Path, *words: str) -> tuple[int, list[str]]:
    command = [sys.executable, "selftest.py", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def _pack(folder: Path) -> str:
    """What --pack refuses, or nothing."""
    selftest = _selftest(folder)
    try:
        selftest.pack()
    except selftest.RefusedError as refusal:
        assert not (folder / "lab8.zip").exists()
        assert "\n" not in str(refusal)
        return str(refusal)
    return ""


# The checks


def test_the_untouched_template_shows_every_task_as_open(folder: Path) -> None:
    status, lines = _run(folder)
    assert status == 1
    assert lines[0] == "look  lab8.py"
    assert len(lines) == 13 and all(line.startswith("open  ") for line in lines[1:])
    for task in (
        "1a: write conv_output_size",
        "1b: write conv_parameter_count",
        "2: write lenet5",
        "3b: write cl",
    ):
        assert any(f"Task {task}" in line for line in lines)
    assert "neither classifier.safetensors nor classifier.pt" in lines[-1]


def test_the_solution_passes_and_packs_into_what_the_grader_reads(solved: Path, tmp_path: Path) -> None:
    status, lines = _run(solved)
    assert (status, [line for line in lines[1:] if not line.startswith("ok ")]) == (0, [])
    assert len(lines) == 13
    status, lines = _run(solved, "--pack")
    told = "ok    lab8.zip holds lab8.py, classifier.safetensors, answers.md: hand it in"
    assert (status, lines) == (0, [told])
    (submission,) = read_submissions(solved / "lab8.zip", tmp_path / "work")
    assert submission.problem is None
    assert submission.code and submission.code.cells == (SOLVED,)
    assert submission.weights and submission.weights.format == "safetensors"
    assert len(submission.answer_texts) == 1


WRONG = """
import torch
from torch import nn
def conv_output_size(i, k, s=1, stride=1, padding=0): return (i - k) / stride + 1
def conv_parameter_count(i, o, k, bias=True): return i * o * k * k + o
def lenet5(): return nn.Sequential(nn.Flatten(), nn.Linear(1024, 10), nn.Softmax(1))
def preprocess(images): return images.div_(2)
def classifier():
    print("noise")
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 9))
def train_classifier(model, images, labels, *, device, seconds, seed): return {}
raise SystemExit("never run")
"""


def test_each_wrong_answer_gets_one_line_with_expected_actual_and_hint(folder: Path) -> None:
    (folder / "lab8.py").write_text(WRONG)
    status, lines = _run(folder)
    assert status == 1
    assert len(lines) == 13
    failed = [line for line in lines if line.startswith("FAIL")]
    assert len(failed) == 10  # lenet5 does give ten numbers an image, and there are no weights
    assert [line for line in lines if line.startswith("ok")] == ["ok    lenet5 gives ten logits an image"]
    assert "conv_output_size(32, 5): expected 28, got 28.0; hint: " in failed[0]
    assert all(
        re.search(r": expected .+, got .+; hint: .+|Error: .*\(lab8\.py, line \d+\)", line) for line in failed
    )
    assert not any("noise" in line for line in lines)


@pytest.mark.slow
def test_a_check_that_never_ends_is_stopped_and_told(solved: Path) -> None:
    """Also in a background job, which a shell without a terminal starts with SIGINT ignored."""
    lab, selftest = solved / "lab8.py", solved / "selftest.py"
    lab.write_text(SOLVED + "\ndef conv_parameter_count(*a, **k):\n    while True: pass\n", encoding="utf-8")
    text = selftest.read_text(encoding="utf-8").replace("CALL_SECONDS = 20.0", "CALL_SECONDS = 1.5")
    selftest.write_text(text, encoding="utf-8")
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status, lines = _run(solved)
    finally:
        signal.signal(signal.SIGINT, handler)
    stopped = [line for line in lines if line.startswith("FAIL  conv_")]
    assert status == 1 and len(lines) == 13
    assert len(stopped) == 2
    assert stopped[0].endswith("expected at most 1.5 s, got no end; hint: look for a loop that never ends")


def test_a_hint_stands_where_an_error_leads_astray(solved: Path) -> None:
    more = (
        "for WIDTH in (3,): pass\ndef conv_output_size(*a, **k): return WIDTH\n"
        "def conv_parameter_count(*a, **k): return input()\n"
        "def classifier(): raise RuntimeError('No CUDA GPUs are available')\n"
    )
    (solved / "lab8.py").write_text(SOLVED + "\n" + more, encoding="utf-8")
    told = "\n".join(_run(solved)[1])
    assert "hint: of the top level only imports, functions, classes and assignments" in told
    assert "hint: nobody is there to answer input()" in told
    assert "hint: the grader may have no GPU" in told


@pytest.mark.slow
def test_a_console_that_lacks_a_character_stops_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    more = "\ndef preprocess(images): raise ValueError('不行')\n"
    (folder / "lab8.py").write_text(SOLVED + more, encoding="utf-8")
    assert any("ValueError: ??" in line for line in _run(folder)[1])


def test_weights_under_another_name_are_pointed_at(solved: Path) -> None:
    (solved / "classifier.safetensors").rename(solved / "best.safetensors")
    selftest = _selftest(solved)
    assert "(best.safetensors is not looked at: rename it if it is meant)" in selftest.no_weights()


@pytest.mark.slow
def test_one_task_can_be_run_alone_with_pytest(solved: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "selftest.py", "-k", "lenet5"]
    done = subprocess.run(command, cwd=solved, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


# Which code


def test_of_module_and_notebook_the_one_with_more_written_is_looked_at(folder: Path) -> None:
    assert _selftest(folder).find_code().name == "lab8.py"
    notebook = json.loads((folder / "lab8.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = [line.replace("raise NotImplementedError(", "print(") for line in cell["source"]]
    (folder / "lab8.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert _selftest(folder).find_code().name == "lab8.ipynb"


def test_a_notebooks_commands_and_training_cells_cost_nothing(folder: Path) -> None:
    cells = [
        "%matplotlib inline\n!pip install x\nmax?\nprint??\n?len",
        SOLVED,
        "%%bash\necho no Python",
        "model = 1 / 0\nwhile True:\n    pass",
    ]
    notebook = {"cells": [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]}
    (folder / "lab8.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    selftest = _selftest(folder)
    lab = selftest.load_lab(folder / "lab8.ipynb")
    assert selftest.LEFT_OUT == ["lab8.ipynb, code cell 3, line 2: invalid syntax"]
    assert lab.conv_output_size(32, 5) == 28
    assert not hasattr(lab, "model")


def test_only_what_the_functions_need_is_run(folder: Path) -> None:
    stub = "def {name}(*a, **k): return helper()\n"
    names = _selftest(folder).FUNCTIONS
    code = (
        "from __future__ import annotations\nimport math, not_installed_anywhere\n"
        "WIDTH, unused = 3, math.pi\nloss = 1 / 0\n"
        "try:\n    import fast\nexcept ImportError:\n    fast = None\n"
        "if __name__ == '__main__':\n    WIDTH = 4\n"
        "def helper() -> Undefined: return WIDTH, fast\n" + "".join(stub.format(name=name) for name in names)
    )
    (folder / "lab8.py").write_text(
        code.replace(", not_installed_anywhere", "\nimport not_installed_anywhere")
    )
    lab = _selftest(folder).load_lab(folder / "lab8.py")
    assert lab.lenet5() == (3, None)
    assert not hasattr(lab, "loss")


# Packing


def test_what_is_open_is_a_note_and_no_refusal(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _pack(folder) == ""
    with zipfile.ZipFile(folder / "lab8.zip") as archive:
        assert archive.namelist() == ["lab8.py", "answers.md"]


def test_of_the_two_answer_sheets_the_one_with_more_answers_is_packed(folder: Path) -> None:
    sheet = folder / "answers.zh.md"
    sheet.write_text(
        sheet.read_text(encoding="utf-8").replace("请在此处写下你的答案。", "好" * 30, 1), encoding="utf-8"
    )
    assert _pack(folder) == ""
    with zipfile.ZipFile(folder / "lab8.zip") as archive:
        assert archive.namelist() == ["lab8.py", "answers.zh.md"]


def test_the_same_work_packs_into_the_same_bytes(solved: Path) -> None:
    assert _pack(solved) == ""
    first = (solved / "lab8.zip").read_bytes()
    assert _pack(solved) == ""
    assert (solved / "lab8.zip").read_bytes() == first


def test_nothing_to_hand_in_is_refused(folder: Path) -> None:
    (folder / "lab8.py").unlink()
    (folder / "lab8.ipynb").unlink()
    assert "there is no lab8.py and no lab8.ipynb" in _pack(folder)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def lenet5(:\n", r"lab8\.py, line 1: invalid syntax; mend"),
        ("x = 1\n", r"lab8\.py does not define conv_output_size, .*, train_classifier"),
        ("", r"lab8\.py does not define"),
        (
            "import nowhere\ndef lenet5(): return nowhere\n",
            r"need nowhere \(line 1\), which the grader does not have",
        ),
        (
            "import lab8_tools\ndef lenet5(): return lab8_tools\n",
            r"need lab8_tools \(line 1\), which the grader does not have",
        ),
        ("from lab8_tools import save_weights\ndef lenet5(): save_weights()\n", "need lab8_tools"),
        ("def lenet5():\n    import lab8_tools\n", r"need lab8_tools \(line 2\)"),
        ("def helper():\n    from . import x\nlenet5 = helper\n", r"need a module beside them \(line 2\)"),
        ("import math, tqdm\ndef lenet5(): return tqdm\n", r"need tqdm \(line 1\)"),
        ("WIDTH = 1 / 0\ndef lenet5(): return WIDTH\n", r"line 1: ZeroDivisionError"),
        ("x = '\0'\n", r"lab8\.py, line "),
        ("#" * 2**21 + "\n", r"lab8\.py has 2 MiB and may have 2"),
    ],
    ids=[
        "syntax",
        "functions",
        "empty",
        "import",
        "tools",
        "from-tools",
        "inside",
        "relative",
        "package",
        "constant",
        "null",
        "large",
    ],
)
def test_code_that_the_grader_could_not_use_is_refused(folder: Path, code: str, reason: str) -> None:
    (folder / "lab8.ipynb").unlink()
    (folder / "lab8.py").write_text(code)
    assert re.search(reason, _pack(folder))


def test_a_damaged_notebook_is_refused(folder: Path) -> None:
    (folder / "lab8.py").unlink()
    for text in ('{"cells": ', '{"metadata": {}}', "[]", '{"cells": [1]}'):
        (folder / "lab8.ipynb").write_text(text)
        assert "lab8.ipynb cannot be read" in _pack(folder)


class Net(torch.nn.Linear):
    """Pickled whole, as students like to."""


def test_weights_that_cannot_be_graded_are_refused(solved: Path) -> None:
    file, weights = solved / "classifier.safetensors", _weights()

    def refused(reason: str) -> None:
        assert re.search(reason, told := _pack(solved)), told

    save_file({name: value for name, value in weights.items() if name != "head.weight"}, file)
    refused(
        r"classifier\.safetensors does not fit classifier\(\): 1 tensors missing \(first: head\.weight\);"
    )
    save_file(weights | {"head.weight": torch.zeros(9, 256)}, file)
    refused(r"head\.weight of shape \(9, 256\) and not \(10, 256\); hint: train again, or")
    save_file({f"module.{name}": value for name, value in weights.items()}, file)
    refused(
        r'names that begin with "module\.", as DataParallel makes them; hint: save_weights\(model\.module\)'
    )
    file.write_bytes(b"nothing")
    refused("a file that cannot be read")
    torch.save(weights, solved / "classifier.pt")
    refused("there are classifier.safetensors and classifier.pt: delete")
    file.unlink()
    assert _pack(solved) == ""
    (solved / "lab8.zip").unlink()
    torch.save(Net(2, 2), solved / "classifier.pt")
    refused("a whole pickled model")
    torch.save([1, 2], solved / "classifier.pt")
    refused("no state dict but a list")
    torch.save({"model": weights, "epoch": 3}, solved / "classifier.pt")
    refused("no state dict but a dict of model, epoch")
    with (solved / "classifier.pt").open("wb") as large:
        large.truncate(2**28 + 1)
    refused("classifier.pt has 256 MiB and may have 256")


def test_weights_beside_an_unwritten_classifier_are_refused(solved: Path) -> None:
    (solved / "lab8.py").write_text((TEMPLATE / "lab8.py").read_text(encoding="utf-8"), encoding="utf-8")
    assert (
        "classifier.safetensors does not fit classifier(): classifier() fails: NotImplementedError: Task 3b"
        in _pack(solved)
    )


LONG = "so " * 15


@pytest.mark.parametrize(
    ("text", "open_ones"),
    [
        ("", [1, 2, 3, 4]),
        (f"# Question 1\n{LONG}\n## Question 3\n> {LONG}\n\nWrite your answer here.\n", [2, 3, 4]),
        (f"## Question 1\n{'好' * 30}\n## Question 2\n{LONG}\n## Question 3\n{LONG[3:]}\n", [3, 4]),
        (
            f"## Question 1\n{LONG}\n## Question 2\n{LONG}\n# Question 3\n{LONG}\n# Question 4: d\n{LONG}\n",
            [],
        ),
        (f"# 练习\n## 问题 1\n> {'好' * 30}\n\n请在此处写下你的答案。\n## 问题 2\n{'好' * 30}\n", [1, 3, 4]),
    ],
    ids=["empty", "some", "short", "all", "chinese"],
)
def test_unanswered_questions_are_told(folder: Path, text: str, open_ones: list[int]) -> None:
    assert _selftest(folder).unanswered(text) == open_ones
