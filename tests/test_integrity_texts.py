"""Code and answers that students have in common: what is found, what is not, and what no text can do."""

from __future__ import annotations

import ast
import json
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.integrity import texts
from grader.integrity.copies import flag_copies
from grader.integrity.texts import (
    ANSWERS,
    CODE,
    alike,
    code_hashes,
    pack,
    printed_answers,
    printed_code,
    tokens,
    unpack,
    winnowed,
)
from grader.kit import handed_out
from grader.lab import load_lab
from grader.rubric import load_rubric
from grader.types import Code, Fingerprint, Flag, Helper, Verdict

ROOT = Path(__file__).resolve().parent.parent
GIVEN = load_lab().handed_out
QUESTIONS = [(question.text, question.text_zh) for question in load_rubric(None).questions]

ADA = '''
import torch
from torch import nn


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    """The formula, for numbers and for pairs."""
    values = [input_size, kernel_size, stride, padding]
    if any(not isinstance(v, int) for v in values):
        height = conv_output_size(*[v if isinstance(v, int) else v[0] for v in values])
        width = conv_output_size(*[v if isinstance(v, int) else v[1] for v in values])
        return height, width
    if input_size < 1 or kernel_size < 1:
        raise ValueError("sizes have to be positive")
    room = input_size + 2 * padding - kernel_size
    if stride < 1 or padding < 0 or room < 0:
        raise ValueError("the kernel does not fit")
    return room // stride + 1


class Strided(nn.Module):
    def __init__(self, widths=(12, 20, 32)):
        super().__init__()
        sizes = [3, *widths]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2) for a, b in zip(sizes, sizes[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths)
        self.out = nn.Linear(widths[-1] * 9, 10)

    def forward(self, t):
        for layer, norm in zip(self.layers, self.norms):
            t = torch.relu(norm(layer(t)))
        return self.out(t.flatten(1))


def train_classifier(model, images, labels, *, device, seconds, seed):
    began = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.to(device).parameters(), lr=3e-3)
    steps = 4 * max(20, len(images) // 100)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    curve = []
    while len(curve) < steps and time.monotonic() - began < 0.8 * seconds:
        rows = torch.randint(len(images), (100,), generator=generator)
        error = F.cross_entropy(model(preprocess(images[rows].to(device))), labels[rows].to(device))
        for parameter in model.parameters():
            parameter.grad = None
        error.backward()
        optimiser.step()
        decay.step()
        curve.append(error.item())
    return {"train_loss": curve}
'''
# The same three tasks by somebody else.
EVE = """
import math
import torch.nn.functional as F


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    params = {"input": input_size, "kernel": kernel_size, "stride": stride, "padding": padding}
    results = ()
    for axis in range(2):
        p = {key: (val if type(val) is int else val[axis]) for key, val in params.items()}
        if p["padding"] < 0 or min(p["input"], p["kernel"], p["stride"]) <= 0:
            raise ValueError("impossible: " + str(p))
        padded = p["input"] + p["padding"] + p["padding"]
        results += (math.floor((padded - p["kernel"]) / p["stride"] + 1),)
    return results[0] if all(type(val) is int for val in params.values()) else results


def separable(inputs, outputs, stride):
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
    pointwise = nn.Conv2d(inputs, outputs, 1)
    return [depthwise, pointwise, nn.BatchNorm2d(outputs), nn.ReLU6()]


def classifier():
    parts = [nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU6()]
    for inputs, outputs, stride in ((16, 28, 1), (28, 48, 2), (48, 48, 1)):
        parts.extend(separable(inputs, outputs, stride))
    parts.extend([nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, 10)])
    return nn.Sequential(*parts)


def train_classifier(model, images, labels, *, device, seconds, seed):
    deadline = time.time() + seconds * 0.85
    torch.manual_seed(seed)
    model = model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    log = []
    for _ in range(4):
        running, batches = 0.0, 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(preprocess(inputs.to(device))), targets.to(device))
            loss.backward()
            optimizer.step()
            running += float(loss)
            batches += 1
            if time.time() > deadline:
                return {"loss": [*log, running / batches]}
        log.append(running / batches)
    return {"loss": log}
"""
RENAMED = {
    "values": "arguments", "v": "number", "room": "rest", "height": "h", "width": "w", "Strided": "MyNet",
    "layers": "convolutions", "norms": "batchnorms", "t": "x", "sizes": "channels", "optimiser": "opt",
    "curve": "losses", "error": "loss", "rows": "picked", "began": "t0", "decay": "scheduler",
}  # fmt: skip

ENGLISH = (
    "It works without labels, because the network can be its own teacher: hide a part of each picture and "
    "let it be filled in, and the layer in the middle becomes a summary that can be grouped."
)
CHINESE = (
    "擅长感知类问题,人一眼能看懂却说不清规则的事情。前提是训练集足够大,"
    "而且与将来遇到的情况同分布,这样特征才不必人工设计。"
)


def disguised(source: str) -> str:
    """Names, layout, comments, numbers, quotes and the order of functions are others; docstrings are gone."""
    body = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    text = "\n# my own idea\n\n\n".join(ast.unparse(node).replace("'''", '"""') for node in reversed(body))
    text = re.sub(r'^ *""".*?"""\n', "", text, flags=re.MULTILINE | re.DOTALL)
    for old, new in RENAMED.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text.replace("0.8", "0.75").replace("    ", "  ")


def handed_in(student: str, *cells: str, answers: tuple[str, ...] = (), helper: str = "") -> Verdict:
    """What is kept of a student with this code and these answers."""
    helpers = (Helper(path="model.py", text=helper),) if helper else ()
    code = Code(filename="lab8.py", cells=cells, helpers=helpers) if cells else None
    printed = printed_code(code.texts if code else (), GIVEN).text
    fingerprint = Fingerprint(code=printed, text=printed_answers(answers, QUESTIONS, GIVEN).text)
    return Verdict(student_id=student, status="graded", total=None, out_of="104", fingerprint=fingerprint)  # type: ignore[arg-type]


def flags(*verdicts: Verdict) -> dict[str, tuple[Flag, ...]]:
    return {verdict.student_id: verdict.flags for verdict in flag_copies(verdicts) if verdict.flags}


# Code


def test_a_copy_under_other_names_in_another_order_is_flagged_and_others_work_is_not() -> None:
    found = flags(handed_in("ada", ADA), handed_in("bob", disguised(ADA)), handed_in("eve", EVE))
    assert found.keys() == {"ada", "bob"}
    (flag,) = found["ada"]
    assert flag.kind == "copied_code"
    assert re.fullmatch(
        r"much the same code \(.*\) as 1 other student: bob \([789]\d%\);.* not counted",
        flag.message,
    )
    assert "ada (" in found["bob"][0].message


def test_a_module_and_a_notebook_with_helpers_are_compared() -> None:
    functions = disguised(ADA).split("# my own idea")
    cells = ["%matplotlib inline\n!pip install torch", *functions[:2], "import torch\n\n\nmodel = None"]
    notebook = handed_in("bob", *cells, helper=functions[2])
    assert flags(handed_in("ada", ADA), notebook).keys() == {"ada", "bob"}


def test_code_that_does_not_parse_is_compared() -> None:
    broken = ADA.replace("def train_classifier(", "def train classifier((")
    assert flags(handed_in("ada", ADA), handed_in("bob", broken)).keys() == {"ada", "bob"}


def test_what_the_course_gave_out_is_nobodys() -> None:
    given = [(ROOT / "assignment" / name).read_text("utf-8") for name in ("lab8.py", "lab8_tools.py")]
    sheet = (ROOT / "assignment" / "answers.zh.md").read_text("utf-8")
    page = (ROOT / "handouts" / "05-training-on-mnist.md").read_text("utf-8")
    loop = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    verdicts = [handed_in(name, *given, *loop, answers=(sheet, page)) for name in ("ada", "bob")]
    assert not flags(*verdicts)
    assert len(unpack(verdicts[0].fingerprint.code)) < CODE.least
    assert flags(handed_in("ada", given[0], ADA), handed_in("bob", given[0], EVE)) == {}


def test_a_notebooks_own_cells_are_nobodys() -> None:
    cells = json.loads((ROOT / "assignment" / "lab8.ipynb").read_text("utf-8"))["cells"]
    code, prose = (
        ["".join(c["source"]) for c in cells if c["cell_type"] == kind] for kind in ("code", "markdown")
    )
    verdicts = [handed_in(id, *code, answers=(*prose, " ".join(random_words(ord(id))))) for id in "ab"]
    assert not flags(*verdicts)
    assert len(unpack(verdicts[0].fingerprint.text)) == 30 - texts.WORDS + 1, "all but the template's words"


def test_the_list_of_what_was_given_out_is_current() -> None:
    assert handed_out.is_current(GIVEN, ROOT / "assignment", ROOT / "handouts"), "run: grader build"


def test_what_many_of_a_class_have_says_nothing_about_two() -> None:
    tail = ADA[ADA.index("def train") :]
    own = [random_code(number) for number in range(texts.CLASS)]
    many = [handed_in(f"s{number:02}", own[number] + tail * (number <= texts.FEW)) for number in range(20)]
    assert not flags(*many)
    # In so small a class nobody can tell.
    assert flags(*(handed_in(f"s{number}", tail) for number in range(texts.FEW + 1)))


def test_the_very_same_work_is_flagged_however_many_hand_it_in() -> None:
    others = [handed_in(f"o{number}", random_code(number)) for number in range(20)]
    found = flags(*others, *(handed_in(f"s{number}", ADA + EVE) for number in range(9)))
    assert sorted(found) == [f"s{number}" for number in range(9)]
    (flag,) = found["s0"]
    assert "as 8 other students: s1 (100%), s2 (100%), s3 (100%)" in flag.message
    assert "s5 (100%) and 3 more" in flag.message


def test_little_code_says_nothing() -> None:
    short = ADA[: ADA.index("    if input_size < 1")]
    assert not flags(handed_in("ada", short), handed_in("bob", short))


# Answers


def test_a_copied_answer_is_flagged_in_both_languages_and_a_question_is_not() -> None:
    sheet = "\n\n".join(f"## Question {n}\n\n> {q[0]}\n\n{{}}" for n, q in enumerate(QUESTIONS, 1))
    own = [" ".join(random_words(n)) for n in range(9)]
    ada = handed_in("ada", answers=(sheet.format(ENGLISH, own[0], own[1], CHINESE),))
    bob = handed_in("bob", answers=(sheet.format(own[2], own[3], ENGLISH.upper(), own[4]),))
    li = handed_in("李", answers=("# 答案\n\n" + own[5], "第一题\n\n" + CHINESE.replace(",", "，")))
    eve = handed_in("eve", answers=(sheet.format(*own[5:9]),))
    found = flags(ada, bob, eve)
    assert found.keys() == {"ada", "bob"} and found["ada"][0].kind == "copied_answers"
    assert flags(ada, li).keys() == {"ada", "李"}


def test_few_words_say_nothing() -> None:
    assert not flags(*(handed_in(name, answers=("## Question 1\n\nNo idea, sorry.",)) for name in "ab"))


# Of a class


def test_flags_are_the_same_whatever_the_order_and_however_often() -> None:
    class_ = [handed_in("eve", EVE), handed_in("bob", disguised(ADA)), handed_in("ada", ADA)]
    class_.append(handed_in("\x1b[31mzoe\n", ADA, answers=(ENGLISH,)))
    expected = flags(*class_)
    assert len(expected) == 3 and "\x1b" not in str(expected)
    for seed in range(5):
        assert flags(*random.Random(seed).sample(class_, 4)) == expected
    assert flag_copies(flag_copies(class_)) == flag_copies(class_)


def test_a_failure_of_ours_costs_a_remark_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "tokens", lambda text: 1 // 0)
    found = printed_code((ADA,), GIVEN)
    assert found.text == "" and "ZeroDivisionError" in found.remarks[0]


def test_a_class_of_a_thousand_is_compared_in_seconds() -> None:
    some = np.random.default_rng(0)

    def hashes(count: int) -> texts.Hashes:
        return np.unique(some.integers(0, 2**32, count).astype(np.uint32))

    common = hashes(200)
    prints = [pack(np.union1d(hashes(300), common)) for _ in range(999)]
    began = time.process_time()
    found = alike([*prints, prints[7]], CODE)
    assert time.process_time() - began < 5
    assert [at for at, others in enumerate(found) if others] == [7, 999]


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_damaged_prints_are_no_copies(prints: list[bytes]) -> None:
    assert not any(alike([text.decode("latin-1") for text in prints], ANSWERS))


# Tokens and winnowing

NAMES = st.from_regex(r"[a-z_]{2,8}[0-9]", fullmatch=True)  # no keyword, nothing of torch's


@given(st.dictionaries(st.sampled_from(sorted(RENAMED)), NAMES))
def test_renaming_keeps_the_tokens(names: dict[str, str]) -> None:
    text = ADA
    for old, new in names.items():
        text = re.sub(rf"\b{old}\b", new, text)
    assert tokens(text) == tokens(ADA)


@given(st.randoms(use_true_random=False))
def test_layout_comments_and_numbers_keep_the_tokens(chance: random.Random) -> None:
    lines = []
    for line in ADA.splitlines():
        if chance.random() < 0.3:
            lines.append(" " * chance.randrange(9) + "# " + chance.choice(["", "it's mine", '"""', "x = (1"]))
        if chance.random() < 0.2:
            lines.append("")
        if chance.random() < 0.3 and "(" in line and "import" not in line:
            line = line.replace("(", "(\n      ", 1).replace(", ", ",  # so\n ", 1)
        lines.append(
            line.replace("    ", chance.choice(["  ", "\t"])) + chance.choice(["", "  ", "  # well"])
        )
    text = chance.choice(["\n", "\r\n"]).join(lines).replace("100", str(chance.randrange(10**6)))
    assert tokens(text.replace('"train_loss"', "'loss'")) == tokens(ADA)


@given(st.lists(st.sampled_from(["def f(x): return x + y(x)", "a = [b, *c]", "for i in z: q(i, 'ä')"])))
def test_the_unparsed_code_has_the_same_tokens(lines: list[str]) -> None:
    assert tokens(ast.unparse(ast.parse("\n".join(lines)))) == tokens("\n".join(lines))


@given(st.integers(0, 999), st.integers(0, 999), st.integers(texts.TOKENS + texts.WINDOW - 1, 80))
def test_what_is_long_enough_is_found_wherever_it_stands(one: int, other: int, length: int) -> None:
    shared = " ".join(random_code(1000).split()[:length])
    first, second = (code_hashes([f"{random_code(n)} {shared} {random_code(n + 1)}"]) for n in (one, other))
    assert len(np.intersect1d(winnowed(first), winnowed(second))) >= 1


@given(st.binary(max_size=300) | st.text(max_size=300), st.integers(1, 400))
def test_any_bytes_are_survived(content: bytes | str, times: int) -> None:
    text = content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")
    verdict = handed_in("ada", text * times, answers=(text * times,))
    for name in ("code", "text"):
        kept = getattr(verdict.fingerprint, name)
        assert kept == pack(unpack(kept)) and len(unpack(kept)) <= texts.MOST


HOSTILE = {
    "quotes": '"""\\', "backslashes": "\\", "brackets": "(,)", "imports": "import (\n", "dots": "x.",
    "nul": "\0", "surrogates": "\ud800", "blanks": "\n" + " " * 60, "prefixes": "rb'", "exponents": "1e",
    "magics": "%a\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_takes_no_longer_than_a_second(name: str) -> None:
    text = HOSTILE[name] * (1_000_000 // len(HOSTILE[name]))
    began = time.process_time()
    handed_in("ada", text)
    assert time.process_time() - began < 1


def random_words(seed: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices("abcdefghij", k=5)) for _ in range(30)]


def random_code(seed: int) -> str:
    """No student's code, but as many tokens."""
    chance = random.Random(seed)
    return " ".join(
        chance.choices(["x", "+", "if", "(", ")", "[", "]", "*", "=", "7", "not", "for", "\n"], k=400)
    )
