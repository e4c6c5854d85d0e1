"""Control groups: finding where they can be made, and making them; for real where this machine has any."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import cgroup
from grader.errors import UserError
from grader.sandbox import Limits, Sandbox, StudentFailure
from grader.sandbox.bubblewrap import Bubblewrap
from grader.types import Code, Submission

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="control groups are Linux's")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files as the kernel lays them into the unified hierarchy, for what is decided by reading them."""
    top = tmp_path / "cgroup"
    group(top, "cpu io memory pids", "cpu memory pids")
    group(top / "user.slice" / "run-1.scope", "cpu memory pids", "")
    (tmp_path / "mountinfo").write_text(
        f"24 1 0:22 / /proc rw - proc proc rw\n30 24 0:26 / {top} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    (tmp_path / "own").write_text("0::/user.slice/run-1.scope\n")
    return tmp_path


def group(folder: Path, controllers: str, enabled: str) -> None:
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(controllers + "\n")
    (folder / "cgroup.subtree_control").write_text(enabled + "\n")
    (folder / "cgroup.procs").write_text(f"{os.getpid()}\n")


def found(tree: Path) -> cgroup.Place:
    return cgroup.find(tree / "mountinfo", tree / "own")


def test_a_scope_that_was_handed_over_is_used(tree: Path) -> None:
    scope = tree / "cgroup" / "user.slice" / "run-1.scope"
    place = found(tree)
    assert place.folder == scope and "memory, pids, cpu" in place.why
    assert (scope / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert not list(scope.glob("grader-*"))  # the trial was removed


def test_from_its_own_leaf_a_process_finds_the_scope_again(tree: Path) -> None:
    scope = tree / "cgroup" / "user.slice" / "run-1.scope"
    group(scope / cgroup.LEAF, "memory pids", "")
    (tree / "own").write_text(f"0::/user.slice/run-1.scope/{cgroup.LEAF}\n")
    assert found(tree).folder == scope


def test_root_falls_back_on_the_top(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "cgroup" / "user.slice" / "run-1.scope" / "cgroup.controllers").write_text("cpu\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    refused = found(tree)
    assert refused.folder is None and "no control over memory and pids" in refused.why
    assert "systemd-run --user --scope" in refused.fix
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert found(tree).folder == tree / "cgroup"


def test_version_1_and_none_at_all_are_told(tree: Path) -> None:
    (tree / "mountinfo").write_text("31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
    assert found(tree).folder is None and "version 2" in found(tree).why
    assert cgroup.find(tree / "none", tree / "none").folder is None


def test_a_sandbox_in_a_container_is_not_looked_for_outside_it(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tree / "own").write_text("0::/../../elsewhere\n")
    assert found(tree).folder is None


def test_an_account_of_kills_is_read(tmp_path: Path) -> None:
    limited = cgroup.Group(tmp_path, "0")
    assert limited.oom_kills() == 0
    (limited.path / "memory.events").write_text(
        "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"
    )
    assert limited.oom_kills() == 2
    (limited.path / "memory.current").write_text("1000\n")
    limited.limit(further_bytes=24, processes=40)
    assert (limited.path / "memory.max").read_text() == "1024"
    assert (limited.path / "pids.max").read_text() == "40"
    assert (limited.path / "memory.swap.max").read_text() == "0"


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place in the kernel's own hierarchy, with the needed controllers or at least with any."""
    place = cgroup.place()
    if place.folder is None and os.geteuid() == 0:
        top = cgroup._mounted(Path("/proc/self/mountinfo"))
        offered = (top / "cgroup.controllers").read_text().split() if top else []
        monkeypatch.setattr(cgroup, "NEEDED", tuple(offered[:1]))
        monkeypatch.setattr(cgroup, "WANTED", ())
        if offered:
            place = cgroup.find(Path("/proc/self/mountinfo"), Path("/proc/self/cgroup"))
            folder = place.folder
            if folder is not None:
                yield folder
                (folder / "cgroup.subtree_control").write_text(f"-{offered[0]}")
                return
    if place.folder is None:
        pytest.skip(place.why)
    yield place.folder


def test_a_process_starts_inside_its_group_and_ends_with_it(real: Path) -> None:
    limited = cgroup.Group(real, "test")
    words = limited.around(["sh", "-c", "sleep 600 & sleep 600"])
    process = subprocess.Popen(words)
    procs = limited.path / "cgroup.procs"
    deadline = time.monotonic() + 20
    while len(procs.read_text().split()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert str(process.pid) in procs.read_text().split()
    limited.close()
    assert not limited.path.exists() and process.wait(timeout=20) == -signal.SIGKILL


def test_what_a_killed_grader_left_is_removed(real: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = real / f"{cgroup.PREFIX}{ended.pid}-3"
    left.mkdir()
    kept = cgroup.Group(real, "kept")
    cgroup._sweep(real)
    assert not left.exists() and kept.path.exists()
    kept.close()


def test_a_sandbox_is_in_its_group_and_the_kernel_limits_it() -> None:
    if cgroup.place().folder is None:
        pytest.skip(cgroup.place().why)
    body = "def conv_output_size():\n    kept = [bytes(2**24) * 1 for _ in range(400)]\n"
    hog = Submission(student_id="s", code=Code(filename="lab8.py", cells=(body,)))
    try:
        started = Sandbox(limits=Limits(memory_mib=300, scratch_mib=8, shared_memory_mib=8))
    except UserError as error:
        pytest.skip(str(error))
    with started as sandbox, sandbox.student(hog) as student:
        with pytest.raises(StudentFailure) as caught:
            student.call("conv_output_size")
        assert caught.value.kind == "out_of_memory"
        assert isinstance(sandbox.backend, Bubblewrap) and sandbox.backend.group is not None
        path = sandbox.backend.group.path
        assert int((path / "pids.max").read_text()) < 100 and (path / "memory.max").read_text() != "max\n"
    assert not path.exists()
