"""`grader doctor`: what this machine offers, layer by layer, and whether the sandbox holds when it is tried.

A layer is a function that returns findings; a further one is a further line in `LAYERS`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from grader.cgroup import cores
from grader.errors import UserError
from grader.sandbox.backend import Finding
from grader.sandbox.backends import BACKENDS, DEFAULT, ISOLATING

MIB = 2**20


def look(sandbox: str) -> Iterator[Finding]:
    """What this machine offers for grading in this sandbox; starts nothing but small programs."""
    for layer in LAYERS:
        try:
            yield from layer(sandbox)
        except Exception as error:  # a machine that is odd in one layer is told of the others
            name = layer.__name__.strip("_").replace("_", " ")
            yield Finding(layer=name, state="note", found=f"could not be looked at: {error}")


def try_sandbox(sandbox: str, device: Literal["cpu", "cuda"]) -> Iterator[Finding]:
    """The probes from inside a real sandbox, one finding each."""
    from grader.sandbox import Sandbox, probes

    try:
        with Sandbox(backend=sandbox, limits=probes.LIMITS, device=device) as started:
            fault = probes.honest(started)
            fix = "tell the kit's authors what `grader doctor --json` prints"
            if fault:
                yield Finding(layer="honest code runs", state="missing", found=fault, fix=fix)
                return
            yield Finding(
                layer="honest code runs", state="ok", found="threads, processes, files and torch work"
            )
            if device == "cuda":
                yield Finding(layer="the GPU", state="ok", found="torch finds it inside the sandbox")
            for probe in probes.run(started):
                yield Finding(
                    layer=probe.title,
                    state="ok" if probe.contained else "missing",
                    found="contained" if probe.contained else f"NOT contained: {probe.escaped}",
                    fix="" if probe.contained else fix,
                )
    except UserError as error:
        yield Finding(layer="the sandbox", state="missing", found=str(error))


def _system(sandbox: str) -> Iterator[Finding]:
    found = f"{platform.system()} {platform.release()}, {platform.machine()}"
    right = BACKENDS[sandbox].runs_here()
    fix = "" if right else "try `grader doctor --sandbox container`, or on Windows grade inside WSL2"
    yield Finding(layer="system", state="ok" if right else "missing", found=found, fix=fix)


def _python(sandbox: str) -> Iterator[Finding]:
    yield Finding(layer="Python", state="ok", found=f"{platform.python_version()}, {sys.executable}")
    for package in ("torch", "torchvision"):
        try:
            yield Finding(layer=package, state="ok", found=importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            fix = f"pip install {package}"
            yield Finding(layer=package, state="missing", found="not installed", fix=fix)


def _sandbox(sandbox: str) -> Iterator[Finding]:
    return BACKENDS[sandbox].look()


def _memory(sandbox: str) -> Iterator[Finding]:
    from grader.limits import Limits

    limits = Limits()
    one = limits.memory_mib + limits.scratch_mib + limits.shared_memory_mib
    if not hasattr(os, "sysconf"):
        return
    here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
    jobs = max(1, (here - 1024) // (one + 512))
    enough = jobs >= cores()
    yield Finding(
        layer="memory",
        state="ok" if enough else "note",
        found=f"{here} MiB; a submission may take {one} MiB, files included, {cores()} at a time",
        fix="" if enough else f"--jobs {jobs}, or a smaller memory_mib in the rubric",
    )
    free = shutil.disk_usage(tempfile.gettempdir()).free // MIB
    yield Finding(
        layer="temporary folder",
        state="ok" if free >= 1024 else "note",
        found=f"{tempfile.gettempdir()}, {free} MiB free",
        fix="" if free >= 1024 else "set TMPDIR to a folder with room for the unpacked download",
    )


def _gpu(sandbox: str) -> Iterator[Finding]:
    """The GPU outside the sandbox; `try_sandbox` looks for it inside."""
    if not has_gpu_driver():
        yield Finding(layer="GPU", state="ok", found="none; grading is on the CPU")
        return
    if sees_gpu():
        yield Finding(layer="GPU", state="ok", found="torch finds it")
        return
    build = importlib.metadata.version("torch")
    fix = "install a torch built for CUDA and see what `nvidia-smi` says; until then --device cpu"
    yield Finding(layer="GPU", state="note", found=f"a driver is here, but torch {build} finds none", fix=fix)


def _data(sandbox: str) -> Iterator[Finding]:
    from grader import datasets

    wrong = [finding for finding in datasets.verify() if not finding.ok]
    embedded = [finding for finding in wrong if finding.file.is_relative_to(datasets.EMBEDDED)]
    if embedded:
        found = f"{embedded[0].file}: {embedded[0].message}"
        yield Finding(layer="data sets, mini", state="missing", found=found, fix="install the kit again")
    else:
        yield Finding(layer="data sets, mini", state="ok", found="complete")
    if len(wrong) > len(embedded):
        found = f"{datasets.cache_dir()}: {len(wrong) - len(embedded)} files missing or damaged"
        yield Finding(layer="data sets, full", state="note", found=found, fix="grader data fetch")
    else:
        yield Finding(layer="data sets, full", state="ok", found="complete")


def _other_sandboxes(sandbox: str) -> Iterator[Finding]:
    """What there is beside the usual one, which nobody has to have."""
    for name in ISOLATING if sandbox == DEFAULT else ():
        for finding in BACKENDS[name].look() if name != sandbox else ():
            if finding.state == "missing":
                told = {"state": "note", "found": f"{finding.found}; not needed with {sandbox}"}
                finding = finding.model_copy(update=told)
            yield finding


LAYERS: tuple[Callable[[str], Iterator[Finding]], ...] = (
    *(_system, _python, _sandbox, _memory, _gpu, _data, _other_sandboxes),
)


def has_gpu_driver() -> bool:
    """Whether something of NVIDIA's is here, as far as that is seen without importing torch."""
    nodes = ("/dev/nvidiactl", "/dev/dxg")
    return any(Path(node).exists() for node in nodes) or shutil.which("nvidia-smi") is not None


def sees_gpu() -> bool:
    """Whether torch finds a GPU, asked of the driver's library, without a CUDA context in this process."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch

    return torch.cuda.is_available()
