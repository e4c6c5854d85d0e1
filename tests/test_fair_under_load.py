"""Limits count a submission's own time: what else the machine does costs nobody a point."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from students import calls_of, function, submission, verdicts_of

from grader import grade as grade_module
from grader import training
from grader.budget import Budget
from grader.grade import Pipeline
from grader.intake import read_submissions
from grader.limits import Limits
from grader.rubric import load_rubric
from grader.sandbox import Sandbox, StudentFailure, waiting
from grader.sandbox import student as student_module
from grader.setup import Setup
from grader.types import Status

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CLASS = Path(__file__).parent / "submissions"
ZIP = "gradebook_ML2026_Lab8_2026-11-20-23-59-59.zip"
TABLE = tomllib.loads((CLASS / "expected.toml").read_text("utf-8"))["students"]
pytestmark = pytest.mark.alone
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's account of who waits")
HOGS = 5  # for each processor
SPIN = "while time.thread_time() < {seconds}: pass"


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """A machine that is busy with other things: processes that never wait, each in a session of its own.

    Linux may share the processors out between sessions, of which a sandbox is one.
    """
    words = [sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(words, start_new_session=True) for _ in range(processes)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
        for hog in hogs:
            hog.wait()


@pytest.fixture(scope="module", params=["bubblewrap", "none"])
def sandbox(request: pytest.FixtureRequest, isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(backend=request.param, limits=Limits(wall_seconds=60, call_seconds=1.5))


def call(sandbox: Sandbox, body: str) -> tuple[object, float, float]:
    """What a function with this body returns or fails with; its own seconds; the wall time."""
    with sandbox.student(function(body, "import torch")) as student:
        student.load()
        used, began = student.seconds_used, time.monotonic()
        try:
            answer: object = student.call("conv_output_size")
        except StudentFailure as failure:
            answer = failure.kind
        return answer, student.seconds_used - used, time.monotonic() - began


@LINUX
def test_a_starved_function_has_the_time_that_it_needs(sandbox: Sandbox) -> None:
    with load(HOGS * len(os.sched_getaffinity(0))):
        answer, own, wall = call(sandbox, SPIN.format(seconds=0.9) + "\nreturn 'done'")
    assert answer == "done" and own < 1.5 < wall, (answer, own, wall)


@LINUX
@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "while True: pass",
        # every one of them waits for the others most of the time
        "import threading\nx = torch.ones(10_000)\ndef spin():\n    while True: x.sum()\n"
        "for _ in range(12): threading.Thread(target=spin).start()\nspin()",
        # processes that nobody waits for, so that what they use is told to nobody
        "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n    if os.fork() == 0:\n"
        "        while time.process_time() < 0.01: pass\n        os._exit(0)",
    ],
    ids=["sleeps", "loops", "spins in threads", "forks and forgets"],
)
def test_who_does_not_wait_for_others_is_stopped(sandbox: Sandbox, body: str, busy: bool) -> None:
    with load(HOGS * len(os.sched_getaffinity(0)) if busy else 0):
        answer, own, wall = call(sandbox, body)
    assert answer == "timeout" and 1.4 < own < 4 and wall < (60 if busy else 15), (answer, own, wall)


@LINUX
def test_a_function_that_lets_all_else_come_first_waits_in_its_own_time(sandbox: Sandbox) -> None:
    body = "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    with load(HOGS * len(os.sched_getaffinity(0))):
        answer, own, wall = call(sandbox, body)
    # The looks at its time have to wait as well; what is forgiven all its waiting takes ten times as long.
    assert answer == "timeout" and own > wall / 5, (answer, own, wall)


def test_waiting_counts_only_where_all_that_ran_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that came and went have used what nobody can tell, and kept the others waiting."""
    threads: dict[str, tuple[int, int]] = {}
    newest = 0
    monkeypatch.setattr(waiting, "_threads", lambda pids: threads.items())
    monkeypatch.setattr(waiting, "newest_id", lambda: newest)
    monkeypatch.setattr(waiting, "_is_as_eager", lambda tid, nice: True)
    second = 10**9
    account = waiting.Waiting(sandboxed=True)
    for latest, now, waited in (
        (1, {"7": 0}, 0),
        (1, {"7": 5}, 5),
        (8, {"7": 6}, 5),  # 8 came and went
        (9, {"7": 7, "9": 0}, 6),
        (9, {"7": 9}, 6),  # 9 has ended
        (9, {"7": 10}, 7),
    ):
        newest, threads = latest, {tid: (0, seconds * second) for tid, seconds in now.items()}
        assert account.look([])["waited"] == pytest.approx(waited), now


@LINUX
def test_a_machine_that_is_too_busy_is_the_graders_fault_and_no_lost_point(
    isolated_sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(student_module, "BUSY_FACTOR", 0.5)
    monkeypatch.setattr(student_module, "BUSY_SECONDS", 0)
    isolated_sandbox()  # or the test is skipped
    tries = calls_of(monkeypatch, grade_module, "grade_one")
    limits = Limits(call_seconds=2, load_seconds=2)
    rubric = load_rubric(None).model_copy(update={"limits": limits})
    work = submission("import time\ndef conv_output_size(*a, **k):\n    time.sleep(60)")
    with Pipeline(Setup(rubric=rubric, images="mini")) as pipeline:
        verdict = pipeline.grade(work)
    assert verdict.status is Status.GRADER_ERROR and "too busy" in verdict.reason and len(tries) == 2


COUNTS = """
def train_classifier(model, images, labels, *, device, seconds, seed):
    began = time.monotonic()
    print("training", flush=True)
    while time.monotonic() - began < seconds:
        done = time.thread_time()
        while time.thread_time() - done < 0.02:
            pass
        with torch.no_grad():
            model.bias += 1
"""


@LINUX
@pytest.mark.parametrize("when", ["comes", "goes"])
def test_a_training_has_its_time_when_the_load_changes_meanwhile(
    isolated_sandbox: Callable[..., Sandbox], tmp_path: Path, when: str
) -> None:
    """The load comes after the pace was measured, or ends then; the training counts its steps of 0.02 s."""
    sandbox = isolated_sandbox(limits=Limits(wall_seconds=60, call_seconds=2))
    work = submission(
        f"import time\nimport torch\ndef classifier():\n    return torch.nn.Linear(1, 10)\n{COUNTS}"
    )
    budget = Budget(seconds=6, images_per_second=1e-3, least_seconds=6, most_seconds=6)
    images, labels = torch.zeros(10, 3, 32, 32, dtype=torch.uint8), torch.zeros(10, dtype=torch.int64)
    hogs = 2 * len(os.sched_getaffinity(0))
    measured = training.measure_pace

    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        before = stack.enter_context(contextlib.ExitStack())
        if when == "goes":
            before.enter_context(load(hogs))

        def and_then(sandbox: Sandbox) -> training.Pace:
            pace = measured(sandbox)
            before.close()
            if when == "comes":
                stack.enter_context(load(hogs))
            return pace

        patch.setattr(training, "measure_pace", and_then)
        trained, record = training.train(sandbox, work, budget, images, labels, tmp_path)
    assert trained.weights and not record.reason
    steps = load_file(trained.weights.path)["bias"].mean().item()
    assert 200 < steps < 400, (steps, record)


@LINUX
@pytest.mark.timeout(1200)  # an endless loop has its seconds twice, and little of the processors
def test_the_sample_class_gets_its_points_on_a_busy_machine(tmp_path: Path) -> None:
    """The reference, the slowest; a small network; another architecture; one with an endless loop."""
    wanted = {name: TABLE[name] for name in ("li_wei", "12210003", "12210013", "12210014")}
    works = [w for w in read_submissions(CLASS / ZIP, tmp_path) if w.student_id in wanted]
    setup = Setup(rubric=load_rubric(None), images="mini")
    with load(HOGS * len(os.sched_getaffinity(0))):
        verdicts = {v.student_id: v for v in verdicts_of(works, setup, jobs=2)}
    for name, row in wanted.items():
        verdict = verdicts[name]
        lost = [f"{r.id}: {r.reason}" for r in verdict.rows if r.points < r.out_of]
        checks = [*row["conv"], *row["lenet"], *row["classifier"]]
        assert verdict.status.value == row["status"], verdict.reason
        assert [r.points for r in verdict.rows][: len(checks)] == checks, lost
        assert verdict.accuracy and abs((verdict.accuracy.correct or 0) - row["correct"]) <= 5, lost
