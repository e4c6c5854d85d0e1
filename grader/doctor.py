"""`grader doctor`: what this machine offers, layer by layer, and whether the sandbox holds when it is tried.

A layer is a function that returns findings; a further one is a further line in `LAYERS`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from grader import cgroup
from grader.errors import UserError
from grader.types import Record

State = Literal["ok", "missing", "note"]  # a note costs something, but the sandbox works without it
Name = Literal["bubblewrap", "container"]
MIB = 2**20


class Finding(Record):
    """One thing that was looked at: how it is, and what to do where it is not as it should be."""

    layer: str
    state: State
    found: str
    fix: str = ""


def look(sandbox: Name) -> Iterator[Finding]:
    """What this machine offers for grading in this sandbox; starts nothing but small programs."""
    for layer in LAYERS:
        try:
            yield from layer(sandbox)
        except Exception as error:  # a machine that is odd in one layer is told of the others
            name = layer.__name__.strip("_").replace("_", " ")
            yield Finding(layer=name, state="note", found=f"could not be looked at: {error}")


def try_sandbox(sandbox: Name, device: Literal["cpu", "cuda"]) -> Iterator[Finding]:
    """The probes from inside a real sandbox, one finding each."""
    from grader.sandbox import Sandbox, probes

    try:
        with Sandbox(mode=sandbox, limits=probes.LIMITS, device=device) as started:
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


def _system(sandbox: Name) -> Iterator[Finding]:
    found = f"{platform.system()} {platform.release()}, {platform.machine()}"
    right = sys.platform == "linux" or sandbox == "container"
    fix = "" if right else "try `grader doctor --sandbox container`, or on Windows grade inside WSL2"
    yield Finding(layer="system", state="ok" if right else "missing", found=found, fix=fix)


def _python(sandbox: Name) -> Iterator[Finding]:
    yield Finding(layer="Python", state="ok", found=f"{platform.python_version()}, {sys.executable}")
    for package in ("torch", "torchvision"):
        try:
            yield Finding(layer=package, state="ok", found=importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            fix = f"pip install {package}"
            yield Finding(layer=package, state="missing", found="not installed", fix=fix)


def _bubblewrap(sandbox: Name) -> Iterator[Finding]:
    if sandbox != "bubblewrap" or sys.platform != "linux":
        return
    from grader.sandbox import bubblewrap

    try:
        program = bubblewrap.find_bubblewrap()
    except UserError as error:
        yield Finding(layer="bubblewrap", state="missing", found="none that is new enough", fix=str(error))
        return
    version = _ask(str(program), "--version")[1].removeprefix("bubblewrap ")
    yield Finding(layer="bubblewrap", state="ok", found=f"{version}, {program}")
    if os.geteuid() == 0:
        found = "not needed by root; students' code runs as a user id that owns nothing"
        yield Finding(layer="user namespaces", state="ok", found=found)
    else:
        status, said = _ask(str(program), "--unshare-user", "--ro-bind", "/", "/", "true")
        state: State = "ok" if status == 0 else "missing"
        fix = "" if status == 0 else str(bubblewrap.explain(said))
        found = "this user may make them" if status == 0 else said
        yield Finding(layer="user namespaces", state=state, found=found, fix=fix)
    try:
        size = len(bubblewrap.seccomp_program()) // 8
        kernel = "Seccomp:" in Path("/proc/self/status").read_text()
        yield Finding(
            layer="seccomp filter",
            state="ok" if kernel else "missing",
            found=f"{size} instructions for {platform.machine()}" if kernel else "this kernel has none",
            fix="" if kernel else "boot a kernel with CONFIG_SECCOMP_FILTER",
        )
    except UserError as error:
        yield Finding(layer="seccomp filter", state="missing", found=str(error))


def _limits(sandbox: Name) -> Iterator[Finding]:
    if sandbox != "bubblewrap" or sys.platform != "linux":
        return
    place = cgroup.place()
    found = place.why if place.folder else f"{place.why}; memory is added up every 50 ms instead"
    yield Finding(layer="control groups", state="ok" if place.folder else "note", found=found, fix=place.fix)
    if place.folder or cgroup.sessions_share():
        yield Finding(layer="processors", state="ok", found=f"{_cores()}; each sandbox has the same share")
    else:
        found = "a submission of many processes slows its neighbours"
        fix = "sudo sysctl kernel.sched_autogroup_enabled=1, or grade with --jobs 1"
        yield Finding(layer="processors", state="note", found=f"{_cores()}; {found}", fix=fix)


def _memory(sandbox: Name) -> Iterator[Finding]:
    from grader.limits import Limits

    limits = Limits()
    one = limits.memory_mib + limits.scratch_mib + limits.shared_memory_mib
    if not hasattr(os, "sysconf"):
        return
    here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
    jobs = max(1, (here - 1024) // (one + 512))
    enough = jobs >= _cores()
    yield Finding(
        layer="memory",
        state="ok" if enough else "note",
        found=f"{here} MiB; a submission may take {one} MiB, files included, {_cores()} at a time",
        fix="" if enough else f"--jobs {jobs}, or a smaller memory_mib in the rubric",
    )
    free = shutil.disk_usage(tempfile.gettempdir()).free // MIB
    yield Finding(
        layer="temporary folder",
        state="ok" if free >= 1024 else "note",
        found=f"{tempfile.gettempdir()}, {free} MiB free",
        fix="" if free >= 1024 else "set TMPDIR to a folder with room for the unpacked download",
    )


def _gpu(sandbox: Name) -> Iterator[Finding]:
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


def _data(sandbox: Name) -> Iterator[Finding]:
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


def _container(sandbox: Name) -> Iterator[Finding]:
    from grader.sandbox import container

    needed: State = "missing" if sandbox == "container" else "note"
    try:
        engine = container.find_engine()
        found = f"{engine.name} answers, {engine.program}"
        yield Finding(layer="container engine", state="ok", found=found)
    except UserError as error:
        found = (
            "none that answers" if sandbox == "container" else "none that answers; not needed with bubblewrap"
        )
        yield Finding(layer="container engine", state=needed, found=found, fix=str(error))
        return
    try:
        container.check_image(engine)
        yield Finding(layer="container image", state="ok", found="made for this kit")
    except UserError as error:
        yield Finding(layer="container image", state=needed, found="not made", fix=str(error))


LAYERS: tuple[Callable[[Name], Iterator[Finding]], ...] = (
    *(_system, _python, _bubblewrap, _limits, _memory, _gpu, _data, _container),
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


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask(*words: str) -> tuple[int, str]:
    """A small program's exit status, and the last line that it said."""
    try:
        done = subprocess.run(words, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else ""
