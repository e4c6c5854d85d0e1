"""The students' self-test, as students use it: copied beside their work, and started."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mistakes import LAB8, m
from students import calls_of, submission
from torch.nn import functional as F

from grader.errors import UserError
from grader.intake import read_submissions
from grader.kit import parts
from grader.lab import load_lab
from grader.labs.lab8.lenet import SHAPES
from grader.labs.lab8.selftest import CHECKS, CHINESE, lenet
from grader.limits import Limits
from grader.sandbox.rules import PACKAGE
from grader.selftest import process
from grader.selftest.chinese import Translator

ROOT = Path(__file__).parents[1]
LAB = load_lab()
chinese = Translator(CHINESE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A student's folder as it was received."""
    shutil.copytree(ROOT / "assignment", tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "lab"


@pytest.fixture
def solved(folder: Path) -> Path:
    """The same with all done."""
    m("nothing wrong").write(folder)
    return folder


def run(folder: Path, *words: str, **environment: str) -> tuple[int, list[str]]:
    """The self-test's exit status, and its lines."""
    command = [sys.executable, "selftest.py", *words]
    env = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "", "LANGUAGE": "", **environment}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", env=env, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def of_kind(lines: list[str], *kinds: str) -> list[str]:
    return [line for line in lines if line.startswith(kinds)]


# What it tells


def test_the_untouched_template_shows_every_task_as_open(folder: Path) -> None:
    status, lines = run(folder)
    assert status == 1
    assert lines[0].startswith("look  lab8.py")
    assert not of_kind(lines, "ok", "FAIL")
    opened = of_kind(lines, "open")
    assert len(opened) == len(CHECKS) + 4
    for task in (
        "1a: write conv_output_size",
        "1b: write conv_parameter_count",
        "2: write lenet5",
        "3b: write cl",
    ):
        assert any(f"Task {task}" in line for line in opened)
    assert lines[-2:] == ["0 of 15 checks ok, 0 failed, 15 open", "0 of 4 questions answered"]


def test_what_is_done_is_ok_and_is_packed_into_what_the_grader_reads(solved: Path, tmp_path: Path) -> None:
    status, lines = run(solved, "--pack")
    assert (status, of_kind(lines, "FAIL", "open")) == (0, [])
    assert len(of_kind(lines, "ok")) == len(CHECKS) + 4 + 1
    assert (
        lines[-1]
        == "ok    lab8.zip holds lab8.py, lab8_tools.py, classifier.safetensors, answers.md, answers.zh.md: "
        "hand it in"
    )
    (submission,) = read_submissions(solved / "lab8.zip", tmp_path / "work")
    assert submission.code and submission.code.cells == (LAB8,)
    assert submission.weights and submission.weights.filename == "classifier.safetensors"
    assert len(submission.answer_texts) == 3  # both sheets, and what parts them
    first = (solved / "lab8.zip").read_bytes()
    run(solved, "--pack")
    assert (solved / "lab8.zip").read_bytes() == first


WRONG = """
import torch
from torch import nn
def conv_output_size(i, k, s=1, stride=1, padding=0): return (i - k) / stride + 2
def conv_parameter_count(i, o, k, bias=True): print(i * o * k * k + o)
def lenet5(): return nn.Sequential(nn.Flatten(), nn.Linear(1024, 10), nn.Softmax(1))
def preprocess(images): return images.float() - images.float().mean()
def classifier():
    print("noise")
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 9))
def train_classifier(model, images, labels, *, device, seconds, seed): raise KeyError("nowhere")
raise SystemExit("never run")
"""


def test_each_wrong_answer_gets_one_line_with_expected_actual_and_hint(folder: Path) -> None:
    (folder / "lab8.py").write_text(WRONG)
    status, lines = run(folder, "--pack")
    failed = of_kind(lines, "FAIL")
    assert status == 1
    assert failed[0] == (
        "FAIL  conv_output_size where every step fits: conv_output_size(32, 5): expected 28, got 29; "
        "hint: (input + 2 · padding − kernel) / stride + 1"
    )
    assert "conv_parameter_count(1, 6, 5): it returned None; hint: return the result" in failed[1]
    assert "the number of tensors and of numbers in them: expected (10, 61706), got (2, 10250)" in failed[2]
    assert "an image alone and in a batch: off by up to" in failed[3]
    assert "expected (12, 10), got (12, 9)" in failed[4]
    assert failed[5].startswith("FAIL  train_classifier")
    assert failed[6].startswith("FAIL  lab8.zip holds lab8.py, answers.md")
    assert lines[-1].startswith("6 of 15 checks failed, ")
    assert not any("noise" in line for line in lines)


@pytest.mark.slow
def test_what_is_open_is_packed_as_incomplete(solved: Path) -> None:
    (solved / "classifier.safetensors").unlink()
    (solved / "answers.md").unlink()
    status, lines = run(solved, "--pack")
    assert status == 1
    assert lines[-2:] == [
        "open  lab8.zip holds lab8.py, lab8_tools.py, answers.zh.md",
        "1 of 15 checks open, 4 of 4 questions open: go on, or hand it in as it is",
    ]


def test_code_that_cannot_be_run_is_never_ready_to_hand_in(solved: Path) -> None:
    (solved / "lab8.ipynb").unlink()
    (solved / "lab8.py").write_text("def lenet(:\n", encoding="utf-8")
    status, lines = run(solved, "--pack")
    assert status == 1
    assert lines[-1] == "the code cannot be run: go on, or hand it in as it is"


@pytest.mark.slow
def test_one_task_alone(solved: Path) -> None:
    status, lines = run(solved, "answers", "conv")
    assert status == 0
    assert len(of_kind(lines, "ok")) == 6 + 4
    done = subprocess.run(
        [sys.executable, "selftest.py", "convolution"],
        cwd=solved,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "there is no task convolution: choose from conv, lenet" in done.stderr


@pytest.mark.slow
def test_the_points_by_row_on_the_images_that_come_with_it(solved: Path) -> None:
    status, lines = run(solved, "--score")
    assert status == 0
    assert any(
        re.match(r"accuracy: \d+\.\d%, probably between \d+\.\d% and \d+\.\d%", line) for line in lines
    )
    assert "4.00 / 4: lenet5 computes what LeNet-5 computes" in lines
    assert any("accuracy on only 400 test images: for all, put them into data/" in line for line in lines)
    total = re.match(r"([\d.]+) of 104\.00 points", lines[-1])
    assert total and 34 <= float(total[1]) <= 50


# What happens to code that is not as it should be


@pytest.mark.slow
def test_what_torch_has_not_implemented_is_no_open_task(solved: Path) -> None:
    code = LAB8.replace("def forward", "def foward", 1)
    (solved / "lab8.py").write_text(code, encoding="utf-8")
    _, lines = run(solved, "lenet")
    assert any('NotImplementedError: Module [LeNet5] is missing the required "forward"' in x for x in lines)
    assert of_kind(lines, "FAIL")


@pytest.mark.slow
def test_code_that_hangs_dies_or_floods_costs_itself(solved: Path) -> None:
    more = (
        "import os\n"
        "def conv_output_size(*a, **k):\n    while True: pass\n"
        "def conv_parameter_count(*a, **k): os._exit(3)\n"
        "def preprocess(images):\n    while True: print('x' * 100_000)\n"
    )
    (solved / "lab8.py").write_text(LAB8 + more, encoding="utf-8")
    status, lines = run(solved, "conv", "classifier", "lenet")
    failed = of_kind(lines, "FAIL")
    assert status == 1
    assert failed[0].endswith("on this machine; hint: look for a loop that never ends")
    assert "every step fits: not done after 5 seconds" in failed[0]
    assert failed[1].endswith("biases: the code ended its own process, with exit status 3")
    assert failed[2].endswith("image by image: the code printed more than 8 MiB")
    assert len(of_kind(lines, "ok")) == 5


def test_a_device_that_is_hidden_looks_as_torch_expects_it(solved: Path) -> None:
    """From 2.14 on torch's own modules look for the function behind the cache."""
    (solved / "lab8.py").write_text(
        LAB8 + "\nimport torch\nassert torch.backends.mps.is_available.__wrapped__() is False\n"
        "def conv_output_size(*a, **k): return torch.backends.mps.is_available.__wrapped__()\n"
    )
    _, lines = run(solved, "conv")
    assert "got False" in of_kind(lines, "FAIL")[0]


AWAY = """
def conv_output_size(*a, **k):
    import urllib.request
    return urllib.request.urlopen("http://example.org")
def conv_parameter_count(*a, **k):
    return open({file!r}).read()
def lenet5():
    import openpyxl_of_no_kind as kind
    return kind
def preprocess(images):
    return images.cuda()
def classifier():
    return open({home!r}).read()
def train_classifier(model, images, labels, *, device, seconds, seed):
    return input()
"""


def test_what_the_grader_has_not_is_not_there(solved: Path, tmp_path: Path) -> None:
    """Network, files, GPU, keyboard and packages that this machine has."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "model.pt").write_text("x")
    (solved / "notes.txt").write_text("x")
    package = tmp_path / "packages"
    package.mkdir()
    (package / "openpyxl_of_no_kind.py").write_text("x = 1\n")
    text = AWAY.format(file=str(solved / "notes.txt"), home=str(home / "model.pt"))
    (solved / "lab8.py").write_text(LAB8 + text, encoding="utf-8")
    _, lines = run(solved, HOME=str(home), USERPROFILE=str(home), PYTHONPATH=str(package))
    told = "\n".join(of_kind(lines, "FAIL"))
    assert (
        "conv_output_size(32, 5): URLError" in told
        and "there is no network while the grader runs this" in told
    )
    assert "FileNotFoundError: [Errno 2] No such file or directory: 'notes.txt'" in told
    assert "of what was handed in only the code and the weights are there" in told
    assert (
        "No module named 'openpyxl_of_no_kind' (lab8.py, line " in told
        and "matplotlib, tqdm, pandas and" in told
    )
    assert "use the `device` that train_classifier is given" in told
    assert "directory: 'model.pt' (lab8.py, line " in told


def test_weights_that_lie_in_the_cache_at_home_are_not_there(solved: Path, tmp_path: Path) -> None:
    """As those of torchvision's networks do once they were downloaded."""
    cached = tmp_path / "torch" / "hub" / "checkpoints" / "net.pt"
    cached.parent.mkdir(parents=True)
    torch.save({"weight": torch.ones(1)}, cached)
    more = """
def classifier():
    torch.hub.load_state_dict_from_url("https://example.com/net.pt")
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
"""
    (solved / "lab8.py").write_text(LAB8 + more, encoding="utf-8")
    _, lines = run(solved, "weights", TORCH_HOME=str(tmp_path / "torch"))
    assert "there is no network while the grader runs this" in "\n".join(of_kind(lines, "FAIL"))


def test_a_network_that_is_too_slow_is_told_how_long_the_test_images_take(solved: Path) -> None:
    pool = "        x = F.avg_pool2d(x, 4)  # 8x8\n"
    code = LAB8.replace(pool, pool + "        time.sleep(0.01 * len(x))\n")
    assert code != LAB8
    (solved / "lab8.py").write_text(f"import time\n{code}", encoding="utf-8")
    assert "the speed of classifier" not in "\n".join(run(solved, "classifier")[1])
    limit_accuracy_seconds(solved / "selftest.pyz", 5)
    (told,) = of_kind(run(solved, "classifier")[1], "FAIL")
    words = r"the speed of classifier: 10,000 images take some \d+ minutes on one core here, and may take \d+"
    assert re.search(words, told) and "a smaller network, or smaller images" in told


def limit_accuracy_seconds(program: Path, seconds: int) -> None:
    """Let the self-test's rubric give so much time for the test images."""
    with zipfile.ZipFile(program) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name, line = "grader/labs/lab8/rubric.toml", b"accuracy_seconds = 1200"
    assert line in files[name]
    files[name] = files[name].replace(line, b"accuracy_seconds = %d" % seconds)
    with zipfile.ZipFile(program, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.slow
def test_syntax_that_only_newer_pythons_read_costs_itself(solved: Path) -> None:
    (solved / "selftest.pyz").write_bytes(parts.pack_parts("3.10", LAB))
    more = (
        "def conv_parameter_count(*a, **k):\n    try:\n        return 1\n    except* OSError:\n        pass"
    )
    (solved / "lab8.py").write_text(LAB8 + more, encoding="utf-8")
    _, lines = run(solved, "conv")
    assert len(of_kind(lines, "ok")) == (6 if sys.version_info < (3, 11) else 4)
    if sys.version_info >= (3, 11):
        told = (
            "is syntax of Python 3.11 or newer, which the grader's Python 3.10 cannot read, and was left out"
        )
        assert any(told in line for line in of_kind(lines, "note", "FAIL"))


def test_an_exception_in_a_notebooks_cell_names_cell_and_line(solved: Path) -> None:
    cells = [
        "%matplotlib inline",
        LAB8,
        "def conv_parameter_count(*a, **k):\n    return 1 / 0\n",
        "while True: pass",
    ]
    notebook = {"cells": [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]}
    (solved / "lab8.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (solved / "lab8.py").write_bytes((ROOT / "assignment" / "lab8.py").read_bytes())
    _, lines = run(solved, "conv")
    assert lines[0].startswith("look  lab8.ipynb")
    (failed,) = of_kind(lines, "FAIL")
    assert "(1, 6, 5): ZeroDivisionError: division by zero (lab8.ipynb, cell 3, line 2); hint: " in failed


@pytest.mark.slow
@pytest.mark.parametrize("code", ["def lenet5(:\n", "x = 1\n", "import lab8\n", ""])
def test_a_file_without_any_of_the_functions_is_told(folder: Path, code: str) -> None:
    (folder / "lab8.ipynb").unlink()
    (folder / "lab8.py").write_text(code)
    status, lines = run(folder, "conv")
    assert status == 1 and of_kind(lines, "FAIL") and not of_kind(lines, "ok")


@pytest.mark.slow
def test_nothing_to_look_at_is_told(folder: Path) -> None:
    for file in folder.glob("[al]*"):
        file.unlink()
    status, lines = run(folder)
    assert (status, len(of_kind(lines, "FAIL"))) == (1, 1)


def test_what_is_needed_and_missing_is_named(folder: Path) -> None:
    (folder / "selftest.pyz").unlink()
    done = subprocess.run(
        [sys.executable, "selftest.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "selftest.pyz is not beside selftest.py" in done.stderr
    shutil.copy(ROOT / "assignment" / "selftest.pyz", folder)
    bare = [sys.executable, "-S", "selftest.py"]  # no package is there
    done = subprocess.run(bare, cwd=folder, capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1 and done.stderr.startswith("the package ") and "requirements.txt" in done.stderr
    )


def test_the_packages_that_there_are_are_listed_once(solved: Path) -> None:
    (solved / "lab8.py").write_text(LAB8.replace("import time\n", "import time\nimport wandb_x\n").replace(
        "    model.train()\n", "    model.train()\n    wandb_x.init()\n").replace(
        "    return LeNet5()", "    wandb_x.init()\n    return LeNet5()"), encoding="utf-8")  # fmt: skip
    _, lines = run(solved, "lenet", "train")
    assert len([line for line in lines if "No module named 'wandb_x'" in line]) == 4
    assert len([line for line in lines if PACKAGE in line]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("returned", ["", "    return model", "    return {}"])
def test_a_history_that_is_none_is_noted_and_costs_nothing(solved: Path, returned: str) -> None:
    code = LAB8.replace('    return {"train_loss": losses}', returned)
    assert code != LAB8
    (solved / "lab8.py").write_text(code, encoding="utf-8")
    status, lines = run(solved, "train")
    assert (status, len(of_kind(lines, "ok"))) == (0, 1)
    assert ("return the history, a dict" in lines[-2]) == (returned != "    return {}")


# How it tells


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--help",), "measure the accuracy"),
        (("--help", "--language", "zh"), "测量准确率"),
        (("-h", "--language=zh"), "测量准确率"),
    ],
)
def test_help_is_in_the_language_asked_for(folder: Path, words: tuple[str, ...], told: str) -> None:
    status, lines = run(folder, *words)
    assert status == 0 and any(told in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("convv",), ("conv", "--pack"), ("--paint",), ("--language",)])
def test_what_cannot_be_asked_for_is_told_in_chinese(folder: Path, words: tuple[str, ...]) -> None:
    command = [sys.executable, "selftest.py", *words]
    env = {**os.environ, "LANGUAGE": "zh_CN"}
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", env=env, check=False)
    usage, told = done.stderr.splitlines()
    assert done.returncode == 2 and usage.startswith("用法：")
    assert re.search(r"[\u4e00-\u9fff]{2}", told), told


@pytest.mark.slow
def test_a_console_that_lacks_characters_stops_nothing(solved: Path) -> None:
    more = "\ndef conv_output_size(*a, **k): raise ValueError('不行')\n"
    (solved / "lab8.py").write_text(LAB8 + more, encoding="utf-8")
    assert any("ValueError: ??" in line for line in run(solved, "conv", PYTHONIOENCODING="ascii")[1])


@pytest.mark.slow
def test_a_reader_who_has_seen_enough_stops_it_quietly(solved: Path) -> None:
    command = f"{sys.executable} selftest.py conv | head -1"
    done = subprocess.run(command, shell=True, cwd=solved, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("look") and done.stderr == ""


@pytest.mark.slow
def test_a_chinese_computer_gets_chinese(folder: Path) -> None:
    (folder / "lab8.py").write_text(WRONG)
    status, lines = run(folder, "--pack", LANG="zh_CN.UTF-8")
    assert status == 1
    assert lines[0].startswith("查看")
    failed = of_kind(lines, "失败")
    assert "conv_output_size(32, 5)：应为 28，得到 29；提示：" in failed[0]
    for line in lines:
        assert re.search(r"[\u4e00-\u9fff]{2}", line), line


# What stands in the modules of the self-test, and is never told by it: of the modules, what concerns
# instructors or the two processes alone; of the texts, what is looked for, or a part of what is told.
NOT_TOLD_BY = (
    *("budget.py", "rubric.py", "scoring.py", "toml_records.py"),
    *("host.py", "torchvision_shim.py", "grader/lab.py"),
)
NOT_TOLD = """\
(no name)
, the mark is 7
they took 7 seconds, the others 7 until then
# Commented out IPython magic
# Next text
 at the top
 below cell 7
 that changes 7
10,000 images take some 7 minutes
7 and was left out
7 of 7 functions filled in
7 state dicts that fit
7: 7 at the top level
7: keep one side
7: switch the keyboard
a file in 7
Chinese character
a file without a name
a whole pickled model cannot
and may take 7
allocate memory
at least 7 are needed
cannot be read as a zip
from __future__
holds 7: save the one that is meant
import torch
is encrypted; unpack it
is neither a zip nor a folder
is no zip; unpack it
is not Python
is syntax of Python 7 or newer, which the grader's Python 7 cannot read,
it is not opened, look at it by hand
it stands in 7
it was still training
its top
its weights: 7
lab labs hw homework
lines 7 to 7 are a merge conflict
logits that fit the labels given, by image
not late
nothing was learnt
minutes for 10,000 test images on one core
no 7.py or 7.ipynb was found7
of another shape
pickled in a way that
selftest.py [task ...]
the attempt 7 counts
the loss on these images
the module that is handed in
the network is too slow
the self-test's
torch.save(model.state_dict(), …)
tuple[int, str]
usage:
values up to
was taken as the code (7)
""".splitlines()
OURS = {"ProtocolError", "RuntimeError", "ValueError"}  # no fault of the student's


def _wordings(tree: ast.Module) -> Iterator[str]:
    """The texts in a module that look like English, with 7 for what varies in them."""
    passed_over: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts = [node.value]  # a docstring
        elif (
            isinstance(node, ast.Compare)
            or (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."))
            or (isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).partition("(")[0] in OURS)
        ):
            parts = [*ast.walk(node)]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            parts = [*ast.walk(node)] if ast.unparse(node.targets[0]).startswith("_") else []
        elif isinstance(node, ast.JoinedStr):
            parts = [*node.values]
        passed_over |= set(map(id, parts))
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(v.value) if isinstance(v, ast.Constant) else "7" for v in node.values)
        if id(node) not in passed_over and ENGLISH.search(text):
            yield text


ENGLISH = re.compile(r"[a-z]{2,}[,:;]? [a-z]{2,}")


def _is_told_in_chinese(text: str) -> bool:
    """Whether nothing English is left, alone, behind a file's name, or with a shape in it."""
    told = (chinese(words) for words in (text, f"7 {text}", f"7: {text}", text.replace("7", "(7, 7)", 1)))
    return any(not ENGLISH.search(re.sub("`[^`]*`", "", one)) for one in told)


def test_what_varies_is_told_in_the_same_order() -> None:
    from grader.selftest.chinese import _PATTERNS

    patterns = {**_PATTERNS, **CHINESE}
    assert [english for english, told in patterns.items() if english.count("*") != told.count("*")] == []
    assert all(pattern.groups == len(parts) - 1 for pattern, parts in chinese._compiled)


@pytest.mark.parametrize(
    ("english", "told"),
    [
        (
            "conv_output_size(32, 5): SyntaxError: it is not Python and was left out: invalid character '（' "
            "(U+FF08): switch the keyboard to English and type ( (lab8.py, line 39)",
            "conv_output_size(32, 5)：有语法错误，已跳过："
            "非法字符 '（'（U+FF08）：请切换到英文输入法，输入 ( (lab8.py 第 39 行)",
        ),
        (
            "lenet5 is not defined in lab8.py (ModuleNotFoundError: No module named 'x' (lab8.py, line 3); "
            f"{PACKAGE})",
            "lenet5 没有在 lab8.py 中定义（ModuleNotFoundError: No module named 'x' (lab8.py 第 3 行)；"
            "评分时的软件包只有 torch, torchvision, numpy, PIL, matplotlib, tqdm, pandas 和 safetensors，"
            "你自己的模块只有随代码一起提交的那些）",
        ),
        (
            "classifier.pt: a whole pickled model cannot be opened safely: save model.state_dict()",
            "classifier.pt：用 pickle 保存的整个模型不能安全打开：请用 save_weights(model) 保存",
        ),
    ],
)
def test_what_is_put_together_is_told_in_chinese(english: str, told: str) -> None:
    assert chinese(english) == told


def test_every_wording_can_be_told_in_chinese() -> None:
    found = [
        text
        for name in sorted(parts.modules_for(LAB).keys() - parts.WRITTEN.keys())
        if not name.endswith((*NOT_TOLD_BY, "/chinese.py"))
        for text in _wordings(ast.parse((ROOT / name).read_bytes()))
    ]
    assert len(found) > 250
    assert [part for part in NOT_TOLD if not any(part in text for text in found)] == []
    told = [text for text in found if not any(part in text for part in NOT_TOLD)]
    assert [text for text in told if not _is_told_in_chinese(text)] == []


# What it compares with


def _lenet(x: torch.Tensor, w: list[torch.Tensor]) -> torch.Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2).flatten(1)
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w[4], w[5])), w[6], w[7])), w[8], w[9])


def test_the_numbers_for_lenet5_are_lenet5s() -> None:
    weights = [lenet.weight(shape).double().requires_grad_() for shape in SHAPES]
    for scale, numbers in lenet.OUTPUTS.items():
        right = _lenet(scale * lenet.images().double(), weights)
        assert torch.allclose(torch.tensor(numbers).double(), right, rtol=1e-4, atol=1e-4 * scale)
    loss = F.cross_entropy(_lenet(lenet.images().double(), weights), torch.arange(lenet.IMAGES))
    for shape, gradient in zip(SHAPES, torch.autograd.grad(loss, weights), strict=True):
        assert gradient.abs().sum().item() == pytest.approx(lenet.GRADIENTS[shape], rel=1e-4)


def test_its_rows_are_the_graders() -> None:
    from grader.checks import check_catalogue

    assert [(check.id, check.needs) for check in CHECKS] == [
        (info.id, info.needs) for info in check_catalogue(LAB)
    ]


def test_no_hidden_check_is_packed_with_it(folder: Path) -> None:
    with zipfile.ZipFile(folder / "selftest.pyz") as archive:
        names = archive.namelist()
        texts = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert {str(Path(name).parent) for name in names} == {
        ".",
        *(name.replace(".", "/") for name in parts.OPEN),
        *("grader/labs/lab8", "grader/labs/lab8/selftest"),
    }
    files = [f"grader/labs/lab8/{name}" for name in ("rubric.toml", *LAB.public_files)]
    assert [name for name in names if not name.endswith(".py")] == sorted([*files, parts.LAB, parts.PYTHON])
    of_lab = {Path(name).name for name in texts if Path(name).parent == Path("grader/labs/lab8")}
    assert of_lab == {"__init__.py", "learning.py", "lenet.py"}
    for name, text in texts.items():
        assert name in parts.WRITTEN or text == (ROOT / name).read_text(encoding="utf-8")


def test_what_is_hidden_cannot_be_packed_by_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "START", "grader.grade")
    with pytest.raises(UserError, match=r"^grader\.grade needs grader\.[a-z._]+: only modules of"):
        parts.pack_parts("3.11", LAB)


@pytest.mark.parametrize("module", ["checks.lenet", "checks", "measure", "own_images"])
def test_of_a_lab_only_what_it_calls_public_is_packed(module: str, tmp_path: Path) -> None:
    shutil.copytree(LAB.folder, tmp_path / "lab8", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "lab8" / "selftest" / "checks.py"
    file.write_text(f"import grader.labs.lab8.{module}\n{file.read_text('utf-8')}", encoding="utf-8")
    moved = LAB.model_copy(update={"folder": tmp_path / "lab8"})
    with pytest.raises(UserError, match=rf"needs grader\.labs\.lab8\.{module}: .* it calls public: selftest"):
        parts.pack_parts("3.11", moved)


# The process that the code runs in


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import time\ntime.sleep(60)\n", "did not answer within 1 seconds: something keeps Python"),
        ("raise ImportError('no torch')\n", "ended before it began: ImportError: no torch"),
        ("import sys\nsys.exit(7)\n", "ended before it began: exit status 7"),
    ],
)
def test_a_process_that_never_connects_is_ended_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    (tmp_path / "selftest.py").write_text(program)
    started = calls_of(monkeypatch, subprocess, "Popen")
    monkeypatch.setattr(process, "START_SECONDS", 1.0 if "60" in program else 60.0)
    work = submission(LAB8)
    with (
        pytest.raises(UserError, match=re.escape(told)),
        process.LocalPlace(tmp_path / "selftest.py", [], Limits(), LAB.contract) as sandbox,
        sandbox.student(work) as student,
    ):
        student.load()
    assert len(started) == 1
    assert not [line for line in _commands() if str(tmp_path) in line]


def _commands() -> list[str]:
    """The command lines of all processes."""
    return subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
