"""What happens to a batch when something dies: sandboxes, jobs, the grader itself, the room on a disk."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from students import command, first_process, submission

from grader.errors import UserError
from grader.sandbox import Limits, Sandbox, SandboxError
from grader.sandbox import sandbox as sandbox_module
from grader.workdir import LOCK, Workdir, sweep

pytestmark = [
    pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's"),
    pytest.mark.slow,
]

LIMITS = Limits(
    wall_seconds=60, call_seconds=20, memory_mib=400, processes=12, scratch_mib=16, shared_memory_mib=8
)
SLOW = "import time\ndef conv_output_size(x=None):\n    time.sleep(x or 0)\n    return 'well'\n"
HONEST = """
from torch import nn

def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )

def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    return (input_size + 2 * padding - kernel_size) // stride + 1
"""


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(limits=LIMITS)


def pid_of(descriptor: int | None) -> int:
    fields = Path(f"/proc/self/fdinfo/{descriptor}").read_text().split()
    return int(fields[fields.index("Pid:") + 1])


def kill_soon(act: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(1.0, act)
    timer.start()
    return timer


class TestBox:
    """A sandbox that ends or halts while a submission runs is nobody's fault: no failure is the student's."""

    def ask(self, sandbox: Sandbox) -> object:
        with sandbox.student(submission(SLOW)) as student:
            return student.call("conv_output_size")

    @pytest.mark.parametrize("who", ["zygote", "bubblewrap"])
    def test_killed_from_outside(self, sandbox: Sandbox, who: str) -> None:
        with sandbox.student(submission(SLOW)) as student:
            student.load()
            assert sandbox.backend.process is not None
            pid = pid_of(first_process(sandbox)) if who == "zygote" else sandbox.backend.process.pid
            timer = kill_soon(lambda: os.kill(pid, signal.SIGKILL))
            if who == "zygote":
                with pytest.raises(SandboxError):
                    student.call("conv_output_size", 5)
            else:  # the sandbox lives on without bubblewrap's outer process, or is replaced
                assert student.call("conv_output_size", 2) == "well"
            timer.join()
        assert self.ask(sandbox) == "well"

    def test_halted(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        """All of it stopped, which looks like a submission that takes too long."""
        monkeypatch.setattr(sandbox_module, "CLEAN_SECONDS", 1.0)
        with sandbox.student(submission(SLOW)) as student:
            student.load()
            zygote = pid_of(first_process(sandbox))
            workers = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
            for pid in (zygote, *map(int, workers)):
                os.kill(pid, signal.SIGSTOP)
            with pytest.raises(SandboxError, match="stopped answering"):
                student.call("conv_output_size", seconds=0.5)
        assert self.ask(sandbox) == "well"

    def test_a_zygote_that_dies_while_it_loads(self, sandbox: Sandbox) -> None:
        sandbox._stop()
        sandbox.backend.start(sandbox.limits)
        os.kill(pid_of(first_process(sandbox)), signal.SIGKILL)
        assert self.ask(sandbox) == "well"

    def test_a_sandbox_that_cannot_be_had_again_is_no_end_of_the_batch(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It raised UserError once, with which the whole batch ended."""

        def refuse(*_: object) -> None:
            raise UserError("no sandbox")

        assert self.ask(sandbox) == "well"
        with monkeypatch.context() as patch:
            patch.setattr(sandbox.backend, "_launch", refuse)
            with sandbox.student(submission("import os\ndef conv_output_size():\n" + deep())) as student:
                assert student.call("conv_output_size") is None
            with pytest.raises(SandboxError, match=r"could not be started again \(no sandbox\)"):
                self.ask(sandbox)
        assert self.ask(sandbox) == "well"

    def test_the_machines_want_of_memory_is_not_the_students_end(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with sandbox.student(submission(SLOW)) as student:
            student.load()
            message = {"event": "exit", "status": -9, "why": "machine"}
            monkeypatch.setattr(sandbox, "_message", lambda deadline: message)
            with pytest.raises(SandboxError, match="ran out of memory"):
                assert isinstance(student._worker, sandbox_module.Worker)
                raise sandbox.why_it_ended(student._worker)
            monkeypatch.undo()


def deep() -> str:
    return "    for _ in range(3000): os.mkdir('d'); os.chdir('d')\n"


def started(*words: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*words), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def lay(folder: Path, codes: dict[str, str]) -> Path:
    for student, code in codes.items():
        (folder / student).mkdir(parents=True)
        (folder / student / "lab8.py").write_text("import os, signal, time\n" + code, encoding="utf-8")
    return folder


def descendants(pid: int) -> list[int]:
    """All processes below one, as ids and with what they were started as."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        for task in Path(f"/proc/{current}/task").glob("*/children"):
            below = [int(child) for child in task.read_text().split()]
            found += below
            waiting += below
    return found


def until(condition: Callable[[], object], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def short(path: Path) -> Path:
    """The rubric with a short call, for code that only waits."""
    from grader.rubric import RUBRIC

    text = RUBRIC.read_text(encoding="utf-8")
    path.write_text(text.replace("call_seconds = 20", "call_seconds = 3 "), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _near_folder(tmp_path: Path) -> Iterator[None]:
    """For TMPDIR: a socket's path has to be short, and pytest's folders grow longer with every run."""
    with tempfile.TemporaryDirectory(prefix="g-") as folder:
        (tmp_path / "tmp").symlink_to(folder)
        yield


def slow_batch(tmp_path: Path, count: int = 1) -> tuple[subprocess.Popen[str], list[int], list[int]]:
    """A grader at work on submissions that only wait; its jobs, and every process below it."""
    codes = {f"s{n}": "def lenet5():\n    open('note', 'w')\n    time.sleep(60)\n" for n in range(count)}
    environment = os.environ | {"TMPDIR": str((tmp_path / "tmp").readlink())}
    source = lay(tmp_path / "class", codes)
    process = started(
        "grade",
        source,
        "--out",
        tmp_path / "out",
        "--images",
        "mini",
        "--jobs",
        1,
        "--rubric",
        short(tmp_path / "rubric.toml"),
        env=environment,
        start_new_session=True,
    )

    def sandboxes() -> list[int]:
        """Bubblewrap, which says what it starts, and all below it, which keeps that to itself."""
        outer = [pid for pid in descendants(process.pid) if "boxed import zygote" in name_of(pid)]
        return list({*outer, *(pid for above in outer for pid in descendants(above))})

    if not until(lambda: len(sandboxes()) >= 3):  # bubblewrap, the zygote, the worker
        process.kill()
        pytest.fail(f"no sandbox was seen; the grader said: {process.communicate(timeout=60)}")
    below = descendants(process.pid)
    jobs = [
        pid
        for pid in below
        if "bwrap" not in name_of(pid) and any(b in descendants(pid) for b in sandboxes())
    ]
    return process, jobs[-1:], below


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_a_grader_that_is_ended_leaves_no_process_and_no_folder_for_long(tmp_path: Path, how: int) -> None:
    process, _, below = slow_batch(tmp_path)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        os.kill(process.pid, how)
    process.communicate(timeout=60)
    left = [pid for pid in below if pid != process.pid]
    assert until(lambda: not any(name_of(pid) for pid in left)), [name_of(pid) for pid in left]
    folder = tmp_path / "tmp"
    for lock in folder.glob(f"grader-*/{LOCK}"):
        os.utime(lock, (1, 1))
    sweep(folder)
    assert list(folder.glob("grader-*")) == []


def test_a_job_that_is_killed_costs_nobody_anything(tmp_path: Path) -> None:
    process, jobs, _ = slow_batch(tmp_path)
    (job,) = jobs
    os.kill(job, signal.SIGKILL)
    _, said = process.communicate(timeout=280)
    assert process.returncode == 0 and "s0: graded" in said


def test_a_long_path_to_the_temporary_files_is_no_fault(tmp_path: Path) -> None:
    """The fork server's socket has no room for its name there: it ended as an internal error."""
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    source = lay(tmp_path / "class", {"honest": HONEST})
    words = ("grade", source, "--out", tmp_path / "out", "--images", "mini", "--jobs", 1)
    process = started(*words, env=os.environ | {"TMPDIR": str(folder)})
    _, said = process.communicate(timeout=280)
    assert process.returncode == 0 and "honest: graded" in said, said


class TestRoom:
    """A disk without room on the grader's own side."""

    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "small"
        folder.mkdir()
        if (
            os.geteuid() != 0
            or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False
            ).returncode
        ):
            pytest.skip("needs root, to mount a small disk")
        yield folder
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def run(self, tmp_path: Path, out: Path, folder: Path) -> tuple[int, str]:
        source = lay(tmp_path / "class", {"honest": HONEST, "other": HONEST})
        (source / "honest" / "classifier.safetensors").write_bytes(
            struct.pack("<Q", 100) + b"{" + os.urandom(400_000)
        )
        download = shutil.make_archive(str(tmp_path / "download"), "zip", source)
        environment = os.environ | {"TMPDIR": str(folder)}
        process = started("grade", download, "--out", out, "--images", "mini", "--jobs", 1, env=environment)
        _, said = process.communicate(timeout=280)
        return process.returncode, said

    def test_for_the_results(self, tmp_path: Path, small: Path) -> None:
        (small / "filler").write_bytes(bytes(180_000))
        status, said = self.run(tmp_path, small, tmp_path)
        assert status == 2 and "make room" in said and "Traceback" not in said, said

    def test_for_what_is_unpacked(self, tmp_path: Path, small: Path) -> None:
        (small / "filler").write_bytes(bytes(230_000))
        status, said = self.run(tmp_path, tmp_path / "out", small)
        assert status == 3 and "other: graded" in said and "Traceback" not in said, said
        verdict = json.loads((tmp_path / "out" / "students" / "honest.json").read_text("utf-8"))
        assert verdict["status"] == "grader_error" and "No space left on device" in verdict["reason"]
        assert "TMPDIR" in verdict["reason"], verdict["reason"]


def test_a_folder_that_is_in_use_or_somebody_elses_is_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept, old, foreign = Workdir(), Workdir(), tmp_path / "grader-foreign"
    os.utime(tmp_path / kept.path.parent.name / LOCK, (1, 1))
    foreign.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / LOCK).touch()
    (tmp_path / "grader-link").symlink_to(tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere" / LOCK, (1, 1))
    old._lock.release()
    (old.path.parent / LOCK).touch()
    sweep(tmp_path)
    assert old.path.is_dir()  # too young to be surely left behind
    os.utime(old.path.parent / LOCK, (1, 1))
    with Workdir() as path:
        assert path.is_dir() and kept.path.is_dir() and not old.path.exists() and foreign.is_dir()
        assert (tmp_path / "elsewhere" / LOCK).exists()
    kept.close()
    shutil.rmtree(foreign)
    assert not path.exists() and not kept.path.exists()
