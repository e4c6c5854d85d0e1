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
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from grader.intake import read_submissions
from grader.kit.parts import pack_parts
from grader.selftest import lenet
from grader.selftest.checks import CHECKS
from grader.selftest.chinese import chinese

ROOT = Path(__file__).parents[1]
# A network that learns quickly and fits its weights.
SOLVED = """\
import torch
from torch import nn
from torch.nn import functional as F

def pair(x):
    return x if isinstance(x, tuple) else (x, x)

def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    arguments = [input_size, kernel_size, stride, padding]
    sizes = []
    for n, k, s, p in zip(*map(pair, arguments)):
        if n < 1 or k < 1 or s < 1 or p < 0 or k > n + 2 * p:
            raise ValueError("no such convolution")
        sizes.append((n + 2 * p - k) // s + 1)
    return tuple(sizes) if any(isinstance(x, tuple) for x in arguments) else sizes[0]

def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    height, width = pair(kernel_size)
    return out_channels * (in_channels * height * width + bias)

def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )

def preprocess(images):
    return images.float() / 128 - 1

def classifier():
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))

def train_classifier(model, images, labels, *, device, seconds, seed):
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(40):
        loss = F.cross_entropy(model(preprocess(images.to(device))), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"loss": [loss.item()]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A student's folder as it was received."""
    shutil.copytree(ROOT / "assignment", tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "lab"


@pytest.fixture
def solved(folder: Path) -> Path:
    """The same with all done."""
    (folder / "lab8.py").write_text(SOLVED, encoding="utf-8")
    shutil.copy(ROOT / "solution" / "answers.md", folder)
    save_file(
        {"1.weight": torch.rand(10, 3072) / 100, "1.bias": torch.zeros(10)}, folder / "classifier.safetensors"
    )
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
        == "ok    lab8.zip holds lab8.py, classifier.safetensors, answers.md, answers.zh.md: hand it in"
    )
    (submission,) = read_submissions(solved / "lab8.zip", tmp_path / "work")
    assert submission.code and submission.code.cells == (SOLVED,)
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
        "open  lab8.zip holds lab8.py, answers.zh.md",
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
def test_code_that_hangs_dies_or_floods_costs_itself(solved: Path) -> None:
    more = (
        "import os\n"
        "def conv_output_size(*a, **k):\n    while True: pass\n"
        "def conv_parameter_count(*a, **k): os._exit(3)\n"
        "def preprocess(images):\n    while True: print('x' * 100_000)\n"
    )
    (solved / "lab8.py").write_text(SOLVED + more, encoding="utf-8")
    status, lines = run(solved, "conv", "classifier", "lenet")
    failed = of_kind(lines, "FAIL")
    assert status == 1
    assert failed[0].endswith("on this machine; hint: look for a loop that never ends")
    assert "every step fits: not done after 5 seconds" in failed[0]
    assert failed[1].endswith("biases: the code ended its own process, with exit status 3")
    assert failed[2].endswith("image by image: the code printed more than 8 MiB")
    assert len(of_kind(lines, "ok")) == 5


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
    (solved / "lab8.py").write_text(SOLVED + text, encoding="utf-8")
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
    (solved / "lab8.py").write_text(SOLVED + more, encoding="utf-8")
    _, lines = run(solved, "weights", TORCH_HOME=str(tmp_path / "torch"))
    assert "there is no network while the grader runs this" in "\n".join(of_kind(lines, "FAIL"))


def test_a_network_that_is_too_slow_is_told_how_long_the_test_images_take(solved: Path) -> None:
    slow = "class Slow(nn.Module):\n    def forward(self, x):\n        time.sleep(0.01 * len(x))\n"
    slow += "        return x.flatten(1)\n"
    network = "nn.Sequential(nn.Flatten(), nn.Linear(3072"
    code = SOLVED.replace(network, network.replace("nn.Flatten", "Slow"))
    assert code != SOLVED
    (solved / "lab8.py").write_text(f"import time\n{code}\n{slow}", encoding="utf-8")
    assert "the speed of classifier" not in "\n".join(run(solved, "classifier")[1])
    limit_accuracy_seconds(solved / "selftest.pyz", 5)
    (told,) = of_kind(run(solved, "classifier")[1], "FAIL")
    words = r"the speed of classifier: 10,000 images take some \d+ minutes on one core here, and may take \d+"
    assert re.search(words, told) and "a smaller network, or smaller images" in told


def limit_accuracy_seconds(program: Path, seconds: int) -> None:
    """Let the self-test's rubric give so much time for the test images."""
    with zipfile.ZipFile(program) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name, line = "grader/rubric.toml", b"accuracy_seconds = 1200"
    assert line in files[name]
    files[name] = files[name].replace(line, b"accuracy_seconds = %d" % seconds)
    with zipfile.ZipFile(program, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.slow
def test_syntax_that_only_newer_pythons_read_costs_itself(solved: Path) -> None:
    (solved / "selftest.pyz").write_bytes(pack_parts("3.10"))
    more = (
        "def conv_parameter_count(*a, **k):\n    try:\n        return 1\n    except* OSError:\n        pass"
    )
    (solved / "lab8.py").write_text(SOLVED + more, encoding="utf-8")
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
        SOLVED,
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


# How it tells


@pytest.mark.slow
def test_a_console_that_lacks_characters_stops_nothing(solved: Path) -> None:
    more = "\ndef conv_output_size(*a, **k): raise ValueError('不行')\n"
    (solved / "lab8.py").write_text(SOLVED + more, encoding="utf-8")
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


def test_every_title_and_hint_can_be_told_in_chinese() -> None:
    source = ast.parse((ROOT / "grader" / "selftest" / "checks.py").read_text(encoding="utf-8"))
    hints = [
        value.value
        for node in ast.walk(source)
        for name, value in (
            [(keyword.arg, keyword.value) for keyword in node.keywords]
            if isinstance(node, ast.Call)
            else [(ast.unparse(node.targets[0]), node.value)]
            if isinstance(node, ast.Assign)
            else []
        )
        if name == "hint" and isinstance(value, ast.Constant) and isinstance(value.value, str)
    ]
    assert len(hints) >= 12
    for text in [*hints, *(check.title for check in CHECKS)]:
        assert re.search(r"[\u4e00-\u9fff]", chinese(text)), text


# What it compares with


def _lenet(x: torch.Tensor, w: list[torch.Tensor]) -> torch.Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2).flatten(1)
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w[4], w[5])), w[6], w[7])), w[8], w[9])


def test_the_numbers_for_lenet5_are_lenet5s() -> None:
    weights = [lenet.weight(shape).double().requires_grad_() for shape in lenet.SHAPES]
    for scale, numbers in lenet.OUTPUTS.items():
        right = _lenet(scale * lenet.images().double(), weights)
        assert torch.allclose(torch.tensor(numbers).double(), right, rtol=1e-4, atol=1e-4 * scale)
    loss = F.cross_entropy(_lenet(lenet.images().double(), weights), torch.arange(lenet.IMAGES))
    for shape, gradient in zip(lenet.SHAPES, torch.autograd.grad(loss, weights), strict=True):
        assert gradient.abs().sum().item() == pytest.approx(lenet.GRADIENTS[shape], rel=1e-4)


def test_its_rows_are_the_graders() -> None:
    from grader.checks import check_catalogue

    assert [(check.id, check.needs) for check in CHECKS] == [
        (info.id, info.needs) for info in check_catalogue()
    ]


def test_no_hidden_check_is_packed_with_it(folder: Path) -> None:
    with zipfile.ZipFile(folder / "selftest.pyz") as archive:
        names = archive.namelist()
        assert not [name for name in names if "checks/" in name]
        assert (
            archive.read("grader/sandbox/definitions.py")
            == (ROOT / "grader/sandbox/definitions.py").read_bytes()
        )
