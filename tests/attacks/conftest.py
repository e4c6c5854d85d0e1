"""What the attacks are graded with: canaries to be left alone, one pipeline for all, and a guard."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from grader import checks, datasets
from grader.errors import UserError
from grader.grade import Pipeline
from grader.intake import read_submissions
from grader.lab import load_lab
from grader.rubric import RUBRIC, load_rubric
from grader.setup import Setup
from grader.types import Submission, Verdict


def load_module(path: Path) -> Any:
    """A module beside the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LAB = load_lab()
HERE = Path(__file__).parent
HONEST = (HERE / "honest.py").read_text("utf-8")
ANSWERS = load_module(HERE.parent / "submissions" / "answers.py").PAPERS["li_wei"]
# Short, so that an attack that waits for its end is soon over; an honest submission needs a tenth of it.
LIMITS = """
[limits]
wall_seconds = 25
call_seconds = 2
batch_seconds = 5
accuracy_seconds = 100
load_seconds = 4
memory_mib = 500
processes = 16
scratch_mib = 48
shared_memory_mib = 16
file_mib = 32
checkpoint_mib = 8
reply_mib = 16
output_mib_killed = 1
deaths = 1
"""
IMAGES = 200  # of the small test set: enough to tell an honest network from chance
LEAST_FREE_MIB = 1024  # of the machine's memory: below this the guard ends what the attacks run in
MOST_PROCESSES = 300
MOST_ADDRESS_SPACE = 24 * 2**30  # of any process here: none may take the machine by one allocation


class Canaries:
    """Things outside the sandbox that no submission may read, reach, write or end."""

    def __init__(self, folder: Path) -> None:
        self.token = "canary" + secrets.token_hex(12)
        self.folder = folder
        folder.chmod(0o755)
        secret, results = folder / "secret.txt", folder / "results"
        results.mkdir()
        results.chmod(0o777)
        secret.write_text(self.token)
        secret.chmod(0o666)
        self.home = Path.home() / f".{self.token}"
        self.home.write_text(self.token)
        neighbour = folder / "class" / "neighbour"
        neighbour.mkdir(parents=True)
        (neighbour / "lab8.py").write_text(f"{HONEST}\n# {self.token}\n")
        (results / "gradebook.sqlite").write_text(self.token)
        self.rubric = folder / "rubric.toml"
        text = RUBRIC.read_text("utf-8").partition("\n# What a submission may use")[0]
        self.rubric.write_text(f"# {self.token}\n{text}\n{LIMITS}", "utf-8")
        self.labels = folder / "images.npz"
        images, labels = datasets.load("cifar10", "test")
        chosen = [n for label in range(10) for n in (labels == label).nonzero().flatten()[: IMAGES // 10]]
        order = np.random.default_rng(8).permutation(np.array(chosen))
        np.savez(self.labels, images=images.numpy()[order], labels=labels.numpy()[order])
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix, self.abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.path = Path("/tmp") / f"{self.token[:14]}.sock"
        self.unix.bind(str(self.path))
        self.path.chmod(0o777)
        self.abstract.bind(f"\0{self.token}")
        for server in (self.tcp, self.udp, self.unix, self.abstract):
            server.setblocking(False)
        self.unix.listen()
        self.abstract.listen()
        self.victim = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(3600)"], env={"SECRET": self.token}
        )
        self.before = self._files()

    def told(self) -> dict[str, Any]:
        """What the attacker is told. The token is not in it, nor any file name that holds it."""
        return {
            "file": str(self.folder / "secret.txt"),
            "home": str(Path.home()),
            "neighbour": str(self.folder / "class" / "neighbour" / "lab8.py"),
            "results": str(self.folder / "results"),
            "gradebook": str(self.folder / "results" / "gradebook.sqlite"),
            "rubric": str(self.rubric),
            "labels": str(self.labels),
            "checks": str(LAB.folder / "checks" / "lenet.py"),
            "package": str(Path(checks.__file__).parent.parent),
            "tcp": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "unix": str(self.path),
            "victim": self.victim.pid,
            "grader": os.getpid(),
        }

    def _files(self) -> dict[str, tuple[int, int, int]]:
        """Size, mode and time of change of everything in the folder, except where this test works."""
        found = {}
        watched = [path for path in self.folder.iterdir() if path.name != "work"]
        for path in [*watched, *(below for one in watched for below in one.rglob("*")), self.home]:
            facts = path.lstat()
            found[str(path)] = (facts.st_size, facts.st_mode, facts.st_mtime_ns)
        return found

    def touched(self) -> list[str]:
        """What somebody reached or changed; empty as it should be."""
        wrong = []
        for name in ("tcp", "unix", "abstract"):
            with contextlib.suppress(BlockingIOError):
                getattr(self, name).accept()[0].close()
                wrong.append(f"the {name} socket was reached")
        with contextlib.suppress(BlockingIOError):
            self.udp.recv(100)
            wrong.append("the udp socket was reached")
        if self.victim.poll() is not None:
            wrong.append("the process outside was ended")
        if os.getpriority(os.PRIO_PROCESS, self.victim.pid) != os.getpriority(os.PRIO_PROCESS, 0):
            wrong.append("the process outside was slowed")
        after = self._files()
        wrong += [
            f"{name} was changed"
            for name in {*self.before, *after}
            if self.before.get(name) != after.get(name)
        ]
        return wrong

    def close(self) -> None:
        for server in (self.tcp, self.udp, self.unix, self.abstract):
            server.close()
        self.path.unlink(missing_ok=True)
        self.home.unlink(missing_ok=True)
        self.victim.kill()
        self.victim.wait()


class Guard(threading.Thread):
    """Should a sandbox fail: ends all that this process has started before the machine is full."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.fired = ""
        self._over = threading.Event()
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_AS)

    def __enter__(self) -> Guard:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESS_SPACE, self._hard))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        resource.setrlimit(resource.RLIMIT_AS, (self._soft, self._hard))

    def run(self) -> None:
        while not self._over.wait(0.1):
            below = descendants(os.getpid())
            free = next(
                line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line
            )
            if len(below) > MOST_PROCESSES or int(free.split()[1]) < LEAST_FREE_MIB * 1024:
                self.fired = f"{len(below)} processes, {free}"
                for pid in below:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)


def descendants(ancestor: int) -> list[int]:
    """Process ids of everything that a process has started and that is still there."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                text = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if text[0] != "Z":
                    children.setdefault(int(text[1]), []).append(int(folder.name))
    found, waiting = [], [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


@functools.cache
def trained_weights() -> dict[str, torch.Tensor]:
    """What the honest classifier learns of the small training set: some 30 %, where chance is 10."""
    module: dict[str, Any] = {}
    exec(HONEST, module)
    images, labels = datasets.load("cifar10", "train")
    torch.manual_seed(8)
    model = module["classifier"]()
    for epoch in range(8):
        module["train_classifier"](model, images, labels, device="cpu", seconds=1, seed=epoch)
    weights: dict[str, torch.Tensor] = model.state_dict()
    return weights


class Range:
    """One pipeline, the canaries around it, and what an honest submission earns when it is alone."""

    def __init__(self, canaries: Canaries, pipeline: Pipeline) -> None:
        self.canaries, self.pipeline = canaries, pipeline
        self._count = 0
        self.weights = canaries.folder / "work" / "classifier.safetensors"
        self.weights.parent.mkdir()
        safetensors.torch.save_file(trained_weights(), self.weights)
        self.alone = self.grade_honest()
        self.processes = len(descendants(os.getpid()))

    def folder(self) -> Path:
        """An empty folder for a submission's files."""
        self._count += 1
        path = self.canaries.folder / "work" / f"student{self._count}"
        path.mkdir(parents=True)
        return path

    def hand_in(self, code: str) -> Path:
        """A folder with this code, the honest weights and the answers."""
        folder = self.folder()
        (folder / "lab8.py").write_text(code, "utf-8")
        shutil.copyfile(self.weights, folder / "classifier.safetensors")
        (folder / "answers.md").write_text(ANSWERS, "utf-8")
        return folder

    def read(self, source: Path) -> Submission:
        (submission,) = read_submissions(source, self.folder())
        return submission

    def read_with_a_neighbour(self, source: Path) -> list[Submission]:
        """The submission and an honest one beside it, out of one folder."""
        both = self.folder()
        source.rename(both / "hostile")
        self.hand_in(HONEST).rename(both / "honest")
        return read_submissions(both, self.folder())

    def grade(self, source: Path) -> Verdict:
        return self.grade_read(self.read(source))

    def grade_read(self, submission: Submission) -> Verdict:
        """Without the time that it took, which is another one each time."""
        return self.pipeline.grade(submission).model_copy(update={"seconds": None})

    def grade_honest(self) -> Verdict:
        """The same honest submission each time, so that its verdicts can be compared."""
        source = self.hand_in(HONEST)
        return self.grade_read(self.read(source).model_copy(update={"student_id": "honest"}))

    def expect_contained(self, verdict: Verdict) -> None:
        """Nothing was read, written, reached or left behind, and the next one gets what it earns alone."""
        told = verdict.model_dump_json()
        assert self.canaries.token not in told, "a secret was read"
        assert "ESCAPED" not in told, verdict.log
        assert not (wrong := self.canaries.touched()), wrong
        deadline = time.monotonic() + 5
        while len(descendants(os.getpid())) > self.processes and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(descendants(os.getpid())) <= self.processes, "a process is still there"
        assert verdict.sandbox in ("bubblewrap", "")
        assert self.grade_honest() == self.alone, "the next submission was not graded as it is alone"


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture(scope="module")
def attack_range(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    with pytest.MonkeyPatch.context() as patch:
        canaries = Canaries(tmp_path_factory.mktemp("attacks"))
        patch.setenv("GRADER_SECRET", canaries.token)
        rubric = load_rubric(canaries.rubric, LAB.check_places())
        try:
            with Pipeline(Setup(rubric=rubric, images=str(canaries.labels))) as pipeline:
                yield Range(canaries, pipeline)
        except UserError as error:
            pytest.skip(str(error))
        finally:
            canaries.close()


@pytest.fixture
def lane(attack_range: Range, guard: Guard) -> Iterator[Range]:
    """The range, for one attack."""
    yield attack_range
    assert not guard.fired, f"the machine had to be saved: {guard.fired}"
