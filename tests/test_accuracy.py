"""Accuracy: the right count for a real network in a real sandbox, else a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from students import calls_of
from torch import Tensor

from grader import accuracy, datasets
from grader.accuracy import Z, accuracy_seconds, between_seconds, measure_accuracy, wilson_interval
from grader.sandbox import Limits, Sandbox, Student, pace
from grader.types import Accuracy, Code, Submission, Weights

NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(192, 10)

    def forward(self, x):
        x = self.linear(nn.functional.avg_pool2d(x, 4).flatten(1))
        return x

def preprocess(images):
    return images.float() / 255

def classifier():
    return Net()
"""

Measure = Callable[..., Accuracy]


@pytest.fixture(scope="module")
def images() -> Iterator[tuple[Tensor, Tensor]]:
    torch.set_num_threads(1)
    yield datasets.load("cifar10", "test", "mini")


@pytest.fixture(scope="module")
def module(images: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """The network in this process, its weights solved for by least squares: some 30 % right."""
    module: dict[str, Any] = {}
    exec(NETWORK, module)
    net = module["net"] = module["classifier"]()
    x, y = datasets.load("cifar10", "train", "mini")
    features = torch.nn.functional.avg_pool2d(x.float() / 255, 4).flatten(1)
    solved = torch.linalg.lstsq(features, torch.nn.functional.one_hot(y, 10).float()).solution
    net.load_state_dict({"linear.weight": solved.T.contiguous(), "linear.bias": torch.zeros(10)})
    return module


@pytest.fixture(scope="module")
def weights(module: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Weights:
    path = tmp_path_factory.mktemp("weights") / "classifier.pt"
    torch.save(module["net"].state_dict(), path)
    return Weights(filename="classifier.pt", path=path, format="torch")


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(limits=Limits(call_seconds=2, batch_seconds=6, memory_mib=1500))


@pytest.fixture
def measure(sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor]) -> Measure:
    def measure(
        old: str = "", new: str = "", *, weights: Weights | None = weights, n: int = 1000
    ) -> Accuracy:
        assert old in NETWORK
        code = Code(filename="lab8.py", cells=(NETWORK.replace(old, new) if old else NETWORK,))
        with sandbox.student(Submission(student_id="ada", code=code, weights=weights)) as student:
            return measure_accuracy(student, images[0][:n], images[1][:n])

    return measure


def test_the_count_is_that_of_a_plain_loop(
    measure: Measure, module: dict[str, Any], images: tuple[Tensor, Tensor]
) -> None:
    with torch.no_grad():
        predicted = module["net"](module["preprocess"](images[0])).argmax(1)
    correct = int((predicted == images[1]).sum())
    assert 200 < correct < 600
    result = measure()
    assert (result.correct, result.images, result.accuracy) == (correct, 1000, correct / 1000)
    assert (result.low, result.high) == wilson_interval(correct, 1000)
    assert (result.source, result.reason) == ("submitted", "")


@pytest.mark.parametrize("n", [1, 31, 33, 997])
def test_every_image_counts_whatever_their_number(
    measure: Measure, module: dict[str, Any], images: tuple[Tensor, Tensor], n: int
) -> None:
    with torch.no_grad():
        predicted = module["net"](module["preprocess"](images[0][:n])).argmax(1)
    assert measure(n=n).correct == int((predicted == images[1][:n]).sum())


@pytest.mark.parametrize(
    "to", ["x.half()", "x.bfloat16()", "x.double()", "x.softmax(1)", "x.masked_fill(x < 0, -torch.inf)"]
)
def test_other_floats_and_softmax_are_logits_too(measure: Measure, to: str) -> None:
    result = measure("return x", f"return {to}", n=300)
    assert result.reason == "" and result.correct is not None
    right = measure(n=300).correct
    assert right is not None and abs(result.correct - right) <= 6


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("return x", "return x * float('nan')", "the classifier gave NaN (not a number) among its logits"),
        (
            "return x",
            "return x[:, :9]",
            "the classifier gave logits of shape (100, 9) for 100 images, where (100, 10) is right",
        ),
        ("return x", "return x[1:]", "the classifier gave logits of shape (99, 10)"),
        ("return x", "return x.argmax(1)", "the classifier gave logits of type int64, where floats"),
        ("return x", "return x > 0", "the classifier gave logits of type bool, where floats are right"),
        ("return x", "return x.sum()", "the classifier gave logits of shape () for 100 images"),
        ("return x", "return x.to(torch.complex64)", "complex64"),
        ("return x", "return (x, x)", "tuple"),
        ("return x", "return None", "None"),
        ("return x", "raise ValueError('no idea')", "ValueError: no idea"),
        ("return x", "import os; os._exit(1)", "exit status 1"),
        ("return images.float() / 255", "return 'images'", "preprocess"),
        ("return Net()", "return 5", "classifier"),
        ("return Net()", "return nn.Linear(2, 10)", "2 tensors missing (first: weight)"),
        ("nn.Linear(192, 10)", "nn.Linear(192, 11)", "2 tensors of another shape (first: linear.weight)"),
        ("def classifier", "def another", "classifier"),
        ("return x", "while True: pass", "6 seconds"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_reason_and_no_crash(measure: Measure, old: str, new: str, reason: str) -> None:
    result = measure(old, new, n=100)
    assert (result.correct, result.accuracy, result.low, result.high) == (None,) * 4
    assert result.images == 100
    assert reason in result.reason and "\n" not in result.reason


def test_a_fault_in_a_later_batch_leaves_no_partial_count(measure: Measure) -> None:
    result = measure("return x", "return x / 0 * 0 if len(x) < 100 else x", n=130)
    assert result.correct is None and "NaN" in result.reason


def test_no_weights(measure: Measure) -> None:
    result = measure(weights=None)
    assert result.correct is None and "weights" in result.reason


def test_names_in_a_checkpoint_are_shown_harmlessly(measure: Measure, tmp_path: Path) -> None:
    torch.save({"\x1b[2J\n" + "名" * 500: torch.zeros(1)}, tmp_path / "w.pt")
    result = measure(weights=Weights(filename="w.pt", path=tmp_path / "w.pt", format="torch"))
    assert result.reason.startswith("the weights do not fit classifier(): 2 tensors missing")
    assert result.reason.isprintable() and len(result.reason) < 300


def test_a_network_too_hungry_for_large_batches_gets_smaller_ones(measure: Measure) -> None:
    hungry = "y = x[:, :1, :1, :1].expand(-1, 1, 1, 8_000_000).contiguous(); "  # 32 MB an image
    result = measure("x = self.linear", hungry + "x = self.linear", n=150)
    assert result.correct == measure(n=150).correct, result.reason


def test_a_network_may_take_longer_for_a_batch_than_a_call_may_take(measure: Measure) -> None:
    result = measure("return x", "import time; time.sleep(0.03 * len(x)); return x", n=100)
    assert result.correct == measure(n=100).correct, result.reason


def test_progress_is_told_after_each_batch_of_one_network(
    sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(NETWORK,)), weights=weights)
    builds, told = calls_of(monkeypatch, Student, "build"), list[int]()
    with sandbox.student(work) as student:
        measure_accuracy(student, images[0][:250], images[1][:250], progress=told.append)
    assert (told, len(builds)) == ([100, 200, 250], 1)


def test_a_network_that_is_too_slow_is_refused_early_with_the_way_out(
    sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor]
) -> None:
    code = NETWORK.replace("return x\n", "import time; time.sleep(0.3); return x\n", 1)
    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(code,)), weights=weights)
    with sandbox.student(work, accuracy_seconds=1.0) as student:
        result = measure_accuracy(student, *images, seconds=1.0)  # ten batches would take three
        assert student.seconds_used < 2
    assert result.correct is None and "smaller network" in result.reason, result.reason
    assert "accuracy_seconds" in result.reason
    with sandbox.student(work, accuracy_seconds=9.0) as student:
        assert measure_accuracy(student, *images, seconds=9.0).correct


def test_a_slow_first_batch_alone_refuses_no_network(
    sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor]
) -> None:
    """It often is, and it was a tenth of the images, by which the rest was foreseen."""
    slow = "import time; time.sleep(2 if not SEEN else 0); SEEN.append(1); return x\n"
    code = "SEEN = []\n" + NETWORK.replace("return x\n", slow, 1)
    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(code,)), weights=weights)
    with sandbox.student(work, accuracy_seconds=8.0) as student:
        found, network = accuracy.measure(student, *images, seconds=8.0)
    assert found.correct is not None and network is not None, found.reason


def test_the_pace_is_measured_again_before_a_network_is_refused(
    sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor]
) -> None:
    code = NETWORK.replace("return x\n", "import time; time.sleep(0.2); return x\n", 1)
    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(code,)), weights=weights)
    seconds: dict[float, bool] = {100.0: True, 0.5: False}
    for again, has_result in seconds.items():

        def find_out(found: float = again) -> float:
            return found

        with sandbox.student(work) as student:
            found, _ = accuracy.measure(student, *images, seconds=0.5, again=find_out)
        assert (found.correct is not None) is has_result, found.reason


def test_what_is_looked_at_again_is_looked_at_by_a_fresh_process(
    sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor]
) -> None:
    """It kept what it had seen at the first look, the images and whatever it had made of them."""
    seen = "SEEN.append(len(x))\n        if len(x) == 100: raise MemoryError\n        print(SEEN); return x\n"
    code = "SEEN = []\n" + NETWORK.replace("return x\n", seen, 1)
    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(code,)), weights=weights)
    with sandbox.student(work) as student:
        assert measure_accuracy(student, images[0][:100], images[1][:100]).correct is not None
        assert student.log.startswith("[12]")


# Images asked for in between

BLACK = torch.zeros(150, 3, 32, 32, dtype=torch.uint8)


def test_what_is_asked_in_between_is_answered_and_changes_no_count(
    sandbox: Sandbox, weights: Weights, images: tuple[Tensor, Tensor]
) -> None:
    """Not even where an answer depends on the other images of the batch."""
    code = NETWORK.replace("return x\n", "return x - x.mean(0)\n", 1)
    for text in (NETWORK, code):
        work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(text,)), weights=weights)
        some, labels = images[0][:330], images[1][:330]
        with sandbox.student(work) as student:
            alone = measure_accuracy(student, some, labels)
            for between in (BLACK, images[0][500:531], BLACK.repeat(4, 1, 1, 1)):
                found, network = accuracy.measure(student, some, labels, between=between)
                assert found == alone and network is not None
                assert network.between is not None and network.between.shape == (len(between), 10)
                assert len(network.logits) == 330 and network.failure == ""


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise ValueError('never seen')", "ValueError: never seen"),
        ("x = x * float('nan')", "NaN"),
        ("x = x[1:]", "logits of shape"),
        ("import os; os._exit(1)", "exit status 1"),
        pytest.param("any(iter(int, 1))", "6 seconds", marks=pytest.mark.slow),
        ("raise MemoryError", "MemoryError"),
        ("import time; time.sleep(2)", "they took 4 seconds"),
    ],
)
def test_who_fails_on_what_is_asked_in_between_is_found_out_and_keeps_the_count(
    sandbox: Sandbox,
    weights: Weights,
    images: tuple[Tensor, Tensor],
    measure: Measure,
    fault: str,
    reason: str,
) -> None:
    code = NETWORK.replace("x = self.linear", "black = not x.any(); x = self.linear", 1)
    code = code.replace("        return x\n", f"        if black: {fault}\n        return x\n", 1)
    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=(code,)), weights=weights)
    some, labels = images[0][:330], images[1][:330]
    seconds = 4.0 if "sleep" in fault else 60.0
    reserved = seconds + between_seconds(seconds, 330, len(BLACK))
    with sandbox.student(work, accuracy_seconds=reserved) as student:
        found, network = accuracy.measure(student, some, labels, seconds=seconds, between=BLACK)
    assert found == measure(n=330) and network is not None
    assert network.between is None and reason in network.failure and "\n" not in network.failure


def test_a_slower_machine_gives_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits()
    assert limits.accuracy_seconds == pace.ACCURACY_SECONDS
    for small in (2.0, 8.0):
        monkeypatch.setattr(pace, "small_seconds", lambda small=small: small)
        assert accuracy_seconds(limits, "cpu", 10_000) == 300 * small
    assert accuracy_seconds(limits, "cuda", 1_000) == 120


def test_wilson_interval_of_known_cases() -> None:
    low, high = wilson_interval(50, 100)  # as R's prop.test(50, 100, correct = FALSE) gives it
    assert (round(low, 7), round(high, 7)) == (0.4038315, 0.5961685)
    assert wilson_interval(0, 10)[0] == 0 and round(wilson_interval(0, 10)[1], 7) == 0.2775328
    assert wilson_interval(10, 10)[1] == 1


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=200, deadline=None)
def test_wilson_interval_solves_its_equation(case: tuple[int, int]) -> None:
    correct, n = case
    low, high = wilson_interval(correct, n)
    share = Fraction(correct, n)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):  # the ends are where the share lies Z standard errors off
        if 0 < end < 1:
            assert abs(float(share) - end) == pytest.approx(
                Z * (end * (1 - end) / n) ** 0.5, rel=1e-6, abs=1e-9
            )
    mirrored = wilson_interval(n - correct, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("case", [(1, 0), (-1, 10), (11, 10)])
def test_wilson_interval_refuses_what_cannot_be(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        wilson_interval(*case)
