"""The GPU inside the sandbox, as far as it can be tried without one: mounts, limits, a student's line."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.limits import Limits
from grader.sandbox import backend, bubblewrap, worker
from grader.sandbox.rules import rule_behind

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")


def mounts(device: str) -> list[tuple[str, str, str]]:
    copies = bubblewrap.open_copies()
    for descriptor in copies.values():
        os.close(descriptor)
    words = bubblewrap.command(Path("bwrap"), Limits(), device, None, 3, 4, copies)
    at = [i for i, word in enumerate(words) if word in ("--dev-bind", "--ro-bind")]
    return [(words[i], words[i + 1], words[i + 2]) for i in at]


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "dxg", "sda", "mem"):
        (tmp_path / name).touch()
    (tmp_path / "nvidia-caps").mkdir()
    monkeypatch.setattr(bubblewrap, "DEVICES", tmp_path)
    return tmp_path


def test_only_the_gpus_device_nodes_come_in(devices: Path) -> None:
    found = {
        (source, target)
        for kind, source, target in mounts("cuda")
        if kind == "--dev-bind" and source != "/dev/null"
    }
    names = ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps", "dxg")
    assert found == {(str(devices / name), f"/dev/{name}") for name in names}
    assert ("--ro-bind", "/sys", "/sys") in mounts("cuda")


def test_without_a_gpu_neither_nodes_nor_sys_come_in(devices: Path) -> None:
    found = {source for kind, source, _ in mounts("cpu") if kind == "--dev-bind" or source == "/sys"}
    assert found == {"/dev/null"}


def test_no_limit_on_address_space_where_cuda_reserves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource  # POSIX has it, Windows has not

    from grader.sandbox import zygote

    found: dict[int, Any] = {}
    monkeypatch.setattr(resource, "setrlimit", lambda number, pair: found.update({number: pair}))
    limits = {
        **{"cpu_seconds": 9, "file_mib": 1, "open_files": 9, "processes": 9, "memory_mib": 9},
        **{"device": "cuda"},
    }
    zygote._limit(limits)
    assert resource.RLIMIT_AS not in found and resource.RLIMIT_NPROC in found
    zygote._limit(limits | {"device": "cpu"})
    assert resource.RLIMIT_AS in found


@pytest.mark.parametrize(("mib", "fraction"), [(2048, 0.25), (99_999, 1.0)])
def test_torchs_allocator_is_bounded_on_every_gpu(
    monkeypatch: pytest.MonkeyPatch, mib: int, fraction: float
) -> None:
    class Properties:
        total_memory = 8192 * 2**20

    found: list[tuple[float, int]] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Properties)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda f, n: found.append((f, n)))
    worker._limit_gpu(mib)
    assert found == [(fraction, 0), (fraction, 1)]


def test_a_student_is_told_the_limit_on_the_gpus_memory() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    assert worker._is_memory(error)
    assert rule_behind(error, {"gpu_memory_mib": 8192}) == "it may take 8192 MiB of the GPU's memory"


def test_the_driver_leaves_no_cache_where_a_submission_would_find_it() -> None:
    assert backend.environment(backend.SCRATCH, "cuda")["CUDA_CACHE_DISABLE"] == "1"
