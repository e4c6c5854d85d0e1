"""Training what was handed in: the budget, what is left at the deadline, and the comparison."""

from __future__ import annotations

import base64
import json
import math
import platform
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from grader import datasets
from grader import training as training_module
from grader.accuracy import measure_accuracy, wilson_interval
from grader.budget import Budget
from grader.grade import Pipeline
from grader.integrity.code import carries
from grader.rubric import RUBRIC as LAB_RUBRIC
from grader.rubric import load_rubric
from grader.sandbox import Limits, Sandbox, StudentFailure
from grader.setup import Setup
from grader.training import compare, instant, measure_pace, seconds_here, train
from grader.types import Accuracy, Code, Submission, Training, Weights

torch.set_num_threads(1)
BUDGET = Budget(seconds=2, images_per_second=1e6, least_seconds=1, most_seconds=2, seed=3)
LONG = Budget(seconds=120, images_per_second=1e6, least_seconds=1, most_seconds=120, seed=3)
SHORT = Budget(seconds=2, images_per_second=1e6, least_seconds=0.5, most_seconds=0.5, seed=3)
FOUR = Budget(seconds=4, images_per_second=1e6, least_seconds=4, most_seconds=4, seed=3)
MINUTE = {"least_seconds": 60.0, "most_seconds": 60.0}
NET = """
import sys, time
import torch
from torch import nn

def preprocess(images):
    return images.float() / 255

def classifier():
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))

"""
HEAD = "def train_classifier(model, images, labels, *, device, seconds, seed):\n"


pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")


@pytest.fixture(scope="module")
def unhurried(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(limits=Limits(wall_seconds=300, call_seconds=2))


@pytest.fixture
def sandbox(unhurried: Sandbox, quick_pace: None) -> Sandbox:
    return unhurried


@pytest.fixture
def quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace from a few small batches: these tests rest on no exact figure."""
    monkeypatch.setattr(training_module, "PACE_SECONDS", 0.06)
    monkeypatch.setattr(training_module, "PACE_BATCH", {"cpu": 8})
    monkeypatch.setattr(training_module, "LEAST_HAD", 0.0)  # what is so short says nothing of the load
    monkeypatch.setattr(training_module, "MOST_HAD", math.inf)


def submission(body: str) -> Submission:
    code = NET + HEAD + textwrap.indent(textwrap.dedent(body), "    ")
    return Submission(student_id="s1", code=Code(filename="lab8.py", cells=(code,)))


LEARN = """
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    losses = []
    for step in range(STEPS):
        loss = nn.functional.cross_entropy(model(preprocess(images)), labels)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        losses.append(loss.item())
"""
FORTY = LEARN.replace("STEPS", "40")


@pytest.mark.parametrize(
    ("end", "budget", "reason"),
    [
        ("return {'loss': losses}", LONG, ""),
        ("raise ValueError('at the end')", LONG, "ValueError: at the end"),
        ("while True: time.sleep(0.1)", FOUR, "still training"),
    ],
    ids=["in time", "raises", "overruns"],
)
def test_what_was_learnt_by_the_deadline_counts(
    sandbox: Sandbox, tmp_path: Path, end: str, budget: Budget, reason: str
) -> None:
    images, labels = datasets.load_training("cifar10", "mini")
    trained, record = train(sandbox, submission(FORTY + "    " + end), budget, images, labels, tmp_path)
    assert reason in record.reason if reason else record.reason == ""
    if not reason:
        assert len(record.history["loss"]) == 40
    with sandbox.student(trained) as student:
        accuracy = measure_accuracy(student, *datasets.load_labelled("cifar10", "mini"))
    assert accuracy.accuracy is not None and accuracy.accuracy > 0.2  # the untrained network has 0.1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("model.state_dict = lambda: 'nothing'", "AttributeError"),
    ],
    ids=["ends its process", "hides its weights"],
)
def test_a_training_that_leaves_nothing_has_a_reason(
    sandbox: Sandbox, tmp_path: Path, body: str, reason: str
) -> None:
    images, labels = datasets.load_training("cifar10", "mini")
    left, record = train(sandbox, submission(body), SHORT, images, labels, tmp_path)
    assert left.weights is None
    assert reason in record.reason
    assert record.seconds is None


def test_the_seed_and_the_scaled_seconds_reach_the_code(sandbox: Sandbox, tmp_path: Path) -> None:
    images, labels = datasets.load_training("cifar10", "mini")
    asked = submission("print(f'{seconds} seconds, seed {seed}')\nreturn {}")
    _, record = train(sandbox, asked, BUDGET, images, labels, tmp_path)
    assert f"{record.budget_seconds} seconds, seed 3" in record.log


@pytest.mark.slow
def test_the_pace_is_measured_inside_the_sandbox(unhurried: Sandbox) -> None:
    assert 10 < measure_pace(unhurried).images_per_second < 1e6


@given(pace=st.floats(1e-3, 1e9), other=st.floats(1e-3, 1e9))
def test_a_slower_machine_never_gets_less_time(pace: float, other: float) -> None:
    budget = Budget()
    slow, fast = sorted((pace, other))
    assert (
        budget.most_seconds
        >= seconds_here(budget, slow)
        >= seconds_here(budget, fast)
        >= budget.least_seconds
    )
    assert seconds_here(budget, budget.images_per_second) == budget.seconds


def accuracy(correct: int, images: int) -> Accuracy:
    return Accuracy(images=images, correct=correct, accuracy=correct / images)


@pytest.mark.parametrize(
    ("submitted", "trained", "said"),
    [
        ((9000, 10_000), (8000, 10_000), "90.0%, training anew 80.0%: 10.0 points less"),
        ((9000, 10_000), (8800, 10_000), None),
        ((900, 1000), (850, 1000), "5.0 points less"),
        ((90, 100), (85, 100), None),  # so few images say little
        ((80, 100), (99, 100), None),
        ((90, 100), None, "training anew gave none: NaN"),
        (None, (99, 100), None),
    ],
    ids=str,
)
def test_only_a_gap_beyond_the_noise_is_flagged(
    submitted: tuple[int, int] | None, trained: tuple[int, int] | None, said: str | None
) -> None:
    nothing = Accuracy(images=100, reason="NaN")
    record = Training(
        budget_seconds=60, pace=1000, seed=8, seconds=59, accuracy=accuracy(*trained) if trained else nothing
    )
    flag = compare(accuracy(*submitted) if submitted else nothing, record, Budget(noise_points=2))
    assert (flag is None) == (said is None)
    if flag is not None and said is not None:
        assert flag.kind == "retraining" and said in flag.message


# Through the command

RUBRIC = (
    LAB_RUBRIC.read_text(encoding="utf-8")
    .replace("call_seconds = 20", "call_seconds = 4 ")
    .split("[training]")[0]
    + """
[training]
seconds = 2
images_per_second = 1e6
least_seconds = 1
most_seconds = 3
seed = 41
"""
)
GOOD = (
    LEARN.replace("STEPS", "60")
    + """
    print("my seed is", seed)
    return {"loss": losses}
"""
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the honest code, trained here."""
    space: dict[str, Any] = {}
    exec(submission(GOOD).code.cells[0], space)  # type: ignore[union-attr]
    torch.manual_seed(0)
    net = space["classifier"]()
    images, labels = datasets.load_training("cifar10", "mini")
    space["train_classifier"](net, images, labels, device="cpu", seconds=9, seed=0)
    file = tmp_path_factory.mktemp("weights") / "classifier.safetensors"
    save_file(net.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """Four students: honest; without weights; never ending; whose code does not train to such weights."""
    folder = tmp_path_factory.mktemp("class")
    endless = GOOD.replace("return", "while True: time.sleep(0.1)\n    return")
    for student, body, has_weights in (
        ("honest", GOOD, True),
        ("without", GOOD, False),
        ("endless", endless, True),
        ("lazy", "return {}", True),
    ):
        (folder / student).mkdir()
        code = submission(body).code
        assert code is not None
        (folder / student / "lab8.py").write_text(code.cells[0], encoding="utf-8")
        if has_weights:
            (folder / student / "classifier.safetensors").write_bytes(weights.read_bytes())
    (folder.parent / "rubric.toml").write_text(RUBRIC, encoding="utf-8")
    return folder


def grade(folder: Path, out: Path, weights: str) -> dict[str, Any]:
    words = ["grade", folder, "--out", out, "--rubric", folder.parent / "rubric.toml", "--images", "mini"]
    words += ["--weights", weights, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "grader", *map(str, words)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return {verdict["student_id"]: verdict for verdict in json.loads(done.stdout)}


@pytest.mark.slow
def test_train_measures_what_comes_out_of_the_code(folder: Path, tmp_path: Path) -> None:
    verdicts = grade(folder, tmp_path / "out", "train")
    assert {verdict["status"] for verdict in verdicts.values()} == {"graded"}
    for student in ("honest", "without", "endless"):
        accuracy, training = verdicts[student]["accuracy"], verdicts[student]["training"]
        assert accuracy["source"] == "trained" and accuracy["accuracy"] > 0.25
        assert training["seed"] == 41 and "my seed is 41" in training["log"]
        assert 1 <= training["budget_seconds"] <= 30  # longer where the machine is busy
    assert verdicts["lazy"]["accuracy"]["accuracy"] < 0.2  # for all the weights that were handed in
    assert len(verdicts["honest"]["training"]["history"]["loss"]) == 60
    flagged = [student for student, verdict in verdicts.items() if verdict["flags"]]
    assert flagged == []  # one code and one seed give the same weights, which nobody has copied
    assert "still training" in verdicts["endless"]["training"]["reason"]
    assert any("still training" in remark for remark in verdicts["endless"]["remarks"])
    told = json.loads((tmp_path / "out" / "students" / "honest.json").read_text(encoding="utf-8"))
    assert told["training"]["history"] == verdicts["honest"]["training"]["history"]


@pytest.mark.slow
def test_verify_gives_the_points_of_the_weights_and_flags_a_gap(folder: Path, tmp_path: Path) -> None:
    verdicts = grade(folder, tmp_path / "out", "verify")
    for student in ("honest", "endless", "lazy"):
        assert verdicts[student]["accuracy"]["source"] == "submitted"
        assert verdicts[student]["accuracy"] == verdicts["honest"]["accuracy"]
        assert verdicts[student]["training"]["accuracy"]["source"] == "trained"
    flagged = {s for s, v in verdicts.items() if any(flag["kind"] == "retraining" for flag in v["flags"])}
    assert flagged == {"lazy"}
    assert verdicts["without"]["training"] is None  # there is nothing to compare with


def test_a_training_cannot_see_the_weights_that_were_handed_in(
    sandbox: Sandbox, tmp_path: Path, weights: Path
) -> None:
    cheat = """
    from safetensors.torch import load_file
    model.load_state_dict(load_file("classifier.safetensors"))
    return {}
    """
    images, labels = datasets.load_training("cifar10", "mini")
    handed_in = Weights(filename="classifier.safetensors", path=weights, format="safetensors")
    work = submission(cheat).model_copy(update={"weights": handed_in})
    trained, record = train(sandbox, work, BUDGET, images, labels, tmp_path)
    assert "classifier.safetensors" in record.reason
    with sandbox.student(trained) as student:
        measured = measure_accuracy(student, *datasets.load_labelled("cifar10", "mini"))
    assert measured.accuracy is not None and measured.accuracy < 0.2


def test_a_history_that_is_none_costs_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    images, labels = datasets.load_training("cifar10", "mini")
    strange = "{'a': [float('nan'), 1.0], 'b': 'text', 'c' * 10**6: [2.0], 3: [1.0]}"
    for returned in (strange, "[0.0] * 10**6", "object()"):
        left, record = train(sandbox, submission(f"return {returned}"), BUDGET, images, labels, tmp_path)
        assert left.weights is not None and record.reason == ""
        assert all(len(name) <= 41 for name in record.history)


def learnt(sandbox: Sandbox, tmp_path: Path, body: str, budget: Budget = LONG) -> tuple[float, Training]:
    """What the training leaves, as a share of the test images, and its record."""
    images, labels = datasets.load_training("cifar10", "mini")
    trained, record = train(sandbox, submission(body), budget, images, labels, tmp_path)
    assert trained.weights is not None, record.reason
    with sandbox.student(trained) as student:
        measured = measure_accuracy(student, *datasets.load_labelled("cifar10", "mini"))
    assert measured.accuracy is not None
    return measured.accuracy, record


@pytest.mark.parametrize("steps", [1999, 2000, 50_000])  # 2,000 tensors are the most that a reply may hold
def test_a_history_of_loss_tensors_costs_no_weights_and_is_kept(
    sandbox: Sandbox, tmp_path: Path, steps: int
) -> None:
    body = f"{FORTY}\n    return {{'loss': [torch.tensor(float(i)) for i in range({steps})]}}"
    accuracy, record = learnt(sandbox, tmp_path, body)
    assert accuracy > 0.2
    found = record.history["loss"]
    assert 600 < len(found) <= 1000 and found[:2] in ((0, 2), (0, 50)) and found == tuple(sorted(found))


def test_a_training_may_print_more_than_a_short_call(sandbox: Sandbox, tmp_path: Path) -> None:
    body = FORTY + "\n    for i in range(90): print('x' * 99_999)\n    return {}"  # 9 MB
    assert learnt(sandbox, tmp_path, body, BUDGET)[0] > 0.2
    with sandbox.student(submission(body)) as student, pytest.raises(StudentFailure, match="more than 8 MiB"):
        student.build("classifier").train(*datasets.load_training("cifar10", "mini"), seconds=2, seed=0)


def test_a_training_may_set_an_alarm(sandbox: Sandbox, tmp_path: Path) -> None:
    """Signals are the main thread's alone."""
    body = f"""
    import signal
    class Over(Exception): pass
    def over(*_): raise Over
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        while True: time.sleep(0.05)
    except Over:
        pass
{FORTY}
    return {{}}
    """
    accuracy, record = learnt(sandbox, tmp_path, body)
    assert accuracy > 0.2 and record.reason == ""


def test_why_a_training_failed_is_told_also_where_there_are_no_weights(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    lazy = NET.replace("nn.Linear(3072, 10)", "nn.LazyLinear(10)") + HEAD + "    raise ValueError('too lazy')"
    work = Submission(student_id="s1", code=Code(filename="lab8.py", cells=(lazy,)))
    left, record = train(sandbox, work, BUDGET, *datasets.load_training("cifar10", "mini"), tmp_path)
    assert left.weights is None
    assert "ValueError: too lazy" in record.reason and "have no sizes yet" in record.reason


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pace")
def test_only_the_training_has_the_trainings_time() -> None:
    """A network that puts its training off until it is asked has the limits' time for that, no more."""
    rubric = load_rubric()
    limits = rubric.limits.model_copy(update={"batch_seconds": 3.0, "accuracy_seconds": 50.0})
    setup = Setup(
        rubric=rubric.model_copy(update={"limits": limits, "training": BUDGET.model_copy(update=MINUTE)}),
        images="mini",
        weights="train",
    )
    slow = NET.replace("return images.float() / 255", "time.sleep(2.0); return images.float() / 255")
    code = Code(filename="lab8.py", cells=(slow + HEAD + "    return {}",))
    with Pipeline(setup) as pipeline:
        verdict = pipeline.grade(Submission(student_id="s1", code=code))
    assert verdict.accuracy is not None and verdict.accuracy.correct is None
    assert "too slow" in verdict.accuracy.reason


def test_code_that_carries_weights_is_flagged_and_no_other() -> None:
    solution = (Path(__file__).parents[1] / "solution" / "lab8.py").read_text(encoding="utf-8")
    assert carries(Code(filename="lab8.py", cells=(solution,) * 3)) is None
    stash = base64.b85encode(random.Random(0).randbytes(60_000)).decode()
    flag = carries(Code(filename="lab8.py", cells=(solution, f"STASH = {stash!r}")))
    assert flag is not None and flag.kind == "code_size" and "KiB even when compressed" in flag.message


@pytest.mark.parametrize(
    ("seconds", "correct", "is_flagged"),
    [
        (0.005, 950, True),
        (0.9, 950, True),
        (1.1, 950, False),  # as long as a small network takes for a thousand images
        (0.005, 400, False),  # what a closed form finds at once
        (None, 950, False),
    ],
)
def test_a_training_that_is_over_at_once_cannot_have_taught_much(
    seconds: float | None, correct: int, is_flagged: bool
) -> None:
    low, high = wilson_interval(correct, 1000)
    accuracy = Accuracy(images=1000, correct=correct, accuracy=correct / 1000, low=low, high=high)
    training = Training(budget_seconds=60, pace=1000, seed=8, seconds=seconds)
    flag = instant(training, accuracy)
    assert bool(flag) == is_flagged
    assert flag is None or (flag.kind == "training_time" and f"{seconds:.3f} seconds" in flag.message)
    assert instant(training, None) is None
    assert instant(training, Accuracy(images=1000, reason="no weights")) is None


@pytest.mark.parametrize("key", ["seconds", "images_per_second", "least_seconds", "most_seconds"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e10, 0, -1, "600", True])
def test_a_budget_is_finite_positive_numbers(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        Budget.model_validate({key: value})
