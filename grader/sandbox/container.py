"""A sandbox in a container of docker or podman, for systems without bubblewrap.

The engine's own client, docker or podman, is used: it finds the engine wherever that
runs, and its `run` passes on the container's standard streams as pipes, which the relay
turns into what `Sandbox` works with. The engine confines the container; the zygote in it is
pid 1 and loads the same seccomp filter as under bubblewrap, so both filters apply.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UserError
from grader.limits import Limits
from grader.sandbox.backend import (
    HERE,
    INSIDE_FILES,
    KIT,
    SCRATCH,
    SHIM,
    Backend,
    Finding,
    environment,
    zygote_words,
)

NAME = "convnet-lab-grader"  # the image, the label of what is ours, and how containers' names start
CLIENTS = ("docker", "podman")
PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "pillow", "matplotlib", "tqdm", "pandas")
FILTERS = ("x86_64.bpf", "aarch64.bpf")
RUNTIME_MIB = {"cpu": 1024, "cuda": 6144}  # the zygote's own memory and the libraries', beside a submission's
CLIENT_SECONDS = 60.0


@dataclass(frozen=True)
class Engine:
    program: str
    is_podman: bool

    @property
    def name(self) -> str:
        return "podman" if self.is_podman else "docker"


class Container(Backend):
    name = "container"
    summary = "a container of docker's or podman's"

    @classmethod
    def runs_here(cls) -> bool:
        return True

    @classmethod
    def look(cls) -> Iterator[Finding]:
        try:
            engine = find_engine()
            found = f"{engine.name} answers, {engine.program}"
            yield Finding(layer="container engine", state="ok", found=found)
        except UserError as error:
            yield Finding(
                layer="container engine", state="missing", found="none that answers", fix=str(error)
            )
            return
        try:
            check_image(engine)
            yield Finding(layer="container image", state="ok", found="made for this kit")
        except UserError as error:
            yield Finding(layer="container image", state="missing", found="not made", fix=str(error))

    def _launch(self, control: socket.socket, limits: Limits) -> None:
        engine = find_engine()
        check_image(engine)
        self.process = subprocess.Popen(
            command(engine, limits, self.device, self.number),
            stdin=control.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours to handle, and not the engine's client's
        )

    def _explain(self, said: str) -> UserError:
        return explain(last_words(said))

    def _end(self, ready: bool) -> None:
        self._wait(30)


def find_engine() -> Engine:
    """The first of docker and podman whose engine answers; containers left by dead graders are removed.

    Raises UserError where there is none.
    """
    programs = [program for name in CLIENTS if (program := shutil.which(name))]
    if not programs:
        raise UserError(
            "--sandbox container needs Docker or Podman, and there is no command `docker` or `podman`: "
            "install Docker Desktop or Podman and start it"
        )
    refusals = []
    for program in programs:
        ours = ("ps", "--all", "--filter", f"label={NAME}", "--format", "{{.Names}}")
        status, listed, reason = _ask(program, *ours)
        if status == 0:
            _sweep(program, listed.split())
            return Engine(program, "podman" in _ask(program, "--version")[1].lower())
        refusals.append((Path(program).stem, reason))
    name, reason = refusals[0]
    if "permission denied" in reason.lower():
        fix = "allow this user to use it (on Linux: the group `docker`)"
    elif name == "docker":
        fix = "start Docker Desktop (on Linux: `sudo systemctl start docker`)"
    else:
        fix = "on macOS and Windows run `podman machine start`"
    raise UserError(
        f"{name} is installed but its engine does not answer ({reason}): {fix}, then run this again"
    )


def check_image(engine: Engine) -> None:
    """Raises UserError unless the engine has the image that `build` would make now."""
    status, labels, _ = _ask(engine.program, "image", "inspect", "--format", "{{json .Config.Labels}}", NAME)
    if status != 0:
        raise UserError(
            f"{engine.name} has no image for the students' code yet: run `grader container build`, once; "
            "it downloads Python and torch"
        )
    found = json.loads(labels or "null") or {}
    if found.get(NAME) != digest(context()):
        raise UserError(
            f"{engine.name}'s image for the students' code was made for another version of the grader or of "
            "torch: run `grader container build` again"
        )


def build() -> None:
    """Make the image. The engine's own progress is shown. Raises UserError if it fails."""
    engine = find_engine()
    files = context()
    with tempfile.TemporaryDirectory(prefix="grader-") as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        words = [engine.program, "build", "--tag", NAME, "--label", f"{NAME}={digest(files)}"]
        words += ["--build-arg", f"PYTHON={_python()}"]
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
            if name in os.environ:
                words += ["--build-arg", name]  # without a value it is taken from the environment
        status = subprocess.run([*words, "--file", str(Path(folder, "Containerfile")), folder], check=False)
    if status.returncode != 0:
        raise UserError(f"{engine.name} could not build the image, see above: fix that and run this again")


def context() -> dict[str, bytes]:
    """The files that the image is built from, by name: nothing else of the kit goes in."""
    pins = "".join(f"{name}=={importlib.metadata.version(name).partition('+')[0]}\n" for name in PACKAGES)
    files = {"Containerfile": (HERE / "Containerfile").read_bytes(), "requirements.txt": pins.encode()}
    files |= {f"boxed/{name}": (HERE / name).read_bytes() for name in INSIDE_FILES}
    files |= {name: (HERE / name).read_bytes() for name in FILTERS}
    files[SHIM.name] = SHIM.read_bytes()
    return files


def digest(files: dict[str, bytes]) -> str:
    """What tells one image from another: its files and the Python that it is for."""
    total = hashlib.sha256(_python().encode())
    for name, content in sorted(files.items()):
        total.update(f"\n{name} {len(content)}\n".encode() + content)
    return total.hexdigest()[:16]


def command(engine: Engine, limits: Limits, device: str, number: int) -> list[str]:
    """The command of the relay that starts a container for this sandbox and stands before it."""
    name = f"{_own_prefix()}{os.getpid()}-{number}-{os.urandom(4).hex()}"
    config = {
        "start": run_words(engine, limits, device, number, name),
        # Not at once the second, with which podman first waits for ten seconds.
        "remove": [[engine.program, "kill", name], [engine.program, "rm", "--force", name]],
    }
    return [sys.executable, "-I", "-B", str(HERE / "relay.py"), json.dumps(config)]


def run_words(engine: Engine, limits: Limits, device: str, number: int, name: str) -> list[str]:
    """The client's `run`, with everything that confines the container."""
    memory = limits.memory_mib + limits.scratch_mib + limits.shared_memory_mib + RUNTIME_MIB[device]
    # No user's on most systems, another one a sandbox, and one that an engine without root can give.
    user = 33_000 + (os.getpid() * 64 + number) % 32_000
    words = [engine.program, "run", "--rm", "--interactive", "--init=false", "--sig-proxy=false"]
    words += ["--pull", "never", "--log-driver", "none", "--name", name, "--label", f"{NAME}={number}"]
    words += ["--network", "none", "--hostname", "box", "--ipc", "private", "--user", f"{user}:{user}"]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
    words += ["--tmpfs", f"{SCRATCH}:rw,exec,nosuid,nodev,size={limits.scratch_mib}m,mode=1777"]
    words += ["--shm-size", f"{limits.shared_memory_mib}m", "--workdir", str(SCRATCH)]
    words += ["--memory", f"{memory}m", "--memory-swap", f"{memory}m"]  # the same: nothing is swapped out
    ulimits = {"nproc": limits.processes + 64, "nofile": 1024, "core": 0}
    words += ["--pids-limit", str(ulimits["nproc"])]
    words += [word for name, most in ulimits.items() for word in ("--ulimit", f"{name}={most}:{most}")]
    if engine.is_podman:
        # It would add folders in memory without a size, and the proxies' addresses.
        words += ["--read-only-tmpfs=false", "--http-proxy=false"]
    if device == "cuda":
        words += ["--device", "nvidia.com/gpu=all"] if engine.is_podman else ["--gpus", "all"]
    # A clean environment: clients put their user's proxies into it, with the passwords.
    words += ["--entrypoint", "/usr/bin/env", NAME, "-i"]
    variables = environment(SCRATCH, device) | {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    words += [f"{key}={value}" for key, value in variables.items()]
    zygote = zygote_words(
        KIT,
        scratch=[SCRATCH, Path("/dev/shm")],
        device=device,
        isolated=True,
        shim=KIT / SHIM.name,
        # The kit's own folder would be there if the engine had mounted it; the other, what hosts hand on.
        hidden=[HERE.parent / "checks", Path("/run/secrets"), Path("/var/run/docker.sock")],
        filter_=KIT,
        relayed=True,
    )
    return [*words, "python3", *zygote]


def explain(engine_reason: str) -> UserError:
    """The engine's last words as a line that says what to do."""
    return UserError(
        f"the container for the students' code does not start ({engine_reason}): fix that, or make its "
        "image again with `grader container build`"
    )


def last_words(text: str) -> str:
    """The line of a client's or a program's last output that tells what was wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [
        line for line in lines if not re.match(r"(See|Run) ['\"`]", line)
    ]  # docker adds where to read more
    return told[-1] if told else "it gave no reason"


def _sweep(program: str, names: list[str]) -> None:
    """Remove the containers of graders of this machine that are no more."""
    dead = [name for name in names if (owner := _owner(name)) and not _is_alive(owner)]
    if dead:
        _ask(program, "rm", "--force", *dead)


def _owner(name: str) -> int:
    """The process that a container belongs to, or 0 where that is on another machine."""
    found = re.fullmatch(rf"{re.escape(_own_prefix())}(\d+)-.*", name)
    return int(found[1]) if found else 0


def _own_prefix() -> str:
    """How the names of this machine's containers start: an engine may serve several."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())  # and a machine several worlds of ids
    except OSError:
        namespace = ""
    return f"{NAME}-{hashlib.sha256((socket.gethostname() + namespace).encode()).hexdigest()[:8]}-"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _ask(program: str, *words: str) -> tuple[int, str, str]:
    """What the client says: its exit status, its output, and the last of its complaints."""
    try:
        done = subprocess.run(
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, "", f"no answer in {CLIENT_SECONDS:g} seconds"
    except OSError as error:
        return 1, "", error.strerror or "it cannot be run"
    return (
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        last_words(done.stderr.decode("utf-8", "replace")),
    )


def _python() -> str:
    """The version whose grammar and library the students' code meets: the same as out here."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
